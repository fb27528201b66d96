//! What is written is found, exactly, until it is purged, replaced or evicted.

mod common;

use bytes::Bytes;
use common::*;
use forebay_core::{CacheKey, ErrorKind, PurgeOutcome, PurgeTarget, PurgeType, Storage};
use forebay_disk::{DiskOptions, DiskStorage, Sync};
use std::time::{Duration, Instant, SystemTime};

const SIZES: [usize; 12] = [
    0,
    1,
    63,
    64,
    65_535,
    65_536,
    65_537,
    262_143,
    262_144,
    262_145,
    1 << 20,
    3 * (1 << 20) + 17,
];

#[tokio::test]
async fn bodies_of_all_sizes_come_back_now_and_after_a_reopen() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 64 << 20);
    for size in SIZES {
        let name = format!("size {size}");
        let weight = put(&store, &name, &body(size, size as u64)).await.unwrap();
        let (found, mut hit) = find(&store, &name).await.unwrap();
        assert_eq!(found.head().get("etag"), Some(name.as_bytes()));
        assert_eq!(hit.get_eviction_weight(), weight);
        assert_eq!(read(&mut *hit).await.unwrap(), body(size, size as u64), "{name}");
        assert!(hit.read_body().await.unwrap().is_none());
    }
    drop(store);
    let store = open(dir.path(), 64 << 20);
    assert_eq!(store.stats().entries, SIZES.len() as u64);
    for size in SIZES {
        assert_eq!(
            get(&store, &format!("size {size}")).await.unwrap(),
            body(size, size as u64),
            "{size}"
        );
    }
    assert!(get(&store, "another").await.is_none());
}

#[tokio::test]
async fn ranges_are_exact() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 64 << 20);
    for size in [200_000, 1_000_000] {
        let whole = body(size, 7);
        put(&store, "ranged", &whole).await.unwrap();
        let (_, mut hit) = find(&store, "ranged").await.unwrap();
        for (start, end) in [
            (0, 1),
            (65_535, 65_537),
            (100, size),
            (size, size),
            (70_000, 70_000),
            (3, size + 9),
        ] {
            hit.seek(start, Some(end)).unwrap();
            assert_eq!(read(&mut *hit).await.unwrap(), whole.slice(start..end.min(size)));
        }
        hit.seek(size - 5, None).unwrap();
        for (start, end) in [(size + 1, None), (9, Some(8))] {
            let error = hit.seek(start, end).unwrap_err();
            assert_eq!(ErrorKind::of(&error), Some(ErrorKind::SeekOutOfRange));
        }
        assert_eq!(read(&mut *hit).await.unwrap(), whole.slice(size - 5..));
    }
}

#[tokio::test]
async fn purged_and_replaced_entries_stay_so_after_a_reopen() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 64 << 20);
    for size in [10, 500_000] {
        put(&store, &format!("purged {size}"), &body(size, 1))
            .await
            .unwrap();
        put(&store, &format!("replaced {size}"), &body(size, 1))
            .await
            .unwrap();
        put(&store, &format!("replaced {size}"), &body(size / 2, 2))
            .await
            .unwrap();
        let key = key(&format!("purged {size}")).to_compact();
        assert!(store.purge(&key, PurgeType::Invalidation, &none()).await.unwrap());
        assert!(!store.purge(&key, PurgeType::Invalidation, &none()).await.unwrap());
    }
    for _ in 0..2 {
        let store = open_again(&store, dir.path());
        for size in [10, 500_000] {
            assert!(get(&store, &format!("purged {size}")).await.is_none());
            assert_eq!(
                get(&store, &format!("replaced {size}")).await.unwrap(),
                body(size / 2, 2)
            );
        }
        store.close();
    }
}

fn open_again(store: &forebay_disk::DiskStorage, dir: &std::path::Path) -> forebay_disk::DiskStorage {
    store.close();
    open(dir, 64 << 20)
}

