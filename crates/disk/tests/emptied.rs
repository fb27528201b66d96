//! Somebody removes what is in the directory of an open store: that is how the caches of other proxies are cleared.

mod common;

use common::*;
use forebay_core::{PurgeType, Storage};
use forebay_disk::io::{Fault, FaultyIo, Operation};
use forebay_disk::{DiskOptions, DiskStorage, Sync};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const CAPACITY: u64 = 4 << 20;

fn empty(dir: &Path) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => fs::remove_dir_all(path).unwrap(),
            false => fs::remove_file(path).unwrap(),
        }
    }
}

fn remove(dir: &Path) {
    fs::remove_dir_all(dir).unwrap();
}

fn remove_bodies(dir: &Path) {
    fs::remove_dir_all(dir.join("bodies")).unwrap();
}

/// `find -type f -delete`
fn remove_files(dir: &Path) {
    for file in files(dir) {
        fs::remove_file(file).unwrap();
    }
}

/// A body file came while its directory was being emptied, so that this stays.
fn empty_beside_a_write(dir: &Path) {
    empty(dir);
    fs::create_dir(dir.join("bodies")).unwrap();
    fs::write(dir.join("bodies/0006000000000000.body"), "a part").unwrap();
}

async fn fill(store: &DiskStorage, count: u64, len: usize) {
    for number in 0..count {
        put(store, &format!("new {number}"), &body(len, number))
            .await
            .unwrap();
    }
}

/// Nothing was stored from then on, and nobody was told.
#[tokio::test]
async fn the_store_goes_on_with_what_comes_then() {
    for (remove, len) in [
        (empty as fn(&Path), 30_000),
        (remove, 30_000),
        (empty, 300_000),
        (remove_files, 30_000),
        (remove_files, 300_000),
        (empty_beside_a_write, 30_000),
        (remove_bodies, 300_000),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("store");
        let store = open(&root, CAPACITY);
        put(&store, "small", &body(10_000, 1)).await.unwrap();
        put(&store, "large", &body(400_000, 1)).await.unwrap();
        get(&store, "small").await.unwrap();
        remove(&root);
        fill(&store, 40, len).await;
        assert_eq!(get(&store, "new 39").await.unwrap(), body(len, 39));
        assert!(find(&store, "small").await.is_none(), "its directory was emptied");
        assert!(find(&store, "large").await.is_none());
        let stats = store.stats();
        assert!(stats.resident_bytes <= CAPACITY, "{stats:?}");
        let other = DiskOptions::new(&root).open();
        assert!(other.is_err(), "the directory is this store's still");
        drop(store);
        let store = open(&root, CAPACITY);
        assert_eq!(get(&store, "new 39").await.unwrap(), body(len, 39));
        assert!(find(&store, "small").await.is_none());
        expect_no_stray(&root).unwrap();
    }
}

#[tokio::test]
async fn the_next_sync_notices_it() {
    for remove in [empty, remove_files] {
        noticed_by_a_sync(remove).await;
    }
}

async fn noticed_by_a_sync(remove: fn(&Path)) {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("store");
    let store = DiskOptions::new(&root)
        .capacity_bytes(CAPACITY)
        .sync(Sync::Interval(Duration::from_millis(1)))
        .open()
        .unwrap();
    put(&store, "old", &body(1000, 1)).await.unwrap();
    remove(&root);
    put(&store, "between", &body(1000, 2)).await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while find(&store, "old").await.is_some() {
        assert!(Instant::now() < deadline, "what was removed is still found");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    put(&store, "new", &body(1000, 3)).await.unwrap();
    drop(store);
    let store = open(&root, CAPACITY);
    assert_eq!(get(&store, "new").await.unwrap(), body(1000, 3));
}

#[tokio::test]
async fn what_another_process_has_made_there_meanwhile_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("store");
    let store = open(&root, CAPACITY);
    for number in 0..40 {
        put(&store, &format!("old {number}"), &body(30_000, number))
            .await
            .unwrap();
    }
    let first = logs(&root).remove(0);
    empty(&root);
    for name in ["segments", "bodies"] {
        fs::create_dir(root.join(name)).unwrap();
    }
    fs::write(root.join("LOCK"), format!("{}\n", std::process::id())).unwrap(); // in another container
    fs::write(&first, "another's").unwrap();
    let mut refused = None;
    for number in 0..200 {
        let purged = key(&format!("old {}", number % 40)).to_compact();
        let _ = store.purge(&purged, PurgeType::Invalidation, &none()).await;
        if let Err(error) = put(&store, &format!("{number}"), &body(30_000, number)).await {
            refused = Some(error.to_string());
        }
    }
    let refused = refused.expect("a segment is begun in another's directory");
    assert!(refused.contains("has the directory now"), "{refused}");
    drop(store);
    assert_eq!(logs(&root), std::slice::from_ref(&first));
    assert_eq!(fs::read(first).unwrap(), b"another's");
}

