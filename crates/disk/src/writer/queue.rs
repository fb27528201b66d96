//! The queue of operations, and who has the writer.

use super::at_once::OPS_MAX;
use super::{Op, Writer};
use crate::at_work::AtWork;
use crate::detour::Detour;
use forebay_core::{ErrorKind, Result};
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::io;
use std::thread::JoinHandle;
use std::time::Instant;

/// Operations in the order in which they came, and the writer while nobody works with it. Each operation has a caller that
/// waits, which bounds them.
#[derive(Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    pub(crate) detour: Detour,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    ops: Vec<Op>,
    writer: Place,
    /// When the writer has something to do by itself.
    due: Option<Instant>,
    /// When the thread wakes by itself, if it sleeps.
    alarm: Option<Instant>,
    thread: Option<JoinHandle<()>>,
    closed: bool,
}

/// Where the writer is.
#[derive(Default)]
enum Place {
    /// Nowhere, before the first operation and after the last.
    #[default]
    Nowhere,
    Here(Box<Writer>),
    /// Somebody works with it.
    Taken,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue")
            .field("len", &self.state.lock().ops.len())
            .finish_non_exhaustive()
    }
}

impl Queue {
    /// Does the operation at once where that is possible, or wakes the thread for it, which is started with the first one. What has
    /// time, and what others have come before, is for the caller to nudge.
    pub(super) fn push(
        &self,
        op: Op,
        start: impl FnOnce() -> io::Result<(JoinHandle<()>, Box<Writer>)>,
    ) -> Result<Option<Nudge<'_>>> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(ErrorKind::StorageFailed.error("the store is closed"));
        }
        if state.thread.is_none() {
            let (thread, writer) = start().map_err(|error| {
                ErrorKind::StorageFailed.because("start the writer thread of a store", error)
            })?;
            state.thread = Some(thread);
            state.writer = Place::Here(writer);
        }
        let is_alone = state.ops.is_empty();
        let has_time = op.has_time();
        state.ops.push(op);
        if has_time || !is_alone {
            return Ok(Some(Nudge(self)));
        }
        if self.help(state) {
            self.changed.notify_one();
        }
        Ok(None)
    }

    /// Does what has queued up, and what queues up meanwhile, where all of it may be short; whether the thread is to be woken. It is
    /// not where somebody works with the writer, who looks at the queue after that.
    fn help<'a>(&'a self, mut state: MutexGuard<'a, State>) -> bool {
        let mut done = 0;
        while !state.ops.is_empty() && !matches!(state.writer, Place::Taken) {
            let is_alone = done == 0 && state.ops.len() == 1;
            done += state.ops.len();
            let may_be_short = done <= OPS_MAX && state.ops.iter().all(|op| op.may_be_short(is_alone));
            let now = Instant::now();
            if !may_be_short || self.detour.is_on(now) {
                return true;
            }
            let Some(writer) = state.writer.take() else {
                return true;
            };
            let ops = std::mem::take(&mut state.ops);
            drop(state);
            let is_wanted;
            (state, is_wanted) = self.work(writer, |writer| writer.at_once(ops), Some(now));
            if is_wanted {
                return false; // it is woken already
            }
        }
        false
    }

    /// Leaves an operation to the thread, which has begun; nothing once the queue is closed.
    pub(crate) fn add(&self, op: Op) {
        let mut state = self.state.lock();
        if !state.closed {
            state.ops.push(op);
            drop(state);
            self.changed.notify_one();
        }
    }

    /// Does what queues up and what is due, until the queue is closed.
    pub(super) fn run(&self) {
        let _at_work = AtWork::begin();
        while let Some((writer, ops)) = self.take() {
            let work = |writer: &mut Writer| {
                writer.work(ops);
                Vec::new()
            };
            drop(self.work(writer, work, None)); // what has queued up meanwhile is taken next
        }
        let last = std::mem::take(&mut self.state.lock().writer);
        if let Place::Here(mut writer) = last {
            writer.end();
        }
    }

    /// Works with the writer, and gives it back with what is left; whether the thread has something to do now, for which it is
    /// woken.
    fn work(
        &self,
        mut writer: Box<Writer>,
        work: impl FnOnce(&mut Writer) -> Vec<Op>,
        begun: Option<Instant>,
    ) -> (MutexGuard<'_, State>, bool) {
        let at_work = AtWork::begin();
        let lost = Lost(self);
        let mut left = work(&mut writer);
        std::mem::forget(lost);
        drop(at_work);
        let due = writer.sync_due();
        if let Some(begun) = begun.filter(|_| left.is_empty()) {
            self.detour.written(begun);
        }
        let now = Instant::now();
        let mut state = self.state.lock();
        let is_late = due.is_some_and(|due| due <= now || state.alarm.is_none_or(|alarm| due < alarm));
        let is_wanted = state.closed || !left.is_empty() || is_late;
        left.append(&mut state.ops);
        state.ops = left;
        state.writer = Place::Here(writer);
        state.due = due;
        if is_wanted {
            self.changed.notify_one();
        }
        (state, is_wanted)
    }

    /// The writer and what has queued up: waits for something to do. `None` once closed and empty.
    fn take(&self) -> Option<(Box<Writer>, Vec<Op>)> {
        let mut state = self.state.lock();
        loop {
            let is_here = match &state.writer {
                Place::Here(_) => true,
                Place::Taken => false,
                Place::Nowhere => return None,
            };
            let due = state.due.filter(|_| is_here);
            let has_work = !state.ops.is_empty() || due.is_some_and(|due| due <= Instant::now());
            if is_here && has_work {
                let writer = state.writer.take()?;
                let ops = std::mem::take(&mut state.ops);
                return Some((writer, ops));
            }
            if is_here && state.closed {
                return None;
            }
            state.alarm = due;
            match due {
                None => self.changed.wait(&mut state),
                Some(due) => {
                    self.changed.wait_until(&mut state, due);
                }
            }
        }
    }

    /// Takes no more operations; the thread, which ends when those that are queued are done.
    pub(crate) fn close_unwaited(&self) -> Option<JoinHandle<()>> {
        let thread = {
            let mut state = self.state.lock();
            state.closed = true;
            state.thread.take()
        };
        self.changed.notify_all();
        thread
    }

    /// Takes no more operations, and waits until those that are queued are done.
    pub(crate) fn close(&self) {
        if let Some(thread) = self.close_unwaited()
            && thread.join().is_err()
        {
            log::error!("the writer thread of a store has panicked");
        }
    }
}

impl Place {
    fn take(&mut self) -> Option<Box<Writer>> {
        match std::mem::replace(self, Place::Taken) {
            Place::Here(writer) => Some(writer),
            other => {
                *self = other;
                None
            }
        }
    }
}

/// An operation that was queued: the thread is woken for it when this is dropped.
pub(super) struct Nudge<'a>(&'a Queue);

impl Nudge<'_> {
    /// Does what has queued up until now, or wakes the thread for it.
    pub(super) fn work(self) {
        if !self.0.help(self.0.state.lock()) {
            std::mem::forget(self);
        }
    }
}

impl Drop for Nudge<'_> {
    fn drop(&mut self) {
        self.0.changed.notify_one();
    }
}

/// Closes the queue where the writer was lost in a panic, so that nobody waits in vain.
struct Lost<'a>(&'a Queue);

impl Drop for Lost<'_> {
    fn drop(&mut self) {
        let ops = {
            let mut state = self.0.state.lock();
            state.closed = true;
            state.writer = Place::Nowhere;
            std::mem::take(&mut state.ops)
        };
        self.0.changed.notify_all();
        drop(ops); // outside of the lock: it drops files and guards
    }
}
