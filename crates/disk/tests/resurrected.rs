//! What was purged or replaced does not come back, whatever fails or is lost on the way.

mod common;

use common::*;
use forebay_core::{PurgeType, Storage};
use forebay_disk::io::{CrashIo, Fault, FaultyIo, Names, Operation, PowerCut};
use forebay_disk::{DiskOptions, DiskStorage, Sync};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const CAPACITY: u64 = 4 << 20;
const EIO: i32 = 5;
/// Longer than any test takes: what is durable is so for another reason.
const NEVER_DUE: Sync = Sync::Interval(Duration::from_secs(36_000));

fn options(dir: &Path) -> DiskOptions {
    DiskOptions::new(dir)
        .capacity_bytes(CAPACITY)
        .sync(NEVER_DUE)
        .pause_after_failure(Duration::ZERO)
}

async fn purge(store: &DiskStorage, name: &str) -> forebay_core::Result<bool> {
    let key = key(name).to_compact();
    store.purge(&key, PurgeType::Invalidation, &none()).await
}

/// Others come and go until so many segments have gone. Not all are stored on a disk that fails.
async fn churn(store: &DiskStorage, segments: u64) {
    let until = store.stats().evicted_segments + segments;
    for number in 0..10_000 {
        if store.stats().evicted_segments >= until {
            return;
        }
        let name = format!("other {number} after {until}");
        let _ = put(store, &name, &body(30_000, number)).await;
    }
    panic!("nothing is evicted");
}

/// Has these two in one segment of the main ring, where one of them stays.
async fn promoted(store: &DiskStorage) {
    for (seed, name) in ["stays", "old"].into_iter().enumerate() {
        put(store, name, &body(20_000, seed as u64)).await.unwrap();
        get(store, name).await.unwrap();
    }
    churn(store, 20).await;
}

/// The tombstone and the new version lay in one segment, so nothing told that what was kept of it overrules a record in the
/// main ring; it was not durable when its segment went.
#[tokio::test]
async fn after_a_power_cut_where_the_version_that_followed_a_purge_had_moved() {
    let dir = tempfile::tempdir().unwrap();
    let (root, cut) = (dir.path().join("store"), dir.path().join("cut"));
    std::fs::create_dir(&root).unwrap();
    let io = CrashIo::new(&root).unwrap();
    let store = options(&root).io(io.clone()).open().unwrap();
    promoted(&store).await;
    drop(store); // all is durable
    let store = options(&root).io(io.clone()).open().unwrap();
    purge(&store, "old").await.unwrap();
    put(&store, "old", &body(1000, 7)).await.unwrap();
    get(&store, "old").await.unwrap();
    let (done, log) = (io.steps(), logs(&root).pop().unwrap());
    let log = format!("segments/{}", log.file_name().unwrap().to_str().unwrap());
    churn(&store, 20).await;
    assert_eq!(get(&store, "old").await.unwrap(), body(1000, 7), "it was kept");

    // Once its segment is gone, a purge is durable, though the interval has not passed.
    let gone = (done..=io.steps()).find(|step| {
        let last = io.describe(*step, 1);
        let words: Vec<_> = last[0].split(' ').collect();
        matches!(words[..], ["remove" | "move", name, ..] if name == log)
    });
    for step in gone.unwrap()..=io.steps() {
        for names in [Names::InOrder, Names::AnyOrder] {
            let power_cut = PowerCut { step, seed: 1, names };
            io.cut(&power_cut, &cut).unwrap();
            let left = open(&cut, CAPACITY);
            let found = get(&left, "old").await;
            let is_back = found.is_some_and(|found| found.len() == 20_000);
            assert!(!is_back, "the purged version is back after {power_cut:?}");
            drop(left);
            std::fs::remove_dir_all(&cut).unwrap();
        }
    }
}

