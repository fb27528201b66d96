//! Threads for file operations that may wait for the disk. They start when first needed, so that a daemon can fork
//! after the store was opened.

mod owned;

pub(crate) use owned::Owned;

use crate::at_work::AtWork;
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Enough that a slow disk sees a queue, few enough that nobody minds them.
const THREADS_MAX: usize = 8;
/// With so many jobs, those that nobody waits for are looked for.
const JOBS_MANY: usize = 64;

/// What a thread is to do.
trait Job: Send {
    /// Whether anybody waits for it.
    fn is_wanted(&self) -> bool {
        true
    }

    fn run(self: Box<Self>);
}

impl<J: FnOnce() + Send> Job for J {
    fn run(self: Box<Self>) {
        self();
    }
}

/// A job with a caller who waits for its result, or does not any more.
struct Call<J, R> {
    job: J,
    reply: oneshot::Sender<R>,
}

impl<J: FnOnce() -> R + Send, R: Send> Job for Call<J, R> {
    fn is_wanted(&self) -> bool {
        !self.reply.is_closed()
    }

    fn run(self: Box<Self>) {
        if self.is_wanted() {
            drop(self.reply.send((self.job)())); // unsent, it is dropped here
        }
    }
}

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
    jobs: VecDeque<Box<dyn Job>>,
    /// How many jobs there may be before those that nobody waits for are looked for again.
    jobs_max: usize,
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
    /// Runs `job` on a thread of the pool. If the future is dropped before a thread has begun with it, it is dropped instead,
    /// by a thread or by whoever brings another job; later, its result is dropped by the thread.
    ///
    /// # Errors
    /// Where no thread could be started, or the job panicked.
    pub(crate) async fn run<R: Send + 'static>(
        &self,
        job: impl FnOnce() -> R + Send + 'static,
    ) -> io::Result<R> {
        let (reply, result) = oneshot::channel();
        self.shared.submit(Box::new(Call { job, reply }))?;
        result
            .await
            .map_err(|_| io::Error::other("a storage thread ended before its job was done"))
    }

    /// Has `job` run on a thread of the pool.
    ///
    /// # Errors
    /// Where no thread could be started.
    pub(crate) fn submit(&self, job: impl FnOnce() + Send + 'static) -> io::Result<()> {
        self.shared.submit(Box::new(job))
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.state.lock().closed = true;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn submit(self: &Arc<Self>, job: Box<dyn Job>) -> io::Result<()> {
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
        let unwanted = state.take_unwanted();
        state.jobs.push_back(job);
        drop(state);
        self.changed.notify_one();
        drop(unwanted); // outside of the lock: what it drops may bring a job
        Ok(())
    }

    fn work(&self) {
        let _at_work = AtWork::begin();
        let mut state = self.state.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                drop(state);
                // A panic fails its own job alone: the reply channel is dropped with it.
                let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| job.run()));
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

impl State {
    /// Takes out the jobs that nobody waits for, where there may be many: on a disk that stalls they would pile up.
    fn take_unwanted(&mut self) -> VecDeque<Box<dyn Job>> {
        if self.jobs.len() < self.jobs_max.max(JOBS_MANY) {
            return VecDeque::new();
        }
        let jobs = std::mem::take(&mut self.jobs).into_iter();
        let (wanted, unwanted): (VecDeque<_>, VecDeque<_>) = jobs.partition(|job| job.is_wanted());
        self.jobs_max = 2 * wanted.len(); // so that each is looked at a few times only
        self.jobs = wanted;
        unwanted
    }
}
