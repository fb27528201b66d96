//! Writes in progress: followed, abandoned, outlived.

mod common;

use bytes::Bytes;
use common::*;
use forebay_core::{ErrorKind, MissFinishType, PurgeType, Storage};
use std::future::Future;
use std::task::Poll;
use std::time::{Duration, Instant};

const SIZES: [usize; 3] = [1_000, 300_000, 5_000_000];

async fn pending<F: Future>(mut future: std::pin::Pin<&mut F>) -> bool {
    std::future::poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_pending())).await
}

#[tokio::test]
async fn followers_read_what_is_written_and_go_on_after_finish_purge_and_eviction() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 32 << 20);
    for size in SIZES {
        let whole = body(size, 1);
        let mut miss = store
            .get_miss_handler(&key("live"), &meta("live"), &none())
            .await
            .unwrap();
        let (found, mut early) = find(&store, "live").await.unwrap();
        assert_eq!(found.head().get("etag"), Some(&b"live"[..]));
        assert!(early.is_stream_hit() && !early.should_count_access());
        let mut waiting = Box::pin(early.read_body());
        assert!(pending(waiting.as_mut()).await);
        miss.write_body(whole.slice(..1), false).await.unwrap();
        assert_eq!(waiting.await.unwrap().unwrap(), whole.slice(..1));
        for start in (1..size).step_by(70_000) {
            miss.write_body(whole.slice(start..size.min(start + 70_000)), false)
                .await
                .unwrap();
        }
        let (_, mut late) = find(&store, "live").await.unwrap();
        assert!(matches!(miss.finish().await.unwrap(), MissFinishType::Created(n) if n >= size));
        assert!(!find(&store, "live").await.unwrap().1.is_stream_hit());
        store
            .purge(&key("live").to_compact(), PurgeType::Invalidation, &none())
            .await
            .unwrap();
        for i in 0..10 {
            put(&store, &format!("cold {i}"), &body(4_000_000, 5))
                .await
                .unwrap();
        }
        assert_eq!(read(&mut *early).await.unwrap(), whole.slice(1..), "{size}");
        assert_eq!(read(&mut *late).await.unwrap(), whole, "{size}");
    }
}

#[tokio::test]
async fn memory_of_a_large_write_is_bounded_with_a_follower_that_has_read_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 256 << 20);
    let whole = body(1 << 20, 1);
    let mut miss = store
        .get_miss_handler(&key("live"), &meta("live"), &none())
        .await
        .unwrap();
    let (_, mut follower) = find(&store, "live").await.unwrap();
    for _ in 0..40 {
        miss.write_body(whole.clone(), false).await.unwrap();
        assert!(store.stats().in_flight_bytes <= 4 << 20, "{:?}", store.stats());
    }
    miss.finish().await.unwrap();
    follower.seek((10 << 20) + 5, Some((12 << 20) + 9)).unwrap();
    let twice = [&whole[5..], &whole[..], &whole[..9]].concat();
    assert_eq!(read(&mut *follower).await.unwrap(), Bytes::from(twice));
    assert_eq!(store.stats().in_flight_bytes, 0);
}

#[tokio::test]
async fn a_dropped_write_admits_nothing_fails_followers_and_leaves_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 32 << 20);
    for size in SIZES {
        put(&store, "dropped", &body(10, 9)).await.unwrap();
        let mut miss = store
            .get_miss_handler(&key("dropped"), &meta("live"), &none())
            .await
            .unwrap();
        miss.write_body(body(size, 1), false).await.unwrap();
        let (_, mut follower) = find(&store, "dropped").await.unwrap();
        drop(miss);
        let error = read(&mut *follower).await.unwrap_err();
        assert_eq!(ErrorKind::of(&error), Some(ErrorKind::WriterAborted));
        assert_eq!(get(&store, "dropped").await.unwrap(), body(10, 9));
        until_no_body_files(dir.path()).await;
    }
    let stats = store.stats();
    assert_eq!((stats.live_writes, stats.in_flight_bytes), (0, 0));
}

