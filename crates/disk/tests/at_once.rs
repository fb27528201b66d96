//! What a caller's thread does itself, and what it leaves to the store's.

mod common;

use common::{body, body_files, get, key, meta, none, put, until_no_body_files};
use forebay_core::{ErrorKind, MissFinishType, MissHandler, PurgeTarget, PurgeType, Result, Storage};
use forebay_disk::io::{Fault, FaultyIo, Operation};
use forebay_disk::{DiskOptions, DiskStorage, Sync};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
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

/// A store with some entries in its first segment.
async fn begun(dir: &Path, io: &FaultyIo, sync: Sync) -> DiskStorage {
    let store = empty(dir, io, sync);
    for name in ["a", "b", "c"] {
        put(&store, name, &body(1000, 1)).await.unwrap();
    }
    store
}

fn empty(dir: &Path, io: &FaultyIo, sync: Sync) -> DiskStorage {
    DiskOptions::new(dir.join("store"))
        .capacity_bytes(16 << 20)
        .sync(sync)
        .io(io.clone())
        .open()
        .unwrap()
}

/// Changes something until the caller has done that itself: the answer to a fill comes before the store's thread has let go.
async fn until_by_caller(store: &DiskStorage, changes: &Changes) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while by_caller(changes).is_empty() {
        assert!(Instant::now() < deadline, "no caller has written anything");
        store.update_meta(&key("c"), &meta("c"), &none()).await.unwrap();
    }
}

async fn purge(store: &DiskStorage, name: &str) -> bool {
    let target = key(name).to_compact();
    store
        .purge(&target, PurgeType::Invalidation, &none())
        .await
        .unwrap()
}

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
    let store = begun(dir.path(), &io, Sync::Never).await;
    let changes = watch(&io, |_| {});
    until_by_caller(&store, &changes).await;
    changes.lock().unwrap().clear();
    let exactly_one = |what: &str| {
        let (own, others) = (by_caller(&changes), by_others(&changes));
        changes.lock().unwrap().clear();
        match own == [Operation::Write] && others == 0 {
            true => Ok(()),
            false => Err(format!("{what}: {own:?} by the caller, {others} by others")),
        }
    };

    assert!(store.update_meta(&key("a"), &meta("new"), &none()).await.unwrap());
    exactly_one("another meta")?;
    let target = key("a").to_compact();
    store.expire(PurgeTarget::Active(&target), &none()).await.unwrap();
    exactly_one("an expiry")?;
    assert_eq!(get(&store, "a").await.unwrap(), body(1000, 1));
    assert!(purge(&store, "a").await);
    exactly_one("a purge")?;
    assert!(get(&store, "a").await.is_none());
    assert!(!purge(&store, "a").await);
    assert_eq!(changes.lock().unwrap().len(), 0, "there was nothing to purge");
    put(&store, "a", &body(16_000, 2)).await.unwrap();
    exactly_one("a small entry")?;

    put_together(&store, ["a", "new", "newer"], 1_000).await;
    exactly_one("small entries that come together")?;
    put(&store, "large", &body(30_000, 2)).await.unwrap();
    exactly_one("an entry that comes alone")?;
    put(&store, "in a file", &body(600_000, 2)).await.unwrap();
    let own = by_caller(&changes);
    changes.lock().unwrap().clear();
    if own != [Operation::Write] {
        return Err(format!("the record of a body file: {own:?} by the caller"));
    }

    put_together(&store, ["larger", "yet larger", "largest"], 30_000).await;
    match by_caller(&changes)[..] {
        [] => Ok(()),
        ref own => Err(format!(
            "larger entries that come together: {own:?} by the caller"
        )),
    }
}

/// Entries whose writes end at the same time.
async fn put_together(store: &DiskStorage, names: [&str; 3], len_bytes: usize) {
    let [first, second, third] = names.map(|name| written(store, name, len_bytes));
    let (first, second, third) = (first.await, second.await, third.await);
    let ends = tokio::join!(first.finish(), second.finish(), third.finish());
    assert!(ends.0.is_ok() && ends.1.is_ok() && ends.2.is_ok());
    for name in names {
        assert_eq!(get(store, name).await.unwrap(), body(len_bytes, 3));
    }
}

/// A write that has only to be finished.
async fn written(store: &DiskStorage, name: &str, len_bytes: usize) -> MissHandler {
    let miss = store.get_miss_handler(&key(name), &meta(name), &none()).await;
    let mut miss = miss.unwrap();
    miss.write_body(body(len_bytes, 3), true).await.unwrap();
    miss
}

