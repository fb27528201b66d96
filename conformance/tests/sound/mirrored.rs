//! A persistent storage that keeps a copy in memory of what was written since it was opened.

use crate::disk;
use async_trait::async_trait;
use bytes::Bytes;
use forebay_conformance::reference::ReferenceStorage;
use forebay_conformance::{Capabilities, Harness, Opened, Site};
use forebay_core::{
    CacheKey, CacheMeta, CompactCacheKey, HandleMiss, HitHandler, MissFinishType, MissHandler, PurgeType,
    Result, SpanHandle, Storage,
};
use std::any::Any;
use std::sync::Arc;

struct Mirror;

#[async_trait]
impl Harness for Mirror {
    fn name(&self) -> &str {
        "mirrored"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new().persist()
    }

    async fn open(&self, site: &Site) -> Opened {
        Ok(Arc::new(Mirrored {
            memory: ReferenceStorage::new(),
            disk: disk::Disk::default().open(site).await?,
        }))
    }
}

struct Mirrored {
    memory: ReferenceStorage,
    disk: Arc<dyn Storage>,
}

#[async_trait]
impl Storage for Mirrored {
    async fn lookup(&self, key: &CacheKey, trace: &SpanHandle) -> Result<Option<(CacheMeta, HitHandler)>> {
        match self.memory.lookup(key, trace).await? {
            Some(found) => Ok(Some(found)),
            None => self.disk.lookup(key, trace).await,
        }
    }

    async fn get_miss_handler(
        &self,
        key: &CacheKey,
        meta: &CacheMeta,
        trace: &SpanHandle,
    ) -> Result<MissHandler> {
        Ok(Box::new(Both {
            memory: self.memory.get_miss_handler(key, meta, trace).await?,
            disk: self.disk.get_miss_handler(key, meta, trace).await?,
        }))
    }

    async fn purge(&self, key: &CompactCacheKey, purge_type: PurgeType, trace: &SpanHandle) -> Result<bool> {
        self.memory.purge(key, purge_type, trace).await?;
        self.disk.purge(key, purge_type, trace).await
    }

    async fn update_meta(&self, key: &CacheKey, meta: &CacheMeta, trace: &SpanHandle) -> Result<bool> {
        self.memory.update_meta(key, meta, trace).await?;
        self.disk.update_meta(key, meta, trace).await
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync + 'static) {
        self
    }
}

struct Both {
    memory: MissHandler,
    disk: MissHandler,
}

#[async_trait]
impl HandleMiss for Both {
    async fn write_body(&mut self, data: Bytes, eof: bool) -> Result<()> {
        self.memory.write_body(data.clone(), eof).await?;
        self.disk.write_body(data, eof).await
    }

    async fn finish(self: Box<Self>) -> Result<MissFinishType> {
        let finished = self.disk.finish().await?;
        self.memory.finish().await?;
        Ok(finished)
    }
}

/// It was blamed for a clean end, though no damaged byte was served.
#[test]
fn a_sound_copy_in_memory_may_be_served_while_the_file_is_damaged() {
    crate::expect_kept(Mirror, &["LOOKUP-SELF-HEAL"]);
}
