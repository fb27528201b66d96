//! Disks that fail: writes are refused, nothing wrong is served, and the store goes on.

mod common;

use common::*;
use forebay_core::{ErrorKind, PurgeTarget, PurgeType, Storage};
use forebay_disk::io::{Fault, FaultyIo, Operation};
use forebay_disk::{DiskOptions, Sync};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const CAPACITY: u64 = 4 << 20;
const EIO: i32 = 5;
const EAGAIN: i32 = 11;
const ENOSPC: i32 = 28;

fn open_faulty(dir: &Path, io: &FaultyIo) -> forebay_core::Result<forebay_disk::DiskStorage> {
    DiskOptions::new(dir)
        .capacity_bytes(CAPACITY)
        .pause_after_failure(Duration::ZERO)
        .io(io.clone())
        .open()
}

#[tokio::test]
async fn a_failing_disk_refuses_writes_and_serves_hits_and_then_recovers() {
    let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
    let store = open_faulty(dir.path(), &io).unwrap();
    for size in [1_000, 500_000] {
        put(&store, &format!("{size}"), &body(size, 1)).await.unwrap();
    }
    io.set_plan(|call| (call.operation == Operation::Write).then_some(Fault::Errno(EIO)));
    for size in [1_000, 500_000] {
        let error = put(&store, "new", &body(size, 2)).await.unwrap_err();
        assert_eq!(ErrorKind::of(&error), Some(ErrorKind::StorageFailed), "{error}");
        assert!(find(&store, "new").await.is_none());
        assert_eq!(get(&store, &format!("{size}")).await.unwrap(), body(size, 1));
    }
    assert!(store.stats().write_errors >= 2);
    io.heal();
    for size in [1_000, 500_000] {
        put(&store, "new", &body(size, 2)).await.unwrap();
        assert_eq!(get(&store, "new").await.unwrap(), body(size, 2));
    }
    drop(store);
    assert_eq!(open(dir.path(), CAPACITY).stats().entries, 3);
}

#[tokio::test]
async fn a_purge_that_cannot_be_written_is_an_error_and_is_made_good_later() {
    let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
    let store = open_faulty(dir.path(), &io).unwrap();
    put(&store, "a", &body(1_000, 1)).await.unwrap();
    put(&store, "b", &body(1_000, 1)).await.unwrap();
    io.set_plan(|call| (call.operation == Operation::Write).then_some(Fault::Errno(EIO)));
    for _ in 0..2 {
        store
            .purge(&key("a").to_compact(), PurgeType::Invalidation, &none())
            .await
            .unwrap_err();
        assert!(find(&store, "a").await.is_none());
    }
    assert!(find(&store, "b").await.is_some());
    io.heal();
    drop(store);
    let store = open(dir.path(), CAPACITY);
    assert!(find(&store, "a").await.is_none());
    assert!(find(&store, "b").await.is_some());
}

#[tokio::test]
async fn a_failing_read_is_a_miss_or_an_error_and_the_entry_stays() {
    let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
    let store = open_faulty(dir.path(), &io).unwrap();
    put(&store, "small", &body(1_000, 1)).await.unwrap();
    put(&store, "large", &body(900_000, 1)).await.unwrap();
    let (_, mut hit) = find(&store, "large").await.unwrap();
    io.set_plan(|call| (call.operation == Operation::Read).then_some(Fault::Errno(EIO)));
    assert!(find(&store, "small").await.is_none());
    let error = read(&mut *hit).await.unwrap_err();
    assert_eq!(ErrorKind::of(&error), Some(ErrorKind::StorageFailed));
    io.heal();
    assert_eq!(
        read(&mut *hit).await.unwrap(),
        body(900_000, 1),
        "the handler goes on where it was"
    );
    assert_eq!(get(&store, "small").await.unwrap(), body(1_000, 1));
}

/// The first read of a lookup asks for what memory has at hand; where that is not all, another one may wait for the disk.
#[tokio::test]
async fn a_lookup_waits_for_what_memory_does_not_have() {
    let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
    let store = open_faulty(dir.path(), &io).unwrap();
    put(&store, "small", &body(1_000, 1)).await.unwrap();
    let waits = AtomicBool::new(true);
    io.set_plan(move |call| {
        let is_first = call.operation == Operation::Read && waits.swap(false, Ordering::Relaxed);
        is_first.then_some(Fault::Errno(EAGAIN))
    });
    assert_eq!(get(&store, "small").await.unwrap(), body(1_000, 1));
    assert_eq!(store.stats().fallback_reads, 1);
    assert_eq!(get(&store, "small").await.unwrap(), body(1_000, 1));
    let stats = store.stats();
    assert_eq!((stats.fallback_reads, stats.read_errors), (1, 0));
}