#[tokio::test]
async fn whatever_may_take_long_is_left_to_other_threads() {
    let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
    let store = begun(dir.path(), &io, Sync::Never).await;
    let changes = watch(&io, |_| {});
    put(&store, "large", &body(600_000, 1)).await.unwrap();
    assert!(by_others(&changes) > 0, "the body file");
    changes.lock().unwrap().clear();
    assert!(purge(&store, "large").await);
    assert_eq!(by_caller(&changes), [], "the removal of a body file");
    assert!(by_others(&changes) > 0);

    let purged = written(&store, "purged", 600_000).await;
    assert!(purge(&store, "purged").await);
    purged.finish().await.unwrap();
    assert_eq!(
        by_caller(&changes),
        [],
        "the removal of one that is purged meanwhile"
    );

    for number in 0..500 {
        put(&store, "c", &body(40_000, number)).await.unwrap();
        store.update_meta(&key("c"), &meta("c"), &none()).await.unwrap();
    }
    assert!(store.stats().evicted_segments > 0);
    let own: HashSet<_> = by_caller(&changes).into_iter().collect();
    assert!(own.is_subset(&HashSet::from([Operation::Write])), "{own:?}");
}

/// Its file may have a quarter of the capacity, and a file system takes its time to free that.
#[tokio::test]
async fn the_body_file_of_a_write_that_is_given_up_or_refused_is_removed_by_another_thread() {
    const MOST_BYTES: usize = 3 << 20;
    for is_given_up in [true, false] {
        let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
        let options = DiskOptions::new(dir.path().join("store")).max_object_bytes(MOST_BYTES as u64);
        let store = options.capacity_bytes(16 << 20).io(io.clone()).open().unwrap();
        let large = store
            .get_miss_handler(&key("large"), &meta("large"), &none())
            .await;
        let mut large = large.unwrap();
        large.write_body(body(2 << 20, 1), false).await.unwrap();
        assert_eq!(body_files(&dir.path().join("store")).len(), 1);
        let changes = watch(&io, |_| {});
        if is_given_up {
            drop(large);
        } else {
            large.write_body(body(MOST_BYTES, 1), true).await.unwrap();
            let refused = large.finish().await.unwrap_err();
            assert_eq!(ErrorKind::of(&refused), Some(ErrorKind::Refused), "{refused}");
        }
        until_no_body_files(&dir.path().join("store")).await;
        assert_eq!(by_caller(&changes), [], "given up: {is_given_up}");
    }
}

/// What was handed over is done before another process may have the directory.
#[tokio::test]
async fn a_close_waits_for_the_removal_of_body_files_that_were_given_up() {
    let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
    let store = empty(dir.path(), &io, Sync::Never);
    let large = store
        .get_miss_handler(&key("large"), &meta("large"), &none())
        .await;
    let mut large = large.unwrap();
    large.write_body(body(2 << 20, 1), false).await.unwrap();
    let _changes = watch(&io, |operation| {
        if operation == Operation::Remove {
            thread::sleep(Duration::from_millis(100)); // a slow disk
        }
    });
    drop(large);
    store.close();
    assert!(body_files(&dir.path().join("store")).is_empty());
}

/// The segment that it lies in was taken for one that goes with it, but it is the one that its new meta goes to.
#[tokio::test]
async fn the_only_entry_of_a_segment_is_changed_by_its_caller_too() {
    let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
    let store = empty(dir.path(), &io, Sync::Never);
    put(&store, "c", &body(1000, 1)).await.unwrap();
    until_by_caller(&store, &watch(&io, |_| {})).await;
    assert_eq!(get(&store, "c").await.unwrap(), body(1000, 1));
}

/// The file stays where it is.
#[tokio::test]
async fn an_entry_with_a_body_in_a_file_is_changed_by_its_caller_too() {
    let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
    let store = empty(dir.path(), &io, Sync::Never);
    let large = body(600_000, 1);
    put(&store, "c", &large).await.unwrap();
    let changes = watch(&io, |_| {});
    until_by_caller(&store, &changes).await;
    assert!(
        by_caller(&changes)
            .iter()
            .all(|operation| *operation == Operation::Write)
    );
    assert_eq!(get(&store, "c").await.unwrap(), large);
    drop(store);
    let store = empty(dir.path(), &io, Sync::Never);
    assert_eq!(get(&store, "c").await.unwrap(), large);
}

