//! Logs that are taken over: what is found in them is what the new segment wrote, and nothing of the old one.

mod common;

use common::{body, copy_dir, find, get, open, put, read};
use forebay_disk::DiskStorage;
use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

const CAPACITY_BYTES: u64 = 4 << 20;
const BODY_BYTES: usize = 10_000;

async fn fill(store: &DiskStorage, numbers: std::ops::Range<usize>) {
    for number in numbers {
        put(store, &format!("k{number}"), &body(BODY_BYTES, number as u64))
            .await
            .unwrap();
    }
}

/// The numbers of the entries that are found; each has its own body.
async fn found(store: &DiskStorage, until: usize) -> HashSet<usize> {
    let mut found = HashSet::new();
    for number in 0..until {
        if let Some(bytes) = get(store, &format!("k{number}")).await {
            assert!(bytes == body(BODY_BYTES, number as u64), "entry {number}");
            found.insert(number);
        }
    }
    found
}

fn log_inodes(dir: &Path) -> HashSet<u64> {
    let segments = fs::read_dir(dir.join("segments")).unwrap();
    segments
        .map(|segment| fs::metadata(segment.unwrap().path().join("log")).unwrap().ino())
        .collect()
}

#[tokio::test]
async fn a_full_store_goes_on_in_the_files_that_it_has() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir.path().join("store"), CAPACITY_BYTES);
    fill(&store, 0..500).await;
    let before = log_inodes(&dir.path().join("store"));
    fill(&store, 500..1000).await;
    let after = log_inodes(&dir.path().join("store"));
    assert!(
        before.intersection(&after).count() * 2 > after.len(),
        "{before:?} {after:?}"
    );
    assert!(store.stats().resident_bytes <= CAPACITY_BYTES);
    assert!(found(&store, 1000).await.contains(&999));
}

#[tokio::test]
async fn what_a_killed_store_had_is_found_in_logs_that_were_taken_over() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let store = open(&path, CAPACITY_BYTES);
    let mut until = 0;
    for (round, many) in [450, 37, 5, 61, 3, 111].into_iter().enumerate() {
        fill(&store, until..until + many).await;
        until += many;
        // What another process finds if this one ends here: no footer, and leftovers behind the last record.
        let killed = dir.path().join(format!("killed{round}"));
        copy_dir(&path, &killed);
        let here = found(&store, until).await;
        let there = found(&open(&killed, CAPACITY_BYTES), until).await;
        assert_eq!(here, there, "after {until} fills");
    }
}

#[tokio::test]
async fn a_reader_of_an_evicted_entry_keeps_its_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir.path().join("store"), CAPACITY_BYTES);
    let large = body(600_000, 7); // it lies in a file, and is read when the reader asks for it
    put(&store, "large", &large).await.unwrap();
    let (_, mut hit) = find(&store, "large").await.unwrap();
    for number in 0..1500 {
        fill(&store, number..number + 1).await;
        get(&store, &format!("k{number}")).await.unwrap(); // so that the main ring turns as well
    }
    assert!(find(&store, "large").await.is_none());
    assert_eq!(read(&mut *hit).await.unwrap(), large);
}
