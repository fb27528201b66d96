//! A storage that lets bodies of unknown length outgrow the size limit, and then just does not keep them.

use std::any::Any;

use async_trait::async_trait;
use bytes::Bytes;
use log::warn;
use pingora_cache::predictor::CacheablePredictor;
use pingora_cache::storage::{
    HandleMiss, HitHandler, MissFinishType, MissHandler, PurgeOutcome, PurgeTarget, PurgeType, Storage,
};
use pingora_cache::trace::SpanHandle;
use pingora_cache::{CacheEntryId, CacheKey, CacheMeta, NoCacheReason};
use pingora_error::Result;

use super::too_large::TooLarge;

/// Stores bodies up to a limit in another storage.
///
/// The client of a fill reads what is being stored, so a write that is refused half way cuts its transfer. pingora's own
/// limit does that to every body that grows beyond it. Here such a body flows on to all who read it; only at its end it is
/// dropped, and its URL remembered, so that it passes by the cache from then on.
pub(super) struct Limited {
    inner: &'static (dyn Storage + Sync),
    max_body_bytes: usize,
    too_large: &'static TooLarge,
}

impl Limited {
    /// Puts a limit in front of a storage.
    pub(super) fn new(
        inner: &'static (dyn Storage + Sync),
        max_body_bytes: usize,
        too_large: &'static TooLarge,
    ) -> Self {
        Self {
            inner,
            max_body_bytes,
            too_large,
        }
    }
}

#[async_trait]
impl Storage for Limited {
    async fn lookup(
        &'static self,
        key: &CacheKey,
        trace: &SpanHandle,
    ) -> Result<Option<(CacheMeta, HitHandler)>> {
        self.inner.lookup(key, trace).await
    }

    async fn lookup_streaming_write(
        &'static self,
        key: &CacheKey,
        tag: Option<&[u8]>,
        trace: &SpanHandle,
    ) -> Result<Option<(CacheMeta, HitHandler)>> {
        self.inner.lookup_streaming_write(key, tag, trace).await
    }

    async fn get_miss_handler(
        &'static self,
        key: &CacheKey,
        meta: &CacheMeta,
        trace: &SpanHandle,
    ) -> Result<MissHandler> {
        let inner = self.inner.get_miss_handler(key, meta, trace).await?;
        Ok(Box::new(LimitedMiss {
            inner,
            limit: self,
            key: key.clone(),
            body_bytes: 0,
        }))
    }

    async fn purge(
        &'static self,
        target: PurgeTarget<'_>,
        purge_type: PurgeType,
        trace: &SpanHandle,
    ) -> Result<PurgeOutcome> {
        self.inner.purge(target, purge_type, trace).await
    }

    async fn expire(&'static self, target: PurgeTarget<'_>, trace: &SpanHandle) -> Result<PurgeOutcome> {
        self.inner.expire(target, trace).await
    }

    async fn update_meta(
        &'static self,
        key: &CacheKey,
        meta: &CacheMeta,
        trace: &SpanHandle,
    ) -> Result<bool> {
        self.inner.update_meta(key, meta, trace).await
    }

    fn support_streaming_partial_write(&self) -> bool {
        self.inner.support_streaming_partial_write()
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync + 'static) {
        self.inner.as_any()
    }
}

struct LimitedMiss {
    inner: MissHandler,
    limit: &'static Limited,
    key: CacheKey,
    body_bytes: usize,
}

#[async_trait]
impl HandleMiss for LimitedMiss {
    async fn write_body(&mut self, data: Bytes, eof: bool) -> Result<()> {
        self.body_bytes += data.len();
        self.inner.write_body(data, eof).await
    }

    /// `Created` also for a body that was dropped or could not be stored: after an error pingora disables the cache, and with it the reader
    /// that still serves the client. Nothing else looks at the outcome, as there is no eviction manager.
    async fn finish(mut self: Box<Self>) -> Result<MissFinishType> {
        if self.body_bytes <= self.limit.max_body_bytes {
            return Ok(self.inner.finish().await.unwrap_or_else(|error| {
                warn!("a response is not stored: {error}");
                MissFinishType::Created(self.body_bytes)
            }));
        }
        self.limit
            .too_large
            .mark_uncacheable(&self.key, NoCacheReason::ResponseTooLarge);
        // Its readers shall reach the end; dropped unfinished, it is not admitted.
        self.inner.write_body(Bytes::new(), true).await.ok();
        Ok(MissFinishType::Created(self.body_bytes))
    }