#[tokio::test]
async fn a_new_meta_and_an_expiry_keep_the_body_also_after_a_reopen() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 64 << 20);
    for size in [10, 500_000] {
        let (name, expired) = (format!("updated {size}"), format!("expired {size}"));
        put(&store, &name, &body(size, 1)).await.unwrap();
        put(&store, &expired, &body(size, 2)).await.unwrap();
        assert!(
            store
                .update_meta(&key(&name), &meta("new"), &none())
                .await
                .unwrap()
        );
        let compact = key(&expired).to_compact();
        let outcome = store
            .expire(PurgeTarget::Active(&compact), &none())
            .await
            .unwrap();
        assert_eq!(outcome, PurgeOutcome::Expired);
    }
    assert!(
        !store
            .update_meta(&key("absent"), &meta("new"), &none())
            .await
            .unwrap()
    );
    let store = open_again(&store, dir.path());
    for size in [10, 500_000] {
        let (found, mut hit) = find(&store, &format!("updated {size}")).await.unwrap();
        assert_eq!(found.head().get("etag"), Some(&b"new"[..]));
        assert_eq!(read(&mut *hit).await.unwrap(), body(size, 1));
        let (found, mut hit) = find(&store, &format!("expired {size}")).await.unwrap();
        assert!(!found.is_fresh(SystemTime::now()));
        assert_eq!(found.stale_if_error_sec(), 20);
        assert_eq!(read(&mut *hit).await.unwrap(), body(size, 2));
    }
}

#[tokio::test]
async fn an_exact_purge_removes_its_generation_alone() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 64 << 20);
    put(&store, "a", &body(10, 1)).await.unwrap();
    let old = find(&store, "a").await.unwrap().1.entry_id().unwrap();
    put(&store, "a", &body(10, 2)).await.unwrap();
    let new = find(&store, "a").await.unwrap().1.entry_id().unwrap();
    let compact = key("a").to_compact();
    let purge = async |id| {
        store
            .purge_target(PurgeTarget::Exact(&compact, id), PurgeType::Invalidation, &none())
            .await
            .unwrap()
    };
    assert_eq!(purge(old).await, PurgeOutcome::NotFound);
    assert_eq!(get(&store, "a").await.unwrap(), body(10, 2));
    assert_eq!(purge(new).await, PurgeOutcome::Purged(Some(new)));
    assert!(get(&store, "a").await.is_none());
}

#[tokio::test]
async fn what_is_stored_never_exceeds_the_capacity_and_what_is_read_stays() {
    let dir = tempfile::tempdir().unwrap();
    let capacity = 4 << 20;
    let store = open(dir.path(), capacity);
    put(&store, "hot", &body(5_000, 0)).await.unwrap();
    for i in 0..400 {
        let size = [3_000, 60_000, 300_000][i % 3];
        put(&store, &format!("cold {i}"), &body(size, i as u64))
            .await
            .unwrap();
        assert!(store.stats().resident_bytes <= capacity);
        assert!(
            disk_usage(dir.path()) <= capacity,
            "{} at {i}",
            disk_usage(dir.path())
        );
        assert_eq!(
            get(&store, "hot").await.as_ref(),
            Some(&body(5_000, 0)),
            "after {i}"
        );
    }
    let stats = store.stats();
    assert!(stats.evicted_entries > 300 && stats.kept_entries > 0, "{stats:?}");
    drop(store);
    let store = open(dir.path(), capacity);
    assert_eq!(store.stats().entries, stats.entries);
    assert_eq!(get(&store, "hot").await.unwrap(), body(5_000, 0));
}

#[tokio::test]
async fn an_object_beyond_the_limit_is_refused_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 4 << 20);
    let error = put(&store, "big", &body(2 << 20, 1)).await.unwrap_err();
    assert_eq!(ErrorKind::of(&error), Some(ErrorKind::Refused));
    assert!(find(&store, "big").await.is_none());
    assert!(body_files(dir.path()).is_empty());
    assert_eq!(store.stats().resident_bytes, 0);
    put(&store, "small", &body(1 << 19, 1)).await.unwrap();
}

#[tokio::test]
async fn writing_and_purging_returns_the_store_to_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 8 << 20);
    for i in 0..100 {
        put(&store, &format!("{i}"), &body(i * 4_000, 1)).await.unwrap();
    }
    for i in 0..100 {
        store
            .purge(
                &key(&format!("{i}")).to_compact(),
                PurgeType::Invalidation,
                &none(),
            )
            .await
            .unwrap();
    }
    let stats = store.stats();
    assert_eq!(
        (stats.entries, stats.resident_bytes, stats.in_flight_bytes),
        (0, 0, 0)
    );
}

#[tokio::test]
async fn a_reader_survives_update_replacement_purge_and_eviction() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 4 << 20);
    for size in [100_000, 900_000] {
        let whole = body(size, 3);
        put(&store, "read", &whole).await.unwrap();
        let (_, mut hit) = find(&store, "read").await.unwrap();
        let first = hit.read_body().await.unwrap().unwrap();
        store
            .update_meta(&key("read"), &meta("new"), &none())
            .await
            .unwrap();
        put(&store, "read", &body(size, 4)).await.unwrap();
        store
            .purge(&key("read").to_compact(), PurgeType::Invalidation, &none())
            .await
            .unwrap();
        for i in 0..100 {
            put(&store, &format!("cold {i}"), &body(100_000, 5))
                .await
                .unwrap();
        }
        let rest = read(&mut *hit).await.unwrap();
        assert_eq!([first, rest].concat(), whole);
    }
    assert_eq!(store.stats().open_handlers, 0);
}

