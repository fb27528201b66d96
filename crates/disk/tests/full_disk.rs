//! Full and failing disks: the store shrinks to what there is, and what cannot be stored still reaches its readers.

mod common;

use common::*;
use forebay_core::{ErrorKind, MissHandler, PurgeType, Storage};
use forebay_disk::io::{Call, Fault, FaultyIo, Operation};
use forebay_disk::{DiskOptions, DiskStorage, Sync};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const MIB: usize = 1 << 20;
const EIO: i32 = 5;
const ENOSPC: i32 = 28;

fn options(dir: &Path, io: &FaultyIo) -> DiskOptions {
    DiskOptions::new(dir)
        .capacity_bytes(16 * MIB as u64)
        .io(io.clone())
}

/// From now on the disk has so many bytes for the store, give or take one write.
fn limit_disk(dir: &Path, io: &FaultyIo, bytes: u64) {
    let dir = dir.to_owned();
    io.set_plan(move |call| {
        let grows = matches!(call.operation, Operation::Write | Operation::Open);
        (grows && usage(&dir) > bytes).then_some(Fault::Errno(ENOSPC))
    });
}

/// The bytes in a directory in which files come and go.
fn usage(dir: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return 0;
    };
    let sizes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => usage(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    });
    sizes.sum()
}

