//! The traits of pingora-cache 0.9 for a forebay storage.

use super::purge;
use super::shared::BoxFuture;
use super::shared::to_pingora::{ToPingora, ToPingoraHit, ToPingoraMiss};
use async_trait::async_trait;
use bytes::Bytes;
use forebay_core::{Result, SpanHandle, Storage};
use pingora_cache::storage::{
    HandleHit as PingoraHandleHit, HandleMiss as PingoraHandleMiss, HitHandler as PingoraHitHandler,
    MissFinishType as PingoraMissFinishType, MissHandler as PingoraMissHandler,
    PurgeOutcome as PingoraOutcome, PurgeTarget as PingoraTarget, PurgeType as PingoraPurgeType,
    Storage as PingoraStorage,
};
use pingora_cache::trace::SpanHandle as PingoraSpan;
use pingora_cache::{CacheEntryId as PingoraEntryId, CacheKey as PingoraKey, CacheMeta as PingoraMeta};
use std::any::Any;
use std::sync::Arc;

/// Hands a storage to pingora, which wants it for the rest of the process. Call it once per storage.
///
/// The storage itself can still be reached, for its figures or to close it: keep a clone of the `Arc`.
pub fn leak(storage: Arc<dyn Storage>) -> &'static (dyn PingoraStorage + Sync) {
    Box::leak(Box::new(ToPingora::new(storage)))
}

fn as_theirs((meta, hit): (PingoraMeta, Box<ToPingoraHit>)) -> (PingoraMeta, PingoraHitHandler) {
    (meta, hit)
}

#[async_trait]
impl PingoraStorage for ToPingora {
    async fn lookup(
        &'static self,
        key: &PingoraKey,
        _trace: &PingoraSpan,
    ) -> Result<Option<(PingoraMeta, PingoraHitHandler)>> {
        Ok(self.find(key).await?.map(as_theirs))
    }

    async fn lookup_streaming_write(
        &'static self,
        key: &PingoraKey,
        streaming_write_tag: Option<&[u8]>,
        _trace: &PingoraSpan,
    ) -> Result<Option<(PingoraMeta, PingoraHitHandler)>> {
        Ok(self.find_live(key, streaming_write_tag).await?.map(as_theirs))
    }

    async fn get_miss_handler(
        &'static self,
        key: &PingoraKey,
        meta: &PingoraMeta,
        _trace: &PingoraSpan,
    ) -> Result<PingoraMissHandler> {
        Ok(Box::new(self.start(key, meta).await?))
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
            .storage()
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
            .storage()
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
        self.update(key, meta).await
    }

    fn support_streaming_partial_write(&self) -> bool {
        self.storage().support_streaming_partial_write()
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync + 'static) {
        self.storage().as_any()
    }
}

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
        _key: &PingoraKey,
        _trace: &PingoraSpan,
    ) -> Result<()> {
        self.end().await
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

#[async_trait]
impl PingoraHandleMiss for ToPingoraMiss {
    fn write_body<'s, 'f>(&'s mut self, data: Bytes, eof: bool) -> BoxFuture<'f, Result<()>>
    where
        's: 'f,
        Self: 'f,
    {
        self.body_bytes += data.len();
        self.handler.write_body(data, eof)
    }

    async fn finish(self: Box<Self>) -> Result<PingoraMissFinishType> {
        Ok(self.end().await)
    }

    fn streaming_write_tag(&self) -> Option<&[u8]> {
        self.handler.streaming_write_tag()
    }

    fn entry_id(&self) -> Option<PingoraEntryId> {
        self.handler.entry_id().map(purge::id_to_pingora)
    }
}
