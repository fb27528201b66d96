//! Whether callers go to the disk themselves, or leave that to a thread of the store.

use parking_lot::Mutex;
use std::time::{Duration, Instant};

/// A caller's own write that takes longer has waited for the disk: it holds up whatever else its thread serves.
const SLOW_WRITE: Duration = Duration::from_millis(10);
/// For so many times as long as a caller has waited, threads of the store do it after that,
const DETOUR_TIMES: u32 = 1000;
/// and no longer than this.
const DETOUR_MAX: Duration = Duration::from_secs(10);

/// Until when no caller does it itself.
#[derive(Debug, Default)]
pub(crate) struct Detour(Mutex<Option<Instant>>);

impl Detour {
    /// Whether it is left to a thread now.
    pub(crate) fn is_on(&self, now: Instant) -> bool {
        self.0.lock().is_some_and(|until| now < until)
    }

    /// To be called after a write that a caller has begun then.
    pub(crate) fn written(&self, begun: Instant) {
        if begun.elapsed() > SLOW_WRITE {
            self.waited(begun);
        }
    }

    /// To be called where a caller has waited for the disk since then.
    pub(crate) fn waited(&self, begun: Instant) {
        let now = Instant::now();
        let detour = (now - begun).saturating_mul(DETOUR_TIMES).min(DETOUR_MAX);
        let mut until = self.0.lock();
        *until = (*until).max(Some(now + detour)); // of those that have waited, the longest counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_wait_does_not_end_the_detour_that_a_long_one_has_begun() {
        let (detour, now) = (Detour::default(), Instant::now());
        detour.waited(now - Duration::from_millis(20)); // for 20 s, or as long as is allowed
        detour.waited(Instant::now());
        assert!(detour.is_on(now + Duration::from_secs(5)));
        assert!(!detour.is_on(now + Duration::from_secs(60)));
    }
}
