//! A forebay storage as a storage of pingora's: all but the traits, which differ from version to version.

use super::heads::Heads;
use super::version::pingora_cache;
use super::{head, key, meta};
use forebay_core::{
    CacheKey, CacheMeta, HitHandler, MissFinishType, MissHandler, Result, SpanHandle, Storage,
};
use pingora_cache::storage::MissFinishType as PingoraMissFinishType;
use pingora_cache::{CacheKey as PingoraKey, CacheMeta as PingoraMeta};
use std::sync::Arc;

/// A forebay storage as a [`pingora_cache::Storage`]; `leak` makes the reference that pingora takes.
///
/// - The spans of the storage are children of the current `tracing` span; those of pingora end here.
/// - `as_any`, here and on hit handlers, is that of the storage, so that `HttpCache::storage_type_is` knows it.
/// - An entry with a meta that pingora cannot hold (only others can have written it) is logged, and a miss.
/// - Where a response cannot be stored after all (the disk fails, the body grew too large), that is logged, and `finish` says
///   all the same that it was: on an error pingora would cut the transfer of the client that it is fetched for. An eviction
///   manager of pingora's counts it until it evicts it.
/// - Pingora panics where a tagged lookup finds nothing. A storage that keeps to `STREAM-TAG` never lets that happen.
pub struct ToPingora {
    storage: Arc<dyn Storage>,
    heads: Heads,
}

impl ToPingora {
    /// Puts the bridge in front of a storage.
    pub fn new(storage: Arc<dyn Storage>) -> Self {
        let heads = Heads::default();
        ToPingora { storage, heads }
    }

    /// What the bridge may keep of response heads in pingora's form, in bytes; 64 MiB by default, which is enough for
    /// some 18,000 of ten lines. They are those of the entries that were hit lately; to make one anew costs about two
    /// microseconds.
    pub fn heads_bytes(mut self, capacity_bytes: u64) -> Self {
        self.heads = Heads::new(capacity_bytes);
        self
    }

    /// The storage behind the bridge.
    pub fn storage(&self) -> &Arc<dyn Storage> {
        &self.storage
    }

    pub(crate) async fn find(
        &'static self,
        key: &PingoraKey,
    ) -> Result<Option<(PingoraMeta, Box<ToPingoraHit>)>> {
        let key = key::from_pingora(key);
        let Some((meta, handler)) = self.storage.lookup(&key, &SpanHandle::current()).await? else {
            return Ok(None);
        };
        match self.meta(&meta, &handler) {
            Ok(meta) => Ok(Some((meta, self.hit(key, handler)))),
            Err(error) => {
                log::warn!("entry {} is treated as a miss: {error}", key.to_compact());
                Ok(None)
            }
        }
    }

    pub(crate) async fn find_live(
        &'static self,
        key: &PingoraKey,
        streaming_write_tag: Option<&[u8]>,
    ) -> Result<Option<(PingoraMeta, Box<ToPingoraHit>)>> {
        if streaming_write_tag.is_none() {
            return self.find(key).await;
        }
        let key = key::from_pingora(key);
        let found = self
            .storage
            .lookup_streaming_write(&key, streaming_write_tag, &SpanHandle::current())
            .await?;
        found
            .map(|(meta, handler)| Ok((self.meta(&meta, &handler)?, self.hit(key, handler))))
            .transpose()
    }

    fn meta(&self, ours: &CacheMeta, handler: &HitHandler) -> Result<PingoraMeta> {
        // Who follows a write may be the only one who ever asks for it: nothing is kept for others, and nothing goes for it.
        match handler.entry_id().filter(|_| !handler.is_stream_hit()) {
            Some(id) => meta::to_pingora(ours, |head, style| self.heads.get(id, head, style)),
            None => meta::to_pingora(ours, head::to_pingora),
        }
    }

    fn hit(&'static self, key: CacheKey, handler: HitHandler) -> Box<ToPingoraHit> {
        let storage = &*self.storage;
        Box::new(ToPingoraHit {
            handler,
            storage,
            key,
        })
    }

    pub(crate) async fn start(&self, key: &PingoraKey, meta: &PingoraMeta) -> Result<ToPingoraMiss> {
        let key = key::from_pingora(key);
        let meta = meta::from_pingora(meta)?;
        let span = SpanHandle::current();
        let handler = self.storage.get_miss_handler(&key, &meta, &span).await?;
        Ok(ToPingoraMiss {
            handler,
            body_bytes: 0,
        })
    }

    pub(crate) async fn update(&self, key: &PingoraKey, meta: &PingoraMeta) -> Result<bool> {
        let meta = meta::from_pingora(meta)?;
        self.storage
            .update_meta(&key::from_pingora(key), &meta, &SpanHandle::current())
            .await
    }
}

pub(crate) struct ToPingoraHit {
    pub(crate) handler: HitHandler,
    storage: &'static dyn Storage,
    /// That of the lookup: to make it again would be to hash it again.
    key: CacheKey,
}

impl ToPingoraHit {
    pub(crate) async fn end(self: Box<Self>) -> Result<()> {
        let (handler, storage) = (self.handler, self.storage);
        handler.finish(storage, &self.key, &SpanHandle::current()).await
    }
}

pub(crate) struct ToPingoraMiss {
    pub(crate) handler: MissHandler,
    /// What was written to it.
    pub(crate) body_bytes: usize,
}

impl ToPingoraMiss {
    /// An entry that was not stored counts as one that went right after: on an error pingora takes the reader away that still
    /// serves the client.
    pub(crate) async fn end(self) -> PingoraMissFinishType {
        match self.handler.finish().await {
            Ok(MissFinishType::Created(size)) => PingoraMissFinishType::Created(size),
            Ok(MissFinishType::Appended(size, max)) => PingoraMissFinishType::Appended(size, max),
            Err(error) => {
                log::warn!("a response is not stored: {error}");
                PingoraMissFinishType::Created(self.body_bytes.max(1))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::version::{self, pingora_http};
    use super::*;
    use forebay_memory::MemoryOptions;
    use pingora_http::ResponseHeader;
    use std::time::SystemTime;

    #[tokio::test]
    async fn a_head_is_kept_for_others_once_it_is_stored() {
        let storage = MemoryOptions::new(1 << 20).build().unwrap();
        let bridge: &'static ToPingora = Box::leak(Box::new(ToPingora::new(Arc::new(storage))));
        let key = version::new_key(&CacheKey::new("", "k", ""));
        let (now, head) = (SystemTime::now(), ResponseHeader::build(200, None).unwrap());
        let meta = PingoraMeta::new(now, now, 0, 0, head);
        let miss = bridge.start(&key, &meta).await.unwrap();
        assert!(bridge.find(&key).await.unwrap().is_some());
        assert_eq!(bridge.heads.len(), 0);
        miss.end().await;
        assert!(bridge.find(&key).await.unwrap().is_some());
        assert_eq!(bridge.heads.len(), 1);
    }
}
