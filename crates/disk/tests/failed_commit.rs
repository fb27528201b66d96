//! Commits that failed after their record had reached the log.

mod common;

use common::*;
use forebay_core::Storage;
use forebay_disk::io::{Fault, FaultyIo, Operation};
use forebay_disk::{DiskOptions, Sync};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

/// Found by WRITE-ERR-USABLE with `Sync::Always`: the record was written, its sync failed, and the log could not be cut
/// either. The write was told to have failed, and the next open found it.
#[tokio::test]
async fn a_write_that_failed_at_its_sync_is_not_there_after_a_restart() {
    for old in [None, Some(body(500, 7))] {
        let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
        let options = DiskOptions::new(dir.path())
            .sync(Sync::Always)
            .pause_after_failure(Duration::ZERO)
            .io(io.clone());
        let store = options.clone().open().unwrap();
        put(&store, "before", &body(100, 1)).await.unwrap();
        if let Some(old) = &old {
            put(&store, "k", old).await.unwrap();
        }
        // From the sync of the record on, everything that changes the disk fails.
        let broken = AtomicBool::new(false);
        io.set_plan(move |call| match call.operation {
            Operation::Look | Operation::Open | Operation::Read => None,
            Operation::Sync => {
                broken.store(true, Ordering::SeqCst);
                Some(Fault::Errno(5))
            }
            _ => broken.load(Ordering::SeqCst).then_some(Fault::Errno(5)),
        });
        put(&store, "k", &body(1000, 2)).await.unwrap_err();
        assert_eq!(get(&store, "k").await, old);
        io.heal();
        put(&store, "after", &body(100, 3)).await.unwrap();
        drop(store);
        let store = options.open().unwrap();
        assert_eq!(get(&store, "k").await, old);
        assert_eq!(get(&store, "before").await, Some(body(100, 1)));
        assert_eq!(get(&store, "after").await, Some(body(100, 3)));
    }
}

/// Found by WRITE-ERR-USABLE, once in some hundred runs: the answer came before the write left the registry, and a lookup
/// right after the failed `finish` still followed it.
#[tokio::test]
async fn who_was_told_that_a_write_failed_no_longer_finds_it() {
    for has_log in [false, true] {
        let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
        let store = DiskOptions::new(dir.path()).io(io.clone()).open().unwrap();
        if has_log {
            put(&store, "other", &body(10, 1)).await.unwrap();
        }
        let mut write = store
            .get_miss_handler(&key("k"), &meta("k"), &none())
            .await
            .unwrap();
        write.write_body(body(700_000, 1), true).await.unwrap();
        let (told, was_told) = channel::<()>();
        let was_told = Mutex::new(was_told);
        io.set_plan(move |call| match call.operation {
            Operation::Write if call.path.extension().is_some_and(|ending| ending == "log") => {
                Some(Fault::Errno(5))
            }
            Operation::Remove => {
                // The write is being taken back: whoever is told of it already may look it up meanwhile.
                let _ = was_told.lock().unwrap().recv_timeout(Duration::from_millis(300));
                None
            }
            _ => None,
        });
        assert!(write.finish().await.is_err());
        let found = find(&store, "k").await.is_some();
        drop(told);
        assert!(!found);
    }
}
