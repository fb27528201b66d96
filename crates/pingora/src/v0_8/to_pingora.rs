//! The traits of pingora-cache 0.8 for a forebay storage.

use super::shared::key;
use super::shared::to_pingora::{ToPingora, ToPingoraHit, ToPingoraMiss};
use super::version::{error_to_pingora, type_from_pingora};
use async_trait::async_trait;
use bytes::Bytes;
use forebay_core::{SpanHandle, Storage};
use pingora_cache_0_8::key::CompactCacheKey as PingoraCompactKey;
use pingora_cache_0_8::storage::{
    HandleHit as PingoraHandleHit, HandleMiss as PingoraHandleMiss, HitHandler as PingoraHitHandler,
    MissFinishType as PingoraMissFinishType, MissHandler as PingoraMissHandler,
    PurgeType as PingoraPurgeType, Storage as PingoraStorage,
};
use pingora_cache_0_8::trace::SpanHandle as PingoraSpan;
use pingora_cache_0_8::{CacheKey as PingoraKey, CacheMeta as PingoraMeta};
use pingora_error_0_8::Result;
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
        let found = self.find(key).await.map_err(error_to_pingora)?;
        Ok(found.map(as_theirs))
    }

    async fn lookup_streaming_write(
        &'static self,
        key: &PingoraKey,
        streaming_write_tag: Option<&[u8]>,
        _trace: &PingoraSpan,
    ) -> Result<Option<(PingoraMeta, PingoraHitHandler)>> {
        let found = self.find_live(key, streaming_write_tag).await;
        Ok(found.map_err(error_to_pingora)?.map(as_theirs))
    }

    async fn get_miss_handler(
        &'static self,
        key: &PingoraKey,
        meta: &PingoraMeta,
        _trace: &PingoraSpan,
    ) -> Result<PingoraMissHandler> {
        Ok(Box::new(self.start(key, meta).await.map_err(error_to_pingora)?))
    }

    async fn purge(
        &'static self,
        key: &PingoraCompactKey,
        purge_type: PingoraPurgeType,
        _trace: &PingoraSpan,
    ) -> Result<bool> {
        let key = key::compact_from_pingora(key);
        let purge_type = type_from_pingora(purge_type);
        self.storage()
            .purge(&key, purge_type, &SpanHandle::current())
            .await
            .map_err(error_to_pingora)
    }

    async fn update_meta(
        &'static self,
        key: &PingoraKey,
        meta: &PingoraMeta,
        _trace: &PingoraSpan,
    ) -> Result<bool> {
        self.update(key, meta).await.map_err(error_to_pingora)
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
    async fn read_body(&mut self) -> Result<Option<Bytes>> {
        self.handler.read_body().await.map_err(error_to_pingora)
    }

    async fn finish(
        self: Box<Self>,
        _storage: &'static (dyn PingoraStorage + Sync),
        _key: &PingoraKey,
        _trace: &PingoraSpan,
    ) -> Result<()> {
        self.end().await.map_err(error_to_pingora)
    }

    fn can_seek(&self) -> bool {
        self.handler.can_seek()
    }

    fn can_seek_multipart(&self) -> bool {
        self.handler.can_seek_multipart()
    }

    fn seek(&mut self, start: usize, end: Option<usize>) -> Result<()> {
        self.handler.seek(start, end).map_err(error_to_pingora)
    }

    fn seek_multipart(&mut self, start: usize, end: Option<usize>) -> Result<()> {
        self.handler.seek_multipart(start, end).map_err(error_to_pingora)
    }

    fn should_count_access(&self) -> bool {
        self.handler.should_count_access()
    }

    fn get_eviction_weight(&self) -> usize {
        self.handler.get_eviction_weight()
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
    async fn write_body(&mut self, data: Bytes, eof: bool) -> Result<()> {
        self.body_bytes += data.len();
        self.handler.write_body(data, eof).await.map_err(error_to_pingora)
    }

    async fn finish(self: Box<Self>) -> Result<PingoraMissFinishType> {
        Ok(self.end().await)
    }

    fn streaming_write_tag(&self) -> Option<&[u8]> {
        self.handler.streaming_write_tag()
    }
}
