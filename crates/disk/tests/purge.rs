//! Purges beside other calls on the same key.

mod common;

use common::*;
use forebay_core::{PurgeType, Storage};
use forebay_disk::DiskOptions;
use forebay_disk::io::{FaultyIo, Operation};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Found by MODEL-SCHEDULE: a purge took the entry from the index first and hid the writes in progress later, and between
/// the two a lookup missed and a write began. `finish` of that write was a success, and the entry was not there.
#[tokio::test]
async fn a_write_that_begins_when_the_purged_entry_is_gone_is_admitted() {
    let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
    let store = DiskOptions::new(dir.path()).io(io.clone()).open().unwrap();
    put(&store, "k", &body(300_000, 1)).await.unwrap();
    // The purge stops where it removes the body file; by then the entry is gone.
    let (reached, at_removal) = channel();
    let (go_on, gate) = channel::<()>();
    let (reached, gate) = (Mutex::new(reached), Mutex::new(gate));
    io.set_plan(move |call| {
        if call.operation == Operation::Remove && call.path.extension().is_some_and(|ext| ext == "body") {
            let _ = reached.lock().unwrap().send(());
            let waited = gate.lock().unwrap().recv_timeout(Duration::from_secs(60));
            assert_ne!(waited, Err(RecvTimeoutError::Timeout), "the test did not go on");
        }
        None
    });
    let store = Arc::new(store);
    let purging = store.clone();
    let purge = tokio::spawn(async move {
        let k = key("k").to_compact();
        purging.purge(&k, PurgeType::Invalidation, &none()).await
    });
    let removal = tokio::task::spawn_blocking(move || at_removal.recv_timeout(Duration::from_secs(60)));
    removal.await.unwrap().expect("the purge removes the body file");
    assert!(find(&store, "k").await.is_none());
    let mut write = store
        .get_miss_handler(&key("k"), &meta("k"), &none())
        .await
        .unwrap();
    drop(go_on);
    assert!(purge.await.unwrap().unwrap());
    write.write_body(body(1, 2), true).await.unwrap();
    write.finish().await.unwrap();
    assert_eq!(get(&store, "k").await, Some(body(1, 2)));
}
