//! The encoding of a meta for media: versioned, exact, and distrustful when it is read.

use super::CacheMeta;
use crate::{ErrorKind, ResponseHead, varint};
use bytes::Bytes;
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
        let (flags, windows) = self.flags();
        let head = self.head.encoded();
        let len_bytes = FIXED_BYTES
            + if flags & FLAG_UPDATED != 0 { TIME_BYTES } else { 0 }
            + if windows { 2 * size_of::<u32>() } else { 0 }
            + self.variance.map_or(0, |v| v.len())
            + sized_bytes(head)
            + sized_bytes(&self.opaque);
        if len_bytes > Self::ENCODED_BYTES_MAX {
            let max = Self::ENCODED_BYTES_MAX;
            return Err(
                ErrorKind::Refused.error(format!("a meta of {len_bytes} bytes; at most {max} are stored"))
            );
        }
        let mut out = Vec::with_capacity(len_bytes);
        out.extend_from_slice(&[VERSION, flags]);
        put_time(&mut out, self.fresh_until);
        put_time(&mut out, self.created);
        if flags & FLAG_UPDATED != 0 {
            put_time(&mut out, self.updated);
        }
        if windows {
            out.extend_from_slice(&self.stale_while_revalidate_sec.to_le_bytes());
            out.extend_from_slice(&self.stale_if_error_sec.to_le_bytes());
        }
        out.extend_from_slice(self.variance.as_ref().map_or(&[], |v| v));
        for part in [head, &self.opaque] {
            varint::put(&mut out, part.len() as u32); // fits: checked against ENCODED_BYTES_MAX above
            out.extend_from_slice(part);
        }
        debug_assert_eq!(out.len(), len_bytes);
        Ok(out)
    }

    /// Which of the fields are there that an entry may do without; whether the stale windows are.
    fn flags(&self) -> (u8, bool) {
        let windows = (self.stale_while_revalidate_sec, self.stale_if_error_sec) != (0, 0);
        let flag = |there: bool, flag: u8| if there { flag } else { 0 };
        let flags = flag(self.variance.is_some(), FLAG_VARIANCE)
            | flag(self.updated != self.created, FLAG_UPDATED)
            | flag(windows, FLAG_WINDOWS);
        (flags, windows)
    }

    /// The meta that [`encode`](Self::encode) made these bytes of. Head and opaque bytes share the buffer.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] for bytes that no `encode` made, or one of an unknown version. Never panics and
    /// allocates nothing that a damaged length could ask for.
    pub fn decode(encoded: Bytes) -> Result<Self> {
        Self::decode_whole(&encoded).ok_or_else(|| {
            ErrorKind::Corrupt.error("stored meta: an unknown version, or a length or time out of range")
        })?
    }

    fn decode_whole(encoded: &Bytes) -> Option<Result<Self>> {
        let ([VERSION, flags], rest) = encoded.split_first_chunk()? else {
            return None;
        };
        if flags & !(FLAG_VARIANCE | FLAG_UPDATED | FLAG_WINDOWS) != 0 {
            return None;
        }
        let (fresh_until, rest) = get_time(rest)?;
        let (created, mut rest) = get_time(rest)?;
        let mut updated = created;
        if flags & FLAG_UPDATED != 0 {
            (updated, rest) = get_time(rest)?;
        }
        let mut windows = [0; 2];
        if flags & FLAG_WINDOWS != 0 {
            for window in &mut windows {
                let (bytes, after) = rest.split_first_chunk()?;
                (*window, rest) = (u32::from_le_bytes(*bytes), after);
            }
        }
        let mut variance = None;
        if flags & FLAG_VARIANCE != 0 {
            let (bytes, after) = rest.split_first_chunk()?;
            (variance, rest) = (Some(*bytes), after);
        }
        let (head, rest) = varint::split_sized(rest)?;
        let (opaque, []) = varint::split_sized(rest)? else {
            return None;
        };
        let head = ResponseHead::decode(encoded.slice_ref(head));
        let opaque = match opaque {
            [] => Bytes::new(), // not a count on the buffer
            _ => encoded.slice_ref(opaque),
        };
        Some(head.map(|head| CacheMeta {
            updated,
            variance,
            opaque,
            ..CacheMeta::new(fresh_until, created, windows[0], windows[1], head)
        }))
    }
}

const VERSION: u8 = 2;
const FLAG_VARIANCE: u8 = 1;
/// Revalidated at another time than it was admitted.
const FLAG_UPDATED: u8 = 2;
/// A stale window that is not zero.
const FLAG_WINDOWS: u8 = 4;
const TIME_BYTES: usize = 12;
/// Version, flags, two times.
const FIXED_BYTES: usize = 2 + 2 * TIME_BYTES;

/// What a part takes with its length before it.
fn sized_bytes(part: &[u8]) -> usize {
    varint::len_bytes(u32::try_from(part.len()).unwrap_or(u32::MAX)) + part.len()
}

/// Seconds since the epoch, rounded down, and the nanoseconds above them: exact, also before the epoch.
fn put_time(out: &mut Vec<u8>, time: SystemTime) {
    let (seconds, nanos) = match time.duration_since(UNIX_EPOCH) {
        Ok(after) => (after.as_secs() as i64, after.subsec_nanos()),
        Err(before) => {
            let before = before.duration();
            // Subtracted from zero: what i64::MIN stands for has no negative.
            let seconds = 0_i64.saturating_sub_unsigned(before.as_secs());
            match before.subsec_nanos() {
                0 => (seconds, 0),
                nanos => (seconds.saturating_sub(1), 1_000_000_000 - nanos),
            }
        }
    };
    out.extend_from_slice(&seconds.to_le_bytes());
    out.extend_from_slice(&nanos.to_le_bytes());
}

fn get_time(rest: &[u8]) -> Option<(SystemTime, &[u8])> {
    let (seconds, rest) = rest.split_first_chunk()?;
    let (nanos, rest) = rest.split_first_chunk()?;
    let seconds = i64::from_le_bytes(*seconds);
    let nanos = Some(u32::from_le_bytes(*nanos)).filter(|n| *n < 1_000_000_000)?;
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let time = if seconds < 0 {
        UNIX_EPOCH.checked_sub(whole)
    } else {
        UNIX_EPOCH.checked_add(whole)
    };
    let time = time?.checked_add(Duration::from_nanos(nanos.into()))?;
    Some((time, rest))
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
            Duration::from_secs(i64::MAX.unsigned_abs()),
            Duration::from_secs(i64::MIN.unsigned_abs()), // the first time that Linux can name
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
