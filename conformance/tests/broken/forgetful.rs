//! A storage that persists all but some entries: those are in memory alone, and gone after a restart.

use crate::on_drop::OnDrop;
use async_trait::async_trait;
use bytes::Bytes;
use forebay_conformance::reference::ReferenceStorage;
use forebay_core::{
    CacheHashKey, CacheKey, CacheMeta, CompactCacheKey, HandleHit, HandleMiss, HashBinary, HitHandler,
    MissFinishType, MissHandler, PurgeType, Result, SpanHandle, Storage,
};
use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// What does not come to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Forgets {
    /// Entries of keys with a variance: the index is made anew of primary hashes.
    Variants,
    /// Entries that are stale: who opens takes them for waste.
    Stale,
    /// Entries with a head that is longer than 16 bits tell.
    LargeHeads,
    /// Updates by metas for which the file has no room.
    LargeUpdates,
    /// Entries whose writes began before that of another that has ended: the one that began last is found again.
    WritesThatBeganFirst,
    /// Purges of entries that are being read, until they are not.
    PurgesUnderReaders,
}

const ROOM_BYTES: usize = 4096;

pub(crate) struct Forgetful {
    forgets: Forgets,
    both: Arc<Both>,
}

struct Both {
    disk: Box<dyn Storage>,
    memory: ReferenceStorage,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    started: u64,
    /// By key: the highest number of a write that has ended, how many handlers are open, and whether it was purged
    /// meanwhile.
    ended: HashMap<HashBinary, u64>,
    open: HashMap<HashBinary, usize>,
    hidden: Vec<HashBinary>,
}

impl Both {
    fn start(&self) -> u64 {
        let mut state = self.lock();
        state.started += 1;
        state.started
    }

    /// The highest number of a write of the key that had ended before.
    fn end(&self, of: HashBinary, number: u64) -> u64 {
        let mut state = self.lock();
        state.hidden.retain(|hidden| *hidden != of);
        let last = state.ended.get(&of).copied().unwrap_or(0);
        state.ended.insert(of, last.max(number));
        last
    }

    fn is_read(&self, of: &HashBinary) -> bool {
        self.lock().open.get(of).is_some_and(|open| *open > 0)
    }

    fn is_hidden(&self, of: &HashBinary) -> bool {
        self.lock().hidden.contains(of)
    }

