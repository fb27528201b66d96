//! A storage that keeps every rule in the simplest way: the contract as code. It is for reading and for testing the
//! suite, not for use: every byte is copied, every call takes one lock.

mod body;

use crate::harness::Gauges;
use async_trait::async_trait;
use body::{Body, Reader};
use bytes::Bytes;
use forebay_core::streaming_write::U64WriteId;
use forebay_core::{
    CacheEntryId, CacheHashKey, CacheKey, CacheMeta, CompactCacheKey, ErrorKind, HandleMiss, HashBinary,
    HitHandler, MissFinishType, MissHandler, PurgeOutcome, PurgeTarget, PurgeType, Result, SpanHandle,
    Storage,
};
use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// The reference storage.
#[derive(Default)]
pub struct ReferenceStorage {
    state: Arc<Mutex<State>>,
    capacity_bytes: Option<usize>,
    /// Every open handler holds it.
    handlers: Arc<()>,
}

#[derive(Default)]
struct State {
    entries: HashMap<HashBinary, Entry>,
    /// By the number that is the tag.
    live: HashMap<u64, Live>,
    /// Numbers writes and accesses; never goes back.
    clock: u64,
}

struct Entry {
    id: CacheEntryId,
    meta: CacheMeta,
    body: Arc<Body>,
    accessed: u64,
}

#[derive(Clone)]
struct Live {
    key: HashBinary,
    meta: CacheMeta,
    body: Arc<Body>,
    /// Hidden from plain lookups, and not to be admitted.
    invalidated: bool,
}

impl Entry {
    /// What it counts for: meta, body, and its place in the map.
    fn weight(&self) -> usize {
        self.meta.weight_bytes() + self.body.len() + size_of::<Self>() + size_of::<HashBinary>()
    }
}

impl State {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    fn weight(&self) -> usize {
        self.entries.values().map(Entry::weight).sum()
    }

