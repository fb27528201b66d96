//! A forebay storage as a storage of pingora's.

use crate::{key, meta, purge};
use async_trait::async_trait;
use bytes::Bytes;
use forebay_core::{HitHandler, MissFinishType, MissHandler, Result, SpanHandle, Storage};
use pingora_cache::storage::{
    HandleHit as PingoraHandleHit, HandleMiss as PingoraHandleMiss, HitHandler as PingoraHitHandler,
    MissFinishType as PingoraMissFinishType, MissHandler as PingoraMissHandler,
    PurgeOutcome as PingoraOutcome, PurgeTarget as PingoraTarget, PurgeType as PingoraPurgeType,
    Storage as PingoraStorage,
};
use pingora_cache::trace::SpanHandle as PingoraSpan;
use pingora_cache::{CacheEntryId as PingoraEntryId, CacheKey as PingoraKey, CacheMeta as PingoraMeta};
use std::any::Any;
use std::pin::Pin;
use std::sync::Arc;

/// Hands a storage to pingora, which wants it for the rest of the process. Call it once per storage.
///
/// The storage itself can still be reached, for its figures or to close it: keep a clone of the `Arc`.
pub fn leak(storage: Arc<dyn Storage>) -> &'static (dyn PingoraStorage + Sync) {
    Box::leak(Box::new(ToPingora::new(storage)))
}

/// A forebay storage as a [`pingora_cache::Storage`]; [`leak`] makes the reference that pingora takes.
///
/// - The spans of the storage are children of the current `tracing` span; those of pingora end here.
/// - `as_any`, here and on hit handlers, is that of the storage, so that `HttpCache::storage_type_is` knows it.
/// - An entry with a meta that pingora cannot hold (only others can have written it) is logged, and a miss.
/// - Pingora panics where a tagged lookup finds nothing. A storage that keeps to `STREAM-TAG` never lets that happen.
pub struct ToPingora {
    storage: Arc<dyn Storage>,
}

impl ToPingora {
    /// Puts the bridge in front of a storage.
    pub fn new(storage: Arc<dyn Storage>) -> Self {
        ToPingora { storage }
    }

    /// The storage behind the bridge.
    pub fn storage(&self) -> &Arc<dyn Storage> {
        &self.storage
    }

    fn hit(&'static self, handler: HitHandler) -> PingoraHitHandler {
        let storage = &*self.storage;
        Box::new(ToPingoraHit { handler, storage })
    }
}

#[async_trait]
impl PingoraStorage for ToPingora {
    async fn lookup(
        &'static self,
        key: &PingoraKey,
        _trace: &PingoraSpan,
    ) -> Result<Option<(PingoraMeta, PingoraHitHandler)>> {
        let key = key::from_pingora(key);
        let Some((meta, handler)) = self.storage.lookup(&key, &SpanHandle::current()).await? else {
            return Ok(None);
        };
        match meta::to_pingora(&meta) {
            Ok(meta) => Ok(Some((meta, self.hit(handler)))),
            Err(error) => {
                log::warn!("entry {} is treated as a miss: {error}", key.to_compact());
                Ok(None)
            }
        }
    }

    async fn lookup_streaming_write(
        &'static self,
        key: &PingoraKey,
        streaming_write_tag: Option<&[u8]>,
        trace: &PingoraSpan,
    ) -> Result<Option<(PingoraMeta, PingoraHitHandler)>> {
        if streaming_write_tag.is_none() {
            return self.lookup(key, trace).await;
        }
        let key = key::from_pingora(key);
        let found = self
            .storage
            .lookup_streaming_write(&key, streaming_write_tag, &SpanHandle::current())
            .await?;
        found
            .map(|(meta, handler)| Ok((meta::to_pingora(&meta)?, self.hit(handler))))
            .transpose()
    }

    async fn get_miss_handler(
        &'static self,
        key: &PingoraKey,
        meta: &PingoraMeta,
        _trace: &PingoraSpan,
    ) -> Result<PingoraMissHandler> {
        let key = key::from_pingora(key);
        let mut meta = meta::from_pingora(meta)?;
        meta::attach_parsed_head(&mut meta)?;
        let handler = self
            .storage
            .get_miss_handler(&key, &meta, &SpanHandle::current())
            .await?;
        Ok(Box::new(ToPingoraMiss { handler }))
    }

