//! What is left to a thread of the pool to be dropped.

use super::{Pool, Shared};
use std::sync::Arc;

impl Pool {
    /// Has `value` dropped on a thread of the pool, wherever its owner is.
    pub(crate) fn own<T: Send + 'static>(&self, value: T) -> Owned<T> {
        Owned {
            shared: self.shared.clone(),
            value: Some(value),
        }
    }

    /// Waits until all that was left to be dropped is.
    pub(crate) fn wait_for_drops(&self) {
        let mut state = self.shared.state.lock();
        while state.to_drop > 0 {
            self.shared.dropped.wait(&mut state);
        }
    }
}

/// What a thread of the pool drops, because that may wait for the disk.
pub(crate) struct Owned<T: Send + 'static> {
    shared: Arc<Shared>,
    value: Option<T>,
}

impl<T: Send + 'static> Owned<T> {
    /// `None` once it was taken.
    pub(crate) fn get(&self) -> Option<&T> {
        self.value.as_ref()
    }

    /// Takes it, to be dropped by whoever has it.
    pub(crate) fn take(mut self) -> Option<T> {
        self.value.take()
    }
}

impl<T: Send + 'static> Drop for Owned<T> {
    fn drop(&mut self) {
        if let Some(value) = self.value.take() {
            let counted = ToDrop::count(&self.shared);
            // Where there is no thread, it is dropped here.
            let _ = self.shared.submit(Box::new(move || {
                drop(value);
                drop(counted);
            }));
        }
    }
}

/// Counts what is left to be dropped, until it is.
struct ToDrop(Arc<Shared>);

impl ToDrop {
    fn count(shared: &Arc<Shared>) -> Self {
        shared.state.lock().to_drop += 1;
        ToDrop(shared.clone())
    }
}

impl Drop for ToDrop {
    fn drop(&mut self) {
        self.0.state.lock().to_drop -= 1;
        self.0.dropped.notify_all();
    }
}