    fn evict_down_to(&mut self, capacity_bytes: usize) {
        while self.weight() > capacity_bytes {
            let oldest = self
                .entries
                .iter()
                .min_by_key(|(_, entry)| entry.accessed)
                .map(|(key, _)| *key);
            match oldest {
                Some(key) => self.entries.remove(&key),
                None => return,
            };
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ReferenceStorage {
    /// A storage without a bound.
    pub fn new() -> Self {
        Self::default()
    }

    /// A storage that keeps at most that many bytes.
    pub fn with_capacity(capacity_bytes: usize) -> Self {
        ReferenceStorage {
            capacity_bytes: Some(capacity_bytes),
            ..Self::default()
        }
    }

    /// What is in it now.
    pub fn gauges(&self) -> Gauges {
        let state = lock(&self.state);
        Gauges {
            stored_bytes: Some(state.weight() as u64),
            entries: Some(state.entries.len() as u64),
            live_writes: Some(state.live.len() as u64),
            live_bytes: Some(state.live.values().map(|live| live.body.len() as u64).sum()),
            open_handlers: Some(Arc::strong_count(&self.handlers) as u64 - 1),
        }
    }

    fn stored_hit(&self, entry: &Entry) -> (CacheMeta, HitHandler) {
        let handlers = self.handlers.clone();
        let reader = Reader::stored(entry.body.clone(), entry.weight(), entry.id, handlers);
        (entry.meta.clone(), Box::new(reader))
    }

    fn live_hit(&self, number: u64, live: &Live) -> (CacheMeta, HitHandler) {
        let handlers = self.handlers.clone();
        let reader = Reader::follower(live.body.clone(), CacheEntryId::new(number), handlers);
        (live.meta.clone(), Box::new(reader))
    }

    /// Removes the stored entry of a key, or one generation of it.
    fn remove(state: &mut State, target: PurgeTarget<'_>) -> Option<CacheEntryId> {
        let key = target.key().combined_bin();
        let id = state.entries.get(&key)?.id;
        match target {
            PurgeTarget::Exact(_, wanted) if wanted != id => None,
            _ => state.entries.remove(&key).map(|entry| entry.id),
        }
    }
}

#[async_trait]
impl Storage for ReferenceStorage {
    async fn lookup(&self, key: &CacheKey, _trace: &SpanHandle) -> Result<Option<(CacheMeta, HitHandler)>> {
        let mut state = lock(&self.state);
        let (key, now) = (key.combined_bin(), state.tick());
        let visible = state
            .live
            .iter()
            .filter(|(_, live)| live.key == key && !live.invalidated);
        if let Some((number, live)) = visible.max_by_key(|(number, _)| **number) {
            return Ok(Some(self.live_hit(*number, live)));
        }
        Ok(state.entries.get_mut(&key).map(|entry| {
            entry.accessed = now;
            self.stored_hit(entry)
        }))
    }

    async fn lookup_streaming_write(
        &self,
        key: &CacheKey,
        streaming_write_tag: Option<&[u8]>,
        trace: &SpanHandle,
    ) -> Result<Option<(CacheMeta, HitHandler)>> {
        let Some(tag) = streaming_write_tag else {
            return self.lookup(key, trace).await;
        };
        let Ok(number) = U64WriteId::try_from(tag).map(u64::from) else {
            return Ok(None);
        };
        let state = lock(&self.state);
        let live = state
            .live
            .get(&number)
            .filter(|live| live.key == key.combined_bin());
        Ok(live.map(|live| self.live_hit(number, live)))
    }

    async fn get_miss_handler(
        &self,
        key: &CacheKey,
        meta: &CacheMeta,
        _trace: &SpanHandle,
    ) -> Result<MissHandler> {
        let mut state = lock(&self.state);
        let number = state.tick();
        let live = Live {
            key: key.combined_bin(),
            meta: meta.clone(),
            body: Arc::default(),
            invalidated: false,
        };
        state.live.insert(number, live.clone());
        Ok(Box::new(Write {
            state: self.state.clone(),
            number,
            tag: number.into(),
            body: live.body,
            capacity_bytes: self.capacity_bytes,
        }))
    }

    async fn purge(&self, key: &CompactCacheKey, purge_type: PurgeType, trace: &SpanHandle) -> Result<bool> {
        let outcome = self
            .purge_target(PurgeTarget::Active(key), purge_type, trace)
            .await?;
        Ok(outcome != PurgeOutcome::NotFound)
    }

    async fn purge_target(
        &self,
        target: PurgeTarget<'_>,
        purge_type: PurgeType,
        _trace: &SpanHandle,
    ) -> Result<PurgeOutcome> {
        let mut state = lock(&self.state);
        let mut hidden = false;
        if let (PurgeTarget::Active(key), PurgeType::Invalidation) = (target, purge_type) {
            let key = key.combined_bin();
            for live in state.live.values_mut().filter(|live| live.key == key) {
                hidden |= !std::mem::replace(&mut live.invalidated, true);
            }
        }
        Ok(match Self::remove(&mut state, target) {
            Some(id) => PurgeOutcome::Purged(Some(id)),
            None if hidden => PurgeOutcome::Purged(None),
            None => PurgeOutcome::NotFound,
        })
    }

    async fn expire(&self, target: PurgeTarget<'_>, _trace: &SpanHandle) -> Result<PurgeOutcome> {
        let mut state = lock(&self.state);
        let wanted = |entry: &&mut Entry| match target {
            PurgeTarget::Active(_) => true,
            PurgeTarget::Exact(_, id) => entry.id == id,
        };
        match state.entries.get_mut(&target.key().combined_bin()).filter(wanted) {
            Some(entry) => {
                entry.meta.expire_at(SystemTime::now());
                Ok(PurgeOutcome::Expired)
            }
            None => Ok(PurgeOutcome::NotFound),
        }
    }

    async fn update_meta(&self, key: &CacheKey, meta: &CacheMeta, _trace: &SpanHandle) -> Result<bool> {
        let mut state = lock(&self.state);
        let Some(entry) = state.entries.get_mut(&key.combined_bin()) else {
            return Ok(false);
        };
        entry.meta = meta.clone();
        if let Some(capacity_bytes) = self.capacity_bytes {
            state.evict_down_to(capacity_bytes);
        }
        Ok(true)
    }

    fn support_streaming_partial_write(&self) -> bool {
        true
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync + 'static) {
        self
    }
}

/// A write in progress. What it writes is in `body`, where followers read it.
struct Write {
    state: Arc<Mutex<State>>,
    number: u64,
    tag: U64WriteId,
    body: Arc<Body>,
    capacity_bytes: Option<usize>,
}

#[async_trait]
impl HandleMiss for Write {
    async fn write_body(&mut self, data: Bytes, eof: bool) -> Result<()> {
        if self
            .capacity_bytes
            .is_some_and(|capacity| self.body.len() + data.len() > capacity)
        {
            self.body.abort();
        }
        self.body.append(&data, eof)
    }

    async fn finish(self: Box<Self>) -> Result<MissFinishType> {
        self.body.complete()?;
        let mut state = lock(&self.state);
        let accessed = state.tick();
        let live = state
            .live
            .remove(&self.number)
            .ok_or_else(|| ErrorKind::Misuse.error("a second finish"))?;
        let entry = Entry {
            id: CacheEntryId::new(self.number),
            meta: live.meta,
            body: live.body,
            accessed,
        };
        let weight = entry.weight();
        if self.capacity_bytes.is_some_and(|capacity| weight > capacity) {
            return Err(
                ErrorKind::Refused.error(format!("an entry of {weight} bytes is larger than the capacity"))
            );
        }
        if !live.invalidated {
            state.entries.insert(live.key, entry);
        }
        if let Some(capacity_bytes) = self.capacity_bytes {
            state.evict_down_to(capacity_bytes);
        }
        Ok(MissFinishType::Created(weight))
    }

    fn streaming_write_tag(&self) -> Option<&[u8]> {
        Some(self.tag.as_bytes())
    }

    fn entry_id(&self) -> Option<CacheEntryId> {
        Some(CacheEntryId::new(self.number))
    }
}

impl Drop for Write {
    fn drop(&mut self) {
        // Followers of a body that is whole are not concerned.
        self.body.abort();
        lock(&self.state).live.remove(&self.number);
    }
}
