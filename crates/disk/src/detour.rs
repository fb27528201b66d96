//! Whether callers write to the disk themselves, or leave that to a thread of the store.

use parking_lot::Mutex;
use std::time::{Duration, Instant};

/// A caller's own write that takes longer has waited for the disk: it holds up whatever else its thread serves.
const SLOW: Duration = Duration::from_millis(10);
/// So long threads of the store make all writes after that.
const DETOUR: Duration = Duration::from_secs(10);

/// Until when no caller writes itself.
#[derive(Debug, Default)]
pub(crate) struct Detour(Mutex<Option<Instant>>);

impl Detour {
    /// Whether writes are left to a thread now.
    pub(crate) fn is_on(&self, now: Instant) -> bool {
        self.0.lock().is_some_and(|until| now < until)
    }

    /// To be called after a write that a caller has begun then.
    pub(crate) fn written(&self, begun: Instant) {
        let now = Instant::now();
        if now - begun > SLOW {
            *self.0.lock() = Some(now + DETOUR);
        }
    }
}