#[tokio::test]
async fn short_reads_and_writes_change_nothing() {
    let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
    let store = open_faulty(dir.path(), &io).unwrap();
    io.set_plan(|call| (call.number % 3 != 0).then_some(Fault::Short(1)));
    for size in [0, 300, 270_000] {
        put(&store, &format!("{size}"), &body(size, 1)).await.unwrap();
        assert_eq!(get(&store, &format!("{size}")).await.unwrap(), body(size, 1));
    }
    drop(store);
    let store = open_faulty(dir.path(), &io).unwrap();
    assert_eq!(get(&store, "270000").await.unwrap(), body(270_000, 1));
}

/// The page cache has a part of a body: what it has comes at once, in whole blocks.
#[tokio::test]
async fn a_read_that_is_cut_short_yields_the_blocks_that_came() {
    let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
    let store = open_faulty(dir.path(), &io).unwrap();
    let whole = body(700_000, 1);
    put(&store, "a", &whole).await.unwrap();
    io.set_plan(|call| {
        let is_body = call.path.extension().is_some_and(|name| name == "body");
        (is_body && call.operation == Operation::Read).then_some(Fault::Short(150_000))
    });
    for (start, first) in [(0, 131_072), (1, 131_071), (650_000, 50_000)] {
        let (_, mut hit) = find(&store, "a").await.unwrap();
        hit.seek(start, None).unwrap();
        let chunk = hit.read_body().await.unwrap().unwrap();
        assert_eq!(chunk, whole.slice(start..start + first));
        assert_eq!(read(&mut *hit).await.unwrap(), whole.slice(start + first..));
    }
}

#[tokio::test]
async fn what_cannot_be_synced_is_not_admitted_where_every_commit_is_to_be_durable() {
    let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
    let store = DiskOptions::new(dir.path())
        .sync(Sync::Always)
        .pause_after_failure(Duration::ZERO)
        .io(io.clone())
        .open()
        .unwrap();
    for size in [1_000, 500_000] {
        put(&store, "a", &body(size, 1)).await.unwrap();
        io.set_plan(|call| (call.operation == Operation::Sync).then_some(Fault::Errno(EIO)));
        put(&store, "a", &body(size, 2)).await.unwrap_err();
        io.heal();
        assert_eq!(get(&store, "a").await.unwrap(), body(size, 1));
    }
    drop(store);
    assert_eq!(
        get(&open(dir.path(), CAPACITY), "a").await.unwrap(),
        body(500_000, 1)
    );
}

#[tokio::test]
async fn what_was_written_is_synced_within_the_interval_without_further_writes() {
    let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
    let interval = Duration::from_millis(20);
    let store = DiskOptions::new(dir.path())
        .sync(Sync::Interval(interval))
        .io(io.clone())
        .open()
        .unwrap();
    let (synced, paths) = std::sync::mpsc::channel();
    let synced = std::sync::Mutex::new(synced);
    io.set_plan(move |call| {
        if call.operation == Operation::Sync {
            let _ = synced.lock().unwrap().send(call.path.to_owned());
        }
        None
    });
    put(&store, "small", &body(10, 1)).await.unwrap();
    put(&store, "large", &body(500_000, 1)).await.unwrap();
    for wanted in [".body", ".log"] {
        // in this order within one sync
        let is_it = |path: &std::path::PathBuf| path.to_string_lossy().ends_with(wanted);
        let limit = Duration::from_secs(20);
        while !is_it(&paths.recv_timeout(limit).unwrap()) {}
    }
}

