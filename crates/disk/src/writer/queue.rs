//! The queue between callers and the writer thread.

use super::Op;
use forebay_core::{ErrorKind, Result};
use parking_lot::{Condvar, Mutex};
use std::io;
use std::thread::JoinHandle;
use std::time::Instant;

/// Operations in the order in which they came. Each has a caller that waits, which bounds it.
#[derive(Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    ops: Vec<Op>,
    closed: bool,
    thread: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue")
            .field("len", &self.state.lock().ops.len())
            .finish_non_exhaustive()
    }
}

impl Queue {
    /// Adds an operation; starts the thread with the first one.
    pub(crate) fn push(&self, op: Op, start: impl FnOnce() -> io::Result<JoinHandle<()>>) -> Result<()> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(ErrorKind::StorageFailed.error("the store is closed"));
        }
        if state.thread.is_none() {
            let thread = start().map_err(|error| {
                ErrorKind::StorageFailed.because("start the writer thread of a store", error)
            })?;
            state.thread = Some(thread);
        }
        state.ops.push(op);
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// What has queued up: waits for something, until `due` if that is given. `None` once closed and empty.
    pub(super) fn take(&self, due: Option<Instant>) -> Option<Vec<Op>> {
        let mut state = self.state.lock();
        while state.ops.is_empty() {
            if state.closed {
                return None;
            }
            match due {
                None => self.changed.wait(&mut state),
                Some(due) => {
                    if self.changed.wait_until(&mut state, due).timed_out() {
                        break;
                    }
                }
            }
        }
        Some(std::mem::take(&mut state.ops))
    }

    /// Takes no more operations, and waits until those that are queued are done.
    pub(super) fn close(&self) {
        let thread = {
            let mut state = self.state.lock();
            state.closed = true;
            state.thread.take()
        };
        self.changed.notify_all();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            log::error!("the writer thread of a store has panicked");
        }
    }

    /// Whatever ends the thread, nobody waits for it in vain.
    pub(super) fn end_guard(&self) -> EndGuard<'_> {
        EndGuard(self)
    }
}

pub(super) struct EndGuard<'a>(&'a Queue);

impl Drop for EndGuard<'_> {
    fn drop(&mut self) {
        let ops = {
            let mut state = self.0.state.lock();
            state.closed = true;
            std::mem::take(&mut state.ops)
        };
        drop(ops); // outside of the lock: it drops files and guards
    }
}
