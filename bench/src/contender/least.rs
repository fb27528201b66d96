//! The least that a hit on disk could take behind forebay's trait.

use super::files::{Into, Pread};
use crate::Failure;
use crate::objects::{key, meta};
use async_trait::async_trait;
use bytes::Bytes;
use forebay_core::{
    CacheHashKey, CacheKey, CacheMeta, CompactCacheKey, ErrorKind, HandleHit, HashBinary, HitHandler,
    MissHandler, PurgeType, ReadBody, Result, SpanHandle, Storage, end_of_body,
};
use std::any::Any;
use std::collections::HashMap;
use std::path::Path;

const WRITE_BYTES: usize = 1 << 20;

/// A verified read behind the trait: it hashes the key, looks into a plain map, reads and checks, and gives a body that was
/// there before. It counts nothing, evicts nothing, and takes no other objects.
pub struct Least {
    places: HashMap<HashBinary, u64>,
    read: Pread,
    meta: CacheMeta,
    body: Bytes,
}

impl Least {
    /// So many objects in a file of its own.
    pub fn new(dir: &Path, count: u64, body: &Bytes) -> std::result::Result<Self, Failure> {
        let dir = dir.join("least");
        std::fs::create_dir_all(&dir)?;
        Ok(Least {
            places: (0..count).map(|id| (key(id).combined_bin(), id)).collect(),
            read: Pread::written_by(WRITE_BYTES, &dir, count, body, Into::Verified)?,
            meta: meta()?,
            body: body.clone(),
        })
    }
}

fn only_read<T>() -> Result<T> {
    Err(ErrorKind::Unsupported.error("it takes no other objects"))
}

#[async_trait]
impl Storage for Least {
    async fn lookup(&self, key: &CacheKey, _: &SpanHandle) -> Result<Option<(CacheMeta, HitHandler)>> {
        let Some(id) = self.places.get(&key.combined_bin()) else {
            return Ok(None);
        };
        self.read
            .load(*id)
            .map_err(|error| ErrorKind::StorageFailed.error(error.to_string()))?;
        Ok(Some((self.meta.clone(), Box::new(LeastHit(self.body.clone())))))
    }

    async fn get_miss_handler(&self, _: &CacheKey, _: &CacheMeta, _: &SpanHandle) -> Result<MissHandler> {
        only_read()
    }

    async fn purge(&self, _: &CompactCacheKey, _: PurgeType, _: &SpanHandle) -> Result<bool> {
        only_read()
    }

    async fn update_meta(&self, _: &CacheKey, _: &CacheMeta, _: &SpanHandle) -> Result<bool> {
        only_read()
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync + 'static) {
        self
    }
}

/// What is left to read.
struct LeastHit(Bytes);

impl HandleHit for LeastHit {
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

    fn as_any(&self) -> &(dyn Any + Send + Sync) {
        self
    }

    fn as_any_mut(&mut self) -> &mut (dyn Any + Send + Sync) {
        self
    }
}
