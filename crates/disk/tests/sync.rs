//! Syncs are made while the store goes on: on a slow disk they take seconds.

mod common;

use common::{body, get, key, meta, none, put};
use forebay_core::{PurgeTarget, PurgeType, Storage};
use forebay_disk::io::{Fault, FaultyIo, Operation};
use forebay_disk::{DiskOptions, DiskStorage, Sync};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

const EIO: i32 = 5;
const LIMIT: Duration = Duration::from_secs(30);

/// A disk whose first syncs wait until it lets them through; all count.
#[derive(Clone, Default)]
struct SlowSyncs {
    state: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Default)]
struct State {
    waiting: usize,
    made: usize,
    lets_through: bool,
}

impl SlowSyncs {
    /// A store on this disk, which is slow from then on for so many syncs.
    fn store(&self, dir: &Path, slow: usize) -> DiskStorage {
        let (io, syncs) = (FaultyIo::new(), self.clone());
        let store = open(dir, io.clone());
        io.set_plan(move |call| {
            if call.operation == Operation::Sync {
                syncs.wait(slow);
            }
            None
        });
        store
    }

    fn wait(&self, slow: usize) {
        let (state, changed) = &*self.state;
        let mut state = state.lock().unwrap();
        let is_slow = state.waiting + state.made < slow;
        state.waiting += 1;
        changed.notify_all();
        while is_slow && !state.lets_through {
            state = changed.wait(state).unwrap();
        }
        state.waiting -= 1;
        state.made += 1;
        changed.notify_all();
    }

    fn let_through(&self) {
        let (state, changed) = &*self.state;
        state.lock().unwrap().lets_through = true;
        changed.notify_all();
    }

    fn until(&self, what: &str, is_so: impl Fn(&State) -> bool) {
        let (state, changed) = &*self.state;
        let deadline = Instant::now() + LIMIT;
        let mut state = state.lock().unwrap();
        while !is_so(&state) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                drop(state);
                self.fail(what);
            }
            state = changed.wait_timeout(state, left).unwrap().0;
        }
    }

    /// Fails where the store waits for the disk, instead of waiting for ever.
    async fn in_time<T>(&self, what: &str, work: impl Future<Output = T>) -> T {
        let done = tokio::time::timeout(LIMIT, work).await;
        done.unwrap_or_else(|_| self.fail(&format!("{what} waits for the sync")))
    }

    fn fail(&self, what: &str) -> ! {
        self.let_through(); // so that the store can be closed
        panic!("{what}");
    }

    fn waiting(&self) -> usize {
        self.state.0.lock().unwrap().waiting
    }

    fn made(&self) -> usize {
        self.state.0.lock().unwrap().made
    }
}

