//! The pages of a log that are made before its records need them: there while it is open, within the capacity, gone after.

mod common;

use common::{body, copy_dir, disk_usage, get, logs, open, put};
use forebay_disk::io::{Fault, FaultyIo, Operation};
use forebay_disk::{DiskOptions, DiskStorage, Sync};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

const CAPACITY_BYTES: u64 = 64 << 20;
const AHEAD_BYTES: u64 = 256 << 10;

const NAMES: [&str; 4] = ["a", "b", "c", "d"];
const BODY_BYTES: usize = 40_000;
/// More than the records of all of them, and less than what is ahead.
const RECORDS_BYTES_MAX: u64 = 5 * BODY_BYTES as u64;

/// The log's length. The second entry asks for pages, which are there before the third is written; what the third asks for is there
/// before the last.
async fn log_bytes_after_entries(store: &DiskStorage, dir: &Path) -> u64 {
    for name in NAMES {
        put(store, name, &body(BODY_BYTES, 1)).await.unwrap();
    }
    log_bytes(dir)
}

async fn check_entries(store: &DiskStorage) {
    for name in NAMES {
        assert_eq!(get(store, name).await.unwrap(), body(BODY_BYTES, 1));
    }
}

fn log_bytes(dir: &Path) -> u64 {
    let log = logs(dir).remove(0);
    std::fs::metadata(log).unwrap().len()
}

#[tokio::test]
async fn a_log_has_pages_ahead_of_its_records_until_it_is_closed() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), CAPACITY_BYTES);
    let long = log_bytes_after_entries(&store, dir.path()).await;
    assert!((AHEAD_BYTES..4 * AHEAD_BYTES).contains(&long), "{long}");
    assert!(store.stats().resident_bytes >= long);
    store.close();
    assert!(log_bytes(dir.path()) < RECORDS_BYTES_MAX);
    check_entries(&open(dir.path(), CAPACITY_BYTES)).await;
}

/// It would be cut off when the next segment is begun, and nothing would have been written there.
#[tokio::test]
async fn a_log_of_few_records_has_no_pages_ahead() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), CAPACITY_BYTES);
    for name in ["a", "b", "c", "d"] {
        put(&store, name, &body(300_000, 1)).await.unwrap(); // in files of their own
    }
    let logs = logs(dir.path());
    assert!(!logs.is_empty());
    for log in logs {
        assert!(std::fs::metadata(log).unwrap().len() < 10_000);
    }
}

/// While it is filled from nothing to twice its capacity.
#[tokio::test]
async fn pages_ahead_are_within_the_capacity() {
    for capacity_bytes in [1 << 20, 4 << 20, 9 << 20] {
        let dir = tempfile::tempdir().unwrap();
        let store = open(&dir.path().join("store"), capacity_bytes);
        for number in 0..2 * capacity_bytes / 20_000 {
            put(&store, &number.to_string(), &body(20_000, number))
                .await
                .unwrap();
            let used = disk_usage(&dir.path().join("store").join("segments"));
            assert!(used <= capacity_bytes, "{used} of {capacity_bytes}");
        }
    }
}

#[tokio::test]
async fn what_is_synced_at_once_is_not_written_twice() {
    let dir = tempfile::tempdir().unwrap();
    let options = DiskOptions::new(dir.path()).capacity_bytes(CAPACITY_BYTES);
    let store = options.sync(Sync::Always).open().unwrap();
    assert!(log_bytes_after_entries(&store, dir.path()).await < RECORDS_BYTES_MAX);
}

#[tokio::test]
async fn a_killed_store_gives_its_pages_back_when_it_is_opened() {
    let (dir, killed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = open(dir.path(), CAPACITY_BYTES);
    log_bytes_after_entries(&store, dir.path()).await;
    copy_dir(dir.path(), &killed.path().join("store"));
    let dir = killed.path().join("store");
    assert!(log_bytes(&dir) > AHEAD_BYTES);
    let store = open(&dir, CAPACITY_BYTES);
    assert!(log_bytes(&dir) < RECORDS_BYTES_MAX);
    assert!(store.stats().resident_bytes < RECORDS_BYTES_MAX);
    check_entries(&store).await;
}

/// A disk that has room for records, and not for what is ahead of them, is not filled up again after each.
#[tokio::test]
async fn where_pages_cannot_be_made_they_are_tried_once_in_a_log() {
    let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
    let options = DiskOptions::new(dir.path()).capacity_bytes(CAPACITY_BYTES);
    let store = options.sync(Sync::Never).io(io.clone()).open().unwrap();
    let writes = AtomicUsize::new(0);
    io.set_plan(move |call| {
        // The log's start and two records come before.
        let fails = call.operation == Operation::Write && writes.fetch_add(1, Ordering::Relaxed) == 3;
        fails.then_some(Fault::Errno(28))
    });
    let long = log_bytes_after_entries(&store, dir.path()).await;
    assert!(long < RECORDS_BYTES_MAX, "{long}");
    assert_eq!(store.stats().full_disk_evictions, 0);
    check_entries(&store).await;
}
