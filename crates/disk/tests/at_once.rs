//! What a caller's thread does itself, and what it leaves to the store's.

mod common;

use common::{body, get, key, meta, none, put};
use forebay_core::{PurgeTarget, PurgeType, Storage};
use forebay_disk::io::{FaultyIo, Operation};
use forebay_disk::{DiskOptions, DiskStorage, Sync};
use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

/// Who has changed what.
type Changes = Arc<Mutex<Vec<(ThreadId, Operation)>>>;

/// Writes down who changes something, after `first` was called with it.
fn watch(io: &FaultyIo, first: impl Fn(Operation) + Send + std::marker::Sync + 'static) -> Changes {
    let changes = Changes::default();
    let seen = changes.clone();
    io.set_plan(move |call| {
        first(call.operation);
        if !matches!(
            call.operation,
            Operation::Look | Operation::Open | Operation::Read
        ) {
            seen.lock()
                .unwrap()
                .push((thread::current().id(), call.operation));
        }
        None
    });
    changes
}

fn by_caller(changes: &Changes) -> Vec<Operation> {
    let caller = thread::current().id();
    let changes = changes.lock().unwrap();
    let own = changes.iter().filter(|(thread, _)| *thread == caller);
    own.map(|(_, operation)| *operation).collect()
}

fn by_others(changes: &Changes) -> usize {
    let caller = thread::current().id();
    let changes = changes.lock().unwrap();
    changes.iter().filter(|(thread, _)| *thread != caller).count()
}

/// A store that has begun its first segment, with nothing left to do.
async fn begun(dir: &Path, io: &FaultyIo, capacity_bytes: u64, sync: Sync) -> DiskStorage {
    let store = DiskOptions::new(dir.join("store"))
        .capacity_bytes(capacity_bytes)
        .sync(sync)
        .io(io.clone())
        .open()
        .unwrap();
    put(&store, "first", &body(1000, 0)).await.unwrap();
    // The answer comes before the store's thread has let go of the log.
    let deadline = Instant::now() + Duration::from_secs(30);
    let changes = watch(io, |_| {});
    for number in 1.. {
        if sync != Sync::Never || !by_caller(&changes).is_empty() {
            break;
        }
        assert!(Instant::now() < deadline, "no caller has written anything");
        put(&store, &format!("more {number}"), &body(10, 0))
            .await
            .unwrap();
    }
    store
}

const MIB: u64 = 1 << 20;

/// Where a busy machine keeps a thread off for longer than a slow disk would, the store cannot tell: then once more.
async fn attempts<F: Future<Output = Result<(), String>>>(attempt: impl Fn() -> F) {
    let mut failed = Vec::new();
    for _ in 0..5 {
        match attempt().await {
            Ok(()) => return,
            Err(why) => failed.push(why),
        }
    }
    panic!("{failed:#?}");
}

#[tokio::test]
async fn a_short_change_is_one_write_of_its_caller() {
    attempts(short_changes).await;
}

async fn short_changes() -> Result<(), String> {
    let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
    let store = begun(dir.path(), &io, 256 * MIB, Sync::Never).await;
    let changes = watch(&io, |_| {});
    let exactly_one = |what: &str| {
        let (own, others) = (by_caller(&changes), by_others(&changes));
        changes.lock().unwrap().clear();
        match own == [Operation::Write] && others == 0 {
            true => Ok(()),
            false => Err(format!("{what}: {own:?} by the caller, {others} by others")),
        }
    };

    put(&store, "a", &body(20_000, 1)).await.unwrap();
    exactly_one("a new entry")?;
    put(&store, "a", &body(250_000, 2)).await.unwrap();
    exactly_one("an entry over another")?;
    assert!(store.update_meta(&key("a"), &meta("new"), &none()).await.unwrap());
    exactly_one("another meta")?;
    let target = key("a").to_compact();
    store.expire(PurgeTarget::Active(&target), &none()).await.unwrap();
    exactly_one("an expiry")?;
    assert_eq!(get(&store, "a").await.unwrap(), body(250_000, 2));
    assert!(
        store
            .purge(&target, PurgeType::Invalidation, &none())
            .await
            .unwrap()
    );
    exactly_one("a purge")?;
    assert!(get(&store, "a").await.is_none());
    assert!(
        !store
            .purge(&target, PurgeType::Invalidation, &none())
            .await
            .unwrap()
    );
    assert_eq!(
        changes.lock().unwrap().len(),
        0,
        "a purge of nothing writes nothing"
    );
    Ok(())
}

#[tokio::test]
async fn whatever_may_take_long_is_left_to_other_threads() {
    let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
    let store = begun(dir.path(), &io, 8 * MIB, Sync::Interval(Duration::from_millis(1))).await;
    let changes = watch(&io, |_| {});

    put(&store, "large", &body(600_000, 1)).await.unwrap();
    store
        .purge(&key("large").to_compact(), PurgeType::Invalidation, &none())
        .await
        .unwrap();
    assert_eq!(by_caller(&changes), [], "a body file, and its removal");
    assert!(by_others(&changes) > 0);

    for number in 0..1000 {
        put(&store, &format!("k{number}"), &body(20_000, number))
            .await
            .unwrap();
    }
    assert!(store.stats().evicted_segments > 0);
    let own: HashSet<_> = by_caller(&changes).into_iter().collect();
    assert_eq!(
        own,
        HashSet::from([Operation::Write]),
        "no segment is begun or evicted, nothing is synced"
    );
    let synced = |changes: &Changes| {
        changes
            .lock()
            .unwrap()
            .iter()
            .any(|(_, what)| *what == Operation::Sync)
    };
    assert!(synced(&changes), "what callers have written is synced as well");
}

#[tokio::test]
async fn where_every_commit_is_synced_no_caller_writes() {
    let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
    let store = begun(dir.path(), &io, 256 * MIB, Sync::Always).await;
    let changes = watch(&io, |_| {});
    put(&store, "a", &body(1000, 1)).await.unwrap();
    assert_eq!(by_caller(&changes), []);
    assert!(by_others(&changes) > 0);
}

#[tokio::test]
async fn after_a_write_that_took_long_the_next_are_left_to_the_stores_thread() {
    attempts(slow_changes).await;
}

async fn slow_changes() -> Result<(), String> {
    let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
    let store = begun(dir.path(), &io, 256 * MIB, Sync::Never).await;
    let slow_disk = |operation| {
        if operation == Operation::Write {
            thread::sleep(Duration::from_millis(30));
        }
    };
    let changes = watch(&io, slow_disk);
    for number in 0..5 {
        put(&store, &format!("k{number}"), &body(1000, number))
            .await
            .unwrap();
    }
    for number in 0..5 {
        assert_eq!(
            get(&store, &format!("k{number}")).await.unwrap(),
            body(1000, number)
        );
    }
    match (by_caller(&changes).as_slice(), by_others(&changes)) {
        ([Operation::Write], 4) => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

#[tokio::test]
async fn a_write_that_fails_on_the_callers_thread_fails_alone() {
    let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
    let store = begun(dir.path(), &io, 256 * MIB, Sync::Never).await;
    io.set_plan(|call| (call.operation == Operation::Write).then_some(forebay_disk::io::Fault::Errno(5)));
    let failed = put(&store, "a", &body(1000, 1)).await.unwrap_err();
    assert!(failed.to_string().contains("append to the log"), "{failed}");
    assert!(get(&store, "a").await.is_none());
    io.heal();
    assert_eq!(get(&store, "first").await.unwrap(), body(1000, 0));
}
