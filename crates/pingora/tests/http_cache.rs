//! The memory storage behind pingora's own cache state machine.

use forebay_core::{ResponseHead, SpanHandle, Storage as _};
use forebay_memory::{MemoryOptions, MemoryStorage};
use forebay_pingora::leak;
use pingora_cache::eviction::{EvictionManager, simple_lru};
use pingora_cache::trace::Span;
use pingora_cache::{
    CacheEntryKey, CacheKey, CacheMeta, CachePhase, HitStatus, HttpCache, NoCacheReason, PurgeOutcome,
    PurgeTarget, PurgeType, Storage,
};
use pingora_http::{ResponseHeader, Version};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

type PingoraStorage = &'static (dyn Storage + Sync);

fn memory() -> (Arc<MemoryStorage>, PingoraStorage) {
    let memory = Arc::new(MemoryOptions::new(1 << 20).build().unwrap());
    (memory.clone(), leak(memory))
}

fn cache(storage: PingoraStorage) -> HttpCache {
    cache_with(storage, None)
}

fn cache_with(storage: PingoraStorage, eviction: Option<&'static (dyn EvictionManager + Sync)>) -> HttpCache {
    let mut cache = HttpCache::new();
    cache.enable(storage, eviction, None, None, None);
    cache.set_cache_key(CacheKey::new("/a", ""));
    cache
}

fn meta(created: SystemTime, etag: &'static str) -> CacheMeta {
    let mut header = ResponseHeader::build(200, None).unwrap();
    header.set_version(Version::HTTP_10);
    header.set_reason_phrase(Some("Fine")).unwrap();
    header.append_header("eTag", etag).unwrap();
    CacheMeta::new(created + Duration::from_secs(60), created, 10, 20, header)
}

fn an_hour_ago() -> SystemTime {
    SystemTime::now() - Duration::from_secs(3600)
}

async fn fill(cache: &mut HttpCache, meta: CacheMeta, body: &'static str) {
    assert!(cache.cache_lookup().await.unwrap().is_none());
    cache.cache_miss();
    cache.set_cache_meta(meta);
    cache.set_miss_handler().await.unwrap();
    write(cache, body).await;
}

async fn write(cache: &mut HttpCache, body: &'static str) {
    let miss = cache.miss_handler().unwrap();
    miss.write_body(body.into(), true).await.unwrap();
    let reader = cache.miss_body_reader().unwrap();
    assert_eq!(reader.read_body().await.unwrap().unwrap(), body);
    assert_eq!(reader.read_body().await.unwrap(), None);
    cache.finish_miss_handler().await.unwrap();
}

/// Looks up, takes the hit, reads it, and gives its meta.
async fn hit(storage: PingoraStorage, body: &str) -> CacheMeta {
    let mut cache = cache(storage);
    let (meta, handler) = cache.cache_lookup().await.unwrap().expect("a hit");
    let copy = storage
        .lookup(cache.cache_key(), &Span::inactive().handle())
        .await
        .unwrap();
    cache.cache_found(meta, handler, HitStatus::Fresh);
    assert_eq!(cache.hit_handler().read_body().await.unwrap().unwrap(), body);
    assert_eq!(cache.hit_handler().read_body().await.unwrap(), None);
    cache.finish_hit_handler().await.unwrap();
    copy.unwrap().0
}

#[tokio::test]
async fn a_miss_is_filled_read_along_and_hit() {
    let (memory, storage) = memory();
    let created = an_hour_ago();
    let mut first = cache(storage);
    assert!(first.storage_type_is::<MemoryStorage>());
    fill(&mut first, meta(created, "1"), "hello").await;

    let found = hit(storage, "hello").await;
    assert_eq!(found.created(), created);
    let header = found.response_header();
    assert_eq!(header.version, Version::HTTP_10);
    assert_eq!(header.get_reason_phrase(), Some("Fine"));
    let (name, value) = header.case_header_iter().next().unwrap();
    assert_eq!((name.as_slice(), value.as_bytes()), (&b"eTag"[..], &b"1"[..]));
    assert_eq!((memory.stats().entries, memory.stats().live_writes), (1, 0));
}

