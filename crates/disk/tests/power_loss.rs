//! What a power cut may do to a store: removals that were made in order become durable in any.

mod common;

use common::*;
use forebay_core::{PurgeType, Storage};
use forebay_disk::io::{Fault, FaultyIo, Operation};
use forebay_disk::{DiskOptions, Sync};

const CAPACITY: u64 = 16 << 20;

/// The segment that held the tombstone was gone, the older one with the entry was not: a purged entry came back.
#[tokio::test]
async fn an_old_segment_whose_removal_was_lost_does_not_bring_back_what_was_purged() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), CAPACITY);
    put(&store, "purged", &body(1_000, 1)).await.unwrap();
    for i in 0..10 {
        put(&store, &format!("beside {i}"), &body(200_000, i))
            .await
            .unwrap();
    }
    let oldest = logs(dir.path()).remove(0);
    assert!(
        logs(dir.path()).len() >= 2,
        "the tombstone comes into another segment"
    );
    store
        .purge(&key("purged").to_compact(), PurgeType::Invalidation, &none())
        .await
        .unwrap();
    let log = std::fs::read(&oldest).unwrap();
    let mut i = 0;
    while logs(dir.path())[0] <= oldest.with_file_name("80000002.log") {
        put(&store, &format!("later {i}"), &body(200_000, i))
            .await
            .unwrap();
        i += 1;
    }
    drop(store);
    std::fs::write(&oldest, log).unwrap();
    let store = open(dir.path(), CAPACITY);
    assert!(find(&store, "purged").await.is_none());
    assert!(find(&store, "beside 0").await.is_none());
    assert!(!oldest.exists());
    let last = i - 1;
    assert_eq!(
        get(&store, &format!("later {last}")).await.unwrap(),
        body(200_000, last)
    );
    put(&store, "purged", &body(1_000, 2)).await.unwrap();
    assert_eq!(get(&store, "purged").await.unwrap(), body(1_000, 2));
}

/// A segment that could not be begun would look as if it had been evicted, and all before it with it.
#[tokio::test]
async fn a_segment_that_could_not_be_begun_or_was_not_yet_costs_no_entry() {
    let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
    let options = DiskOptions::new(dir.path())
        .capacity_bytes(CAPACITY)
        .pause_after_failure(std::time::Duration::ZERO)
        .io(io.clone());
    let store = options.clone().open().unwrap();
    put(&store, "first", &body(1_000, 1)).await.unwrap();
    drop(store);
    let store = options.clone().open().unwrap();
    io.set_plan(|call| {
        let log = call.path.extension().is_some_and(|ending| ending == "log");
        (log && call.operation == Operation::Write).then_some(Fault::Errno(5))
    });
    put(&store, "second", &body(1_000, 2)).await.unwrap_err();
    io.heal();
    put(&store, "second", &body(1_000, 2)).await.unwrap();
    drop(store);
    std::fs::write(dir.path().join("segments/80000002.log"), "").unwrap(); // as a crash right after would leave it
    let store = options.open().unwrap();
    assert_eq!(get(&store, "first").await.unwrap(), body(1_000, 1));
    assert_eq!(get(&store, "second").await.unwrap(), body(1_000, 2));
}

/// With no segment left there is no gap to tell by, so the removals before the last are made durable first.
#[tokio::test]
async fn the_last_segment_goes_only_after_the_removal_of_the_others_is_durable() {
    let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
    let store = DiskOptions::new(dir.path())
        .capacity_bytes(CAPACITY)
        .sync(Sync::Interval(std::time::Duration::from_secs(3600)))
        .io(io.clone())
        .open()
        .unwrap();
    put(&store, "a", &body(1_000, 1)).await.unwrap();
    let (calls, seen) = std::sync::mpsc::channel();
    let calls = std::sync::Mutex::new(calls);
    io.set_plan(move |call| {
        let name = call.path.file_name().unwrap().to_owned();
        let _ = calls.lock().unwrap().send((call.operation, name));
        None
    });
    store
        .purge(&key("a").to_compact(), PurgeType::Invalidation, &none())
        .await
        .unwrap();
    let seen: Vec<_> = seen.try_iter().collect();
    let synced = seen
        .iter()
        .position(|(o, name)| *o == Operation::Sync && name == "segments");
    let removed = seen
        .iter()
        .position(|(o, name)| *o == Operation::Remove && name == "80000000.log");
    assert!(synced.is_some() && synced < removed, "{seen:?}");
}

/// The log of an evicted segment was taken over by another; the cut gave it back, and nobody could tell what of it was
/// written over.
#[tokio::test]
async fn a_segment_whose_log_names_another_was_evicted_and_all_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), CAPACITY);
    for i in 0..25 {
        put(&store, &format!("{i}"), &body(200_000, i)).await.unwrap();
    }
    drop(store);
    let logs = logs(dir.path());
    let start = std::fs::read(&logs[3]).unwrap()[..64].to_vec();
    let mut log = std::fs::read(&logs[1]).unwrap();
    log[..64].copy_from_slice(&start);
    std::fs::write(&logs[1], log).unwrap();
    let store = open(dir.path(), CAPACITY);
    assert!(!logs[0].exists() && !logs[1].exists() && logs[2].exists());
    assert!(find(&store, "0").await.is_none());
    assert_eq!(get(&store, "24").await.unwrap(), body(200_000, 24));
}

/// A log was moved to the segment that took it over, and the write of its new start was lost: the whole ring counted as
/// evicted, and what it had replaced in the main ring was back.
#[tokio::test]
async fn a_log_that_was_taken_over_and_still_names_its_old_segment_costs_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let old = dir.path().join("segments/80000000.log");
    for (name, len) in [("a", 1000), ("b", 2000), ("c", 3000)] {
        put(&open(dir.path(), 32 << 20), name, &body(len, 1))
            .await
            .unwrap();
    }
    // The first one has gone, and its log is that of the segment that comes after the newest.
    let next = dir.path().join("segments/80000003.log");
    std::fs::rename(&old, &next).unwrap();
    let store = open(dir.path(), 32 << 20);
    assert!(find(&store, "a").await.is_none());
    assert!(get(&store, "b").await == Some(body(2000, 1)));
    assert!(get(&store, "c").await == Some(body(3000, 1)));
}
