//! The cases, for the version of pingora that the module around them names.

use super::{CAN_EXPIRE, FromPingora, MemCache, leak};
use bytes::Bytes;
use forebay_core::{
    CacheEntryId, CacheKey, CacheMeta, HandleHit, PurgeOutcome, PurgeTarget, PurgeType, ResponseHead,
    SpanHandle, Storage,
};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

fn pingoras_memory() -> &'static MemCache {
    Box::leak(Box::new(MemCache::new()))
}

/// Pingora's memory cache, once behind the bridge, and once behind both bridges and one of them again.
fn storages() -> [FromPingora; 2] {
    let twice = leak(Arc::new(FromPingora::new(pingoras_memory())));
    [FromPingora::new(pingoras_memory()), FromPingora::new(twice)]
}

fn key() -> CacheKey {
    let mut key = CacheKey::new("ns", "/a", "tag");
    key.set_variance_key([3; 16]);
    key
}

fn meta() -> CacheMeta {
    let head = ResponseHead::builder(203)
        .header("Set-Cookie", "a=1")
        .header("ETag", "\"x\"")
        .header("set-cookie", "b=2")
        .header("X-Forebay-Meta", "not ours")
        .build()
        .unwrap();
    let created = SystemTime::UNIX_EPOCH + Duration::new(1_700_000_000, 123_456_789);
    let mut meta = CacheMeta::new(created + Duration::from_millis(1500), created, 7, 8, head);
    meta.set_updated(created + Duration::from_nanos(1));
    meta.set_variance(Some([9; 16]));
    meta.set_opaque(Bytes::from_static(b"\0opaque\xff"));
    meta
}

fn span() -> SpanHandle {
    SpanHandle::none()
}

async fn write(storage: &dyn Storage, meta: &CacheMeta, body: &'static [u8]) {
    let mut miss = storage.get_miss_handler(&key(), meta, &span()).await.unwrap();
    miss.write_body(body.into(), true).await.unwrap();
    miss.finish().await.unwrap();
}

async fn read_all(hit: &mut Box<dyn HandleHit>) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(chunk) = hit.read_body().await.unwrap() {
        body.extend_from_slice(&chunk);
    }
    body
}

#[tokio::test]
async fn an_entry_comes_back_exactly() {
    for storage in storages() {
        assert!(storage.lookup(&key(), &span()).await.unwrap().is_none());
        write(&storage, &meta(), b"hello").await;
        let (found, mut hit) = storage.lookup(&key(), &span()).await.unwrap().unwrap();
        assert_eq!(found, meta());
        assert_eq!(read_all(&mut hit).await, b"hello");
        assert!(!hit.is_stream_hit() && hit.should_count_access());
        assert_eq!(hit.get_eviction_weight(), 5);
        hit.seek(1, Some(3)).unwrap();
        assert_eq!(read_all(&mut hit).await, b"el");
        hit.finish(&storage, &key(), &span()).await.unwrap();
        let mut other = key();
        other.remove_variance_key();
        assert!(storage.lookup(&other, &span()).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn a_follower_reads_a_live_write() {
    for storage in storages() {
        assert!(storage.support_streaming_partial_write());
        let mut miss = storage.get_miss_handler(&key(), &meta(), &span()).await.unwrap();
        let tag = miss.streaming_write_tag().unwrap().to_vec();
        let (found, mut by_tag) = storage
            .lookup_streaming_write(&key(), Some(&tag), &span())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(found, meta());
        let (_, mut by_key) = storage.lookup(&key(), &span()).await.unwrap().unwrap();
        assert!(by_tag.is_stream_hit() && by_key.is_stream_hit());
        for chunk in ["one", "two"] {
            miss.write_body(chunk.into(), false).await.unwrap();
            assert_eq!(by_tag.read_body().await.unwrap().unwrap(), chunk);
            assert_eq!(by_key.read_body().await.unwrap().unwrap(), chunk);
        }
        miss.write_body(Bytes::new(), true).await.unwrap();
        assert_eq!(by_tag.read_body().await.unwrap(), None);
        miss.finish().await.unwrap();
        assert_eq!(by_key.read_body().await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_write_that_is_dropped_half_way_leaves_nothing() {
    for storage in storages() {
        let mut miss = storage.get_miss_handler(&key(), &meta(), &span()).await.unwrap();
        miss.write_body("half".into(), false).await.unwrap();
        drop(miss);
        assert!(storage.lookup(&key(), &span()).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn purges_and_expiries_pass_through() {
    for storage in storages() {
        let key = key();
        let compact = key.to_compact();
        let active = PurgeTarget::Active(&compact);
        assert_eq!(
            storage.expire(active, &span()).await.unwrap(),
            PurgeOutcome::NotFound
        );
        write(&storage, &meta(), b"hello").await;
        let expired = storage.expire(active, &span()).await.unwrap();
        if CAN_EXPIRE {
            assert_eq!(expired, PurgeOutcome::Expired);
        } else {
            assert_eq!(expired, PurgeOutcome::Purged(None));
            write(&storage, &meta(), b"hello").await;
        }
        // Pingora's memory cache has no entry ids, so none of them is there.
        let exact = PurgeTarget::Exact(&compact, CacheEntryId::new(1));
        let outcome = storage
            .purge_target(exact, PurgeType::Eviction, &span())
            .await
            .unwrap();
        assert_eq!(outcome, PurgeOutcome::NotFound);
        let purge = || async {
            storage
                .purge(&compact, PurgeType::Invalidation, &span())
                .await
                .unwrap()
        };
        assert!(purge().await);
        assert!(!purge().await);
        assert!(storage.lookup(&key, &span()).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn an_updated_meta_is_found_with_the_old_body() {
    for storage in storages() {
        write(&storage, &meta(), b"hello").await;
        let mut newer = meta();
        newer.set_updated(SystemTime::now());
        newer.set_opaque(Bytes::new());
        assert!(storage.update_meta(&key(), &newer, &span()).await.unwrap());
        let (found, mut hit) = storage.lookup(&key(), &span()).await.unwrap().unwrap();
        assert_eq!(found, newer);
        assert_eq!(read_all(&mut hit).await, b"hello");
    }
}

#[tokio::test]
async fn the_type_of_the_storage_shows_through() {
    for storage in storages() {
        assert!(storage.as_any().is::<MemCache>());
    }
}

#[tokio::test]
#[should_panic(expected = "no meta found")]
async fn a_panic_of_the_storage_stays_one() {
    let storage = FromPingora::new(pingoras_memory());
    let _ = storage.update_meta(&key(), &meta(), &span()).await;
}