#[tokio::test]
async fn a_tag_finds_its_write_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 32 << 20);
    let first = store
        .get_miss_handler(&key("a"), &meta("first"), &none())
        .await
        .unwrap();
    let second = store
        .get_miss_handler(&key("a"), &meta("second"), &none())
        .await
        .unwrap();
    store
        .purge(&key("a").to_compact(), PurgeType::Invalidation, &none())
        .await
        .unwrap();
    assert!(find(&store, "a").await.is_none());
    let by_tag = async |name: &str, tag: &[u8]| {
        let found = store
            .lookup_streaming_write(&key(name), Some(tag), &none())
            .await
            .unwrap();
        found.map(|(meta, _)| meta.head().get("etag").unwrap().to_vec())
    };
    let tag = first.streaming_write_tag().unwrap().to_vec();
    assert_eq!(by_tag("a", &tag).await.unwrap(), b"first");
    assert_eq!(
        by_tag("a", second.streaming_write_tag().unwrap()).await.unwrap(),
        b"second"
    );
    assert!(by_tag("b", &tag).await.is_none());
    assert!(by_tag("a", &[]).await.is_none());
    assert!(by_tag("a", &[0; 8]).await.is_none());
    drop(first);
    assert!(by_tag("a", &tag).await.is_none());
}

#[tokio::test]
async fn lookups_are_counted_by_what_they_found() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 32 << 20);
    assert!(find(&store, "a").await.is_none());
    let miss = store
        .get_miss_handler(&key("a"), &meta("a"), &none())
        .await
        .unwrap();
    let tag = miss.streaming_write_tag().unwrap().to_vec();
    let tagged = async |name| {
        let (name, none) = (key(name), none());
        let found = store.lookup_streaming_write(&name, Some(&tag), &none);
        found.await.unwrap().is_some()
    };
    assert!(!tagged("b").await);
    assert!(find(&store, "a").await.is_some() && tagged("a").await);
    miss.finish().await.unwrap();
    assert!(find(&store, "a").await.is_some());
    let stats = store.stats();
    assert_eq!((stats.misses, stats.stream_hits, stats.hits), (2, 2, 1));
}

#[tokio::test]
async fn a_write_that_was_invalidated_meanwhile_is_not_admitted_and_one_that_was_evicted_is() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 32 << 20);
    for size in SIZES {
        for (purge_type, admitted) in [(PurgeType::Invalidation, false), (PurgeType::Eviction, true)] {
            let mut miss = store
                .get_miss_handler(&key("a"), &meta("a"), &none())
                .await
                .unwrap();
            miss.write_body(body(size, 1), true).await.unwrap();
            let purged = store
                .purge(&key("a").to_compact(), purge_type, &none())
                .await
                .unwrap();
            assert_eq!(purged, !admitted);
            assert!(matches!(miss.finish().await.unwrap(), MissFinishType::Created(n) if n > 0));
            assert_eq!(find(&store, "a").await.is_some(), admitted);
        }
        store
            .purge(&key("a").to_compact(), PurgeType::Invalidation, &none())
            .await
            .unwrap();
    }
    assert_eq!(store.stats().resident_bytes, 0);
}

#[tokio::test]
async fn the_writer_that_finishes_last_wins_also_after_a_reopen() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 32 << 20);
    let mut first = store
        .get_miss_handler(&key("a"), &meta("first"), &none())
        .await
        .unwrap();
    let mut second = store
        .get_miss_handler(&key("a"), &meta("second"), &none())
        .await
        .unwrap();
    first.write_body(body(10, 1), true).await.unwrap();
    second.write_body(body(400_000, 2), true).await.unwrap();
    second.finish().await.unwrap();
    first.finish().await.unwrap();
    assert_eq!(get(&store, "a").await.unwrap(), body(10, 1));
    drop(store);
    let store = open(dir.path(), 32 << 20);
    assert_eq!(get(&store, "a").await.unwrap(), body(10, 1));
    let bodies = body_files(dir.path());
    assert!(bodies.is_empty(), "the body file of the replaced entry is gone");
}

