//! Which writes are worth the disk: large bodies on second sight, and no more bytes a second than it is to bear.

use crate::options::DiskOptions;
use forebay_core::HashBinary;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How many keys are remembered, about; four bytes each.
const SIGHTS: usize = 1 << 16;
/// Writes that are under way may be ahead of the rate by so much, before one is given up.
const DEBT: Duration = Duration::from_secs(10);

/// The policy of one store.
#[derive(Debug)]
pub(crate) struct Admission {
    /// From which length on a body is to be asked for twice.
    second_sight: Option<(u64, Sights)>,
    rate: Option<Rate>,
}

/// Why a write is not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    FirstSight,
    WriteRate,
}

impl Admission {
    pub(crate) fn new(options: &DiskOptions, now: Instant) -> Self {
        let rate = options.write_bytes_per_second;
        Admission {
            second_sight: options.second_sight_bytes.map(|bytes| (bytes, Sights::default())),
            rate: rate.map(|bytes| Rate::new(bytes, now)),
        }
    }

    /// Whether a write may begin, of a body of this length if that is known.
    pub(crate) fn begin(&self, key: &HashBinary, len: Option<u64>, now: Instant) -> Result<(), Refusal> {
        if let Some(rate) = &self.rate
            && !rate.is_open(now)
        {
            return Err(Refusal::WriteRate);
        }
        match &self.second_sight {
            Some((from, sights)) if len.is_some_and(|len| len >= *from) => sights.expect_second(key),
            _ => Ok(()),
        }
    }

    /// Whether a write may go on that had `before` bytes and gets `more`.
    pub(crate) fn go_on(
        &self,
        key: &HashBinary,
        before: u64,
        more: u64,
        now: Instant,
    ) -> Result<(), Refusal> {
        if let Some((from, sights)) = &self.second_sight
            && before < *from
            && before + more >= *from
        {
            sights.expect_second(key)?;
        }
        match &self.rate {
            Some(rate) if !rate.take(more, now) => Err(Refusal::WriteRate),
            _ => Ok(()),
        }
    }
}

/// Which keys were seen lately: a part of the hash of each, in a place that its key has, until another takes it.
#[derive(Debug)]
struct Sights(Box<[AtomicU32]>);

impl Default for Sights {
    fn default() -> Self {
        Sights((0..SIGHTS).map(|_| AtomicU32::new(0)).collect())
    }
}

impl Sights {
    fn expect_second(&self, key: &HashBinary) -> Result<(), Refusal> {
        let place = usize::from(u16::from_le_bytes([key[0], key[1]]));
        let mark = u32::from_le_bytes([key[2], key[3], key[4], key[5]]) | 1; // 0 is nobody's
        match self.0[place].swap(mark, Ordering::Relaxed) == mark {
            true => Ok(()),
            false => Err(Refusal::FirstSight),
        }
    }
}

/// A bucket of bytes that fills at the rate, up to those of a second.
#[derive(Debug)]
struct Rate {
    bytes_per_second: f64,
    /// What may be written now, negative where writes under way were ahead; and when that was so.
    bucket: Mutex<(f64, Instant)>,
}

impl Rate {
    fn new(bytes_per_second: u64, now: Instant) -> Self {
        let bytes_per_second = bytes_per_second.max(1) as f64;
        Rate {
            bytes_per_second,
            bucket: Mutex::new((bytes_per_second, now)),
        }
    }

    fn is_open(&self, now: Instant) -> bool {
        self.change(0, now) > 0.0
    }

    /// Takes so many bytes; `false` if too many were taken already.
    fn take(&self, bytes: u64, now: Instant) -> bool {
        self.change(bytes, now) > -self.bytes_per_second * DEBT.as_secs_f64()
    }

    fn change(&self, bytes: u64, now: Instant) -> f64 {
        let mut bucket = self.bucket.lock();
        let (left, at) = *bucket;
        let elapsed = now.saturating_duration_since(at).as_secs_f64();
        let left = (left + elapsed * self.bytes_per_second).min(self.bytes_per_second) - bytes as f64;
        *bucket = (left, at.max(now));
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u8) -> HashBinary {
        [n; 16]
    }

    fn admission(options: DiskOptions, now: Instant) -> Admission {
        Admission::new(&options, now)
    }

    #[test]
    fn a_large_body_is_admitted_on_second_sight_a_small_one_at_once() {
        let now = Instant::now();
        let admission = admission(DiskOptions::new("x").second_sight_bytes(1000), now);
        assert_eq!(admission.begin(&key(1), Some(999), now), Ok(()));
        assert_eq!(
            admission.begin(&key(1), Some(1000), now),
            Err(Refusal::FirstSight)
        );
        assert_eq!(admission.begin(&key(1), Some(1000), now), Ok(()));
        // Of unknown length: it shows when it grows.
        assert_eq!(admission.begin(&key(2), None, now), Ok(()));
        assert_eq!(admission.go_on(&key(2), 0, 999, now), Ok(()));
        assert_eq!(admission.go_on(&key(2), 999, 1, now), Err(Refusal::FirstSight));
        assert_eq!(admission.go_on(&key(2), 999, 1, now), Ok(()));
        assert_eq!(
            admission.go_on(&key(3), 1000, 1, now),
            Ok(()),
            "it was asked before"
        );
    }

    #[test]
    fn a_key_is_forgotten_when_another_takes_its_place() {
        let now = Instant::now();
        let admission = admission(DiskOptions::new("x").second_sight_bytes(1), now);
        let mut other = key(1);
        other[5] = 99;
        for key in [key(1), other, key(1)] {
            assert_eq!(admission.begin(&key, Some(1), now), Err(Refusal::FirstSight));
        }
    }

    #[test]
    fn writes_keep_to_the_rate_on_average() {
        let start = Instant::now();
        let admission = admission(DiskOptions::new("x").write_bytes_per_second(1000), start);
        let mut admitted = 0;
        // 100 bytes every millisecond are a hundred times too many.
        for ms in 0..60_000 {
            let now = start + Duration::from_millis(ms);
            if admission.begin(&key(1), None, now).is_ok() {
                assert_eq!(admission.go_on(&key(1), 0, 100, now), Ok(()));
                admitted += 100;
            }
        }
        assert!((60_000..=61_100).contains(&admitted), "{admitted}");
    }

    #[test]
    fn one_that_is_under_way_may_be_ahead_for_a_while_and_others_wait_for_it() {
        let start = Instant::now();
        let admission = admission(DiskOptions::new("x").write_bytes_per_second(1000), start);
        assert_eq!(admission.go_on(&key(1), 0, 10_500, start), Ok(()));
        assert_eq!(admission.begin(&key(2), None, start), Err(Refusal::WriteRate));
        assert_eq!(
            admission.go_on(&key(1), 10_500, 600, start),
            Err(Refusal::WriteRate)
        );
        let later = start + Duration::from_secs(10);
        assert_eq!(admission.begin(&key(2), None, later), Err(Refusal::WriteRate));
        assert_eq!(
            admission.begin(&key(2), None, later + Duration::from_secs(1)),
            Ok(())
        );
    }
}
