//! Defects behind a hop: what a read comes to shows only some time after its first poll, as where a thread reads for it.

use crate::defect::Defect;
use crate::storage::BrokenStorage;
use async_trait::async_trait;
use bytes::Bytes;
use forebay_conformance::{Harness, Opened, Options, Report, Site, judge};
use forebay_core::{
    CacheEntryId, CacheKey, CacheMeta, CompactCacheKey, HandleHit, HitHandler, MissHandler, PurgeType,
    Result, SpanHandle, Storage,
};
use std::any::Any;
use std::sync::Arc;

const CATALOGUE: [(Defect, &str); 1] = [(Defect::EarlyEof, "STREAM-EOF")];

/// Each defect with its rule.
pub(crate) fn catalogue() -> impl Iterator<Item = (String, &'static str)> {
    CATALOGUE
        .iter()
        .map(|(defect, rule)| (format!("{defect:?}BehindAHop"), *rule))
}

struct Hopping(Defect);

#[async_trait]
impl Harness for Hopping {
    fn name(&self) -> &str {
        "hopping"
    }

    async fn open(&self, _site: &Site) -> Opened {
        Ok(Arc::new(HoppingStorage(BrokenStorage::new(self.0, None))))
    }
}

struct HoppingStorage(BrokenStorage);

fn hopping((meta, inner): (CacheMeta, HitHandler)) -> (CacheMeta, HitHandler) {
    (meta, Box::new(HoppingHit(inner)))
}

#[async_trait]
impl Storage for HoppingStorage {
    async fn lookup(&self, key: &CacheKey, trace: &SpanHandle) -> Result<Option<(CacheMeta, HitHandler)>> {
        Ok(self.0.lookup(key, trace).await?.map(hopping))
    }

    async fn lookup_streaming_write(
        &self,
        key: &CacheKey,
        tag: Option<&[u8]>,
        trace: &SpanHandle,
    ) -> Result<Option<(CacheMeta, HitHandler)>> {
        let found = self.0.lookup_streaming_write(key, tag, trace).await?;
        Ok(found.map(hopping))
    }

    async fn get_miss_handler(
        &self,
        key: &CacheKey,
        meta: &CacheMeta,
        trace: &SpanHandle,
    ) -> Result<MissHandler> {
        self.0.get_miss_handler(key, meta, trace).await
    }

    async fn purge(&self, key: &CompactCacheKey, purge_type: PurgeType, trace: &SpanHandle) -> Result<bool> {
        self.0.purge(key, purge_type, trace).await
    }

    async fn update_meta(&self, key: &CacheKey, meta: &CacheMeta, trace: &SpanHandle) -> Result<bool> {
        self.0.update_meta(key, meta, trace).await
    }

    fn support_streaming_partial_write(&self) -> bool {
        true
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync + 'static) {
        self
    }
}

struct HoppingHit(HitHandler);

#[async_trait]
impl HandleHit for HoppingHit {
    async fn read_body(&mut self) -> Result<Option<Bytes>> {
        tokio::task::yield_now().await;
        self.0.read_body().await
    }

    fn is_stream_hit(&self) -> bool {
        self.0.is_stream_hit()
    }

    fn should_count_access(&self) -> bool {
        self.0.should_count_access()
    }

    fn get_eviction_weight(&self) -> usize {
        self.0.get_eviction_weight()
    }

    fn entry_id(&self) -> Option<CacheEntryId> {
        self.0.entry_id()
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync) {
        self
    }

    fn as_any_mut(&mut self) -> &mut (dyn Any + Send + Sync) {
        self
    }
}

fn judged(defect: Defect, rule: &str) -> Report {
    judge(Hopping(defect), Options::default(), |r| r.id == rule)
}

/// A follower that took the end of what is there for the end of the body was pending at its first poll, and not asked again.
#[test]
fn every_defect_behind_a_hop_fails_the_rule_that_it_breaks_and_without_one_it_holds() {
    for (defect, rule) in CATALOGUE {
        assert_eq!(judged(defect, rule).broken(), [rule], "{defect:?}");
        assert!(judged(Defect::None, rule).broken().is_empty(), "{rule}");
    }
}