fn open(dir: &Path, io: FaultyIo) -> DiskStorage {
    DiskOptions::new(dir.join("store"))
        .capacity_bytes(64 << 20)
        .sync(Sync::Interval(Duration::from_millis(1)))
        .io(io)
        .open()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fills_purges_and_updates_go_on_while_a_sync_waits_for_the_disk() {
    let (dir, syncs) = (tempfile::tempdir().unwrap(), SlowSyncs::default());
    let store = syncs.store(dir.path(), usize::MAX);
    for name in ["kept", "purged", "updated", "expired"] {
        syncs
            .in_time("a fill", put(&store, name, &body(1000, 1)))
            .await
            .unwrap();
    }
    syncs.until("no sync has begun", |state| state.waiting > 0);

    syncs
        .in_time("a fill", put(&store, "small", &body(1000, 2)))
        .await
        .unwrap();
    syncs
        .in_time("a fill by a file", put(&store, "large", &body(600_000, 2)))
        .await
        .unwrap();
    let purged = key("purged").to_compact();
    let trace = none();
    let purge = store.purge(&purged, PurgeType::Invalidation, &trace);
    assert!(syncs.in_time("a purge", purge).await.unwrap());
    let (updated, new) = (key("updated"), meta("new"));
    let update = store.update_meta(&updated, &new, &trace);
    assert!(syncs.in_time("an update", update).await.unwrap());
    let expired = key("expired").to_compact();
    let expiry = store.expire(PurgeTarget::Active(&expired), &trace);
    syncs.in_time("an expiry", expiry).await.unwrap();
    assert_eq!(get(&store, "small").await.unwrap(), body(1000, 2));
    assert_eq!(get(&store, "large").await.unwrap(), body(600_000, 2));
    assert!(get(&store, "purged").await.is_none());

    assert_eq!(syncs.waiting(), 1, "one sync at a time");
    syncs.let_through();
    let of_the_first = 2; // its log, and the names of all segments
    syncs.until("what was written meanwhile is not synced", |state| {
        state.made > of_the_first
    });
}

/// Else what was written before the sync that is being made would not be durable when the close says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_close_ends_after_the_sync_that_is_being_made() {
    let (dir, syncs) = (tempfile::tempdir().unwrap(), SlowSyncs::default());
    let store = syncs.store(dir.path(), 1);
    put(&store, "a", &body(1000, 1)).await.unwrap();
    syncs.until("no sync has begun", |state| state.waiting > 0);
    let closing = std::thread::spawn({
        let store = store.clone();
        move || store.close()
    });
    let deadline = Instant::now() + LIMIT;
    while put(&store, "b", &body(1000, 1)).await.is_ok() {
        assert!(Instant::now() < deadline, "the close does not begin");
    }
    // All that the close does itself is quick here: were it not to wait, it would have ended by then.
    for _ in 0..100 {
        if closing.is_finished() {
            syncs.fail("the close has not waited for the sync");
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    syncs.let_through();
    closing.join().unwrap();
    assert_eq!(syncs.waiting(), 0);
    let made = syncs.made();
    let store = open(dir.path(), FaultyIo::new());
    assert_eq!(get(&store, "a").await.unwrap(), body(1000, 1));
    assert_eq!(syncs.made(), made, "nothing is left running");
}

#[tokio::test]
async fn a_sync_that_fails_is_counted_and_the_next_is_made() {
    let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
    let store = open(dir.path(), io.clone());
    io.set_plan(|call| (call.operation == Operation::Sync).then_some(Fault::Errno(5)));
    put(&store, "a", &body(1000, 1)).await.unwrap();
    let deadline = Instant::now() + LIMIT;
    while store.stats().write_errors == 0 {
        assert!(Instant::now() < deadline, "the failure is not counted");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let (tell, synced) = std::sync::mpsc::channel();
    let tell = Mutex::new(tell);
    io.set_plan(move |call| {
        if call.operation == Operation::Sync && call.path.ends_with("segments") {
            let _ = tell.lock().unwrap().send(());
        }
        None
    });
    put(&store, "b", &body(1000, 1)).await.unwrap();
    synced.recv_timeout(LIMIT).unwrap();
    for name in ["a", "b"] {
        assert_eq!(get(&store, name).await.unwrap(), body(1000, 1));
    }
}

/// What a sync had to make durable was forgotten where it failed.
#[tokio::test]
async fn what_a_failed_sync_was_for_is_synced_by_a_later_one() {
    let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
    let store = open(dir.path(), io.clone());
    let (failed, synced) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    io.set_plan({
        let (failed, synced) = (failed.clone(), synced.clone());
        move |call| {
            let is_body = call.path.extension().is_some_and(|name| name == "body");
            if !is_body || call.operation != Operation::Sync {
                return None;
            }
            let first = !failed.swap(true, Ordering::AcqRel);
            synced.store(!first, Ordering::Release);
            first.then_some(Fault::Errno(EIO))
        }
    });
    put(&store, "large", &body(600_000, 1)).await.unwrap();
    let deadline = Instant::now() + LIMIT;
    while !synced.load(Ordering::Acquire) {
        assert!(Instant::now() < deadline, "it is never tried again");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(store.stats().write_errors, 1);
}

/// The second caller gave the directory away while the first was still writing to it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_close_beside_another_does_not_let_go_of_the_directory_before_that() {
    let (dir, syncs) = (tempfile::tempdir().unwrap(), SlowSyncs::default());
    let store = syncs.store(dir.path(), usize::MAX);
    put(&store, "a", &body(1000, 1)).await.unwrap();
    syncs.until("no sync has begun", |state| state.waiting > 0);
    let close = || {
        let store = store.clone();
        std::thread::spawn(move || store.close())
    };
    let first = close();
    let deadline = Instant::now() + LIMIT;
    while put(&store, "b", &body(1000, 1)).await.is_ok() {
        assert!(Instant::now() < deadline, "the close does not begin");
    }
    let second = close();
    // It gave it away at once: were it to do so still, it would have by then.
    for _ in 0..40 {
        let other = DiskOptions::new(dir.path().join("store")).open();
        if second.is_finished() || other.is_ok() {
            syncs.fail("the directory was given away");
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    syncs.let_through();
    first.join().unwrap();
    second.join().unwrap();
    let store = open(dir.path(), FaultyIo::new());
    assert_eq!(get(&store, "a").await.unwrap(), body(1000, 1));
}
