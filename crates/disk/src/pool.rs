//! Threads for file operations that may wait for the disk. They start when first needed, so that a daemon can fork
//! after the store was opened.

use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Enough that a slow disk sees a queue, few enough that nobody minds them.
const THREADS_MAX: usize = 8;

type Job = Box<dyn FnOnce() + Send>;

/// The threads. Dropping it lets them end once the jobs are done.
#[derive(Default)]
pub(crate) struct Pool {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    /// Nothing is left to be dropped by a thread.
    dropped: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
    /// What was left to be dropped by a thread, and is not yet.
    to_drop: usize,
    closed: bool,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool")
            .field("threads", &self.shared.state.lock().threads)
            .finish_non_exhaustive()
    }
}

impl Pool {
    /// Runs `job` on a thread of the pool. Dropping the future does not stop it; its result is dropped then.
    ///
    /// # Errors
    /// Where no thread could be started, or the job panicked.
    pub(crate) async fn run<R: Send + 'static>(
        &self,
        job: impl FnOnce() -> R + Send + 'static,
    ) -> io::Result<R> {
        let (reply, result) = oneshot::channel();
        self.submit(Box::new(move || drop(reply.send(job()))))?;
        result
            .await
            .map_err(|_| io::Error::other("a storage thread ended before its job was done"))
    }

    /// Has `job` run on a thread of the pool.
    ///
    /// # Errors
    /// Where no thread could be started.
    pub(crate) fn submit(&self, job: Job) -> io::Result<()> {
        self.shared.submit(job)
    }

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

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.state.lock().closed = true;
        self.shared.changed.notify_all();
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

    pub(crate) fn get_mut(&mut self) -> Option<&mut T> {
        self.value.as_mut()
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

impl Shared {
    fn submit(self: &Arc<Self>, job: Job) -> io::Result<()> {
        let mut state = self.state.lock();
        if state.idle <= state.jobs.len() && state.threads < THREADS_MAX {
            let shared = self.clone();
            let started = std::thread::Builder::new()
                .name("forebay-disk".into())
                .spawn(move || shared.work());
            match started {
                Ok(_) => state.threads += 1,
                Err(error) if state.threads == 0 => return Err(error),
                Err(_) => {} // those that run will do
            }
        }
        state.jobs.push_back(job);
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    fn work(&self) {
        let mut state = self.state.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                drop(state);
                // A panic fails its own job alone: the reply channel is dropped with it.
                let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
                state = self.state.lock();
            } else if state.closed {
                state.threads -= 1;
                return;
            } else {
                state.idle += 1;
                self.changed.wait(&mut state);
                state.idle -= 1;
            }
        }
    }
}