#[tokio::test]
async fn what_a_caller_has_written_is_synced_at_the_interval() {
    let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
    let store = begun(dir.path(), &io, Sync::Interval(Duration::from_millis(1))).await;
    let changes = watch(&io, |_| {});
    until_by_caller(&store, &changes).await;
    let written = changes.lock().unwrap().len();
    let deadline = Instant::now() + Duration::from_secs(30);
    let is_synced = || {
        let changes = changes.lock().unwrap();
        changes[written..]
            .iter()
            .any(|(_, what)| *what == Operation::Sync)
    };
    while !is_synced() {
        assert!(Instant::now() < deadline, "nothing was synced");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_change_that_its_caller_has_made_wakes_nobody() {
    let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
    let store = begun(dir.path(), &io, Sync::Never).await;
    let thread = stores_thread(&store, &io).await;
    let changes = watch(&io, |_| {});
    until_by_caller(&store, &changes).await;
    let (others, before) = (by_others(&changes), sleeps(&thread));
    for number in 0..100 {
        put(&store, "a", &body(1_000, number)).await.unwrap();
        store.update_meta(&key("a"), &meta("new"), &none()).await.unwrap();
    }
    let (others, sleeps) = (by_others(&changes) - others, sleeps(&thread) - before);
    // What is left to the thread wakes it twice at most, for its work and where a first look comes too early; one sleep may have
    // been to come.
    assert!(
        sleeps <= 1 + 2 * others as u64,
        "{sleeps} wake-ups, {others} changes"
    );
}

#[tokio::test]
async fn what_comes_while_a_caller_writes_is_done_by_it_too() {
    attempts(comes_meanwhile).await;
}

async fn comes_meanwhile() -> Result<(), String> {
    let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
    let store = begun(dir.path(), &io, Sync::Never).await;
    until_by_caller(&store, &watch(&io, |_| {})).await;

    let mut first: Finishing = Box::pin(written(&store, "first", 1_000).await.finish());
    let second: Finishing = Box::pin(written(&store, "second", 1_000).await.finish());
    assert!(!is_ready(&mut first));
    let second = Arc::new(Mutex::new(second));
    let changes = queue_at_first_write(&io, &second);
    let are_ready = [is_ready(&mut first), is_ready(&mut second.lock().unwrap())];
    let (own, others) = (by_caller(&changes), by_others(&changes));
    match are_ready == [true; 2] && own == [Operation::Write; 2] && others == 0 {
        true => Ok(()),
        false => Err(format!(
            "ready: {are_ready:?}; {own:?} by the caller, {others} by others"
        )),
    }
}

/// A larger entry: the store's thread does not wait for the caller to look at it once more.
#[tokio::test]
async fn what_comes_while_a_caller_writes_and_is_not_for_it_holds_nobody_up() {
    attempts(larger_comes_meanwhile).await;
}

async fn larger_comes_meanwhile() -> Result<(), String> {
    let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
    let store = begun(dir.path(), &io, Sync::Never).await;
    until_by_caller(&store, &watch(&io, |_| {})).await;

    let larger: Finishing = Box::pin(written(&store, "larger", 30_000).await.finish());
    let larger = Arc::new(Mutex::new(larger));
    let changes = queue_at_first_write(&io, &larger);
    let (target, span) = (key("a").to_compact(), none());
    let mut purged = Box::pin(store.purge(&target, PurgeType::Invalidation, &span));
    // It is not looked at again until the larger one is there.
    if !is_ready(&mut purged) || by_caller(&changes) != [Operation::Write] {
        return Err(format!(
            "not purged at once; {:?} by the caller",
            by_caller(&changes)
        ));
    }
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_ready(&mut larger.lock().unwrap()) {
        if Instant::now() >= deadline {
            return Err(format!("{:?} by the caller", by_caller(&changes)));
        }
        thread::yield_now();
    }
    match by_caller(&changes)[..] {
        [Operation::Write] => Ok(()),
        ref own => Err(format!("{own:?} by the caller")),
    }
}

/// Queues a write's end while the first write is made after this: there it finds that somebody is at work.
fn queue_at_first_write(io: &FaultyIo, comes: &Arc<Mutex<Finishing>>) -> Changes {
    let (comes, has_come) = (comes.clone(), AtomicBool::new(false));
    watch(io, move |operation| {
        if operation == Operation::Write && !has_come.swap(true, Ordering::Relaxed) {
            let mut comes = comes.lock().unwrap();
            assert!((0..2).all(|_| !is_ready(&mut comes)));
        }
    })
}

/// Whether a future has its result now; nobody is woken for it.
fn is_ready<F: Future + ?Sized>(future: &mut Pin<Box<F>>) -> bool {
    let mut waker = Context::from_waker(Waker::noop());
    future.as_mut().poll(&mut waker).is_ready()
}

/// Of a write that is dropped while it waits to be admitted: the store's thread is woken for what another caller has taken already.
#[tokio::test]
async fn what_a_caller_has_written_is_synced_although_the_stores_thread_was_woken_in_vain() {
    attempts(a_vain_wake_up).await;
}

async fn a_vain_wake_up() -> Result<(), String> {
    let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
    let store = begun(dir.path(), &io, Sync::Interval(Duration::from_millis(500))).await;
    let thread = stores_thread(&store, &io).await;
    until_by_caller(&store, &watch(&io, |_| {})).await;

    let mut first = Box::pin(written(&store, "first", 1_000).await.finish());
    let mut second: Finishing = Box::pin(written(&store, "second", 1_000).await.finish());
    let mut waker = Context::from_waker(Waker::noop());
    assert!(first.as_mut().poll(&mut waker).is_pending());
    assert!(second.as_mut().poll(&mut waker).is_pending());
    let (second, is_synced) = (Mutex::new(Some(second)), Arc::new(AtomicBool::new(false)));
    let synced = is_synced.clone();
    let changes = watch(&io, move |operation| {
        if operation == Operation::Sync {
            synced.store(true, Ordering::Relaxed);
        }
        if operation == Operation::Write
            && let Some(second) = second.lock().unwrap().take()
        {
            let before = sleeps(&thread);
            drop(second);
            let deadline = Instant::now() + Duration::from_secs(30);
            while sleeps(&thread) == before {
                assert!(Instant::now() < deadline, "the store's thread was not woken");
                thread::yield_now();
            }
        }
    });
    let is_ready = first.as_mut().poll(&mut waker).is_ready();
    if !is_ready || by_caller(&changes) != [Operation::Write] {
        return Err(format!("{:?} by the caller", by_caller(&changes)));
    }
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_synced.load(Ordering::Relaxed) {
        assert!(Instant::now() < deadline, "nothing was synced");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}

type Finishing = Pin<Box<dyn Future<Output = Result<MissFinishType>> + Send>>;

/// Where the system tells of the store's thread: that which purges a body in a file.
async fn stores_thread(store: &DiskStorage, io: &FaultyIo) -> PathBuf {
    let thread = Arc::new(Mutex::new(None));
    let seen = thread.clone();
    io.set_plan(move |call| {
        if call.operation == Operation::Write {
            *seen.lock().unwrap() = Some(std::fs::read_link("/proc/thread-self").unwrap());
        }
        None
    });
    put(store, "in a file", &body(600_000, 1)).await.unwrap();
    purge(store, "in a file").await;
    let thread = thread.lock().unwrap().take();
    Path::new("/proc").join(thread.expect("the last write is that of the record"))
}

/// How many times a thread has gone to sleep.
fn sleeps(thread: &Path) -> u64 {
    let status = std::fs::read_to_string(thread.join("status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    line.unwrap().trim().parse().unwrap()
}

#[tokio::test]
async fn where_every_change_is_synced_no_caller_writes() {
    let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
    let store = begun(dir.path(), &io, Sync::Always).await;
    let changes = watch(&io, |_| {});
    for _ in 0..20 {
        store.update_meta(&key("a"), &meta("new"), &none()).await.unwrap();
        put(&store, "b", &body(1_000, 1)).await.unwrap();
    }
    assert_eq!(by_caller(&changes), []);
    assert!(by_others(&changes) > 0);
}

#[tokio::test]
async fn after_a_write_that_took_long_the_next_are_left_to_the_stores_thread() {
    attempts(slow_changes).await;
}

async fn slow_changes() -> Result<(), String> {
    let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
    let store = begun(dir.path(), &io, Sync::Never).await;
    until_by_caller(&store, &watch(&io, |_| {})).await;
    let slow_disk = |operation| {
        if operation == Operation::Write {
            thread::sleep(Duration::from_millis(30));
        }
    };
    let changes = watch(&io, slow_disk);
    for _ in 0..5 {
        store.update_meta(&key("a"), &meta("new"), &none()).await.unwrap();
    }
    assert_eq!(get(&store, "a").await.unwrap(), body(1000, 1));
    match (by_caller(&changes).as_slice(), by_others(&changes)) {
        ([Operation::Write], 4) => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

#[tokio::test]
async fn a_body_that_has_its_file_is_appended_to_by_its_writer() {
    attempts(|| streamed(Duration::ZERO, &[], |own| own >= 10)).await;
}

#[tokio::test]
async fn a_body_that_is_not_the_only_one_is_left_to_other_threads() {
    attempts(|| streamed(Duration::ZERO, &["beside"], |own| own == 0)).await;
}

#[tokio::test]
async fn after_an_append_that_took_long_threads_of_the_store_write_the_body() {
    attempts(|| streamed(Duration::from_millis(30), &[], |own| own == 1)).await;
}

/// Streams a body in while others are being written, and says how many writes its writer made after its file was there, each of
/// which takes so long.
async fn streamed(
    write_takes: Duration,
    beside: &[&str],
    is_right: impl Fn(usize) -> bool,
) -> Result<(), String> {
    let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
    let store = begun(dir.path(), &io, Sync::Never).await;
    let mut others = Vec::new();
    for name in beside {
        others.push(written(&store, name, 1_000).await);
    }
    let whole = body(3 << 20, 4);
    let miss = store
        .get_miss_handler(&key("streamed"), &meta("streamed"), &none())
        .await;
    let mut miss = miss.unwrap();
    let mut pieces = whole.chunks(64 << 10).map(|piece| whole.slice_ref(piece));
    let first = watch(&io, |_| {});
    while by_others(&first) == 0 {
        miss.write_body(pieces.next().expect("it grows beyond memory"), false)
            .await
            .unwrap();
    }
    let own = by_caller(&first);
    let changes = watch(&io, move |operation| {
        if operation == Operation::Write {
            thread::sleep(write_takes);
        }
    });
    for piece in pieces {
        miss.write_body(piece, false).await.unwrap();
    }
    let later = by_caller(&changes);
    io.heal();
    miss.finish().await.unwrap();
    assert_eq!(get(&store, "streamed").await.unwrap(), whole);
    let are_writes = later.iter().all(|operation| *operation == Operation::Write);
    match own.is_empty() && are_writes && is_right(later.len()) {
        true => Ok(()),
        false => Err(format!("{own:?} to make the file, then {later:?}")),
    }
}

#[tokio::test]
async fn a_purge_that_the_disk_fails_is_one_for_this_process_all_the_same() {
    let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
    let store = begun(dir.path(), &io, Sync::Never).await;
    until_by_caller(&store, &watch(&io, |_| {})).await;
    io.set_plan(|call| (call.operation == Operation::Write).then_some(Fault::Errno(5)));
    let target = key("a").to_compact();
    let failed = store.purge(&target, PurgeType::Invalidation, &none()).await;
    assert!(failed.unwrap_err().to_string().contains("append to the log"));
    assert!(get(&store, "a").await.is_none());
    io.heal();
    assert_eq!(get(&store, "b").await.unwrap(), body(1000, 1));
    assert!(
        !purge(&store, "a").await,
        "written down by now, as the error said"
    );
}

#[tokio::test]
async fn on_a_disk_that_was_full_lately_no_caller_writes() {
    let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
    let store = begun(dir.path(), &io, Sync::Never).await;
    for number in 0..100 {
        put(&store, &format!("k{number}"), &body(40_000, number))
            .await
            .unwrap();
    }
    // One write finds no room, and the next has that of an eviction.
    let is_full = AtomicBool::new(true);
    io.set_plan(move |call| {
        let fails = call.operation == Operation::Write && is_full.swap(false, Ordering::Relaxed);
        fails.then_some(Fault::Errno(28))
    });
    put(&store, "last", &body(1000, 1)).await.unwrap();
    let changes = watch(&io, |_| {});
    assert!(store.stats().full_disk_evictions > 0);
    for _ in 0..20 {
        store
            .update_meta(&key("last"), &meta("new"), &none())
            .await
            .unwrap();
    }
    assert_eq!(by_caller(&changes), []);
    assert!(by_others(&changes) > 0);
}
