//! Defects behind a hop: what a read comes to shows only some time after its first poll, as where a thread reads for it.

use crate::defect::Defect;
use crate::storage::BrokenStorage;
use async_trait::async_trait;
use bytes::Bytes;
use forebay_conformance::{Capabilities, Harness, Opened, Options, Report, Site, judge};
use forebay_core::{
    CacheEntryId, CacheKey, CacheMeta, CompactCacheKey, HandleHit, HitHandler, MissHandler, PurgeType,
    Result, SpanHandle, Storage,
};
use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

const CATALOGUE: [(Defect, &str); 7] = [
    (Defect::LostWakeupOnWrite, "STREAM-WAKE"),
    (Defect::LostWakeupOnFinish, "STREAM-WAKE"),
    (Defect::LostWakeupOnDrop, "STREAM-WAKE"),
    (Defect::OneWaiter, "STREAM-WAKE"),
    (Defect::KeepsFirstWaker, "STREAM-WAKE"),
    (Defect::EarlyEof, "STREAM-EOF"),
    (Defect::LostWakeupOnWrite, "SEEK-LIVE"),
];

/// More than one: a check that polls twice, for a reason of its own, is not past them by chance.
const HOPS: usize = 2;

/// Rules that a hop alone does not break.
const KEPT: [&str; 4] = ["STREAM-WAKE", "STREAM-EOF", "SEEK-LIVE", "MODEL-SCHEDULE"];

/// Each defect with its rule.
pub(crate) fn catalogue() -> impl Iterator<Item = (String, &'static str)> {
    CATALOGUE
        .iter()
        .map(|(defect, rule)| (format!("{defect:?}BehindAHop"), *rule))
}

struct Hopping {
    defect: Defect,
    capabilities: Capabilities,
}

#[async_trait]
impl Harness for Hopping {
    fn name(&self) -> &str {
        "hopping"
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities.clone()
    }

    async fn open(&self, _site: &Site) -> Opened {
        Ok(Arc::new(HoppingStorage(BrokenStorage::new(self.defect, None))))
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
        for _ in 0..HOPS {
            tokio::task::yield_now().await;
        }
        self.0.read_body().await
    }

    fn can_seek(&self) -> bool {
        self.0.can_seek()
    }

    fn seek(&mut self, start: usize, end: Option<usize>) -> Result<()> {
        self.0.seek(start, end)
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

/// With a clock, as where threads may be at work, and without.
fn judged(defect: Defect, rules: &[&str]) -> [Report; 2] {
    [Capabilities::new(), Capabilities::new().without_background()].map(|capabilities| {
        let options = Options {
            hang_after: Duration::from_secs(1),
            cases: 30,
            ..Options::default()
        };
        let harness = Hopping { defect, capabilities };
        judge(harness, options, |r| rules.contains(&r.id.as_str()))
    })
}

/// A follower was polled once, and was then at its hop and not yet where it waits: the end that it took there for the end of the
/// body was not seen, and what woke it from the hop was taken for what the event wakes.
#[test]
fn every_defect_behind_a_hop_fails_the_rule_that_it_breaks() {
    for (defect, rule) in CATALOGUE {
        for report in judged(defect, &[rule]) {
            assert_eq!(report.broken(), [rule], "{defect:?}: {:?}", report.capabilities);
        }
    }
}

#[test]
fn a_hop_alone_breaks_no_rule() {
    for report in judged(Defect::None, &KEPT) {
        assert!(report.broken().is_empty(), "{:?}", report.verdicts);
    }
}