#[tokio::test]
async fn variants_are_two_entries() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 4 << 20);
    put(&store, "a", &body(10, 1)).await.unwrap();
    let mut variant: CacheKey = key("a");
    variant.set_variance_key([7; 16]);
    assert!(store.lookup(&variant, &none()).await.unwrap().is_none());
    assert!(
        !store
            .purge(&variant.to_compact(), PurgeType::Invalidation, &none())
            .await
            .unwrap()
    );
    assert!(get(&store, "a").await.is_some());
}

#[tokio::test]
async fn an_index_that_is_full_makes_the_oldest_entries_go() {
    let dir = tempfile::tempdir().unwrap();
    let store = DiskOptions::new(dir.path().join("store"))
        .capacity_bytes(16 << 20)
        .index_bytes(6000) // some 117 entries
        .sync(Sync::Never)
        .open()
        .unwrap();
    for number in 0..2000 {
        put(&store, &format!("k{number}"), &body(30_000, number))
            .await
            .unwrap();
        assert!(store.stats().entries <= 6000 / 51 + 1);
    }
    assert!(find(&store, "k0").await.is_none());
    assert_eq!(get(&store, "k1999").await, Some(body(30_000, 1999)));
    assert!(store.stats().entries > 50, "{:?}", store.stats());
}

/// A client that takes no more keeps what was read for it.
#[tokio::test]
async fn many_slow_readers_are_given_smaller_chunks() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 256 << 20);
    let whole = body(1 << 20, 1);
    put(&store, "a", &whole).await.unwrap();
    until_chunks_are_large(&store).await;
    let mut kept = Vec::new();
    for _ in 0..1000 {
        let (_, mut hit) = find(&store, "a").await.unwrap();
        kept.push(hit.read_body().await.unwrap().unwrap());
        assert_eq!(kept.last().unwrap(), &whole.slice(..kept.last().unwrap().len()));
    }
    let kept_bytes: usize = kept.iter().map(Bytes::len).sum();
    assert!(kept_bytes < 128 << 20, "{kept_bytes} bytes for 1000 readers");
    drop(kept);
    until_chunks_are_large(&store).await;
}

/// As where there are few readers; where a file system cannot tell what memory has, not right after one has waited.
async fn until_chunks_are_large(store: &DiskStorage) {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let (_, mut hit) = find(store, "a").await.unwrap();
        if hit.read_body().await.unwrap().unwrap().len() == 1 << 20 {
            return;
        }
        assert!(Instant::now() < deadline, "chunks are small");
    }
}

/// A time of access before that of the writing is what a file system would set anew, with `relatime` too.
#[tokio::test]
async fn reading_leaves_no_time_of_access() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 64 << 20);
    for size in [1, 1 << 20] {
        put(&store, &size.to_string(), &body(size, 1)).await.unwrap();
    }
    let long_ago = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000);
    let stored = [logs(dir.path()), body_files(dir.path())].concat();
    assert_eq!(stored.len(), 2);
    for path in &stored {
        let file = std::fs::File::open(path).unwrap();
        file.set_times(std::fs::FileTimes::new().set_accessed(long_ago))
            .unwrap();
    }
    for size in [1, 1 << 20] {
        assert_eq!(get(&store, &size.to_string()).await.unwrap(), body(size, 1));
    }
    for path in &stored {
        let accessed = std::fs::metadata(path).unwrap().accessed().unwrap();
        assert_eq!(accessed, long_ago, "{}", path.display());
    }
}

/// It asked for room for the body once more: what was revalidated drove out others, or itself.
#[tokio::test]
async fn a_new_meta_takes_no_room_for_a_body_that_stays_where_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 32 << 20);
    let bodies = [11 << 19; 4].into_iter().chain([900_000; 5]);
    let bodies: Vec<_> = (0..).zip(bodies.map(|len| body(len, 1))).collect();
    for (number, body) in &bodies {
        put(&store, &format!("{number}"), body).await.unwrap();
    }
    assert!(store.update_meta(&key("0"), &meta("new"), &none()).await.unwrap());
    for (number, body) in &bodies {
        assert_eq!(
            get(&store, &format!("{number}")).await.as_ref(),
            Some(body),
            "{number}"
        );
    }
    assert_eq!(store.stats().evicted_segments, 0);
}
