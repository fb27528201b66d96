//! What is particular to this adapter: its limits. The contract itself is tested by the conformance suite.

use bytes::Bytes;
use forebay_core::{
    CacheKey, CacheMeta, ErrorKind, MissFinishType, PurgeOutcome, PurgeTarget, PurgeType, ResponseHead,
    Result, SpanHandle, Storage,
};
use forebay_memory::{MemoryOptions, MemoryStorage};
use std::time::SystemTime;

const MIB: usize = 1 << 20;

fn key(name: usize) -> CacheKey {
    CacheKey::new("", name.to_string(), "")
}

fn meta() -> CacheMeta {
    let now = SystemTime::now();
    CacheMeta::new(now, now, 0, 0, ResponseHead::builder(200).build().unwrap())
}

async fn write(storage: &MemoryStorage, name: usize, chunks: &[Bytes]) -> Result<MissFinishType> {
    let mut miss = storage
        .get_miss_handler(&key(name), &meta(), &SpanHandle::none())
        .await?;
    for chunk in chunks {
        miss.write_body(chunk.clone(), false).await?;
    }
    miss.finish().await
}

fn kind<T>(result: Result<T>) -> Option<ErrorKind> {
    result.err().and_then(|error| ErrorKind::of(&error))
}

#[tokio::test]
async fn the_largest_object_is_admitted_at_every_size_of_shard_and_a_larger_one_is_refused() {
    for (capacity, max_object) in [
        (4 * MIB, 2 * MIB),
        (4 * MIB, MIB),
        (5 * MIB, 700_000),
        (64 * MIB, 100_000),
    ] {
        let storage = MemoryOptions::new(capacity as u64)
            .max_object_bytes(max_object as u64)
            .build()
            .unwrap();
        let fits = Bytes::from(vec![1; max_object - 2000]);
        for name in 0..20 {
            write(&storage, name, std::slice::from_ref(&fits)).await.unwrap();
            let found = storage.lookup(&key(name), &SpanHandle::none()).await.unwrap();
            assert!(found.is_some(), "{max_object} in {capacity}");
        }
        let refused = write(&storage, 99, &[fits.clone(), fits.slice(..4000)]).await;
        assert_eq!(kind(refused), Some(ErrorKind::Refused));
        assert!(storage.stats().resident_bytes <= capacity as u64);
        assert_eq!(
            (storage.stats().in_flight_bytes, storage.stats().live_writes),
            (0, 0)
        );
    }
}

#[tokio::test]
async fn a_new_write_is_refused_while_those_in_progress_hold_their_share_and_admitted_afterwards() {
    let storage = MemoryOptions::new(64 * MIB as u64)
        .in_flight_bytes(MIB as u64)
        .build()
        .unwrap();
    let trace = SpanHandle::none();
    let mut slow = storage.get_miss_handler(&key(1), &meta(), &trace).await.unwrap();
    slow.write_body(vec![0; MIB].into(), false).await.unwrap();
    assert_eq!(
        kind(storage.get_miss_handler(&key(2), &meta(), &trace).await),
        Some(ErrorKind::Refused)
    );
    slow.write_body(vec![0; MIB / 2].into(), false)
        .await
        .expect("it may go on until twice as much is held");
    assert_eq!(
        kind(slow.write_body(vec![0; MIB].into(), false).await),
        Some(ErrorKind::Refused)
    );
    assert_eq!(kind(slow.finish().await), Some(ErrorKind::Refused));
    assert_eq!(storage.stats().in_flight_bytes, 0);
    write(&storage, 2, &[Bytes::from_static(b"x")]).await.unwrap();
}

#[tokio::test]
async fn an_entry_that_weighs_what_the_largest_may_is_admitted_and_one_byte_more_is_not() {
    let body = [Bytes::from(vec![1; 50_000])];
    let storage = MemoryOptions::new(64 * MIB as u64).build().unwrap();
    let weight_bytes = match write(&storage, 1, &body).await.unwrap() {
        MissFinishType::Created(weight_bytes) => weight_bytes as u64,
        other => panic!("{other:?}"),
    };
    for (max_object_bytes, expected) in [(weight_bytes, None), (weight_bytes - 1, Some(ErrorKind::Refused))] {
        let storage = MemoryOptions::new(64 * MIB as u64)
            .max_object_bytes(max_object_bytes)
            .build()
            .unwrap();
        assert_eq!(
            kind(write(&storage, 1, &body).await),
            expected,
            "{max_object_bytes}"
        );
    }
}