/// A run through all that a store does, which fails at the n-th call for every n; then what is there is right.
#[tokio::test]
async fn whichever_call_fails_nothing_is_wrong_afterwards() {
    let mut number = 0;
    loop {
        let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
        let errno = if number % 2 == 0 { EIO } else { ENOSPC };
        io.set_plan(move |call| (call.number == number).then_some(Fault::Errno(errno)));
        let mut finished = Vec::new();
        let mut calls = io.calls();
        if let Ok(store) = open_faulty(dir.path(), &io) {
            for (name, size) in [
                ("a", 500),
                ("b", 300_000),
                ("a", 600),
                ("c", 700_000),
                ("d", 100_000),
            ] {
                let seed = size as u64;
                if put(&store, name, &body(size, seed)).await.is_ok() {
                    finished.retain(|(n, _)| *n != name);
                    finished.push((name, Some(size)));
                }
            }
            let _ = store.update_meta(&key("b"), &meta("new"), &none()).await;
            let compact = key("d").to_compact();
            let _ = store.expire(PurgeTarget::Active(&compact), &none()).await;
            if store
                .purge(&key("c").to_compact(), PurgeType::Invalidation, &none())
                .await
                .is_ok()
            {
                finished.retain(|(n, _)| *n != "c");
                finished.push(("c", None));
            }
            for i in 0..10 {
                let _ = put(&store, &format!("cold {i}"), &body(400_000, 1)).await;
                for name in ["a", "b", "c", "d"] {
                    check(&store, name, &finished, number).await;
                }
            }
            assert!(store.stats().resident_bytes <= CAPACITY);
            calls = io.calls();
            io.heal();
            put(&store, "last", &body(10, 1)).await.unwrap();
        }
        let store = open(dir.path(), CAPACITY);
        for name in ["a", "b", "c", "d"] {
            check(&store, name, &finished, number).await;
        }
        put(&store, "after", &body(10, 1)).await.unwrap();
        if number > calls && calls > 0 {
            break;
        }
        number += 1;
    }
    assert!(number > 100);
}

/// A full store, whose body files are written over by the next ones, on a disk that fails again and again.
#[tokio::test]
async fn whatever_fails_while_body_files_are_written_over_nothing_is_wrong_afterwards() {
    const CAPACITY: u64 = 16 << 20;
    let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
    let options = DiskOptions::new(dir.path())
        .capacity_bytes(CAPACITY)
        .pause_after_failure(Duration::ZERO);
    let store = options.io(io.clone()).open().unwrap();
    let body_of = |number: usize| body(280_000 + number % 5 * 40_000, number as u64);
    let (mut finished, mut failed) = (0, 0);
    for number in 0..400_usize {
        if number == 60 {
            // About one call in 100; each put and each eviction makes dozens.
            io.set_plan(|call| {
                let drawn = call.number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
                let errno = if drawn % 2 == 0 { EIO } else { ENOSPC };
                (drawn % 101 == 0).then_some(Fault::Errno(errno))
            });
        }
        match put(&store, &format!("{}", number % 100), &body_of(number)).await {
            Ok(_) => finished += 1,
            Err(_) => failed += 1,
        }
        let name = format!("{}", number * 7 % 100);
        if let Some((_, mut hit)) = find(&store, &name).await
            && let Ok(bytes) = read(&mut *hit).await
        {
            let versions = (number * 7 % 100..=number).step_by(100).map(body_of);
            assert!(versions.into_iter().any(|version| version == bytes), "{name}");
        }
        assert!(store.stats().resident_bytes <= CAPACITY);
    }
    assert!(finished > 300 && failed > 0, "{finished} and {failed}");
    io.heal();
    put(&store, "last", &body_of(1)).await.unwrap();
    store.close();
    drop(store);
    assert!(disk_usage(dir.path()) <= CAPACITY);
    let store = open(dir.path(), CAPACITY);
    assert_eq!(get(&store, "last").await.unwrap(), body_of(1));
    expect_no_stray(dir.path()).unwrap();
}

async fn check(
    store: &forebay_disk::DiskStorage,
    name: &str,
    finished: &[(&str, Option<usize>)],
    number: u64,
) {
    let Some((_, mut hit)) = find(store, name).await else {
        return;
    };
    let Ok(found) = read(&mut *hit).await else { return };
    match finished.iter().find(|(n, _)| *n == name) {
        Some((_, Some(size))) => assert_eq!(found, body(*size, *size as u64), "{name}, call {number} failed"),
        Some((_, None)) => panic!("purged {name} came back, call {number} failed"),
        None => panic!("unfinished {name} is there, call {number} failed"),
    }
}