/// Its file was gone when the store was opened, so it was dropped, and nothing was written down that would have told of it.
#[tokio::test]
async fn after_an_entry_that_replaced_it_has_lost_its_body_file() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), CAPACITY);
    promoted(&store).await;
    put(&store, "old", &body(300_000, 6)).await.unwrap();
    drop(store);
    let files = body_files(dir.path());
    assert_eq!(files.len(), 1);
    std::fs::remove_file(&files[0]).unwrap();

    let store = open(dir.path(), CAPACITY);
    put(&store, "old", &body(1000, 7)).await.unwrap();
    churn(&store, 20).await;
    assert!(find(&store, "old").await.is_none(), "it was evicted");
    drop(store);
    let store = open(dir.path(), CAPACITY);
    assert!(find(&store, "old").await.is_none());
    assert_eq!(get(&store, "stays").await.unwrap(), body(20_000, 0));
}

/// Its entries had left the index though it had not gone: a purge found nothing, and wrote nothing.
#[tokio::test]
async fn after_a_purge_while_its_segment_could_not_be_removed() {
    let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
    let store = options(dir.path()).io(io.clone()).open().unwrap();
    put(&store, "purged", &body(1000, 1)).await.unwrap();
    io.set_plan(|call| {
        let is_names = call.operation == Operation::Sync && call.path.ends_with("segments");
        is_names.then_some(Fault::Errno(EIO))
    });
    for number in 0..200 {
        let _ = put(&store, &format!("{number}"), &body(30_000, number)).await;
    }
    assert!(store.stats().write_errors > 0);
    let _ = purge(&store, "purged").await;
    assert!(find(&store, "purged").await.is_none());
    store.close();
    let store = open(dir.path(), CAPACITY);
    assert!(find(&store, "purged").await.is_none());
}

/// The first attempt has moved the version that overrules another; the second found nothing to move, and did not sync.
#[tokio::test]
async fn after_an_eviction_whose_sync_has_failed_and_that_is_tried_again() {
    let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
    let store = options(dir.path()).io(io.clone()).open().unwrap();
    promoted(&store).await;
    put(&store, "old", &body(1000, 7)).await.unwrap();
    get(&store, "old").await.unwrap();
    let log = logs(dir.path()).pop().unwrap();

    let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
    io.set_plan({
        let (seen, log) = (seen.clone(), log.clone());
        move |call| {
            let mut seen = seen.lock().unwrap();
            let is_gone = seen.contains(&Seen::Gone);
            match call.operation {
                Operation::Sync if !is_gone && is_of_main(call.path) => {
                    let failed = !seen.contains(&Seen::SyncFailed);
                    seen.push(if failed { Seen::SyncFailed } else { Seen::Synced });
                    failed.then_some(Fault::Errno(EIO))
                }
                Operation::Rename | Operation::Remove if call.path == log => {
                    seen.push(Seen::Gone);
                    None
                }
                _ => None,
            }
        }
    });
    while !seen.lock().unwrap().contains(&Seen::Gone) {
        churn(&store, 1).await;
    }
    assert_eq!(get(&store, "old").await.unwrap(), body(1000, 7));
    io.heal();
    let seen = seen.lock().unwrap();
    assert!(seen.starts_with(&[Seen::SyncFailed, Seen::Synced]), "{seen:?}");
}

#[derive(Debug, PartialEq, Eq)]
enum Seen {
    SyncFailed,
    Synced,
    Gone,
}

/// Whether it is a log of the main ring: those have small numbers.
fn is_of_main(path: &Path) -> bool {
    let name = path.file_name().unwrap().to_str().unwrap();
    name.starts_with('0') && name.ends_with(".log")
}

/// Where the tombstones of a segment cannot be read, what they may be for goes first.
#[tokio::test]
async fn after_a_segment_with_its_tombstone_has_become_unreadable() {
    let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
    let store = open(dir.path(), CAPACITY);
    promoted(&store).await;
    drop(store);
    let store = options(dir.path()).io(io.clone()).open().unwrap();
    assert!(purge(&store, "old").await.unwrap());
    let unreadable: PathBuf = logs(dir.path()).pop().unwrap();
    io.set_plan(move |call| {
        let fails = call.operation == Operation::Read && call.path == unreadable;
        fails.then_some(Fault::Errno(EIO))
    });
    churn(&store, 40).await;
    for number in 0..10 {
        put(&store, "new", &body(30_000, number)).await.unwrap();
    }
    assert_eq!(get(&store, "new").await.unwrap(), body(30_000, 9));
    store.close();
    let store = open(dir.path(), CAPACITY);
    assert!(find(&store, "old").await.is_none());
}
