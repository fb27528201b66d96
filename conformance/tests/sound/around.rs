//! A storage around another one, which does something of its own at some calls.

use async_trait::async_trait;
use forebay_core::{
    CacheKey, CacheMeta, CompactCacheKey, HitHandler, MissHandler, PurgeOutcome, PurgeTarget, PurgeType,
    Result, SpanHandle, Storage,
};
use std::any::Any;
use std::sync::Arc;

/// What is done; by default nothing.
#[async_trait]
pub(crate) trait Way: Send + Sync + 'static {
    /// Before each call.
    async fn enter(&self) {}

    async fn start(
        &self,
        inner: &Arc<dyn Storage>,
        key: &CacheKey,
        meta: &CacheMeta,
        trace: &SpanHandle,
    ) -> Result<MissHandler> {
        inner.get_miss_handler(key, meta, trace).await
    }

    async fn purge(
        &self,
        inner: &Arc<dyn Storage>,
        target: PurgeTarget<'_>,
        purge_type: PurgeType,
        trace: &SpanHandle,
    ) -> Result<PurgeOutcome> {
        inner.purge_target(target, purge_type, trace).await
    }

    async fn update(
        &self,
        inner: &Arc<dyn Storage>,
        key: &CacheKey,
        meta: &CacheMeta,
        trace: &SpanHandle,
    ) -> Result<bool> {
        inner.update_meta(key, meta, trace).await
    }
}

pub(crate) struct Around<W> {
    pub(crate) inner: Arc<dyn Storage>,
    pub(crate) way: W,
}

#[async_trait]
impl<W: Way> Storage for Around<W> {
    async fn lookup(&self, key: &CacheKey, trace: &SpanHandle) -> Result<Option<(CacheMeta, HitHandler)>> {
        self.way.enter().await;
        self.inner.lookup(key, trace).await
    }

    async fn lookup_streaming_write(
        &self,
        key: &CacheKey,
        tag: Option<&[u8]>,
        trace: &SpanHandle,
    ) -> Result<Option<(CacheMeta, HitHandler)>> {
        self.way.enter().await;
        self.inner.lookup_streaming_write(key, tag, trace).await
    }

    async fn get_miss_handler(
        &self,
        key: &CacheKey,
        meta: &CacheMeta,
        trace: &SpanHandle,
    ) -> Result<MissHandler> {
        self.way.enter().await;
        self.way.start(&self.inner, key, meta, trace).await
    }

    async fn purge(&self, key: &CompactCacheKey, purge_type: PurgeType, trace: &SpanHandle) -> Result<bool> {
        let target = PurgeTarget::Active(key);
        let outcome = self.purge_target(target, purge_type, trace).await?;
        Ok(outcome != PurgeOutcome::NotFound)
    }

    async fn purge_target(
        &self,
        target: PurgeTarget<'_>,
        purge_type: PurgeType,
        trace: &SpanHandle,
    ) -> Result<PurgeOutcome> {
        self.way.enter().await;
        self.way.purge(&self.inner, target, purge_type, trace).await
    }

    async fn expire(&self, target: PurgeTarget<'_>, trace: &SpanHandle) -> Result<PurgeOutcome> {
        self.way.enter().await;
        self.inner.expire(target, trace).await
    }

    async fn update_meta(&self, key: &CacheKey, meta: &CacheMeta, trace: &SpanHandle) -> Result<bool> {
        self.way.enter().await;
        self.way.update(&self.inner, key, meta, trace).await
    }

    fn support_streaming_partial_write(&self) -> bool {
        self.inner.support_streaming_partial_write()
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync + 'static) {
        self
    }
}