    fn streaming_write_tag(&self) -> Option<&[u8]> {
        self.inner.streaming_write_tag()
    }

    fn entry_id(&self) -> Option<CacheEntryId> {
        self.inner.entry_id()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pingora_cache::trace::Span;
    use pingora_http::ResponseHeader;
    use std::time::SystemTime;

    /// Over a store in memory: the limit, the storage, and what remembers.
    fn limited(max_body_bytes: usize) -> (&'static Limited, &'static TooLarge) {
        let memory = forebay_memory::MemoryOptions::new(1 << 20).build().unwrap();
        limited_over(forebay_pingora::leak(std::sync::Arc::new(memory)), max_body_bytes)
    }

    fn limited_over(
        inner: &'static (dyn Storage + Sync),
        max_body_bytes: usize,
    ) -> (&'static Limited, &'static TooLarge) {
        let too_large: &TooLarge = Box::leak(Box::new(TooLarge::new()));
        (
            Box::leak(Box::new(Limited::new(inner, max_body_bytes, too_large))),
            too_large,
        )
    }

    async fn fill(storage: &'static Limited, key: &CacheKey, with_eof: bool) -> HitHandler {
        let now = SystemTime::now();
        let meta = CacheMeta::new(now, now, 0, 0, ResponseHeader::build(200, None).unwrap());
        let trace = Span::inactive().handle();
        let mut miss = storage.get_miss_handler(key, &meta, &trace).await.unwrap();
        let follower = storage
            .lookup_streaming_write(key, miss.streaming_write_tag(), &trace)
            .await;
        miss.write_body("first".into(), false).await.unwrap();
        miss.write_body("second".into(), with_eof).await.unwrap();
        assert!(miss.finish().await.is_ok());
        follower.unwrap().unwrap().1
    }

    async fn is_stored(storage: &'static Limited, key: &CacheKey) -> bool {
        storage
            .lookup(key, &Span::inactive().handle())
            .await
            .unwrap()
            .is_some()
    }

    #[tokio::test]
    async fn a_body_over_the_limit_reaches_its_readers_whole_and_is_not_stored() {
        let (storage, too_large) = limited(10);
        for with_eof in [false, true] {
            let key = CacheKey::new(format!("{with_eof}"), "");
            let mut follower = fill(storage, &key, with_eof).await;
            let mut body = Vec::new();
            while let Some(chunk) = follower.read_body().await.unwrap() {
                body.extend(chunk);
            }
            assert_eq!(body, b"firstsecond");
            assert!(!is_stored(storage, &key).await);
            assert!(!too_large.cacheable_prediction(&key));
        }
    }

    /// An error at the end made pingora disable the cache under the reader that still served the client.
    #[tokio::test]
    async fn a_body_that_the_disk_fails_for_reaches_its_readers_whole_and_is_not_stored() {
        use forebay_disk::io::{Fault, FaultyIo, Operation};
        let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
        let disk = forebay_disk::DiskOptions::new(dir.path()).io(io.clone());
        let disk = forebay_pingora::leak(std::sync::Arc::new(disk.open().unwrap()));
        let (storage, _) = limited_over(disk, 100);
        io.set_plan(|call| (call.operation == Operation::Write).then_some(Fault::Errno(28)));
        let key = CacheKey::new("a", "");
        let mut follower = fill(storage, &key, true).await;
        let mut body = Vec::new();
        while let Some(chunk) = follower.read_body().await.unwrap() {
            body.extend(chunk);
        }
        assert_eq!(body, b"firstsecond");
        assert!(!is_stored(storage, &key).await);
    }

    #[tokio::test]
    async fn a_body_at_the_limit_is_stored() {
        let (storage, too_large) = limited(11);
        let key = CacheKey::new("a", "");
        fill(storage, &key, true).await;
        assert!(is_stored(storage, &key).await);
        assert!(too_large.cacheable_prediction(&key));
    }
}
