//! The storage: finding, admitting, purging and refreshing entries.

use crate::entry::{ByWeight, Entry};
use crate::hit::{StoredHit, StreamHit};
use crate::miss::Miss;
use crate::options::Limits;
use crate::stats::{CountEvictions, Counters, MemoryStats, OpenHandlers};
use async_trait::async_trait;
use forebay_core::{
    CacheHashKey, CacheKey, CacheMeta, CompactCacheKey, ErrorKind, HashBinary, HitHandler, MissHandler,
    PurgeOutcome, PurgeTarget, PurgeType, Result, SpanHandle, Storage,
};
use forebay_live::{Follower, LiveWrite, LiveWrites};
use quick_cache::sync::Cache;
use quick_cache::{DefaultHashBuilder, OptionsBuilder};
use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

/// A storage in memory, bounded in bytes, streaming and seekable. Made by [`MemoryOptions`](crate::MemoryOptions).
///
/// What is evicted is the storage's own choice (CLOCK-Pro, by weight); it needs no eviction manager beside it. Entries
/// that open handlers read stay in memory until the last of these is dropped, also if they were purged or evicted.
/// A body of up to 1 MiB that came in several chunks is copied into one at its second lookup.
#[derive(Clone)]
pub struct MemoryStorage {
    shared: Arc<Shared>,
}

pub(crate) type Entries = Cache<HashBinary, Entry, ByWeight, DefaultHashBuilder, CountEvictions>;

pub(crate) struct Shared {
    pub(crate) limits: Limits,
    pub(crate) entries: Entries,
    /// Also what orders admission, purge, expiry and update of one key.
    pub(crate) writes: Arc<LiveWrites<()>>,
    pub(crate) counters: Arc<Counters>,
    open_handlers: OpenHandlers,
    next_id: AtomicU64,
}

/// What the cache is sized for, and so how much it remembers of what it has evicted; smaller entries make it grow.
const TYPICAL_ENTRY_BYTES: u64 = 8 << 10;
/// How many evicted keys are remembered for each entry of that size: a key that comes back stays.
const GHOSTS_PER_ENTRY: f64 = 0.75;
const ENTRIES_PER_SHARD_MIN: u64 = 32; // with fewer expected, quick_cache makes fewer shards

impl MemoryStorage {
    pub(crate) fn new(limits: Limits) -> Result<Self> {
        let counters = Arc::new(Counters::default());
        let entries_expected =
            (limits.capacity_bytes / TYPICAL_ENTRY_BYTES).max(limits.shards * ENTRIES_PER_SHARD_MIN);
        let options = OptionsBuilder::new()
            .shards(limits.shards as usize)
            .weight_capacity(limits.capacity_bytes / limits.shards * limits.shards)
            .estimated_items_capacity(entries_expected as usize)
            .ghost_allocation(GHOSTS_PER_ENTRY)
            .build()
            .map_err(|error| ErrorKind::Misuse.because("limits of a memory storage", error))?;
        let evictions = CountEvictions(counters.clone());
        let entries = Cache::with_options(options, ByWeight, DefaultHashBuilder::default(), evictions);
        let (writes, next_id) = (Arc::default(), AtomicU64::new(1));
        Ok(MemoryStorage {
            shared: Arc::new(Shared {
                limits,
                entries,
                writes,
                counters,
                open_handlers: OpenHandlers::default(),
                next_id,
            }),
        })
    }

    /// The state of the storage, and what it has done so far.
    pub fn stats(&self) -> MemoryStats {
        let Shared {
            limits,
            entries,
            writes,
            counters,
            open_handlers,
            ..
        } = &*self.shared;
        MemoryStats {
            entries: entries.len() as u64,
            resident_bytes: entries.weight(),
            capacity_bytes: limits.capacity_bytes,
            live_writes: writes.len() as u64,
            in_flight_bytes: counters.in_flight_bytes.load(Ordering::Relaxed),
            open_handlers: open_handlers.count(),
            hits: counters.hits.get(),
            stream_hits: counters.stream_hits.get(),
            misses: counters.misses.get(),
            admitted: counters.admitted.get(),
            evicted_entries: counters.evicted_entries.get(),
            evicted_bytes: counters.evicted_bytes.get(),
            refused: counters.refused.get(),
        }
    }

