//! File systems that cannot tell what memory has: callers read by themselves, until one has had to wait.

mod common;

use common::*;
use forebay_core::Storage as _;
use forebay_disk::io::{FaultyIo, Operation};
use forebay_disk::{DiskOptions, DiskStorage, Sync};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

/// In one record, and in a file.
const SIZES: [usize; 3] = [1_000, 100_000, 600_000];
/// How long a caller waits for the disk.
const SLOW: Duration = Duration::from_millis(20);

fn open(dir: &Path, io: &FaultyIo) -> DiskStorage {
    let options = DiskOptions::new(dir).capacity_bytes(16 << 20).sync(Sync::Never);
    options.io(io.clone()).open().unwrap()
}

/// Who has read or changed something since it was last asked.
fn watch(io: &FaultyIo) -> impl Fn() -> Vec<(ThreadId, Operation)> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let calls = seen.clone();
    io.set_plan(move |call| {
        calls
            .lock()
            .unwrap()
            .push((thread::current().id(), call.operation));
        None
    });
    move || std::mem::take(&mut *seen.lock().unwrap())
}

fn by_caller_alone(calls: &[(ThreadId, Operation)]) -> bool {
    !calls.is_empty() && calls.iter().all(|(thread, _)| *thread == thread::current().id())
}

#[tokio::test]
async fn a_caller_reads_by_itself() {
    let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::without_nowait());
    let store = open(dir.path(), &io);
    let calls = watch(&io);
    let deadline = Instant::now() + Duration::from_secs(30);
    for size in SIZES {
        put(&store, "a", &body(size, 1)).await.unwrap();
        // Whoever has waited for something else meanwhile leaves the next reads to others.
        loop {
            calls();
            assert_eq!(get(&store, "a").await.unwrap(), body(size, 1));
            if by_caller_alone(&calls()) {
                break;
            }
            assert!(Instant::now() < deadline, "{size} bytes are read by others");
        }
    }
}

#[tokio::test]
async fn a_caller_gives_an_entry_a_new_meta_by_itself() {
    let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::without_nowait());
    let store = open(dir.path(), &io);
    put(&store, "a", &body(1_000, 1)).await.unwrap();
    let calls = watch(&io);
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        calls();
        assert!(store.update_meta(&key("a"), &meta("new"), &none()).await.unwrap());
        if by_caller_alone(&calls()) {
            break;
        }
        assert!(Instant::now() < deadline, "others write it");
    }
}

#[tokio::test]
async fn after_a_read_that_has_waited_the_next_are_left_to_threads_of_the_store() {
    let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::without_nowait());
    let store = open(dir.path(), &io);
    for size in SIZES {
        put(&store, &format!("{size}"), &body(size, 1)).await.unwrap();
    }
    let (caller, slow) = (thread::current().id(), Arc::new(AtomicUsize::new(0)));
    let reads = slow.clone();
    io.set_plan(move |call| {
        if call.operation == Operation::Read && thread::current().id() == caller {
            reads.fetch_add(1, Ordering::Relaxed);
            thread::sleep(SLOW);
        }
        None
    });
    let deadline = Instant::now() + Duration::from_secs(30);
    while slow.load(Ordering::Relaxed) == 0 {
        assert!(Instant::now() < deadline, "no caller has read anything");
        assert_eq!(get(&store, "1000").await.unwrap(), body(1_000, 1));
    }
    let (before, waited) = (slow.load(Ordering::Relaxed), store.stats().fallback_reads);
    for size in SIZES {
        assert_eq!(get(&store, &format!("{size}")).await.unwrap(), body(size, 1));
    }
    assert!(
        store
            .update_meta(&key("1000"), &meta("new"), &none())
            .await
            .unwrap()
    );
    assert_eq!(slow.load(Ordering::Relaxed), before, "a caller has waited again");
    assert!(store.stats().fallback_reads >= waited + SIZES.len() as u64);
}