#[tokio::test]
async fn a_revalidation_renews_the_meta_and_keeps_creation_provenance_and_body() {
    let (_, storage) = memory();
    let (created, now) = (an_hour_ago(), SystemTime::now());
    fill(&mut cache(storage), meta(created, "1"), "hello").await;

    let mut cache = cache(storage);
    let (stale, handler) = cache.cache_lookup().await.unwrap().unwrap();
    assert!(!stale.is_fresh(now));
    cache.cache_found(stale, handler, HitStatus::Expired);
    assert!(cache.revalidate_cache_meta(meta(now, "2")).await.unwrap());

    let found = hit(storage, "hello").await;
    assert!(found.is_fresh(now));
    assert_eq!(
        (found.created(), found.updated(), found.provenance()),
        (created, now, created)
    );
    assert_eq!(found.headers()["etag"], "2");
}

#[tokio::test]
async fn a_stale_entry_that_is_fetched_anew_keeps_its_provenance() {
    let (_, storage) = memory();
    let (created, now) = (an_hour_ago(), SystemTime::now());
    fill(&mut cache(storage), meta(created, "1"), "hello").await;

    let mut cache = cache(storage);
    let (stale, handler) = cache.cache_lookup().await.unwrap().unwrap();
    cache.cache_found(stale, handler, HitStatus::Expired);
    cache.set_cache_meta(meta(now, "2"));
    assert_eq!(cache.phase(), CachePhase::Expired);
    cache.set_miss_handler().await.unwrap();
    write(&mut cache, "world").await;

    let found = hit(storage, "world").await;
    assert_eq!((found.created(), found.provenance()), (now, created));
}

#[tokio::test]
async fn expire_keeps_the_entry_stale_and_purge_removes_it() {
    let (memory, storage) = memory();
    fill(&mut cache(storage), meta(SystemTime::now(), "1"), "hello").await;
    assert!(cache(storage).expire().await.unwrap());
    let found = hit(storage, "hello").await;
    assert!(!found.is_fresh(SystemTime::now()));
    assert_eq!(found.stale_if_error_sec(), 20);

    assert!(cache(storage).purge().await.unwrap());
    assert!(!cache(storage).purge().await.unwrap());
    assert!(cache(storage).cache_lookup().await.unwrap().is_none());
    assert_eq!(memory.stats().entries, 0);
}

#[tokio::test]
async fn an_abandoned_fill_leaves_nothing_and_its_follower_gets_an_error() {
    let (memory, storage) = memory();
    let mut writer = cache(storage);
    assert!(writer.cache_lookup().await.unwrap().is_none());
    writer.cache_miss();
    writer.set_cache_meta(meta(SystemTime::now(), "1"));
    writer.set_miss_handler().await.unwrap();
    let miss = writer.miss_handler().unwrap();
    miss.write_body("half".into(), false).await.unwrap();

    let (_, mut follower) = cache(storage).cache_lookup().await.unwrap().unwrap();
    assert!(!follower.should_count_access());
    assert_eq!(follower.read_body().await.unwrap().unwrap(), "half");
    writer.disable(NoCacheReason::InternalError);
    assert!(follower.read_body().await.is_err());
    drop((writer, follower));
    assert!(cache(storage).cache_lookup().await.unwrap().is_none());
    assert_eq!((memory.stats().live_writes, memory.stats().open_handlers), (0, 0));
}

/// An error at the end would make pingora disable the cache, and with it the reader that still serves the client.
#[tokio::test]
async fn a_body_that_cannot_be_stored_reaches_its_client_whole() {
    let options = MemoryOptions::new(1 << 20).max_object_bytes(1000);
    let memory = Arc::new(options.build().unwrap());
    let mut writer = cache(leak(memory.clone()));
    assert!(writer.cache_lookup().await.unwrap().is_none());
    writer.cache_miss();
    writer.set_cache_meta(meta(SystemTime::now(), "1"));
    writer.set_miss_handler().await.unwrap();
    let body = "x".repeat(1000); // leaves no room for the meta
    let miss = writer.miss_handler().unwrap();
    miss.write_body(body.clone().into(), true).await.unwrap();
    writer.finish_miss_handler().await.unwrap();
    let reader = writer.miss_body_reader().unwrap();
    assert_eq!(reader.read_body().await.unwrap().unwrap(), body);
    assert_eq!(reader.read_body().await.unwrap(), None);
    assert_eq!(memory.stats().entries, 0);
    assert!(cache(leak(memory)).cache_lookup().await.unwrap().is_none());
}

