//! A storage of pingora's as a forebay storage.

use super::version::{self, error_from_pingora, pingora_cache};
use super::{BoxFuture, carried, key};
use async_trait::async_trait;
use bytes::Bytes;
use forebay_core::{
    CacheEntryId, CacheKey, CacheMeta, CompactCacheKey, HandleHit, HandleMiss, HitHandler, MissFinishType,
    MissHandler, PurgeOutcome, PurgeTarget, PurgeType, Result, SpanHandle, Storage,
};
use pingora_cache::CacheMeta as PingoraMeta;
use pingora_cache::storage::{
    HitHandler as PingoraHitHandler, MissFinishType as PingoraMissFinishType,
    MissHandler as PingoraMissHandler, Storage as PingoraStorage,
};
use pingora_cache::trace::{Span as PingoraSpan, SpanHandle as PingoraSpanHandle};
use std::any::Any;

pub(crate) type PingoraStorageRef = &'static (dyn PingoraStorage + Sync);

/// A [`pingora_cache::Storage`] as a forebay storage.
///
/// It passes on what the storage does, its panics too. Of the meta, it takes from the storage whatever pingora's meta
/// has a place for, so that what the storage loses shows. What pingora has no place for, opaque bytes and the order of
/// lines of different names, goes along in one more header line, `x-forebay-meta`, which is taken out again on the way
/// back. A reason phrase that is not UTF-8, and extensions of the meta, are lost.
///
/// Pingora does not tell hits on live writes from others. Here a hit counts as one
/// ([`is_stream_hit`](HandleHit::is_stream_hit)) if it was found by a tag, or if it says that it should not count as an
/// access.
pub struct FromPingora {
    storage: PingoraStorageRef,
}

impl FromPingora {
    /// Puts the bridge in front of a storage of pingora's.
    pub fn new(storage: &'static (dyn PingoraStorage + Sync)) -> Self {
        FromPingora { storage }
    }

    fn found(
        &self,
        found: Option<(PingoraMeta, PingoraHitHandler)>,
        found_by_tag: bool,
    ) -> Result<Option<(CacheMeta, HitHandler)>> {
        let Some((meta, handler)) = found else {
            return Ok(None);
        };
        let hit = FromPingoraHit {
            is_stream_hit: found_by_tag || !handler.should_count_access(),
            handler,
            storage: self.storage,
        };
        Ok(Some((carried::from_pingora(&meta)?, Box::new(hit))))
    }
}

/// A span that records nothing: pingora's spans are of another kind than ours.
pub(crate) fn no_span() -> PingoraSpanHandle {
    PingoraSpan::inactive().handle()
}

#[async_trait]
impl Storage for FromPingora {
    async fn lookup(&self, key: &CacheKey, _trace: &SpanHandle) -> Result<Option<(CacheMeta, HitHandler)>> {
        let found = self.storage.lookup(&key::to_pingora(key), &no_span()).await;
        self.found(found.map_err(error_from_pingora)?, false)
    }

    async fn lookup_streaming_write(
        &self,
        key: &CacheKey,
        streaming_write_tag: Option<&[u8]>,
        _trace: &SpanHandle,
    ) -> Result<Option<(CacheMeta, HitHandler)>> {
        let found = self
            .storage
            .lookup_streaming_write(&key::to_pingora(key), streaming_write_tag, &no_span())
            .await;
        self.found(found.map_err(error_from_pingora)?, streaming_write_tag.is_some())
    }

    async fn get_miss_handler(
        &self,
        key: &CacheKey,
        meta: &CacheMeta,
        _trace: &SpanHandle,
    ) -> Result<MissHandler> {
        let meta = carried::to_pingora(meta)?;
        let handler = self
            .storage
            .get_miss_handler(&key::to_pingora(key), &meta, &no_span())
            .await
            .map_err(error_from_pingora)?;
        Ok(Box::new(FromPingoraMiss { handler }))
    }

