//! What pingora's own types cost: the least that any storage behind its trait could take.

use async_trait::async_trait;
use bytes::Bytes;
use forebay_core::{ReadBody, end_of_body};
use pingora_cache::key::{CacheHashKey, HashBinary};
use pingora_cache::storage::{
    HandleHit, HitHandler, MissHandler, PurgeOutcome, PurgeTarget, PurgeType, Storage,
};
use pingora_cache::trace::SpanHandle;
use pingora_cache::{CacheKey, CacheMeta};
use pingora_error::{Error, ErrorType, Result};
use std::any::Any;
use std::collections::HashMap;
use std::hint::black_box;

/// Has objects from the start, in a plain map. It hashes the key, since every storage must, and makes the meta that
/// pingora wants to own, by a clone of the head; the body is shared, in one piece. It counts nothing and evicts nothing.
pub(super) struct Floor {
    metas: HashMap<HashBinary, CacheMeta>,
    body: Bytes,
}

impl Floor {
    /// With these metas, all before the same body.
    pub(super) fn new(metas: HashMap<HashBinary, CacheMeta>, body: Bytes) -> Self {
        Floor { metas, body }
    }

    fn only_read<T>() -> Result<T> {
        Error::e_explain(ErrorType::InternalError, "it takes no other objects")
    }
}

#[async_trait]
impl Storage for Floor {
    async fn lookup(
        &'static self,
        key: &CacheKey,
        _trace: &SpanHandle,
    ) -> Result<Option<(CacheMeta, HitHandler)>> {
        let Some(known) = self.metas.get(&key.combined_bin()) else {
            return Ok(None);
        };
        let values = known.response_header().headers.values();
        black_box(values.fold(0, |lens, value| lens ^ value.len())); // fetched all at once, as the bridge has it
        let meta = CacheMeta::new(
            known.fresh_until(),
            known.created(),
            known.stale_while_revalidate_sec(),
            known.stale_if_error_sec(),
            known.response_header_copy(),
        );
        Ok(Some((meta, Box::new(FloorHit(self.body.clone())))))
    }

    async fn get_miss_handler(
        &'static self,
        _key: &CacheKey,
        _meta: &CacheMeta,
        _trace: &SpanHandle,
    ) -> Result<MissHandler> {
        Self::only_read()
    }

    async fn purge(
        &'static self,
        _target: PurgeTarget<'_>,
        _purge_type: PurgeType,
        _trace: &SpanHandle,
    ) -> Result<PurgeOutcome> {
        Self::only_read()
    }

    async fn update_meta(
        &'static self,
        _key: &CacheKey,
        _meta: &CacheMeta,
        _trace: &SpanHandle,
    ) -> Result<bool> {
        Self::only_read()
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync + 'static) {
        self
    }
}

/// What is left to read.
struct FloorHit(Bytes);

#[async_trait]
impl HandleHit for FloorHit {
    fn read_body<'s, 'f>(&'s mut self) -> ReadBody<'f>
    where
        's: 'f,
        Self: 'f,
    {
        match self.0.is_empty() {
            true => end_of_body(),
            false => Box::pin(async { Ok(Some(std::mem::take(&mut self.0))) }),
        }
    }

    async fn finish(
        self: Box<Self>,
        _storage: &'static (dyn Storage + Sync),
        _key: &CacheKey,
        _trace: &SpanHandle,
    ) -> Result<()> {
        Ok(())
    }

    fn can_seek(&self) -> bool {
        true
    }

    fn seek(&mut self, start: usize, end: Option<usize>) -> Result<()> {
        let end = end.unwrap_or(self.0.len());
        if start > end || end > self.0.len() {
            return Error::e_explain(ErrorType::InternalError, "no such range");
        }
        self.0 = self.0.slice(start..end);
        Ok(())
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync) {
        self
    }

    fn as_any_mut(&mut self) -> &mut (dyn Any + Send + Sync) {
        self
    }
}