#[tokio::test]
async fn an_eviction_manager_of_pingoras_tracks_entries_by_their_ids() {
    let (_, storage) = memory();
    let lru: &'static simple_lru::Manager = Box::leak(Box::new(simple_lru::Manager::new(1 << 20)));
    let mut first = cache_with(storage, Some(lru));
    fill(&mut first, meta(SystemTime::now(), "1"), "hello").await;
    let tracked = (lru.total_items(), lru.total_size());
    assert_eq!(tracked.0, 1);

    // A hit is the same entry with the same weight.
    let mut second = cache_with(storage, Some(lru));
    let (found, handler) = second.cache_lookup().await.unwrap().unwrap();
    assert_eq!(handler.get_eviction_weight(), tracked.1);
    second.cache_found(found, handler, HitStatus::Fresh);
    assert_eq!((lru.total_items(), lru.total_size()), tracked);

    assert!(cache_with(storage, Some(lru)).purge().await.unwrap());
    assert_eq!((lru.total_items(), lru.total_size()), (0, 0));
}

#[tokio::test]
async fn what_an_eviction_manager_evicts_is_gone() {
    let (_, storage) = memory();
    let lru: &'static simple_lru::Manager = Box::leak(Box::new(simple_lru::Manager::new(1)));
    let mut first = cache_with(storage, Some(lru));
    fill(&mut first, meta(SystemTime::now(), "1"), "hello").await;
    // The manager has room for nothing. Its purges run in tasks of their own.
    while cache(storage).cache_lookup().await.unwrap().is_some() {
        tokio::task::yield_now().await;
    }
    assert_eq!(lru.total_items(), 0);
}

#[tokio::test]
async fn a_late_eviction_does_not_remove_a_newer_entry() {
    let (_, storage) = memory();
    let span = Span::inactive().handle();
    let key = CacheKey::new("/a", "");
    let purge = async |entry: &CacheEntryKey| {
        let target = PurgeTarget::Exact(entry);
        storage.purge(target, PurgeType::Eviction, &span).await.unwrap()
    };
    let mut entries = Vec::new();
    for body in ["old", "new"] {
        let meta = meta(SystemTime::now(), "1");
        let mut miss = storage.get_miss_handler(&key, &meta, &span).await.unwrap();
        entries.push(CacheEntryKey::from_entry_id(key.to_compact(), miss.entry_id()));
        miss.write_body(body.into(), true).await.unwrap();
        miss.finish().await.unwrap();
    }
    assert_eq!(purge(&entries[0]).await, PurgeOutcome::NotFound);
    hit(storage, "new").await;
    assert_eq!(purge(&entries[1]).await, PurgeOutcome::Purged(None));
    // A manager that knows the key alone, for instance from a state that it loaded, means what is there.
    fill(&mut cache(storage), meta(SystemTime::now(), "1"), "newest").await;
    let key_only = CacheEntryKey::key_only(key.to_compact());
    assert_eq!(purge(&key_only).await, PurgeOutcome::Purged(None));
    assert!(cache(storage).cache_lookup().await.unwrap().is_none());
}

/// Writes an entry as a proxy without pingora does, which shares the store.
async fn write_natively(memory: &MemoryStorage, head: ResponseHead) {
    let (key, span) = (forebay_core::CacheKey::new("", "/a", ""), SpanHandle::none());
    let created = an_hour_ago();
    let mut meta = forebay_core::CacheMeta::new(SystemTime::now(), created, 1, 2, head);
    meta.set_updated(created + Duration::from_secs(9));
    meta.set_opaque("its own".into());
    let mut miss = memory.get_miss_handler(&key, &meta, &span).await.unwrap();
    miss.write_body("native".into(), true).await.unwrap();
    miss.finish().await.unwrap();
}

#[tokio::test]
async fn an_entry_that_was_written_without_the_bridge_is_served() {
    let (memory, storage) = memory();
    let head = ResponseHead::builder(203).header("X-a", "1").header("Vary", "b");
    write_natively(&memory, head.build().unwrap()).await;
    let found = hit(storage, "native").await;
    assert_eq!(found.updated(), found.created() + Duration::from_secs(9));
    assert_eq!(found.provenance(), found.created());
    assert_eq!(found.response_header().status, 203);
    assert_eq!(found.response_header().version, Version::HTTP_11);
    let names = found
        .response_header()
        .case_header_iter()
        .map(|(name, _)| name.as_slice());
    assert!(names.eq([&b"X-a"[..], b"Vary"]));
}

#[tokio::test]
async fn an_entry_that_pingora_cannot_hold_is_a_miss_and_can_be_written_again() {
    let (memory, storage) = memory();
    let head = ResponseHead::builder(200).header("a", "\x07").build().unwrap();
    write_natively(&memory, head).await;
    fill(&mut cache(storage), meta(an_hour_ago(), "1"), "hello").await;
    hit(storage, "hello").await;
}
