//! Counting what many threads do at once.

use std::sync::atomic::{AtomicU64, Ordering};
use thread_local::ThreadLocal;

/// A count that many threads change, and that few look at.
///
/// Each thread has a part of it to itself: where all wrote to the same bytes, two threads that count a hit each would wait
/// for one another longer than the rest of the hit takes. So to count costs next to nothing, and to look costs a glance at
/// the part of each thread that has ever counted.
///
/// ```
/// use forebay_live::Counter;
///
/// let open = Counter::default();
/// open.add(2);
/// std::thread::scope(|scope| scope.spawn(|| open.sub(1)).join()).expect("it only counts");
/// assert_eq!(open.get(), 1);
/// ```
#[derive(Debug, Default)]
pub struct Counter {
    parts: ThreadLocal<Part>,
}

/// The part of one thread: nobody else writes to it, nor to its neighbourhood, of which processors fetch two lines at a time.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Part(AtomicU64);

impl Counter {
    /// Counts so many more.
    pub fn add(&self, count: u64) {
        let Part(part) = self.parts.get_or_default();
        part.store(
            part.load(Ordering::Relaxed).wrapping_add(count),
            Ordering::Relaxed,
        );
    }

    /// Counts so many less, whichever thread has counted them.
    pub fn sub(&self, count: u64) {
        self.add(count.wrapping_neg());
    }

    /// The count. While threads change it, it may be what it was or will be a moment before or after.
    pub fn get(&self) -> u64 {
        let parts = self.parts.iter().map(|Part(part)| part.load(Ordering::Relaxed));
        let sum = parts.fold(0, u64::wrapping_add);
        match sum > u64::MAX / 2 {
            true => 0, // what one thread has counted less was seen, and not what another had counted more
            false => sum,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_threads_count_adds_up_also_after_they_ended() {
        let counter = Counter::default();
        for _ in 0..3 {
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| (0..1000).for_each(|_| counter.add(2)));
                    scope.spawn(|| (0..1000).for_each(|_| counter.sub(1)));
                }
            });
        }
        assert_eq!(counter.get(), 3 * 4 * 1000);
    }

    #[test]
    fn a_count_is_never_below_zero() {
        let counter = Counter::default();
        counter.sub(1);
        assert_eq!(counter.get(), 0);
        counter.add(2);
        assert_eq!(counter.get(), 1);
    }
}
