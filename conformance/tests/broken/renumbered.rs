//! A storage that persists and numbers its entries from 1 on again whenever it is opened.

use async_trait::async_trait;
use bytes::Bytes;
use forebay_core::{
    CacheEntryId, CacheKey, CacheMeta, CompactCacheKey, HandleHit, HandleMiss, HitHandler, MissFinishType,
    MissHandler, PurgeOutcome, PurgeTarget, PurgeType, Result, SpanHandle, Storage,
};
use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError};

/// The ids of the storage within, in the order in which they were seen: each is called by its place.
#[derive(Clone, Default)]
struct Numbers(Arc<Mutex<Vec<CacheEntryId>>>);

impl Numbers {
    fn of(&self, inner: CacheEntryId) -> CacheEntryId {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = seen.iter().position(|id| *id == inner);
        let place = place.unwrap_or_else(|| {
            seen.push(inner);
            seen.len() - 1
        });
        CacheEntryId::new(place as u64 + 1)
    }

    fn inner(&self, number: CacheEntryId) -> Option<CacheEntryId> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get((number.get() as usize).checked_sub(1)?).copied()
    }
}

pub(crate) struct Renumbered {
    inner: Box<dyn Storage>,
    numbers: Numbers,
}

impl Renumbered {
    pub(crate) fn new(inner: Box<dyn Storage>) -> Self {
        Renumbered {
            inner,
            numbers: Numbers::default(),
        }
    }
}

#[async_trait]
impl Storage for Renumbered {
    async fn lookup(&self, key: &CacheKey, trace: &SpanHandle) -> Result<Option<(CacheMeta, HitHandler)>> {
        let found = self.inner.lookup(key, trace).await?;
        Ok(found.map(|(meta, inner)| {
            let numbers = self.numbers.clone();
            (meta, Box::new(Hit { inner, numbers }) as HitHandler)
        }))
    }

    async fn get_miss_handler(
        &self,
        key: &CacheKey,
        meta: &CacheMeta,
        trace: &SpanHandle,
    ) -> Result<MissHandler> {
        let inner = self.inner.get_miss_handler(key, meta, trace).await?;
        let numbers = self.numbers.clone();
        // A write has its number from its beginning on, whether anybody asks or not.
        inner.entry_id().map(|id| numbers.of(id));
        Ok(Box::new(Miss { inner, numbers }))
    }

    async fn purge(&self, key: &CompactCacheKey, purge_type: PurgeType, trace: &SpanHandle) -> Result<bool> {
        self.inner.purge(key, purge_type, trace).await
    }

    async fn purge_target(
        &self,
        target: PurgeTarget<'_>,
        purge_type: PurgeType,
        trace: &SpanHandle,
    ) -> Result<PurgeOutcome> {
        let target = match target {
            PurgeTarget::Exact(key, number) => match self.numbers.inner(number) {
                Some(id) => PurgeTarget::Exact(key, id),
                None => return Ok(PurgeOutcome::NotFound),
            },
            active => active,
        };
        let outcome = self.inner.purge_target(target, purge_type, trace).await?;
        Ok(match outcome {
            PurgeOutcome::Purged(id) => PurgeOutcome::Purged(id.map(|id| self.numbers.of(id))),
            other => other,
        })
    }

    async fn update_meta(&self, key: &CacheKey, meta: &CacheMeta, trace: &SpanHandle) -> Result<bool> {
        self.inner.update_meta(key, meta, trace).await
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync + 'static) {
        self
    }
}

struct Hit {
    inner: HitHandler,
    numbers: Numbers,
}

#[async_trait]
impl HandleHit for Hit {
    async fn read_body(&mut self) -> Result<Option<Bytes>> {
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

    fn get_eviction_weight(&self) -> usize {
        self.inner.get_eviction_weight()
    }

    fn entry_id(&self) -> Option<CacheEntryId> {
        self.inner.entry_id().map(|id| self.numbers.of(id))
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync) {
        self
    }

    fn as_any_mut(&mut self) -> &mut (dyn Any + Send + Sync) {
        self
    }
}

struct Miss {
    inner: MissHandler,
    numbers: Numbers,
}

#[async_trait]
impl HandleMiss for Miss {
    async fn write_body(&mut self, data: Bytes, eof: bool) -> Result<()> {
        self.inner.write_body(data, eof).await
    }

    async fn finish(self: Box<Self>) -> Result<MissFinishType> {
        self.inner.finish().await
    }

    fn entry_id(&self) -> Option<CacheEntryId> {
        self.inner.entry_id().map(|id| self.numbers.of(id))
    }
}
