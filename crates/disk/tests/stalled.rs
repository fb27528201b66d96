//! A disk that does not answer for a while: what nobody waits for any more is not kept, and not done when it answers again.

mod common;

use common::*;
use forebay_core::{HitHandler, Storage};
use forebay_disk::io::{Call, Fault, FaultyIo, Operation};
use forebay_disk::{DiskOptions, DiskStorage, Sync};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Waker};
use std::thread;
use std::time::{Duration, Instant};

const EAGAIN: i32 = 11;
const LARGE_BYTES: usize = 600_000;
/// What a body has in its file, or what is to follow: enough that it is not kept in memory.
const LARGE_PIECE_BYTES: usize = 5 << 18;
/// The store has fewer threads.
const THREADS_MAX: usize = 10;

fn open(dir: &Path, io: &FaultyIo) -> DiskStorage {
    let options = DiskOptions::new(dir).capacity_bytes(1 << 30).sync(Sync::Never);
    options.io(io.clone()).open().unwrap()
}

/// What others than the caller do to body files waits until it is told to go on, and is counted.
#[derive(Clone, Default)]
struct Stall {
    is_over: Arc<AtomicBool>,
    begun: Arc<AtomicUsize>,
}

impl Stall {
    fn begin(io: &FaultyIo, stalled: Operation) -> Stall {
        let (stall, caller) = (Stall::default(), thread::current().id());
        let here = stall.clone();
        io.set_plan(move |call: &Call<'_>| {
            let is_meant =
                call.operation == stalled && call.path.extension().is_some_and(|end| end == "body");
            match is_meant {
                false => None,
                true if thread::current().id() == caller => Some(Fault::Errno(EAGAIN)),
                true => {
                    here.begun.fetch_add(1, Ordering::Relaxed);
                    here.wait();
                    None
                }
            }
        });
        stall
    }

    fn wait(&self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !self.is_over.load(Ordering::Relaxed) {
            assert!(Instant::now() < deadline, "the disk was never let go on");
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    fn begun(&self) -> usize {
        self.begun.load(Ordering::Relaxed)
    }
}

async fn large_hits(store: &DiskStorage, count: usize) -> Vec<HitHandler> {
    put(store, "large", &body(LARGE_BYTES, 1)).await.unwrap();
    let mut hits = Vec::new();
    for _ in 0..count {
        hits.push(find(store, "large").await.unwrap().1);
    }
    hits
}

/// Begins to read, and goes away.
fn begin_to_read(mut hit: HitHandler) {
    let mut reading = hit.read_body();
    let mut context = Context::from_waker(Waker::noop());
    assert!(reading.as_mut().poll(&mut context).is_pending());
}

#[tokio::test]
async fn reads_that_nobody_waits_for_any_more_are_not_made() {
    let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
    let store = open(dir.path(), &io);
    let mut hits = large_hits(&store, 101).await;
    let stall = Stall::begin(&io, Operation::Read);
    let mut live = hits.pop().unwrap();
    hits.into_iter().for_each(begin_to_read);
    let (first, ()) = tokio::join!(live.read_body(), async { stall.end() });
    let first = first.unwrap().unwrap();
    assert_eq!(first, body(LARGE_BYTES, 1).slice(..first.len()));
    assert!(stall.begun() <= THREADS_MAX, "{} reads", stall.begun());
}

/// Else each client that goes away while the disk stalls leaves an open file.
#[tokio::test]
async fn reads_that_nobody_waits_for_any_more_keep_few_files_open() {
    let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
    let store = open(dir.path(), &io);
    let hits = large_hits(&store, 500).await;
    let stall = Stall::begin(&io, Operation::Read);
    hits.into_iter().for_each(begin_to_read);
    let open_files = open_files_below(dir.path());
    stall.end();
    assert!(open_files < 100, "{open_files} open files");
    assert_eq!(get(&store, "large").await.unwrap(), body(LARGE_BYTES, 1));
}

fn open_files_below(dir: &Path) -> usize {
    let files = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    let paths = files.filter_map(|file| std::fs::read_link(file.path()).ok());
    paths.filter(|path| path.starts_with(dir)).count()
}

#[tokio::test]
async fn what_a_write_that_was_given_up_has_left_to_a_thread_is_not_written() {
    let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
    let store = open(dir.path(), &io);
    let mut writes = Vec::new();
    for number in 0..30 {
        let name = format!("{number}");
        let miss = store.get_miss_handler(&key(&name), &meta(&name), &none()).await;
        let mut miss = miss.unwrap();
        miss.write_body(body(LARGE_PIECE_BYTES, 1), false).await.unwrap();
        writes.push(miss);
    }
    let stall = Stall::begin(&io, Operation::Write);
    for miss in &mut writes {
        let mut writing = miss.write_body(body(LARGE_PIECE_BYTES, 2), false);
        let mut context = Context::from_waker(Waker::noop());
        assert!(writing.as_mut().poll(&mut context).is_pending());
    }
    drop(writes);
    assert_eq!(store.stats().in_flight_bytes, 0);
    stall.end();
    until_no_body_files(dir.path()).await;
    assert!(stall.begun() <= THREADS_MAX, "{} writes", stall.begun());
    put(&store, "large", &body(LARGE_BYTES, 1)).await.unwrap();
}
