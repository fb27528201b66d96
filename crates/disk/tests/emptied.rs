//! Somebody removes what is in the directory of an open store: that is how the caches of other proxies are cleared.

mod common;

use common::*;
use forebay_disk::{DiskOptions, DiskStorage, Sync};
use std::fs;
use std::path::Path;
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
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("store");
    let store = DiskOptions::new(&root)
        .capacity_bytes(CAPACITY)
        .sync(Sync::Interval(Duration::from_millis(1)))
        .open()
        .unwrap();
    put(&store, "old", &body(1000, 1)).await.unwrap();
    empty(&root);
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
    put(&store, "old", &body(10_000, 1)).await.unwrap();
    empty(&root);
    for name in ["segments", "bodies"] {
        fs::create_dir(root.join(name)).unwrap();
    }
    fs::write(root.join("LOCK"), "1\n").unwrap();
    let mut refused = None;
    for number in 0..200 {
        if let Err(error) = put(&store, &format!("{number}"), &body(30_000, number)).await {
            refused = Some(error.to_string());
        }
    }
    let refused = refused.expect("a segment is begun in another's directory");
    assert!(refused.contains("process 1 has the directory now"), "{refused}");
    assert!(logs(&root).is_empty());
}