/// It was stored where the cache had room for it, and where it had none, the entry was lost without a word.
#[tokio::test]
async fn a_meta_that_makes_an_entry_larger_than_the_largest_is_refused_and_the_old_one_stays() {
    let storage = MemoryOptions::new(64 << 10).build().unwrap();
    let trace = SpanHandle::none();
    write(&storage, 1, &[Bytes::from_static(b"x")]).await.unwrap();
    let found = async || {
        storage
            .lookup(&key(1), &trace)
            .await
            .unwrap()
            .map(|found| found.0)
    };
    for (opaque_bytes, refused) in [(20 << 10, true), (40 << 10, true), (10 << 10, false)] {
        let (mut larger, before) = (meta(), storage.stats());
        larger.set_opaque(vec![0; opaque_bytes].into());
        let updated = storage.update_meta(&key(1), &larger, &trace).await;
        let is_larger = found().await.unwrap().opaque().len() == opaque_bytes;
        assert_eq!(is_larger, !refused, "{opaque_bytes}");
        match refused {
            true => {
                assert_eq!(kind(updated), Some(ErrorKind::Refused), "{opaque_bytes}");
                assert_eq!(storage.stats().resident_bytes, before.resident_bytes);
            }
            false => assert!(updated.unwrap()),
        }
    }
    assert!(!storage.update_meta(&key(2), &meta(), &trace).await.unwrap());
}

#[tokio::test]
async fn writes_in_progress_may_hold_twice_their_share_to_the_byte() {
    let storage = MemoryOptions::new(64 * MIB as u64)
        .in_flight_bytes(MIB as u64)
        .build()
        .unwrap();
    let trace = SpanHandle::none();
    let held = || storage.stats().in_flight_bytes as usize;
    for (beyond, expected) in [(0, None), (1, Some(ErrorKind::Refused))] {
        let mut write = storage.get_miss_handler(&key(1), &meta(), &trace).await.unwrap();
        let before = held();
        write.write_body(vec![0; 100].into(), false).await.unwrap();
        let beside_chunk = held() - before - 100;
        let rest = vec![0; 2 * MIB - held() - beside_chunk + beyond];
        assert_eq!(kind(write.write_body(rest.into(), false).await), expected);
    }
}