    fn stream_hit(&self, write: Arc<LiveWrite<()>>) -> (CacheMeta, HitHandler) {
        self.shared.counters.stream_hits.add(1);
        let meta = write.meta().clone();
        let open = self.shared.open_handlers.open();
        (meta, Box::new(StreamHit::new(Follower::new(write), open)))
    }

    fn stored_hit(&self, key: HashBinary, mut entry: Entry) -> (CacheMeta, HitHandler) {
        self.shared.counters.hits.add(1);
        if let Some(in_one_piece) = entry.found() {
            self.replace_clone(key, &entry, &in_one_piece);
            entry = in_one_piece;
        }
        let meta = entry.meta();
        let open = self.shared.open_handlers.open();
        (meta, Box::new(StoredHit::new(entry, open)))
    }

    /// Puts an entry in the place of what the key has; `None` where that was evicted just now.
    fn put_in_place(&self, key: HashBinary, entry: Entry) -> Option<()> {
        let entries = &self.shared.entries;
        entries
            .replace_with_lifecycle(key, entry, true, &mut Some(key))
            .ok()
    }

    /// Puts an entry in the place of another, if that is still there.
    fn replace_clone(&self, key: HashBinary, old: &Entry, new: &Entry) {
        self.shared.writes.with_key(&key, |_| {
            let stored = self.shared.entries.peek(&key);
            if stored.is_some_and(|stored| stored.is_clone_of(old)) {
                self.put_in_place(key, new.clone());
            }
        });
    }

    /// Removes what the target names. A stored entry's id is told before that of a write that was hidden with it.
    fn remove(&self, target: PurgeTarget<'_>, purge_type: PurgeType) -> PurgeOutcome {
        let key = target.key().combined_bin();
        self.shared.writes.with_key(&key, |writes| {
            let newest = writes.newest().map(|write| write.id());
            let (stored, hidden) = match target {
                PurgeTarget::Active(_) => (
                    self.shared.entries.remove(&key),
                    purge_type == PurgeType::Invalidation && writes.purge(),
                ),
                PurgeTarget::Exact(_, id) => (
                    self.shared.entries.remove_if(&key, |entry| entry.id() == id),
                    purge_type == PurgeType::Invalidation && writes.purge_exact(id),
                ),
            };
            match (stored, hidden, target) {
                (Some((_, entry)), _, _) => PurgeOutcome::Purged(Some(entry.id())),
                (None, true, PurgeTarget::Exact(_, id)) => PurgeOutcome::Purged(Some(id)),
                (None, true, PurgeTarget::Active(_)) => PurgeOutcome::Purged(newest),
                (None, false, _) => PurgeOutcome::NotFound,
            }
        })
    }

    /// Replaces the meta of the stored entry where `change` gives another; `None` where nothing is stored.
    fn replace_meta(
        &self,
        key: HashBinary,
        change: impl FnOnce(&Entry) -> Option<CacheMeta>,
    ) -> Result<Option<()>> {
        self.shared.writes.with_key(&key, |_| {
            let entry = self.shared.entries.peek(&key);
            let Some((entry, meta)) = entry.and_then(|entry| change(&entry).map(|meta| (entry, meta))) else {
                return Ok(None);
            };
            let changed = entry.with_meta(&meta, &meta.encode()?);
            // The cache would drop what it has no room for. Never for an expiry, by which a meta grows no longer.
            let (weight_bytes, max) = (changed.weight_bytes(), self.shared.limits.max_object_bytes);
            if weight_bytes as u64 > max {
                return Err(ErrorKind::Refused.error(format!(
                    "a meta that makes an entry one of {weight_bytes} bytes; the largest object is {max}"
                )));
            }
            Ok(self.put_in_place(key, changed))
        })
    }
}