    async fn remove_hidden(&self, key: &CacheKey, trace: &SpanHandle) -> Result<()> {
        self.disk
            .purge(&key.to_compact(), PurgeType::Eviction, trace)
            .await?;
        self.lock().hidden.retain(|hidden| *hidden != key.combined_bin());
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Forgetful {
    pub(crate) fn new(disk: Box<dyn Storage>, forgets: Forgets) -> Self {
        let (memory, state) = (ReferenceStorage::new(), Mutex::default());
        Forgetful {
            forgets,
            both: Arc::new(Both { disk, memory, state }),
        }
    }

    fn is_forgotten(&self, key: &CacheKey, meta: &CacheMeta) -> bool {
        match self.forgets {
            Forgets::Variants => key.variance_bin().is_some(),
            Forgets::Stale => !meta.is_fresh(SystemTime::now()),
            Forgets::LargeHeads => meta.head().len_bytes() > u16::MAX.into(),
            _ => false,
        }
    }
}

#[async_trait]
impl Storage for Forgetful {
    async fn lookup(&self, key: &CacheKey, trace: &SpanHandle) -> Result<Option<(CacheMeta, HitHandler)>> {
        let of = key.combined_bin();
        if self.both.is_hidden(&of) {
            if !self.both.is_read(&of) {
                self.both.remove_hidden(key, trace).await?;
            }
            return Ok(None);
        }
        let found = match self.both.memory.lookup(key, trace).await? {
            Some(found) => Some(found),
            None => self.both.disk.lookup(key, trace).await?,
        };
        if self.forgets != Forgets::PurgesUnderReaders {
            return Ok(found);
        }
        Ok(found.map(|(meta, inner)| {
            let both = self.both.clone();
            *both.lock().open.entry(of).or_default() += 1;
            let close: Box<dyn FnMut() + Send + Sync> = Box::new(move || {
                let mut state = both.lock();
                *state.open.entry(of).or_default() -= 1;
            });
            let _closes = OnDrop::new(close);
            (meta, Box::new(Open { inner, _closes }) as HitHandler)
        }))
    }

    async fn get_miss_handler(
        &self,
        key: &CacheKey,
        meta: &CacheMeta,
        trace: &SpanHandle,
    ) -> Result<MissHandler> {
        let number = self.both.start();
        let in_memory = self.is_forgotten(key, meta);
        let inner = match in_memory {
            true => self.both.memory.get_miss_handler(key, meta, trace).await?,
            false => self.both.disk.get_miss_handler(key, meta, trace).await?,
        };
        Ok(Box::new(Miss {
            inner,
            key: key.clone(),
            meta: meta.clone(),
            body: Vec::new(),
            number,
            forgets: self.forgets,
            in_memory,
            both: self.both.clone(),
        }))
    }

    async fn purge(&self, key: &CompactCacheKey, purge_type: PurgeType, trace: &SpanHandle) -> Result<bool> {
        let of = key.combined_bin();
        if self.both.is_read(&of) && !self.both.is_hidden(&of) {
            // The file is removed when nobody has it open.
            self.both.lock().hidden.push(of);
            return Ok(true);
        }
        let memory = self.both.memory.purge(key, purge_type, trace).await?;
        Ok(self.both.disk.purge(key, purge_type, trace).await? || memory)
    }

    async fn update_meta(&self, key: &CacheKey, meta: &CacheMeta, trace: &SpanHandle) -> Result<bool> {
        if self.both.memory.update_meta(key, meta, trace).await? {
            return Ok(true);
        }
        if self.forgets != Forgets::LargeUpdates || meta.weight_bytes() < ROOM_BYTES {
            return self.both.disk.update_meta(key, meta, trace).await;
        }
        let Some((_, mut hit)) = self.both.disk.lookup(key, trace).await? else {
            return Ok(false);
        };
        let mut copy = self.both.memory.get_miss_handler(key, meta, trace).await?;
        while let Some(chunk) = hit.read_body().await? {
            copy.write_body(chunk, false).await?;
        }
        copy.finish().await?;
        Ok(true)
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync + 'static) {
        self
    }
}

struct Miss {
    inner: MissHandler,
    key: CacheKey,
    meta: CacheMeta,
    body: Vec<u8>,
    number: u64,
    forgets: Forgets,
    in_memory: bool,
    both: Arc<Both>,
}

#[async_trait]
impl HandleMiss for Miss {
    async fn write_body(&mut self, data: Bytes, eof: bool) -> Result<()> {
        self.body.extend_from_slice(&data);
        self.inner.write_body(data, eof).await
    }

    async fn finish(self: Box<Self>) -> Result<MissFinishType> {
        let (of, none) = (self.key.combined_bin(), SpanHandle::none());
        let compact = self.key.to_compact();
        let last = self.both.end(of, self.number);
        if self.forgets == Forgets::WritesThatBeganFirst && last > self.number {
            drop(self.inner);
            let mut copy = self
                .both
                .memory
                .get_miss_handler(&self.key, &self.meta, &none)
                .await?;
            copy.write_body(self.body.into(), true).await?;
            return copy.finish().await;
        }
        let finished = self.inner.finish().await?;
        if !self.in_memory {
            self.both
                .memory
                .purge(&compact, PurgeType::Eviction, &none)
                .await?;
        }
        Ok(finished)
    }
}

struct Open<F: FnMut() + Send + Sync> {
    inner: HitHandler,
    _closes: OnDrop<F>,
}

#[async_trait]
impl<F: FnMut() + Send + Sync + 'static> HandleHit for Open<F> {
    async fn read_body(&mut self) -> Result<Option<Bytes>> {
        self.inner.read_body().await
    }

    async fn finish(
        self: Box<Self>,
        storage: &dyn Storage,
        key: &CacheKey,
        trace: &SpanHandle,
    ) -> Result<()> {
        self.inner.finish(storage, key, trace).await
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync) {
        self
    }

    fn as_any_mut(&mut self) -> &mut (dyn Any + Send + Sync) {
        self
    }
}
