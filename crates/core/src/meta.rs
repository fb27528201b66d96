//! What is known of a stored response beside its body, and its encoding for media.

use crate::{ErrorKind, HashBinary, ResponseHead};
use bytes::{Buf, BufMut, Bytes};
use http::Extensions;
use pingora_error::Result;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Freshness, variance, response head and the caller's own bytes of one entry.
///
/// Cloning it counts references; nothing large is copied.
///
/// ```
/// use forebay_core::{CacheMeta, ResponseHead};
/// use std::time::{Duration, SystemTime};
///
/// let now = SystemTime::now();
/// let head = ResponseHead::builder(200).header("content-type", "text/plain").build()?;
/// let mut meta = CacheMeta::new(now + Duration::from_secs(60), now, 0, 0, head);
/// assert!(meta.is_fresh(now));
/// meta.expire_at(now - Duration::from_secs(1));
/// assert!(!meta.is_fresh(now));
/// # Ok::<(), Box<forebay_core::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct CacheMeta {
    fresh_until: SystemTime,
    created: SystemTime,
    updated: SystemTime,
    stale_while_revalidate_sec: u32,
    stale_if_error_sec: u32,
    variance: Option<HashBinary>,
    head: ResponseHead,
    opaque: Bytes,
    /// Shared, so that a clone costs a count; copied when it is changed.
    extensions: Option<Arc<Extensions>>,
    extensions_weight_bytes: usize,
}

impl CacheMeta {
    /// The largest encoding that storages have to take: a head of a megabyte is an attack, not a response.
    pub const ENCODED_BYTES_MAX: usize = 1 << 20;

    /// The meta of a response admitted at `created`.
    pub fn new(
        fresh_until: SystemTime,
        created: SystemTime,
        stale_while_revalidate_sec: u32,
        stale_if_error_sec: u32,
        head: ResponseHead,
    ) -> Self {
        CacheMeta {
            fresh_until,
            created,
            updated: created,
            stale_while_revalidate_sec,
            stale_if_error_sec,
            variance: None,
            head,
            opaque: Bytes::new(),
            extensions: None,
            extensions_weight_bytes: 0,
        }
    }

    /// Until when the entry may be served without asking the origin.
    pub fn fresh_until(&self) -> SystemTime {
        self.fresh_until
    }

    /// Whether the entry is fresh at `time`. A storage never decides by it (`LOOKUP-STALE`).
    pub fn is_fresh(&self, time: SystemTime) -> bool {
        self.fresh_until >= time
    }

    /// When the entry was admitted.
    pub fn created(&self) -> SystemTime {
        self.created
    }

    /// When the entry was last revalidated; [`created`](Self::created) where it never was.
    pub fn updated(&self) -> SystemTime {
        self.updated
    }

    /// Says when the entry was last revalidated.
    pub fn set_updated(&mut self, updated: SystemTime) {
        self.updated = updated;
    }

    /// For how many seconds beyond freshness the entry may be served while it is revalidated.
    pub fn stale_while_revalidate_sec(&self) -> u32 {
        self.stale_while_revalidate_sec
    }

    /// For how many seconds beyond freshness the entry may be served where the origin fails.
    pub fn stale_if_error_sec(&self) -> u32 {
        self.stale_if_error_sec
    }

    /// What a revalidation changes: freshness, the stale windows (seconds) and the time of it.
    pub fn update_freshness(
        &mut self,
        fresh_until: SystemTime,
        stale_while_revalidate_sec: u32,
        stale_if_error_sec: u32,
        updated: SystemTime,
    ) {
        self.fresh_until = fresh_until;
        self.stale_while_revalidate_sec = stale_while_revalidate_sec;
        self.stale_if_error_sec = stale_if_error_sec;
        self.updated = updated;
    }

    /// Ends freshness at `instant`; never makes it longer. The stale windows count from there (`EXPIRE-STALE`).
    pub fn expire_at(&mut self, instant: SystemTime) {
        self.fresh_until = self.fresh_until.min(instant);
    }

    /// The variance of the response; on the entry of a primary key it leads to the variant's key.
    pub fn variance(&self) -> Option<HashBinary> {
        self.variance
    }

    /// Sets or removes the variance.
    pub fn set_variance(&mut self, variance: Option<HashBinary>) {
        self.variance = variance;
    }

    /// The response head.
    pub fn head(&self) -> &ResponseHead {
        &self.head
    }

    /// Replaces the response head.
    pub fn set_head(&mut self, head: ResponseHead) {
        self.head = head;
    }

    /// Bytes of the caller that every storage keeps verbatim and none reads.
    pub fn opaque(&self) -> &Bytes {
        &self.opaque
    }

    /// Sets the caller's own bytes.
    pub fn set_opaque(&mut self, opaque: Bytes) {
        self.opaque = opaque;
    }

