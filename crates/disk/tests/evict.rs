//! What a process that is killed in the middle of an eviction leaves: a part of a segment, and no damage.

mod common;

use common::{body, copy_dir, expect_no_stray, get, open, put};
use forebay_disk::io::{FaultyIo, Operation};
use forebay_disk::survey::Survey;
use forebay_disk::{DiskOptions, Sync};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const CAPACITY_BYTES: u64 = 5 << 20;

#[tokio::test]
async fn a_kill_in_an_eviction_damages_nothing_and_leaves_nothing_for_good() {
    for sync in [Sync::Never, Sync::Interval(Duration::from_secs(3600))] {
        kill_in_every_eviction(sync).await;
    }
}

/// Bodies in files and in records, some of them read, from nothing to twice the capacity.
async fn kill_in_every_eviction(sync: Sync) {
    let dir = tempfile::tempdir().unwrap();
    let (root, io) = (dir.path().join("store"), FaultyIo::new());
    let options = DiskOptions::new(&root).capacity_bytes(CAPACITY_BYTES).sync(sync);
    let store = options.io(io.clone()).open().unwrap();
    let wrong = Arc::new(Mutex::new(Vec::new()));
    io.set_plan({
        let (root, wrong) = (root.clone(), wrong.clone());
        move |call| {
            if matches!(call.operation, Operation::Rename | Operation::Remove) {
                let found = wrong_after_a_kill(&root);
                let found = found.into_iter().map(|what| format!("{call:?}: {what}"));
                wrong.lock().unwrap().extend(found);
            }
            None
        }
    });
    for number in 0..40 {
        let (large, small) = (format!("large {number}"), format!("small {number}"));
        put(&store, &large, &body(270_000, number)).await.unwrap();
        put(&store, &small, &body(3_000, number)).await.unwrap();
        if number % 3 == 0 {
            get(&store, &large).await.unwrap();
        }
    }
    assert!(store.stats().evicted_segments > 10);
    let wrong = wrong.lock().unwrap();
    assert!(wrong.is_empty(), "{} times; {}", wrong.len(), wrong[0]);
}

/// In a copy, as it is at this moment; and what the next open leaves of it that belongs to nothing.
fn wrong_after_a_kill(root: &Path) -> Vec<String> {
    let copy = tempfile::tempdir().unwrap();
    let killed = copy.path().join("store");
    copy_dir(root, &killed);
    let damaged = Survey::of(&killed).unwrap().verify(&mut |_| {}).unwrap();
    let mut wrong: Vec<_> = damaged.iter().map(ToString::to_string).collect();
    open(&killed, CAPACITY_BYTES).close();
    wrong.extend(expect_no_stray(&killed).err());
    wrong
}
