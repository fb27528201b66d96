//! The encoding of a meta for media: versioned, exact, and distrustful when it is read.

use super::CacheMeta;
use crate::{ErrorKind, HashBinary, ResponseHead};
use bytes::{Buf, BufMut, Bytes};
use pingora_error::Result;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

impl CacheMeta {
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
}
