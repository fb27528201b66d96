//! Running an operation many times, and what that took.

use crate::Failure;
use rustix::time::{ClockId, clock_gettime};
use std::ops::Range;
use std::sync::{Barrier, LazyLock};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};

/// What a number of operations took.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// From the first one's begin to the last one's end.
    pub wall: Duration,
    /// CPU time of the whole process meanwhile, its threads of all kinds and the kernel on their behalf included.
    pub cpu: Duration,
}

/// How operations run at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concurrency {
    /// So many threads, each with one operation after the other.
    Threads(usize),
    /// So many tasks on a runtime of as many threads as there are cores.
    InFlight(usize),
}

impl Concurrency {
    /// How many operations there are at a time.
    pub fn count(self) -> usize {
        match self {
            Concurrency::Threads(count) | Concurrency::InFlight(count) => count,
        }
    }
}

/// The runtime of tasks in flight, and of contenders that need one of their own.
pub fn runtime() -> &'static Runtime {
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
        Builder::new_multi_thread()
            .worker_threads(cores())
            .enable_all()
            .build()
            .expect("a runtime needs a few threads and an epoll; without them nothing here can run")
    });
    &RUNTIME
}

/// As many cores as this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// CPU time of this process so far, user and system.
pub fn cpu_now() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

/// Measures what happens in between.
#[derive(Debug)]
pub struct Stopwatch {
    started: Instant,
    cpu: Duration,
}

impl Stopwatch {
    /// Starts now.
    #[expect(
        clippy::new_without_default,
        reason = "a default that reads the clock would surprise"
    )]
    pub fn new() -> Self {
        Stopwatch {
            cpu: cpu_now(),
            started: Instant::now(),
        }
    }

    /// What has passed since.
    pub fn sample(&self) -> Sample {
        Sample {
            wall: self.started.elapsed(),
            cpu: cpu_now().saturating_sub(self.cpu),
        }
    }
}

/// Runs `batch` over all numbers below `count`, in as many parts as there is concurrency, and times it.
pub fn run<B, F>(concurrency: Concurrency, count: u64, batch: B) -> Result<Sample, Failure>
where
    B: Fn(Range<u64>) -> F + Send + Sync + 'static,
    F: Future<Output = Result<(), Failure>> + Send + 'static,
{
    match concurrency {
        Concurrency::Threads(1) => {
            let runtime = small_runtime()?;
            let stopwatch = Stopwatch::new();
            runtime.block_on(batch(0..count))?;
            Ok(stopwatch.sample())
        }
        Concurrency::Threads(threads) => on_threads(threads, count, batch),
        Concurrency::InFlight(tasks) => runtime().block_on(async move {
            let stopwatch = Stopwatch::new();
            let tasks: Vec<_> = parts(count, tasks)
                .map(|part| tokio::spawn(batch(part)))
                .collect();
            for task in tasks {
                task.await??;
            }
            Ok(stopwatch.sample())
        }),
    }
}

fn on_threads<B, F>(threads: usize, count: u64, batch: B) -> Result<Sample, Failure>
where
    B: Fn(Range<u64>) -> F + Send + Sync + 'static,
    F: Future<Output = Result<(), Failure>>,
{
    // Two barriers: the clock starts when all threads are there, and before any of them goes on.
    let (ready, go, batch) = (Barrier::new(threads + 1), Barrier::new(threads + 1), &batch);
    let (ready, go) = (&ready, &go);
    std::thread::scope(|scope| {
        let running: Vec<_> = parts(count, threads)
            .map(|part| {
                scope.spawn(move || {
                    let runtime = small_runtime();
                    ready.wait();
                    go.wait();
                    runtime?.block_on(batch(part))
                })
            })
            .collect();
        ready.wait();
        let stopwatch = Stopwatch::new();
        go.wait();
        for thread in running {
            thread.join().map_err(|_| "a thread of the round panicked")??;
        }
        Ok(stopwatch.sample())
    })
}

/// A runtime on the calling thread, as pingora's can be.
fn small_runtime() -> Result<Runtime, Failure> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

fn parts(count: u64, parts: usize) -> impl Iterator<Item = Range<u64>> {
    let parts = parts as u64;
    (0..parts).map(move |part| count * part / parts..count * (part + 1) / parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn every_number_is_run_once_however_many_run_at_a_time() {
        use Concurrency::{InFlight, Threads};
        for concurrency in [Threads(1), Threads(3), InFlight(7)] {
            let seen = Arc::new(AtomicU64::new(0));
            let counted = seen.clone();
            run(concurrency, 1000, move |part| {
                let counted = counted.clone();
                async move {
                    counted.fetch_add(part.sum::<u64>(), Ordering::Relaxed);
                    Ok(())
                }
            })
            .unwrap();
            assert_eq!(seen.load(Ordering::Relaxed), 999 * 1000 / 2);
        }
    }

    #[test]
    fn a_failure_on_any_thread_is_the_outcome() {
        let outcome = run(Concurrency::Threads(2), 10, |part| async move {
            if part.contains(&9) {
                Err("broken".into())
            } else {
                Ok(())
            }
        });
        assert_eq!(outcome.unwrap_err().to_string(), "broken");
    }
}
