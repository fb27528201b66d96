//! Storages through forebay's own trait.

use super::{Operation, Pages, Subject};
use crate::Failure;
use crate::objects::{Keys, chunks, key, meta};
use bytes::Bytes;
use forebay_core::{CacheKey, CacheMeta, HitHandler, PurgeType, SpanHandle, Storage};
use std::ops::Range;
use std::sync::Arc;

/// A forebay storage.
pub struct Native {
    name: String,
    storage: Arc<dyn Storage>,
    keys: Keys<CacheKey>,
    meta: CacheMeta,
    trace: SpanHandle,
}

impl Native {
    /// Asked by keys that are made beforehand for this many ids.
    pub fn new(name: &str, storage: Arc<dyn Storage>, keys: u64) -> Result<Self, Failure> {
        Ok(Native {
            name: name.to_owned(),
            storage,
            keys: Keys::new(keys, key),
            meta: meta()?,
            trace: SpanHandle::none(),
        })
    }

    async fn write(&self, id: u64, body: &Bytes, followers: usize) -> Result<(), Failure> {
        let key = self.keys.get(id);
        let mut miss = self
            .storage
            .get_miss_handler(&key, &self.meta, &self.trace)
            .await?;
        let mut readers = Vec::with_capacity(followers);
        for _ in 0..followers {
            let (_, mut hit) = self
                .found(&key)
                .await?
                .ok_or("a write in progress was not found")?;
            readers.push(tokio::spawn(async move { read(&mut hit).await }));
        }
        for (chunk, last) in chunks(body) {
            miss.write_body(chunk, last).await?;
        }
        miss.finish().await?;
        for reader in readers {
            if reader.await?? != body.len() {
                return Err("a follower read another length".into());
            }
        }
        Ok(())
    }

    async fn found(&self, key: &CacheKey) -> Result<Option<(CacheMeta, HitHandler)>, Failure> {
        Ok(self.storage.lookup(key, &self.trace).await?)
    }
}

async fn read(hit: &mut HitHandler) -> Result<usize, Failure> {
    let mut length = 0;
    while let Some(chunk) = hit.read_body().await? {
        length += chunk.len();
    }
    Ok(length)
}

impl Subject for Native {
    fn name(&self) -> &str {
        &self.name
    }

    fn note(&self, operation: Operation) -> Option<&'static str> {
        (operation == Operation::Fill(Pages::Warm)).then_some("full: every fill evicts")
    }

    fn is_bounded(&self) -> bool {
        true
    }

    async fn get(&self, id: u64) -> Result<Option<usize>, Failure> {
        let key = self.keys.get(id);
        let Some((_, mut hit)) = self.found(&key).await? else {
            return Ok(None);
        };
        let length = read(&mut hit).await?;
        hit.finish(&*self.storage, &key, &self.trace).await?;
        Ok(Some(length))
    }

    async fn get_range(&self, id: u64, range: Range<usize>) -> Result<usize, Failure> {
        let key = self.keys.get(id);
        let (_, mut hit) = self.found(&key).await?.ok_or("a stored object was not found")?;
        hit.seek(range.start, Some(range.end))?;
        let length = read(&mut hit).await?;
        hit.finish(&*self.storage, &key, &self.trace).await?;
        Ok(length)
    }

    async fn put(&self, id: u64, body: &Bytes) -> Result<(), Failure> {
        self.write(id, body, 0).await
    }

    async fn remove(&self, id: u64) -> Result<(), Failure> {
        let key = self.keys.get(id).to_compact();
        self.storage
            .purge(&key, PurgeType::Invalidation, &self.trace)
            .await?;
        Ok(())
    }

    async fn update_meta(&self, id: u64) -> Result<(), Failure> {
        let updated = self
            .storage
            .update_meta(&self.keys.get(id), &self.meta, &self.trace)
            .await?;
        if updated {
            Ok(())
        } else {
            Err("there was nothing to update".into())
        }
    }

    async fn follow(&self, id: u64, body: &Bytes, followers: usize) -> Result<(), Failure> {
        self.write(id, body, followers).await
    }
}
