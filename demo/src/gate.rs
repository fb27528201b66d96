//! Steps of an answer that a scenario releases one by one, so that "while the fill goes on" is a fact and no race.

use std::collections::HashMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long the origin waits for a step to be released before it gives the connection up.
const PATIENCE: Duration = Duration::from_secs(30);
/// What a step takes where nobody holds the path: for a person with curl.
const DRIP: Duration = Duration::from_millis(400);

/// The held paths, each with the number of steps released so far.
#[derive(Debug, Default)]
pub struct Gates {
    released: Mutex<HashMap<String, usize>>,
    changed: Condvar,
}

impl Gates {
    /// From now on an answer at `path` waits for [`Self::release`] before each of its steps.
    pub fn hold(&self, path: &str) {
        self.lock().insert(path.to_owned(), 0);
    }

    /// Lets `steps` more steps of the answer at `path` go.
    pub fn release(&self, path: &str, steps: usize) {
        *self.lock().entry(path.to_owned()).or_default() += steps;
        self.changed.notify_all();
    }

    /// Waits until step `step` (from 0) of `path` may go; false if nobody released it in time.
    pub(crate) fn pass(&self, path: &str, step: usize) -> bool {
        let released = self.lock();
        if !released.contains_key(path) {
            drop(released);
            std::thread::sleep(DRIP);
            return true;
        }
        let held =
            |released: &mut HashMap<String, usize>| released.get(path).is_some_and(|&count| count <= step);
        let waited = self.changed.wait_timeout_while(released, PATIENCE, held);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.released.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
