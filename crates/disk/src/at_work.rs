//! Which threads a closing store may wait for. While one works for a store, it runs code of others as well: it wakes tasks, and a
//! waker may drop its task, with the last clone of the store in it. That thread cannot wait for itself.

use std::cell::Cell;

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// While it is there, its thread works for a store.
pub(crate) struct AtWork(());

impl AtWork {
    pub(crate) fn begin() -> Self {
        DEPTH.set(DEPTH.get() + 1);
        AtWork(())
    }

    /// Whether this thread works for a store.
    pub(crate) fn is_here() -> bool {
        DEPTH.get() > 0
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
    }
}