#[tokio::test]
async fn another_store_that_was_put_there_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (root, others) = (dir.path().join("store"), dir.path().join("another"));
    let other = open(&others, CAPACITY);
    fill(&other, 60, 30_000).await;
    drop(other);
    fs::remove_file(others.join("LOCK")).unwrap();
    let there = files(&others).len();
    let store = open(&root, CAPACITY);
    put(&store, "old", &body(10_000, 1)).await.unwrap();
    remove(&root);
    fs::rename(&others, &root).unwrap();
    for number in 0..60 {
        let _ = put(&store, &format!("{number}"), &body(30_000, number)).await;
    }
    drop(store);
    let lock = root.join("LOCK");
    assert_eq!(files(&root).iter().filter(|file| **file != lock).count(), there);
    let other = open(&root, CAPACITY);
    assert_eq!(get(&other, "new 59").await.unwrap(), body(30_000, 59));
}

/// The new LOCK was let go of again, and the next attempt took it for its own.
#[tokio::test]
async fn the_directory_is_the_stores_also_where_it_could_not_be_made_again_at_first() {
    let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
    let root = dir.path().join("store");
    let store = DiskOptions::new(&root)
        .capacity_bytes(CAPACITY)
        .sync(Sync::Never)
        .pause_after_failure(Duration::ZERO)
        .io(io.clone())
        .open()
        .unwrap();
    put(&store, "old", &body(10_000, 1)).await.unwrap();
    empty(&root);
    let is_first = AtomicBool::new(true);
    io.set_plan(move |call| {
        let fails = call.operation == Operation::Create
            && call.path.ends_with("bodies")
            && is_first.swap(false, Ordering::SeqCst);
        fails.then_some(Fault::Errno(5))
    });
    for number in 0..60 {
        let _ = put(&store, &format!("new {number}"), &body(30_000, number)).await;
    }
    put(&store, "last", &body(30_000, 1)).await.unwrap();
    assert!(
        DiskOptions::new(&root).open().is_err(),
        "another has it beside this store"
    );
}

/// Nothing of a full store could go any more, since no directory could be synced, and so nothing came to a new segment.
#[tokio::test]
async fn a_full_store_goes_on_under_every_setting() {
    for sync in [
        Sync::Always,
        Sync::Never,
        Sync::Interval(Duration::from_secs(36_000)),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("store");
        let store = DiskOptions::new(&root)
            .capacity_bytes(CAPACITY)
            .sync(sync)
            .pause_after_failure(Duration::ZERO)
            .open()
            .unwrap();
        for number in 0..120 {
            let name = format!("{number}");
            put(&store, &name, &body(40_000, number)).await.unwrap();
            get(&store, &name).await.unwrap();
        }
        for number in (0..120).step_by(3) {
            let key = key(&format!("{number}")).to_compact();
            store.purge(&key, PurgeType::Invalidation, &none()).await.unwrap();
        }
        empty(&root);
        let mut stored = 0;
        for number in 0..60 {
            stored += usize::from(put(&store, "new", &body(40_000, number)).await.is_ok());
        }
        assert!(stored > 40, "{sync:?}: {stored} of 60");
        assert!(get(&store, "new").await.is_some(), "{sync:?}");
    }
}

#[tokio::test]
async fn a_lock_that_is_removed_is_taken_again_and_costs_no_entry() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("store");
    let store = open(&root, CAPACITY);
    put(&store, "stays", &body(10_000, 1)).await.unwrap();
    fs::remove_file(root.join("LOCK")).unwrap();
    for number in 0..30 {
        put(&store, &format!("{number}"), &body(30_000, number))
            .await
            .unwrap();
    }
    assert_eq!(get(&store, "stays").await.unwrap(), body(10_000, 1));
    assert!(DiskOptions::new(&root).open().is_err());
}

#[tokio::test]
async fn writes_that_are_under_way_are_stored() {
    for sync in [Sync::Always, Sync::Never] {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("store");
        let store = DiskOptions::new(&root)
            .capacity_bytes(64 << 20)
            .sync(sync)
            .open()
            .unwrap();
        let mut writes = Vec::new();
        for name in ["a", "b", "c"] {
            let mut miss = store
                .get_miss_handler(&key(name), &meta(name), &none())
                .await
                .unwrap();
            miss.write_body(body(600_000, 1), false).await.unwrap();
            writes.push((name, miss));
        }
        empty(&root);
        for (name, mut miss) in writes {
            miss.write_body(body(2_000_000, 2), false).await.unwrap();
            miss.finish().await.unwrap();
            put(&store, name, &body(2_000_000, 3)).await.unwrap();
        }
        for name in ["a", "b", "c"] {
            let found = get(&store, name).await;
            assert!(
                found.is_none_or(|found| found == body(2_000_000, 3)),
                "{sync:?} {name}"
            );
        }
        put(&store, "last", &body(1000, 4)).await.unwrap();
        assert_eq!(get(&store, "last").await.unwrap(), body(1000, 4));
    }
}