#[tokio::test]
async fn a_dropped_finish_leaves_the_entry_old_or_new() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 32 << 20);
    for size in SIZES {
        put(&store, "a", &body(10, 9)).await.unwrap();
        let mut miss = store
            .get_miss_handler(&key("a"), &meta("a"), &none())
            .await
            .unwrap();
        miss.write_body(body(size, 1), true).await.unwrap();
        let mut finish = Box::pin(miss.finish());
        let _ = pending(finish.as_mut()).await;
        drop(finish);
        let found = get(&store, "a").await.unwrap();
        assert!(found == body(10, 9) || found == body(size, 1));
        put(&store, "a", &body(11, 3)).await.unwrap(); // queued behind whatever was left
        assert_eq!(get(&store, "a").await.unwrap(), body(11, 3));
    }
}

/// What was handed over is done, though nobody else wakes the store's thread for it.
#[tokio::test]
async fn a_finish_that_is_dropped_when_it_has_handed_over_the_entry_admits_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 32 << 20);
    for entries in 1..=3 {
        let name = format!("{entries}");
        let mut miss = store
            .get_miss_handler(&key(&name), &meta(&name), &none())
            .await
            .unwrap();
        miss.write_body(body(1_000, 1), true).await.unwrap();
        let mut finish = Box::pin(miss.finish());
        assert!(pending(finish.as_mut()).await);
        drop(finish);
        let deadline = Instant::now() + Duration::from_secs(30);
        while store.stats().entries < entries {
            assert!(Instant::now() < deadline, "the entry is not admitted");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// The seed of a body is its length, so that whoever reads one can tell whether it is whole and of one generation.
async fn one_of_everything(store: &forebay_disk::DiskStorage, step: u64) {
    let name = format!("{}", step.wrapping_mul(0x9e37_79b9) % 23);
    let size = [500, 70_000, 150_000, 400_000][(step / 3 % 4) as usize];
    match step % 5 {
        0 | 1 => match put(store, &name, &body(size, size as u64)).await {
            Ok(_) => {
                let stats = store.stats();
                assert!(stats.resident_bytes <= stats.capacity_bytes, "{stats:?}");
            }
            Err(error) => assert_eq!(ErrorKind::of(&error), Some(ErrorKind::Refused), "{error}"),
        },
        2 => {
            store
                .update_meta(&key(&name), &meta(&name), &none())
                .await
                .unwrap();
        }
        3 if step.is_multiple_of(4) => {
            let key = key(&name).to_compact();
            store.purge(&key, PurgeType::Invalidation, &none()).await.unwrap();
        }
        _ => {
            let Some((_, mut hit)) = find(store, &name).await else {
                return;
            };
            match read(&mut *hit).await {
                Ok(found) => assert_eq!(found, body(found.len(), found.len() as u64)),
                Err(error) => assert_eq!(ErrorKind::of(&error), Some(ErrorKind::WriterAborted), "{error}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_tasks_at_once_in_a_small_store_read_whole_bodies_of_one_generation() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 4 << 20);
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..8u64 {
        let store = store.clone();
        tasks.spawn(async move {
            for step in 0..400 {
                one_of_everything(&store, task * 1_000 + step).await;
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let stats = store.stats();
    assert!(stats.evicted_segments > 20 && stats.kept_entries > 0, "{stats:?}");
    assert_eq!(
        (stats.corrupt_entries, stats.read_errors, stats.write_errors),
        (0, 0, 0)
    );
    assert_eq!(
        (stats.open_handlers, stats.in_flight_bytes, stats.live_writes),
        (0, 0, 0)
    );
    drop(store);
    let store = open(dir.path(), 4 << 20);
    assert_eq!(store.stats().entries, stats.entries);
    for name in 0..23 {
        if let Some(found) = get(&store, &format!("{name}")).await {
            assert_eq!(found, body(found.len(), found.len() as u64));
        }
    }
    assert_eq!(store.stats().corrupt_entries, 0);
}
