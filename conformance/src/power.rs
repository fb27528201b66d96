//! The record of what a storage's I/O wrote and synced, from which the suite makes what a power cut may leave.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// What the I/O of a storage has written and synced so far.
///
/// A step is a change of the disk, or a sync. Steps are counted as they come to an end.
pub trait PowerRecord: Send + Sync + 'static {
    /// How many steps there were.
    fn steps(&self) -> usize;

    /// Makes, in `into`, a directory that is not there yet, what may be left of the storage's directory when the power is
    /// cut after `step` steps. What was synced by then is there; of everything else the seed decides what is lost and what
    /// is torn.
    ///
    /// # Errors
    /// What writing to `into` fails with.
    fn cut(&self, step: usize, seed: u64, into: &Path) -> io::Result<()>;

    /// The last steps before `step` in words, last first, for a report.
    fn describe(&self, step: usize) -> Vec<String> {
        let _ = step;
        Vec::new()
    }
}

/// What a call that has returned is worth when the power is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// A `finish`, purge, update or expiry that has returned is durable.
    OnReturn,
    /// It is durable at some later time: the storage may come back to an earlier state of a key.
    Later,
}

/// Where a harness leaves the record of a site.
#[derive(Default)]
pub(crate) struct PowerSlot(Mutex<Option<Arc<dyn PowerRecord>>>);

impl PowerSlot {
    pub(crate) fn put(&self, record: Arc<dyn PowerRecord>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(record);
    }

    pub(crate) fn get(&self) -> Option<Arc<dyn PowerRecord>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl std::fmt::Debug for PowerSlot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PowerSlot")
            .field("recorded", &self.get().is_some())
            .finish()
    }
}
