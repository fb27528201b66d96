//! The storages that are judged: the reference, and what is wrong with it or with its harness.

use forebay_conformance::reference::ReferenceStorage;
use forebay_conformance::{Capabilities, Harness, KnownFailure, Opened, RuleId, Site, async_trait};
use forebay_core::{
    CacheKey, CacheMeta, CompactCacheKey, HandleHit, HitHandler, MissHandler, PurgeType, Result, SpanHandle,
    Storage,
};
use std::any::Any;
use std::process::ExitCode;
use std::sync::Arc;

pub(crate) fn judge(name: &str) -> ExitCode {
    forebay_conformance::main(Subject(name.to_owned()))
}

struct Subject(String);

const PURGES_HANG: &[KnownFailure] = &[KnownFailure::new(
    RuleId::PurgeResult,
    "purges hang, https://example.com/1",
)];
#[async_trait]
impl Harness for Subject {
    fn name(&self) -> &str {
        &self.0
    }

    fn capabilities(&self) -> Capabilities {
        let capabilities = Capabilities::new().without_background();
        match self.0.as_str() {
            "forgets" => capabilities.persist(),
            _ => capabilities,
        }
    }

    async fn open(&self, _site: &Site) -> Opened {
        let inner = ReferenceStorage::new();
        let wrong = match self.0.as_str() {
            "panics" => panic!("no such folder"),
            "opens-not" => return Err("out of folders".into()),
            "hangs" | "hangs-and-knows" | "hangs-at-times" => Wrong::PurgeHangs,
            "blocks" => Wrong::PurgeBlocks,
            "streams-not" => Wrong::LooksUpNothing,
            "forgets-ranges" => Wrong::KeepsOldEnd,
            _ => return Ok(Arc::new(inner)),
        };
        Ok(Arc::new(Used { inner, wrong }))
    }

    fn known_failures(&self) -> &[KnownFailure] {
        match self.0.as_str() {
            "hangs-and-knows" | "sound-and-thinks-not" => PURGES_HANG,
            _ => &[],
        }
    }

    fn known_races(&self) -> &[KnownFailure] {
        match self.0.as_str() {
            "hangs-at-times" | "sound-at-times" => PURGES_HANG,
            _ => &[],
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Wrong {
    PurgeHangs,
    PurgeBlocks,
    LooksUpNothing,
    KeepsOldEnd,
}

struct Used {
    inner: ReferenceStorage,
    wrong: Wrong,
}

#[async_trait]
impl Storage for Used {
    async fn lookup(&self, key: &CacheKey, trace: &SpanHandle) -> Result<Option<(CacheMeta, HitHandler)>> {
        let found = self.inner.lookup(key, trace).await?;
        Ok(match self.wrong {
            Wrong::LooksUpNothing => None,
            Wrong::KeepsOldEnd => found.map(|(meta, inner)| {
                let hit: HitHandler = Box::new(KeepsOldEnd { inner, end: None });
                (meta, hit)
            }),
            _ => found,
        })
    }

    async fn get_miss_handler(
        &self,
        key: &CacheKey,
        meta: &CacheMeta,
        trace: &SpanHandle,
    ) -> Result<MissHandler> {
        self.inner.get_miss_handler(key, meta, trace).await
    }

    async fn purge(&self, key: &CompactCacheKey, purge_type: PurgeType, trace: &SpanHandle) -> Result<bool> {
        match self.wrong {
            Wrong::PurgeHangs => std::future::pending().await,
            Wrong::PurgeBlocks => loop {
                std::thread::park();
            },
            _ => self.inner.purge(key, purge_type, trace).await,
        }
    }

    async fn update_meta(&self, key: &CacheKey, meta: &CacheMeta, trace: &SpanHandle) -> Result<bool> {
        self.inner.update_meta(key, meta, trace).await
    }

    fn support_streaming_partial_write(&self) -> bool {
        true
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync + 'static) {
        self
    }
}

/// A hit that keeps the end of the range before.
struct KeepsOldEnd {
    inner: HitHandler,
    end: Option<usize>,
}

#[async_trait]
impl HandleHit for KeepsOldEnd {
    async fn read_body(&mut self) -> Result<Option<bytes::Bytes>> {
        self.inner.read_body().await
    }

    async fn finish(
        self: Box<Self>,
        storage: &dyn Storage,
        key: &CacheKey,
        trace: &SpanHandle,
    ) -> Result<()> {
        self.inner.finish(storage, key, trace).await
    }

    fn can_seek(&self) -> bool {
        true
    }

    fn seek(&mut self, start: usize, end: Option<usize>) -> Result<()> {
        self.end = end.or(self.end);
        self.inner.seek(start, self.end)
    }

    fn is_stream_hit(&self) -> bool {
        self.inner.is_stream_hit()
    }

    fn get_eviction_weight(&self) -> usize {
        self.inner.get_eviction_weight()
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync) {
        self
    }

    fn as_any_mut(&mut self) -> &mut (dyn Any + Send + Sync) {
        self
    }
}