/// What the response says that its body has, in bytes.
fn declared_len(meta: &CacheMeta) -> Option<u64> {
    std::str::from_utf8(meta.head().get("content-length")?)
        .ok()?
        .parse()
        .ok()
}

#[async_trait]
impl Storage for MemoryStorage {
    async fn lookup(&self, key: &CacheKey, _trace: &SpanHandle) -> Result<Option<(CacheMeta, HitHandler)>> {
        let key = key.combined_bin();
        // In this order: a write leaves the registry after it is stored, so that one of the two always has it.
        if let Some(write) = self.shared.writes.newest(&key) {
            return Ok(Some(self.stream_hit(write)));
        }
        match self.shared.entries.get(&key) {
            Some(entry) => Ok(Some(self.stored_hit(key, entry))),
            None => {
                self.shared.counters.misses.add(1);
                Ok(None)
            }
        }
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
        match self.shared.writes.by_tag(&key.combined_bin(), tag) {
            Some(write) => Ok(Some(self.stream_hit(write))),
            None => {
                self.shared.counters.misses.add(1);
                Ok(None)
            }
        }
    }

    async fn get_miss_handler(
        &self,
        key: &CacheKey,
        meta: &CacheMeta,
        _trace: &SpanHandle,
    ) -> Result<MissHandler> {
        let Limits {
            in_flight_bytes,
            max_object_bytes,
            ..
        } = self.shared.limits;
        let counters = &self.shared.counters;
        let encoded = meta.encode().inspect_err(|_| counters.refused.add(1))?;
        let held = counters.in_flight_bytes.load(Ordering::Relaxed);
        let meta_bytes = meta.weight_bytes();
        let refusal = if held >= in_flight_bytes {
            format!("writes in progress hold {held} bytes of {in_flight_bytes}")
        } else if meta_bytes as u64 > max_object_bytes {
            format!("a meta of {meta_bytes} bytes; the largest object is {max_object_bytes}")
        } else if let Some(declared) = declared_len(meta)
            && declared.saturating_add(meta_bytes as u64) > max_object_bytes
        {
            format!(
                "a body that says {declared} bytes; the largest object, meta included, is {max_object_bytes}"
            )
        } else {
            let id = self.shared.next_id.fetch_add(1, Ordering::Relaxed);
            let write = self.shared.writes.begin(key.combined_bin(), id, meta.clone(), ());
            return Ok(Box::new(Miss::new(self.shared.clone(), write, encoded)));
        };
        self.shared.counters.refused.add(1);
        Err(ErrorKind::Refused.error(refusal))
    }

    async fn purge(&self, key: &CompactCacheKey, purge_type: PurgeType, _trace: &SpanHandle) -> Result<bool> {
        Ok(self.remove(PurgeTarget::Active(key), purge_type) != PurgeOutcome::NotFound)
    }

    async fn purge_target(
        &self,
        target: PurgeTarget<'_>,
        purge_type: PurgeType,
        _trace: &SpanHandle,
    ) -> Result<PurgeOutcome> {
        Ok(self.remove(target, purge_type))
    }

    async fn expire(&self, target: PurgeTarget<'_>, _trace: &SpanHandle) -> Result<PurgeOutcome> {
        let expired = |entry: &Entry| {
            let is_meant = match target {
                PurgeTarget::Active(_) => true,
                PurgeTarget::Exact(_, id) => entry.id() == id,
            };
            let mut meta = entry.meta();
            meta.expire_at(SystemTime::now());
            is_meant.then_some(meta)
        };
        Ok(match self.replace_meta(target.key().combined_bin(), expired)? {
            Some(()) => PurgeOutcome::Expired,
            None => PurgeOutcome::NotFound,
        })
    }

    async fn update_meta(&self, key: &CacheKey, meta: &CacheMeta, _trace: &SpanHandle) -> Result<bool> {
        Ok(self
            .replace_meta(key.combined_bin(), |_| Some(meta.clone()))?
            .is_some())
    }

    fn support_streaming_partial_write(&self) -> bool {
        true
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync + 'static) {
        self
    }
}