#[tokio::test]
async fn what_a_caller_keeps_beside_a_meta_weighs_what_it_says() {
    const BESIDE_BYTES: usize = 10_000;
    let storage = MemoryOptions::new(64 * MIB as u64).build().unwrap();
    let mut meta = meta();
    meta.extensions_mut(BESIDE_BYTES).insert("parsed");
    let mut miss = storage
        .get_miss_handler(&key(1), &meta, &SpanHandle::none())
        .await
        .unwrap();
    miss.write_body(vec![1; 100_000].into(), true).await.unwrap();
    match miss.finish().await.unwrap() {
        MissFinishType::Created(weight_bytes) => {
            let beside = weight_bytes - 100_000;
            assert!((BESIDE_BYTES..BESIDE_BYTES + 1000).contains(&beside), "{beside}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_the_storage_says_it_holds_is_close_to_what_the_bodies_and_metas_are() {
    let storage = MemoryOptions::new(64 * MIB as u64).build().unwrap();
    let mut admitted_bytes = 0;
    for name in 0..1000 {
        let finished = write(&storage, name, &[Bytes::from(vec![1; 1024])]).await;
        let MissFinishType::Created(weight_bytes) = finished.unwrap() else {
            panic!("appended")
        };
        admitted_bytes += weight_bytes as u64;
    }
    let stats = storage.stats();
    assert_eq!(stats.resident_bytes, admitted_bytes);
    assert_eq!(
        (stats.entries, stats.admitted, stats.evicted_entries),
        (1000, 1000, 0)
    );
    let beside_body = stats.resident_bytes / 1000 - 1024;
    assert!(
        (140..=300).contains(&beside_body),
        "{beside_body} bytes an entry beside its body"
    );
}

#[tokio::test]
async fn what_was_admitted_is_there_or_counted_as_evicted() {
    let storage = MemoryOptions::new(MIB as u64).build().unwrap();
    for name in 0..100 {
        write(&storage, name, &[Bytes::from(vec![1; 64 << 10])])
            .await
            .unwrap();
    }
    let stats = storage.stats();
    assert_eq!(stats.admitted, 100);
    assert!((8..=16).contains(&stats.entries), "{stats:?}");
    assert_eq!(stats.evicted_entries, 100 - stats.entries);
}

#[tokio::test]
async fn what_is_replaced_is_not_counted_as_evicted() {
    let storage = MemoryOptions::new(64 * MIB as u64).build().unwrap();
    for len in [10, 20_000, 10] {
        write(&storage, 1, &[Bytes::from(vec![1; len])]).await.unwrap();
    }
    let stats = storage.stats();
    assert_eq!((stats.entries, stats.admitted), (1, 3));
    assert_eq!((stats.evicted_entries, stats.evicted_bytes), (0, 0));
}

/// Among the evicted keys that it remembers there must be room for those of a new working set.
#[tokio::test]
async fn after_a_change_what_half_of_the_capacity_holds_is_kept() {
    let storage = MemoryOptions::new(16 * MIB as u64)
        .max_object_bytes(8 * MIB as u64)
        .build()
        .unwrap();
    let body = Bytes::from(vec![1; 8 << 10]);
    let look_up_or_write = async |name| {
        let found = storage.lookup(&key(name), &SpanHandle::none()).await.unwrap();
        if found.is_none() {
            write(&storage, name, std::slice::from_ref(&body)).await.unwrap();
        }
        found.is_some()
    };
    for _ in 0..3 {
        for name in 0..1800 {
            look_up_or_write(name).await;
        }
    }
    let mut hits = 0;
    for _ in 0..20 {
        hits = 0;
        for name in 10_000..11_000 {
            hits += usize::from(look_up_or_write(name).await);
        }
    }
    assert_eq!(hits, 1000, "of the last round");
}

/// Each chunk is a write for whoever sends it.
#[tokio::test]
async fn what_is_found_again_comes_in_one_piece_up_to_a_mebibyte() {
    const PIECE: usize = 64 << 10;
    let chunks_of = |count: usize| (0..count).map(|at| Bytes::from(vec![at as u8; PIECE]));
    for (count, first, later) in [(1, 1, 1), (2, 2, 1), (16, 16, 1), (17, 17, 17)] {
        let storage = MemoryOptions::new(64 * MIB as u64).build().unwrap();
        let chunks: Vec<_> = chunks_of(count).collect();
        write(&storage, 1, &chunks).await.unwrap();
        let resident_bytes = storage.stats().resident_bytes;
        for expected in [first, later, later] {
            let found = storage.lookup(&key(1), &SpanHandle::none()).await.unwrap();
            let (_, mut hit) = found.unwrap();
            let mut read = Vec::new();
            while let Some(chunk) = hit.read_body().await.unwrap() {
                read.push(chunk);
            }
            assert_eq!(read.len(), expected, "pieces of {count}");
            assert!(read.concat() == chunks.concat());
        }
        assert!(storage.stats().resident_bytes <= resident_bytes);
        assert_eq!((storage.stats().entries, storage.stats().evicted_entries), (1, 0));
        // It can still be refreshed and purged.
        assert!(
            storage
                .update_meta(&key(1), &meta(), &SpanHandle::none())
                .await
                .unwrap()
        );
        assert_eq!(storage.stats().evicted_entries, 0, "an update evicts nothing");
        let compact = key(1).to_compact();
        let purged = storage
            .purge(&compact, PurgeType::Invalidation, &SpanHandle::none())
            .await;
        assert!(purged.unwrap());
        assert_eq!((storage.stats().entries, storage.stats().resident_bytes), (0, 0));
    }
}

#[tokio::test]
async fn a_hit_shares_the_stored_bytes() {
    let storage = MemoryOptions::new(64 * MIB as u64).build().unwrap();
    let body = Bytes::from(vec![7; 100_000]);
    write(&storage, 1, std::slice::from_ref(&body)).await.unwrap();
    let (_, mut hit) = storage
        .lookup(&key(1), &SpanHandle::none())
        .await
        .unwrap()
        .unwrap();
    let read = hit.read_body().await.unwrap().unwrap();
    assert_eq!((read.as_ptr(), read.len()), (body.as_ptr(), body.len()));
}

#[tokio::test]
async fn a_live_write_is_invalidated_by_its_id_and_not_evicted_by_it() {
    let storage = MemoryOptions::new(MIB as u64).build().unwrap();
    let trace = SpanHandle::none();
    let miss = storage.get_miss_handler(&key(1), &meta(), &trace).await.unwrap();
    let (compact, id) = (key(1).to_compact(), miss.entry_id().unwrap());
    let target = PurgeTarget::Exact(&compact, id);
    let purge = |purge_type| storage.purge_target(target, purge_type, &trace);
    assert_eq!(purge(PurgeType::Eviction).await.unwrap(), PurgeOutcome::NotFound);
    assert!(storage.lookup(&key(1), &trace).await.unwrap().is_some());
    let invalidated = purge(PurgeType::Invalidation).await.unwrap();
    assert_eq!(invalidated, PurgeOutcome::Purged(Some(id)));
    assert!(storage.lookup(&key(1), &trace).await.unwrap().is_none());
    miss.finish().await.unwrap();
    assert!(storage.lookup(&key(1), &trace).await.unwrap().is_none());
}

#[tokio::test]
async fn lookups_and_open_handlers_are_counted() {
    let storage = MemoryOptions::new(MIB as u64).build().unwrap();
    let trace = SpanHandle::none();
    assert!(storage.lookup(&key(1), &trace).await.unwrap().is_none());
    let miss = storage.get_miss_handler(&key(1), &meta(), &trace).await.unwrap();
    let tag = miss.streaming_write_tag().unwrap().to_vec();
    let tagged = async |name| {
        let name = key(name);
        let found = storage.lookup_streaming_write(&name, Some(&tag), &trace);
        found.await.unwrap()
    };
    assert!(tagged(2).await.is_none());
    let followers = (storage.lookup(&key(1), &trace).await.unwrap(), tagged(1).await);
    miss.finish().await.unwrap();
    let hit = storage.lookup(&key(1), &trace).await.unwrap();
    let stats = storage.stats();
    assert_eq!((stats.misses, stats.stream_hits, stats.hits), (2, 2, 1));
    assert_eq!(stats.open_handlers, 3);
    drop((followers, hit));
    assert_eq!(storage.stats().open_handlers, 0);
}

#[tokio::test]
async fn an_object_that_is_too_large_is_refused() {
    let options = MemoryOptions::new(MIB as u64).max_object_bytes(100_000);
    let storage = options.build().unwrap();
    let trace = SpanHandle::none();
    let mut miss = storage.get_miss_handler(&key(1), &meta(), &trace).await.unwrap();
    miss.write_body(vec![0; 60_000].into(), false).await.unwrap();
    miss.write_body(vec![0; 60_000].into(), true).await.unwrap(); // for who reads along
    assert_eq!(kind(miss.finish().await), Some(ErrorKind::Refused));
    // A body that is as large as an object may be leaves no room for its meta.
    let mut miss = storage.get_miss_handler(&key(2), &meta(), &trace).await.unwrap();
    miss.write_body(vec![0; 100_000].into(), true).await.unwrap();
    assert_eq!(kind(miss.finish().await), Some(ErrorKind::Refused));
    let mut meta = meta();
    meta.set_opaque(vec![0; 100_001].into());
    let refused = storage.get_miss_handler(&key(3), &meta, &trace).await;
    assert_eq!(kind(refused), Some(ErrorKind::Refused));
    // Refused at its end, it would have cut the transfer of a proxy that serves out of the write.
    for (declared, expected) in [
        ("100000", Some(ErrorKind::Refused)),
        ("90000", None),
        ("many", None),
    ] {
        let head = ResponseHead::builder(200).header("Content-Length", declared);
        let mut meta = self::meta();
        meta.set_head(head.build().unwrap());
        let begun = storage.get_miss_handler(&key(4), &meta, &trace).await;
        assert_eq!(kind(begun), expected, "{declared}");
    }
}

#[tokio::test]
async fn a_follower_has_the_entry_id_that_the_entry_will_have() {
    let storage = MemoryOptions::new(MIB as u64).build().unwrap();
    let trace = SpanHandle::none();
    let miss = storage.get_miss_handler(&key(1), &meta(), &trace).await.unwrap();
    let (_, follower) = storage.lookup(&key(1), &trace).await.unwrap().unwrap();
    assert!(miss.entry_id().is_some());
    assert_eq!(follower.entry_id(), miss.entry_id());
    miss.finish().await.unwrap();
    let (_, hit) = storage.lookup(&key(1), &trace).await.unwrap().unwrap();
    assert_eq!(hit.entry_id(), follower.entry_id());
}

#[test]
fn unusable_limits_are_named() {
    for (options, named) in [
        (MemoryOptions::new(1000), "1000 bytes"),
        (
            MemoryOptions::new(MIB as u64).max_object_bytes(0),
            "largest object of 0",
        ),
        (
            MemoryOptions::new(MIB as u64).max_object_bytes(MIB as u64),
            "half the capacity",
        ),
    ] {
        let error = options.build().map(|_| ()).unwrap_err();
        assert_eq!(ErrorKind::of(&error), Some(ErrorKind::Misuse), "{error}");
        assert!(error.to_string().contains(named), "{error}");
    }
    let smallest = MemoryOptions::new(64 << 10).max_object_bytes(32 << 10);
    assert!(smallest.build().is_ok());
}

/// What is copied into one piece weighed less from then on, and an eviction manager would have subtracted less than it had added.
#[tokio::test]
async fn an_entry_weighs_what_its_write_said_however_often_it_is_found() {
    let storage = MemoryOptions::new(64 * MIB as u64).build().unwrap();
    let chunks = vec![Bytes::from(vec![1; 20_000]); 10];
    let MissFinishType::Created(weight_bytes) = write(&storage, 1, &chunks).await.unwrap() else {
        panic!("appended")
    };
    for lookup in 1..=4 {
        let (_, hit) = storage
            .lookup(&key(1), &SpanHandle::none())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(hit.get_eviction_weight(), weight_bytes, "lookup {lookup}");
        assert_eq!(storage.stats().resident_bytes, weight_bytes as u64);
    }
}

/// It was counted as a chunk, and where no more might be held, it ended a write that had all of its body.
#[tokio::test]
async fn an_empty_write_takes_nothing_and_is_not_refused() {
    let storage = MemoryOptions::new(64 * MIB as u64)
        .in_flight_bytes(MIB as u64)
        .build()
        .unwrap();
    let held = || storage.stats().in_flight_bytes as usize;
    let mut miss = storage
        .get_miss_handler(&key(1), &meta(), &SpanHandle::none())
        .await
        .unwrap();
    let before = held();
    miss.write_body(vec![0; 100].into(), false).await.unwrap();
    let beside_chunk = held() - before - 100;
    let rest = vec![0; 2 * MIB - held() - beside_chunk];
    miss.write_body(rest.into(), false).await.unwrap();
    for eof in [false, true] {
        miss.write_body(Bytes::new(), eof).await.unwrap();
        assert_eq!(held(), 2 * MIB, "eof {eof}");
    }
    miss.finish().await.unwrap();
}

/// It was cut where it outgrew the largest object.
#[tokio::test]
async fn a_body_that_grows_too_large_passes_through_to_who_reads_along() {
    let options = MemoryOptions::new(64 * MIB as u64).max_object_bytes(3 * MIB as u64);
    let storage = options.build().unwrap();
    let trace = SpanHandle::none();
    let mut miss = storage.get_miss_handler(&key(1), &meta(), &trace).await.unwrap();
    let (_, mut along) = storage.lookup(&key(1), &trace).await.unwrap().unwrap();
    let (_, mut behind) = storage.lookup(&key(1), &trace).await.unwrap().unwrap();
    let piece: Bytes = (0..MIB).map(|i| (i * 31) as u8).collect();
    for _ in 0..100 {
        miss.write_body(piece.clone(), false).await.unwrap();
        let mut read = Vec::new();
        while read.len() < piece.len() {
            read.extend(along.read_body().await.unwrap().unwrap());
        }
        assert!(read == piece);
        assert!(storage.stats().in_flight_bytes < 10 * MIB as u64);
    }
    let found = storage.lookup(&key(1), &trace).await.unwrap();
    assert!(found.is_none(), "what has no start any more");
    assert_eq!(kind(behind.read_body().await), Some(ErrorKind::Refused));
    assert_eq!(kind(miss.finish().await), Some(ErrorKind::Refused));
    assert!(along.read_body().await.unwrap().is_none());
    assert_eq!((storage.stats().entries, storage.stats().in_flight_bytes), (0, 0));
}