    async fn purge(&self, key: &CompactCacheKey, purge_type: PurgeType, trace: &SpanHandle) -> Result<bool> {
        let outcome = self
            .purge_target(PurgeTarget::Active(key), purge_type, trace)
            .await?;
        Ok(matches!(outcome, PurgeOutcome::Purged(_)))
    }

    async fn purge_target(
        &self,
        target: PurgeTarget<'_>,
        purge_type: PurgeType,
        _trace: &SpanHandle,
    ) -> Result<PurgeOutcome> {
        version::purge(self.storage, target, purge_type).await
    }

    async fn expire(&self, target: PurgeTarget<'_>, _trace: &SpanHandle) -> Result<PurgeOutcome> {
        version::expire(self.storage, target).await
    }

    async fn update_meta(&self, key: &CacheKey, meta: &CacheMeta, _trace: &SpanHandle) -> Result<bool> {
        let meta = carried::to_pingora(meta)?;
        self.storage
            .update_meta(&key::to_pingora(key), &meta, &no_span())
            .await
            .map_err(error_from_pingora)
    }

    fn support_streaming_partial_write(&self) -> bool {
        self.storage.support_streaming_partial_write()
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync + 'static) {
        self.storage.as_any()
    }
}

struct FromPingoraHit {
    handler: PingoraHitHandler,
    storage: PingoraStorageRef,
    is_stream_hit: bool,
}

#[async_trait]
impl HandleHit for FromPingoraHit {
    fn read_body<'s, 'f>(&'s mut self) -> BoxFuture<'f, Result<Option<Bytes>>>
    where
        's: 'f,
        Self: 'f,
    {
        version::future_from_pingora(self.handler.read_body())
    }

    async fn finish(
        self: Box<Self>,
        _storage: &dyn Storage,
        key: &CacheKey,
        _trace: &SpanHandle,
    ) -> Result<()> {
        let FromPingoraHit { handler, storage, .. } = *self;
        handler
            .finish(storage, &key::to_pingora(key), &no_span())
            .await
            .map_err(error_from_pingora)
    }

    fn can_seek(&self) -> bool {
        self.handler.can_seek()
    }

    fn can_seek_multipart(&self) -> bool {
        self.handler.can_seek_multipart()
    }

    fn seek(&mut self, start: usize, end: Option<usize>) -> Result<()> {
        self.handler.seek(start, end).map_err(error_from_pingora)
    }

    fn seek_multipart(&mut self, start: usize, end: Option<usize>) -> Result<()> {
        self.handler
            .seek_multipart(start, end)
            .map_err(error_from_pingora)
    }

    fn is_stream_hit(&self) -> bool {
        self.is_stream_hit
    }

    fn should_count_access(&self) -> bool {
        self.handler.should_count_access()
    }

    fn get_eviction_weight(&self) -> usize {
        self.handler.get_eviction_weight()
    }

    fn entry_id(&self) -> Option<CacheEntryId> {
        version::hit_id(&*self.handler)
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync) {
        self.handler.as_any()
    }

    fn as_any_mut(&mut self) -> &mut (dyn Any + Send + Sync) {
        self.handler.as_any_mut()
    }
}

struct FromPingoraMiss {
    handler: PingoraMissHandler,
}

#[async_trait]
impl HandleMiss for FromPingoraMiss {
    fn write_body<'s, 'f>(&'s mut self, data: Bytes, eof: bool) -> BoxFuture<'f, Result<()>>
    where
        's: 'f,
        Self: 'f,
    {
        version::future_from_pingora(self.handler.write_body(data, eof))
    }

    async fn finish(self: Box<Self>) -> Result<MissFinishType> {
        Ok(match self.handler.finish().await.map_err(error_from_pingora)? {
            PingoraMissFinishType::Created(size) => MissFinishType::Created(size),
            PingoraMissFinishType::Appended(size, max) => MissFinishType::Appended(size, max),
        })
    }

    fn streaming_write_tag(&self) -> Option<&[u8]> {
        self.handler.streaming_write_tag()
    }

    fn entry_id(&self) -> Option<CacheEntryId> {
        version::miss_id(&*self.handler)
    }
}