    async fn purge(
        &'static self,
        target: PingoraTarget<'_>,
        purge_type: PingoraPurgeType,
        _trace: &PingoraSpan,
    ) -> Result<PingoraOutcome> {
        let owned = purge::OwnedTarget::from_pingora(target);
        let purge_type = purge::type_from_pingora(purge_type);
        let span = SpanHandle::current();
        let outcome = self
            .storage
            .purge_target(owned.borrow(), purge_type, &span)
            .await?;
        Ok(purge::outcome_to_pingora(outcome, target))
    }

    async fn expire(
        &'static self,
        target: PingoraTarget<'_>,
        _trace: &PingoraSpan,
    ) -> Result<PingoraOutcome> {
        let owned = purge::OwnedTarget::from_pingora(target);
        let outcome = self
            .storage
            .expire(owned.borrow(), &SpanHandle::current())
            .await?;
        Ok(purge::outcome_to_pingora(outcome, target))
    }

    async fn update_meta(
        &'static self,
        key: &PingoraKey,
        meta: &PingoraMeta,
        _trace: &PingoraSpan,
    ) -> Result<bool> {
        let mut meta = meta::from_pingora(meta)?;
        meta::attach_parsed_head(&mut meta)?;
        self.storage
            .update_meta(&key::from_pingora(key), &meta, &SpanHandle::current())
            .await
    }

    fn support_streaming_partial_write(&self) -> bool {
        self.storage.support_streaming_partial_write()
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync + 'static) {
        self.storage.as_any()
    }
}

struct ToPingoraHit {
    handler: HitHandler,
    storage: &'static dyn Storage,
}

/// The future of a method of `#[async_trait]`. Where both sides have the same signature, the future of one is that of
/// the other: no box around the box.
pub(crate) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

#[async_trait]
impl PingoraHandleHit for ToPingoraHit {
    fn read_body<'s, 'f>(&'s mut self) -> BoxFuture<'f, Result<Option<Bytes>>>
    where
        's: 'f,
        Self: 'f,
    {
        self.handler.read_body()
    }

    async fn finish(
        self: Box<Self>,
        _storage: &'static (dyn PingoraStorage + Sync),
        key: &PingoraKey,
        _trace: &PingoraSpan,
    ) -> Result<()> {
        let ToPingoraHit { handler, storage } = *self;
        handler
            .finish(storage, &key::from_pingora(key), &SpanHandle::current())
            .await
    }

    fn can_seek(&self) -> bool {
        self.handler.can_seek()
    }

    fn can_seek_multipart(&self) -> bool {
        self.handler.can_seek_multipart()
    }

    fn seek(&mut self, start: usize, end: Option<usize>) -> Result<()> {
        self.handler.seek(start, end)
    }

    fn seek_multipart(&mut self, start: usize, end: Option<usize>) -> Result<()> {
        self.handler.seek_multipart(start, end)
    }

    fn should_count_access(&self) -> bool {
        self.handler.should_count_access()
    }

    fn get_eviction_weight(&self) -> usize {
        self.handler.get_eviction_weight()
    }

    fn entry_id(&self) -> Option<PingoraEntryId> {
        self.handler.entry_id().map(purge::id_to_pingora)
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync) {
        self.handler.as_any()
    }

    fn as_any_mut(&mut self) -> &mut (dyn Any + Send + Sync) {
        self.handler.as_any_mut()
    }
}

struct ToPingoraMiss {
    handler: MissHandler,
}

#[async_trait]
impl PingoraHandleMiss for ToPingoraMiss {
    fn write_body<'s, 'f>(&'s mut self, data: Bytes, eof: bool) -> BoxFuture<'f, Result<()>>
    where
        's: 'f,
        Self: 'f,
    {
        self.handler.write_body(data, eof)
    }

    async fn finish(self: Box<Self>) -> Result<PingoraMissFinishType> {
        Ok(match self.handler.finish().await? {
            MissFinishType::Created(size) => PingoraMissFinishType::Created(size),
            MissFinishType::Appended(size, max) => PingoraMissFinishType::Appended(size, max),
        })
    }

    fn streaming_write_tag(&self) -> Option<&[u8]> {
        self.handler.streaming_write_tag()
    }

    fn entry_id(&self) -> Option<PingoraEntryId> {
        self.handler.entry_id().map(purge::id_to_pingora)
    }
}