    /// Values of the caller that a storage in memory may keep and that others lose.
    pub fn extensions(&self) -> &Extensions {
        static NONE: LazyLock<Extensions> = LazyLock::new(Extensions::new);
        self.extensions.as_deref().unwrap_or_else(|| &NONE)
    }

    /// The extensions, to change them. `weight_bytes` is what all of them occupy then: a bounded storage that keeps
    /// them counts it.
    pub fn extensions_mut(&mut self, weight_bytes: usize) -> &mut Extensions {
        self.extensions_weight_bytes = weight_bytes;
        Arc::make_mut(self.extensions.get_or_insert_default())
    }

    /// Drops the extensions, as a storage does that cannot keep them.
    pub fn clear_extensions(&mut self) {
        self.extensions = None;
        self.extensions_weight_bytes = 0;
    }

    /// What the meta occupies in memory, in bytes, extensions included.
    pub fn weight_bytes(&self) -> usize {
        size_of::<Self>() + self.head.len_bytes() + self.opaque.len() + self.extensions_weight_bytes
    }

    /// The meta as bytes for a medium; extensions are left out.
    ///
    /// The encoding is versioned and carries no checksum: the storage adds the one that fits its medium.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`] if it would exceed [`ENCODED_BYTES_MAX`](Self::ENCODED_BYTES_MAX).
    pub fn encode(&self) -> Result<Vec<u8>> {
        let len_bytes = FIXED_BYTES
            + self.variance.map_or(0, |v| v.len())
            + 2 * size_of::<u32>()
            + self.head.len_bytes()
            + self.opaque.len();
        if len_bytes > Self::ENCODED_BYTES_MAX {
            let max = Self::ENCODED_BYTES_MAX;
            return Err(
                ErrorKind::Refused.error(format!("a meta of {len_bytes} bytes; at most {max} are stored"))
            );
        }
        let mut out = Vec::with_capacity(len_bytes);
        out.put_u8(VERSION);
        out.put_u8(if self.variance.is_some() { FLAG_VARIANCE } else { 0 });
        for time in [self.fresh_until, self.created, self.updated] {
            put_time(&mut out, time);
        }
        out.put_u32_le(self.stale_while_revalidate_sec);
        out.put_u32_le(self.stale_if_error_sec);
        out.put_slice(self.variance.as_ref().map_or(&[], |v| v));
        for part in [self.head.encoded(), &self.opaque] {
            out.put_u32_le(part.len() as u32); // fits: checked against ENCODED_BYTES_MAX above
            out.put_slice(part);
        }
        debug_assert_eq!(out.len(), len_bytes);
        Ok(out)
    }

    /// The meta that [`encode`](Self::encode) made these bytes of. Head and opaque bytes share the buffer.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] for bytes that no `encode` made, or one of an unknown version. Never panics and
    /// allocates nothing that a damaged length could ask for.
    pub fn decode(encoded: Bytes) -> Result<Self> {
        let mut rest = encoded;
        Self::decode_from(&mut rest).ok_or_else(|| {
            ErrorKind::Corrupt.error("stored meta: an unknown version, or a length or time out of range")
        })?
    }

    fn decode_from(rest: &mut Bytes) -> Option<Result<Self>> {
        if rest.try_get_u8().ok()? != VERSION {
            return None;
        }
        let flags = rest.try_get_u8().ok()?;
        if flags & !FLAG_VARIANCE != 0 {
            return None;
        }
        let (fresh_until, created, updated) = (get_time(rest)?, get_time(rest)?, get_time(rest)?);
        let stale_while_revalidate_sec = rest.try_get_u32_le().ok()?;
        let stale_if_error_sec = rest.try_get_u32_le().ok()?;
        let variance = match flags & FLAG_VARIANCE {
            0 => None,
            _ => Some(
                get_part(rest, size_of::<HashBinary>())?
                    .as_ref()
                    .try_into()
                    .ok()?,
            ),
        };
        let head = get_sized_part(rest)?;
        let opaque = get_sized_part(rest)?;
        if !rest.is_empty() {
            return None;
        }
        Some(ResponseHead::decode(head).map(|head| CacheMeta {
            updated,
            variance,
            opaque,
            ..CacheMeta::new(
                fresh_until,
                created,
                stale_while_revalidate_sec,
                stale_if_error_sec,
                head,
            )
        }))
    }
}

/// Everything that is persisted is compared; extensions are not.
impl PartialEq for CacheMeta {
    fn eq(&self, other: &Self) -> bool {
        let fields = |m: &Self| {
            let windows = (m.stale_while_revalidate_sec, m.stale_if_error_sec);
            (m.fresh_until, m.created, m.updated, windows, m.variance)
        };
        fields(self) == fields(other) && self.head == other.head && self.opaque == other.opaque
    }
}

