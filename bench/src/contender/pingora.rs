//! Storages through pingora's own trait: its `MemCache`, and ours behind the bridge.

use super::floor::Floor;
use super::{Operation, Pages, Subject};
use crate::Failure;
use crate::objects::{Keys, chunks, pingora_key, pingora_meta};
use bytes::Bytes;
use pingora_cache::key::CacheHashKey;
use pingora_cache::storage::{HitHandler, PurgeTarget, PurgeType, Storage};
use pingora_cache::trace::{Span, SpanHandle};
use pingora_cache::{CacheKey, CacheMeta};
use std::ops::Range;

/// A storage of pingora's.
pub struct Pingora {
    name: String,
    storage: &'static (dyn Storage + Sync),
    keys: Keys<CacheKey>,
    meta: CacheMeta,
    trace: SpanHandle,
    is_bounded: bool,
}

impl Pingora {
    /// A forebay storage behind the bridge.
    pub fn bridged(name: &str, storage: &'static (dyn Storage + Sync), keys: u64) -> Result<Self, Failure> {
        Ok(Pingora {
            name: name.to_owned(),
            storage,
            keys: Keys::new(keys, pingora_key),
            meta: pingora_meta()?,
            trace: Span::inactive().handle(),
            is_bounded: true,
        })
    }

    /// Pingora's own, which never makes room.
    pub fn mem_cache(keys: u64) -> Result<Self, Failure> {
        let storage = Box::leak(Box::new(pingora_cache::MemCache::new()));
        Ok(Pingora {
            is_bounded: false,
            ..Self::bridged("MemCache", storage, keys)?
        })
    }

    /// No storage: the least that any behind pingora's trait could take for a hit, with this body under every key.
    pub fn types_alone(keys: u64, body: Bytes) -> Result<Self, Failure> {
        let metas = (0..keys).map(|id| Ok((pingora_key(id).combined_bin(), pingora_meta()?)));
        let metas = metas.collect::<Result<_, Failure>>()?;
        let storage = Box::leak(Box::new(Floor::new(metas, body)));
        Self::bridged("pingora's types alone", storage, keys)
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

impl Subject for Pingora {
    fn name(&self) -> &str {
        &self.name
    }

    fn note(&self, operation: Operation) -> Option<&'static str> {
        match (operation, self.is_bounded) {
            (Operation::Fill(Pages::Warm), true) => Some("full: every fill evicts"),
            (Operation::Fill(Pages::Warm), false) => Some("the same objects again: it never makes room"),
            _ => None,
        }
    }

    fn is_bounded(&self) -> bool {
        self.is_bounded
    }

    async fn get(&self, id: u64) -> Result<Option<usize>, Failure> {
        let key = self.keys.get(id);
        let Some((_, mut hit)) = self.found(&key).await? else {
            return Ok(None);
        };
        let length = read(&mut hit).await?;
        hit.finish(self.storage, &key, &self.trace).await?;
        Ok(Some(length))
    }

    async fn get_range(&self, id: u64, range: Range<usize>) -> Result<usize, Failure> {
        let key = self.keys.get(id);
        let (_, mut hit) = self.found(&key).await?.ok_or("a stored object was not found")?;
        hit.seek(range.start, Some(range.end))?;
        let length = read(&mut hit).await?;
        hit.finish(self.storage, &key, &self.trace).await?;
        Ok(length)
    }

    async fn put(&self, id: u64, body: &Bytes) -> Result<(), Failure> {
        self.write(id, body, 0).await
    }

    async fn remove(&self, id: u64) -> Result<(), Failure> {
        let key = self.keys.get(id).to_compact();
        let target = PurgeTarget::Active(&key);
        self.storage
            .purge(target, PurgeType::Invalidation, &self.trace)
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
