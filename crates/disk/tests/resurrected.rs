//! What was purged or replaced does not come back, whatever fails or is lost on the way.

mod common;

use common::*;
use forebay_core::{PurgeType, Storage};
use forebay_disk::io::{CrashIo, Fault, FaultyIo, Names, Operation, PowerCut};
use forebay_disk::{DiskOptions, DiskStorage, Sync};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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

/// Others come and go until so many segments have gone.
async fn churn(store: &DiskStorage, segments: u64) {
    let until = store.stats().evicted_segments + segments;
    let mut number = store.stats().admitted;
    while store.stats().evicted_segments < until {
        let name = format!("other {number}");
        put(store, &name, &body(30_000, number)).await.unwrap();
        number += 1;
    }
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