fn fails_writes(errno: i32) -> impl Fn(&Call<'_>) -> Option<Fault> + Send + std::marker::Sync + 'static {
    move |call| (call.operation == Operation::Write).then_some(Fault::Errno(errno))
}

async fn begin(store: &DiskStorage, name: &str) -> MissHandler {
    store
        .get_miss_handler(&key(name), &meta(name), &none())
        .await
        .unwrap()
}

/// On a file system of 24 MiB and a capacity of 100 MiB, 36 of 60 misses were cut: nothing was evicted before the
/// capacity was reached.
#[tokio::test]
async fn a_store_shrinks_to_what_its_disk_has_and_goes_on_storing() {
    for size in [5_000, 200_000, 700_000] {
        let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
        let store = options(dir.path(), &io).open().unwrap();
        limit_disk(dir.path(), &io, 5 * MIB as u64);
        let count = 12 * MIB / size;
        for i in 0..count {
            put(&store, &format!("{i}"), &body(size, i as u64)).await.unwrap();
            assert_eq!(get(&store, &format!("{i}")).await.unwrap(), body(size, i as u64));
        }
        let stats = store.stats();
        assert!(stats.full_disk_evictions > 0, "{stats:?}");
        assert!(stats.resident_bytes <= 7 * MIB as u64, "{stats:?}");
        assert!(
            stats.resident_bytes >= MIB as u64,
            "not more than need be: {stats:?}"
        );
        drop(store);
        let store = options(dir.path(), &io).open().unwrap();
        assert!(get(&store, &format!("{}", count - 1)).await.is_some());
        put(&store, "new", &body(size, 1)).await.unwrap();
    }
}

/// The segment that goes has the record before, and would take the body along.
#[tokio::test]
async fn a_body_whose_entry_is_being_updated_does_not_go_to_make_room_for_that() {
    for has_log in [false, true] {
        let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
        for name in ["large", "small"] {
            let store = options(dir.path(), &io).open().unwrap(); // a segment each
            let len = if name == "large" { 300_000 } else { 1_000 };
            put(&store, name, &body(len, 1)).await.unwrap();
        }
        let store = options(dir.path(), &io).open().unwrap();
        if has_log {
            put(&store, "other", &body(1_000, 1)).await.unwrap();
        }
        let is_first = AtomicBool::new(true);
        io.set_plan(move |call| {
            let is_log = call.path.extension().is_some_and(|ending| ending == "log");
            let fails =
                is_log && call.operation == Operation::Write && is_first.swap(false, Ordering::SeqCst);
            fails.then_some(Fault::Errno(ENOSPC))
        });
        let updated = store.update_meta(&key("large"), &meta("new"), &none()).await;
        let Some((found, mut hit)) = find(&store, "large").await else {
            // It went as a whole, and before there was anything to update, to make room for a log.
            assert!(!has_log && !updated.unwrap());
            continue;
        };
        assert_eq!(read(&mut *hit).await.unwrap(), body(300_000, 1));
        assert_eq!(found.head() == meta("new").head(), updated.is_ok());
        drop((hit, store));
        let store = options(dir.path(), &io).open().unwrap();
        assert_eq!(get(&store, "large").await.unwrap(), body(300_000, 1));
    }
}

/// What was kept in the main ring is purged or replaced; then the disk is full before the capacity is, and segments go by
/// which nothing may be brought back.
#[tokio::test]
async fn a_full_disk_brings_back_nothing_that_was_purged_or_replaced() {
    let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
    let store = options(dir.path(), &io)
        .pause_after_failure(Duration::ZERO)
        .open()
        .unwrap();
    let names: Vec<_> = (0..60).map(|i| format!("kept {i}")).collect();
    for name in &names {
        put(&store, name, &body(50_000, 1)).await.unwrap();
        get(&store, name).await.unwrap();
    }
    for i in 0..500 {
        put(&store, &format!("other {i}"), &body(50_000, i))
            .await
            .unwrap();
    }
    assert!(store.stats().kept_entries >= 60, "{:?}", store.stats());
    let full = usage(dir.path());
    limit_disk(dir.path(), &io, full);
    for (i, name) in names.iter().enumerate() {
        match i % 3 {
            0 => {
                let key = key(name).to_compact();
                store.purge(&key, PurgeType::Invalidation, &none()).await.unwrap();
            }
            1 => drop(put(&store, name, &body(50_000, 2)).await.unwrap()),
            _ => {}
        }
    }
    for (round, limit) in [full, full / 2, full / 8].into_iter().enumerate() {
        limit_disk(dir.path(), &io, limit);
        for i in 0..300 {
            // Where so much of the disk is gone at once, some fail.
            let stored = put(&store, &format!("{round} {i}"), &body(50_000, i)).await;
            assert!(stored.is_ok() || i < 50, "{stored:?}");
        }
        for (i, name) in names.iter().enumerate() {
            let found = get(&store, name).await;
            let allowed = [None, Some(body(50_000, 2)), Some(body(50_000, 1))];
            assert!(found.is_none() || found == allowed[i % 3], "{name}");
        }
    }
    assert!(store.stats().full_disk_evictions > 0, "{:?}", store.stats());
    drop(store);
    io.heal();
    let store = options(dir.path(), &io).open().unwrap();
    for (i, name) in names.iter().enumerate() {
        let found = get(&store, name).await;
        let allowed = [None, Some(body(50_000, 2)), Some(body(50_000, 1))];
        assert!(
            found.is_none() || found == allowed[i % 3],
            "{name}, after a restart"
        );
    }
}

#[tokio::test]
async fn once_the_disk_has_room_again_the_store_grows_again() {
    let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
    let store = options(dir.path(), &io)
        .pause_after_failure(Duration::ZERO)
        .open()
        .unwrap();
    io.set_plan(fails_writes(ENOSPC));
    put(&store, "small", &body(1_000, 1)).await.unwrap_err();
    put(&store, "large", &body(500_000, 1)).await.unwrap_err();
    io.heal();
    for name in ["small", "large"] {
        put(&store, name, &body(500_000, 2)).await.unwrap();
        assert_eq!(get(&store, name).await.unwrap(), body(500_000, 2));
    }
}

#[tokio::test]
async fn readers_get_the_whole_body_of_a_write_that_the_disk_fails_for() {
    for failing_from in [0, 2 * MIB] {
        let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
        let store = options(dir.path(), &io).open().unwrap();
        put(&store, "other", &body(1_000, 1)).await.unwrap();
        let mut miss = begin(&store, "a").await;
        let (_, mut follower) = find(&store, "a").await.unwrap();
        let all = body(3 * MIB, 1);
        for start in (0..all.len()).step_by(64 << 10) {
            if start == failing_from {
                io.set_plan(fails_writes(EIO));
            }
            let piece = all.slice(start..start + (64 << 10));
            miss.write_body(piece, false).await.unwrap();
        }
        let error = miss.finish().await.unwrap_err();
        assert_eq!(ErrorKind::of(&error), Some(ErrorKind::StorageFailed), "{error}");
        assert_eq!(read(&mut *follower).await.unwrap(), all);
        drop(follower);
        assert!(find(&store, "a").await.is_none());
        assert_eq!(get(&store, "other").await.unwrap(), body(1_000, 1));
        let stats = store.stats();
        assert_eq!((stats.live_writes, stats.in_flight_bytes), (0, 0));
        until_no_body_files(dir.path()).await;
    }
}

#[tokio::test]
async fn readers_get_the_whole_of_a_body_that_outgrows_the_limit() {
    let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
    let store = options(dir.path(), &io)
        .max_object_bytes(MIB as u64)
        .open()
        .unwrap();
    let mut miss = begin(&store, "a").await;
    let (_, mut follower) = find(&store, "a").await.unwrap();
    let all = body(3 * MIB, 1);
    for piece in all.chunks(100_000) {
        miss.write_body(all.slice_ref(piece), false).await.unwrap();
    }
    let error = miss.finish().await.unwrap_err();
    assert_eq!(ErrorKind::of(&error), Some(ErrorKind::Refused), "{error}");
    assert_eq!(read(&mut *follower).await.unwrap(), all);
    assert!(find(&store, "a").await.is_none());
}

#[tokio::test]
async fn what_is_carried_on_for_readers_alone_stays_within_the_bytes_in_flight() {
    let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
    let store = options(dir.path(), &io)
        .in_flight_bytes(MIB as u64)
        .open()
        .unwrap();
    io.set_plan(fails_writes(EIO));
    let mut miss = begin(&store, "a").await;
    let (_, mut follower) = find(&store, "a").await.unwrap();
    for _ in 0..200 {
        miss.write_body(body(50_000, 1), false).await.unwrap();
        assert!(store.stats().in_flight_bytes <= MIB as u64);
    }
    // It has not read along: what came first has gone.
    let error = read(&mut *follower).await.unwrap_err();
    assert_eq!(ErrorKind::of(&error), Some(ErrorKind::Refused), "{error}");
    let error = miss.finish().await.unwrap_err();
    assert_eq!(ErrorKind::of(&error), Some(ErrorKind::StorageFailed), "{error}");
    assert_eq!(store.stats().in_flight_bytes, 0);
}

#[tokio::test]
async fn writes_in_progress_hold_no_more_than_twice_the_bytes_in_flight() {
    let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
    let budget = 100_000;
    let store = options(dir.path(), &io).in_flight_bytes(budget).open().unwrap();
    let mut writes = Vec::new();
    for i in 0..8 {
        writes.push(begin(&store, &format!("{i}")).await);
    }
    let mut refused = 0;
    for miss in &mut writes {
        // Too little for a block, so that nothing goes to the disk.
        if let Err(error) = miss.write_body(body(60_000, 1), false).await {
            assert_eq!(ErrorKind::of(&error), Some(ErrorKind::Refused), "{error}");
            refused += 1;
        }
        assert!(store.stats().in_flight_bytes <= 2 * budget);
    }
    assert!(refused > 0 && refused < 8);
    let Err(error) = store.get_miss_handler(&key("new"), &meta("new"), &none()).await else {
        panic!("a new write is let in");
    };
    assert_eq!(ErrorKind::of(&error), Some(ErrorKind::Refused), "{error}");
    drop(writes);
    put(&store, "new", &body(1_000, 1)).await.unwrap();
}

#[tokio::test]
async fn after_a_failure_new_writes_are_refused_for_a_while_and_hits_go_on() {
    let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
    let pause = Duration::from_millis(300);
    let store = options(dir.path(), &io)
        .pause_after_failure(pause)
        .open()
        .unwrap();
    put(&store, "other", &body(1_000, 1)).await.unwrap();
    for size in [1_000, 700_000] {
        io.set_plan(fails_writes(EIO));
        let error = put(&store, "a", &body(size, 1)).await.unwrap_err();
        assert_eq!(ErrorKind::of(&error), Some(ErrorKind::StorageFailed), "{error}");
        let failed = Instant::now();
        assert!(store.stats().is_paused);
        io.heal();
        loop {
            match put(&store, "a", &body(size, 1)).await {
                Ok(_) => break,
                Err(error) => {
                    assert_eq!(ErrorKind::of(&error), Some(ErrorKind::Refused), "{error}");
                    assert!(error.to_string().contains("the disk failed"), "{error}");
                }
            }
            assert!(
                failed.elapsed() < Duration::from_secs(30),
                "writes are refused for good"
            );
            assert_eq!(get(&store, "other").await.unwrap(), body(1_000, 1));
            tokio::time::sleep(pause / 20).await;
        }
        assert!(failed.elapsed() >= pause / 2);
        assert!(!store.stats().is_paused);
    }
}

#[tokio::test]
async fn a_store_on_a_full_disk_opens_and_serves() {
    let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
    let store = options(dir.path(), &io).open().unwrap();
    put(&store, "small", &body(1_000, 1)).await.unwrap();
    put(&store, "large", &body(700_000, 1)).await.unwrap();
    drop(store);
    io.set_plan(fails_writes(ENOSPC));
    let store = options(dir.path(), &io).open().unwrap();
    assert_eq!(get(&store, "small").await.unwrap(), body(1_000, 1));
    assert_eq!(get(&store, "large").await.unwrap(), body(700_000, 1));
}

/// A store that took what others on the disk needed, until that was full, made these fail first.
#[tokio::test]
async fn a_store_leaves_as_much_free_as_it_is_told_and_grows_again() {
    let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
    let mib = MIB as u64;
    let store = options(dir.path(), &io).min_free_bytes(10 * mib).open().unwrap();
    let others = Arc::new(AtomicU64::new(0));
    io.set_free({
        let (dir, others) = (dir.path().to_owned(), others.clone());
        move || (40 * mib).saturating_sub(usage(&dir) + others.load(Ordering::Relaxed))
    });
    for i in 0..300 {
        put(&store, &format!("{i}"), &body(50_000, i)).await.unwrap();
    }
    assert!(store.stats().resident_bytes > 12 * mib, "there is room enough");
    others.store(22 * mib, Ordering::Relaxed); // which leaves 8 for the store
    until_resident(&store, "nothing makes room", |bytes| bytes <= 8 * mib).await;
    assert!(store.stats().resident_bytes > 5 * mib, "{:?}", store.stats());
    others.store(0, Ordering::Relaxed);
    until_resident(&store, "it does not grow", |bytes| bytes > 12 * mib).await;
    assert_eq!(store.stats().write_errors, 0);
}

/// It drove out everything, and was refused then.
#[tokio::test]
async fn a_body_for_which_others_leave_no_room_drives_out_nothing() {
    let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
    let mib = MIB as u64;
    let store = options(dir.path(), &io)
        .capacity_bytes(64 * mib)
        .min_free_bytes(mib)
        .open()
        .unwrap();
    let usage_of = dir.path().to_owned();
    io.set_free(move || (9 * mib).saturating_sub(usage(&usage_of)));
    for number in 0..40 {
        put(&store, &format!("{number}"), &body(50_000, number))
            .await
            .unwrap();
    }
    let refused = put(&store, "large", &body(12 * MIB, 1)).await.unwrap_err();
    assert_eq!(ErrorKind::of(&refused), Some(ErrorKind::Refused), "{refused}");
    for number in 0..40 {
        assert!(find(&store, &format!("{number}")).await.is_some(), "{number}");
    }
    assert_eq!(store.stats().evicted_entries, 0);
}

/// What had no room is asked for again when there is, and nothing else made the store look.
#[tokio::test]
async fn large_bodies_are_stored_again_once_others_have_left_room() {
    let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
    let mib = MIB as u64;
    let store = options(dir.path(), &io)
        .capacity_bytes(64 * mib)
        .min_free_bytes(mib)
        .sync(Sync::Never)
        .open()
        .unwrap();
    let free = Arc::new(AtomicU64::new(9 * mib));
    let has_free = free.clone();
    io.set_free(move || has_free.load(Ordering::Relaxed));
    put(&store, "small", &body(1000, 1)).await.unwrap();
    put(&store, "large", &body(5 * MIB, 1)).await.unwrap_err();
    free.store(100 * mib, Ordering::Relaxed);
    let deadline = Instant::now() + Duration::from_secs(60);
    while put(&store, "large", &body(5 * MIB, 1)).await.is_err() {
        assert!(Instant::now() < deadline, "it is never looked at again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Stores one entry after another, until the store occupies as much as is expected.
async fn until_resident(store: &DiskStorage, what: &str, is_so: impl Fn(u64) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut number = 1000;
    while !is_so(store.stats().resident_bytes) {
        assert!(Instant::now() < deadline, "{what}: {:?}", store.stats());
        put(store, &format!("{number}"), &body(50_000, number))
            .await
            .unwrap();
        number += 1;
    }
}

/// The body was in a file that nobody counted: what the store occupied was more than it said.
#[tokio::test]
async fn the_room_of_a_body_is_counted_where_a_file_cannot_be_written_over_and_the_disk_is_full_for_a_new_one()
 {
    let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
    let store = options(dir.path(), &io)
        .capacity_bytes(48 * MIB as u64)
        .sync(Sync::Never)
        .open()
        .unwrap();
    for number in 0..40 {
        put(&store, &format!("{number}"), &body(3_000_000, number))
            .await
            .unwrap();
    }
    let (failed, is_full) = (AtomicBool::new(false), AtomicBool::new(false));
    let has_met = Arc::new(AtomicBool::new(false));
    let met = has_met.clone();
    io.set_plan(move |call| {
        let is_body = call.path.extension().is_some_and(|ending| ending == "body");
        match call.operation {
            Operation::Rename if is_body && !failed.swap(true, Ordering::SeqCst) => Some(Fault::Errno(EIO)),
            Operation::Create if is_body && !is_full.swap(true, Ordering::SeqCst) => {
                met.store(failed.load(Ordering::SeqCst), Ordering::SeqCst);
                Some(Fault::Errno(ENOSPC))
            }
            _ => None,
        }
    });
    let mut miss = begin(&store, "last").await;
    miss.write_body(body(2 * MIB, 1), false).await.unwrap();
    assert!(has_met.load(Ordering::SeqCst), "no file was to be written over");
    let (says, has) = (store.stats().resident_bytes, usage(dir.path()));
    assert!(says + (64 << 10) >= has, "{says} bytes, of which {has} are there");
    miss.finish().await.unwrap();
    assert_eq!(get(&store, "last").await.unwrap(), body(2 * MIB, 1));
}