const VERSION: u8 = 1;
const FLAG_VARIANCE: u8 = 1;
/// Version, flags, three times, two windows.
const FIXED_BYTES: usize = 2 + 3 * 12 + 2 * 4;

/// Seconds since the epoch, rounded down, and the nanoseconds above them: exact, also before the epoch.
fn put_time(out: &mut Vec<u8>, time: SystemTime) {
    let (seconds, nanos) = match time.duration_since(UNIX_EPOCH) {
        Ok(after) => (after.as_secs() as i64, after.subsec_nanos()),
        Err(before) => {
            let before = before.duration();
            match before.subsec_nanos() {
                0 => (-(before.as_secs() as i64), 0),
                nanos => (-(before.as_secs() as i64) - 1, 1_000_000_000 - nanos),
            }
        }
    };
    out.put_i64_le(seconds);
    out.put_u32_le(nanos);
}

fn get_time(rest: &mut Bytes) -> Option<SystemTime> {
    let seconds = rest.try_get_i64_le().ok()?;
    let nanos = rest.try_get_u32_le().ok().filter(|n| *n < 1_000_000_000)?;
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let time = if seconds < 0 {
        UNIX_EPOCH.checked_sub(whole)
    } else {
        UNIX_EPOCH.checked_add(whole)
    };
    time?.checked_add(Duration::from_nanos(nanos.into()))
}

fn get_part(rest: &mut Bytes, len_bytes: usize) -> Option<Bytes> {
    (len_bytes <= rest.len()).then(|| rest.split_to(len_bytes))
}

fn get_sized_part(rest: &mut Bytes) -> Option<Bytes> {
    let len_bytes = rest.try_get_u32_le().ok()?;
    get_part(rest, len_bytes as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> CacheMeta {
        let created = UNIX_EPOCH + Duration::new(1_700_000_000, 123_456_789);
        let head = ResponseHead::builder(200)
            .reason("OK")
            .header("Vary", "accept")
            .build()
            .unwrap();
        let mut meta = CacheMeta::new(created + Duration::from_millis(1500), created, 7, u32::MAX, head);
        meta.set_updated(created + Duration::from_nanos(1));
        meta.set_variance(Some([9; 16]));
        meta.set_opaque(Bytes::from_static(b"\0opaque"));
        meta
    }

    fn round_trip(meta: &CacheMeta) -> CacheMeta {
        CacheMeta::decode(meta.encode().unwrap().into()).unwrap()
    }

    #[test]
    fn every_persisted_field_comes_back_exactly() {
        let mut meta = sample();
        assert_eq!(round_trip(&meta), meta);
        meta.set_variance(None);
        meta.set_opaque(Bytes::new());
        assert_eq!(round_trip(&meta), meta);
        meta.extensions_mut(4).insert(1u32);
        assert!(round_trip(&meta).extensions().is_empty());
    }

    #[test]
    fn times_before_the_epoch_are_exact() {
        for before in [
            Duration::from_nanos(1),
            Duration::from_secs(1),
            Duration::new(5, 999_999_999),
        ] {
            let time = UNIX_EPOCH - before;
            let meta = CacheMeta::new(time, time, 0, 0, ResponseHead::builder(200).build().unwrap());
            assert_eq!(round_trip(&meta).created(), time);
        }
    }

    #[test]
    fn damaged_bytes_are_corrupt_and_never_a_panic() {
        let whole = sample().encode().unwrap();
        for cut in 0..whole.len() {
            let error = CacheMeta::decode(Bytes::copy_from_slice(&whole[..cut])).unwrap_err();
            assert_eq!(ErrorKind::of(&error), Some(ErrorKind::Corrupt));
        }
        for position in 0..whole.len() {
            for bit in 0..8 {
                let mut damaged = whole.clone();
                damaged[position] ^= 1 << bit;
                // A flip may give another valid meta (the storage's checksum tells); it must not give this one.
                if let Ok(meta) = CacheMeta::decode(damaged.into()) {
                    assert_ne!(meta, sample());
                }
            }
        }
    }

    #[test]
    fn a_meta_above_the_limit_is_refused() {
        let mut meta = sample();
        meta.set_opaque(vec![0; CacheMeta::ENCODED_BYTES_MAX].into());
        assert_eq!(
            ErrorKind::of(&meta.encode().unwrap_err()),
            Some(ErrorKind::Refused)
        );
    }

    #[test]
    fn expiring_only_shortens() {
        let mut meta = sample();
        let until = meta.fresh_until();
        meta.expire_at(until + Duration::from_secs(1));
        assert_eq!(meta.fresh_until(), until);
        meta.expire_at(until - Duration::from_secs(1));
        assert_eq!(meta.fresh_until(), until - Duration::from_secs(1));
        assert_eq!(
            (meta.stale_while_revalidate_sec(), meta.stale_if_error_sec()),
            (7, u32::MAX)
        );
    }
}
