//! The reference storage, with the places where it can be broken.

use crate::body::{Body, Phase, Reader};
use crate::defect::Defect;
use crate::lossy;
use crate::on_drop::OnDrop;
use crate::write::Write;
use async_trait::async_trait;
use bytes::Bytes;
use forebay_conformance::Gauges;
use forebay_core::streaming_write::U64WriteId;
use forebay_core::{
    CacheEntryId, CacheHashKey, CacheKey, CacheMeta, CompactCacheKey, ErrorKind, HashBinary, HitHandler,
    MissHandler, PurgeOutcome, PurgeTarget, PurgeType, ResponseHead, Result, SpanHandle, Storage,
};
use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The largest body that is not refused by what it says of itself, for a defect.
const ADMITTED_BYTES_MAX: usize = 100 << 20;

/// The reference storage, with one defect.
pub(crate) struct BrokenStorage {
    pub(crate) state: Arc<Mutex<State>>,
    capacity_bytes: Option<usize>,
    /// Every open handler holds it.
    handlers: Arc<()>,
    defect: Defect,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) entries: HashMap<HashBinary, Entry>,
    pub(crate) live: HashMap<u64, Live>,
    clock: u64,
    /// For defects: the last entry that was removed, keys that were purged, lookups.
    removed: Option<(HashBinary, Entry)>,
    pub(crate) purged: Vec<HashBinary>,
    lookups: usize,
    /// For defects: copies of what is found often.
    copies: HashMap<HashBinary, Entry>,
    /// For defects: what is counted and no longer there.
    pub(crate) gone_bytes: usize,
}

#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) id: CacheEntryId,
    pub(crate) meta: CacheMeta,
    pub(crate) body: Arc<Body>,
    pub(crate) accessed: u64,
    /// For defects: how often it was found.
    pub(crate) hits: usize,
}

#[derive(Clone)]
pub(crate) struct Live {
    pub(crate) key: HashBinary,
    primary: HashBinary,
    pub(crate) meta: CacheMeta,
    pub(crate) body: Arc<Body>,
    pub(crate) invalidated: bool,
    /// For defects: the key was evicted meanwhile.
    evicted: bool,
}

impl Entry {
    pub(crate) fn weight(&self) -> usize {
        self.meta.weight_bytes() + self.body.len() + size_of::<Self>() + size_of::<HashBinary>()
    }
}

impl State {
    pub(crate) fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    pub(crate) fn weight(&self) -> usize {
        self.entries.values().map(Entry::weight).sum()
    }

    pub(crate) fn evict_down_to(&mut self, capacity_bytes: usize, defect: Defect) {
        let counted = |state: &State| match defect {
            Defect::CountsBodiesOnly => state.entries.values().map(|entry| entry.body.len()).sum(),
            _ => state.weight() + state.gone_bytes,
        };
        while counted(self) > capacity_bytes {
            let oldest = self.entries.iter().min_by_key(|(_, entry)| match defect {
                Defect::Fifo => entry.id.get(),
                _ => entry.accessed,
            });
            let Some(key) = oldest.map(|(key, _)| *key) else {
                return;
            };
            let evicted = self.entries.remove(&key);
            if let (Defect::EvictionTruncates, Some(entry)) = (defect, evicted) {
                entry.body.lock().bytes.clear();
            }
        }
    }

    /// Removes what may not be served any more.
    pub(crate) fn sweep(&mut self, now: SystemTime) {
        self.entries.retain(|_, entry| {
            let (meta, window) = (&entry.meta, entry.meta.stale_if_error_sec());
            let window = window.max(meta.stale_while_revalidate_sec());
            meta.is_fresh(now - Duration::from_secs(window.into()))
        });
    }

    /// Puts the last removed entry back, if that is its body.
    pub(crate) fn restore(&mut self, key: HashBinary, body: Arc<Body>) {
        if let Some((_, entry)) = self
            .removed
            .take_if(|(of, entry)| *of == key && Arc::ptr_eq(&entry.body, &body))
        {
            self.entries.insert(key, entry);
        }
    }

    fn has(&self, key: &HashBinary) -> bool {
        self.entries.contains_key(key) || self.live.values().any(|live| live.key == *key)
    }

    pub(crate) fn forget_copy(&mut self, key: &HashBinary) {
        self.copies.remove(key);
    }

    pub(crate) fn forget(&mut self, key: HashBinary) {
        self.entries.remove(&key);
    }
}

pub(crate) fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl BrokenStorage {
    pub(crate) fn new(defect: Defect, capacity_bytes: Option<usize>) -> Self {
        BrokenStorage {
            state: Arc::default(),
            capacity_bytes,
            handlers: Arc::default(),
            defect,
        }
    }

    pub(crate) fn gauges(&self) -> Gauges {
        let state = lock(&self.state);
        let uncounted = match self.defect {
            Defect::UncountsWhatIsFound => state.lookups,
            _ => 0,
        };
        let entries = (state.entries.len() + state.purged.len()).saturating_sub(uncounted);
        Gauges {
            stored_bytes: Some(state.weight() as u64),
            entries: Some(entries as u64),
            live_writes: Some(state.live.len() as u64),
            live_bytes: Some(state.live.values().map(|live| live.body.len() as u64).sum()),
            open_handlers: Some(Arc::strong_count(&self.handlers) as u64 - 1),
        }
    }

    fn has(&self, defect: Defect) -> bool {
        self.defect == defect
    }

    fn key_of(&self, key: &impl CacheHashKey) -> HashBinary {
        lossy::key(self.defect, key)
    }

    fn key_of_request(&self, key: &CacheKey) -> HashBinary {
        lossy::key_of_request(self.defect, key)
    }

    /// Whether a live write is found by what has that key.
    fn is_of(&self, live: &Live, key: HashBinary, primary: HashBinary, takes_variants: Defect) -> bool {
        live.key == key || (self.has(takes_variants) && live.primary == primary)
    }

    fn remove(&self, state: &mut State, target: PurgeTarget<'_>) -> Option<CacheEntryId> {
        let key = self.key_of(target.key());
        let id = state.entries.get(&key)?.id;
        match target {
            PurgeTarget::Exact(_, wanted) if wanted != id && !self.has(Defect::IgnoresId) => None,
            _ => {
                let entry = state.entries.remove(&key)?;
                state.copies.remove(&key);
                if self.has(Defect::PurgedStaysCounted) {
                    state.gone_bytes += entry.weight();
                }
                state.removed = Some((key, entry));
                Some(id)
            }
        }
    }

    fn stored_hit(&self, entry: &Entry, lookups: usize) -> (CacheMeta, HitHandler) {
        let is_in_pieces = entry.body.lock().bytes_before_last_chunk() > 0;
        let weight = match self.defect {
            Defect::WeightCountsLookups => entry.weight() + lookups,
            Defect::WeighsLessInOnePiece if is_in_pieces && entry.hits > 1 => entry.weight() - 1,
            _ => entry.weight(),
        };
        let mut reader = Reader::stored(self.state.clone(), entry.body.clone(), weight, entry.id);
        reader.open = Some(self.handlers.clone());
        if self.has(Defect::ForgetsHandlers) {
            std::mem::forget(self.handlers.clone());
        }
        let mut meta = entry.meta.clone();
        if self.has(Defect::TimesInSeconds) {
            let seconds = meta
                .updated()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_secs());
            meta.set_updated(UNIX_EPOCH + Duration::from_secs(seconds));
        }
        if self.has(Defect::HeadIn16Bits) && meta.head().len_bytes() > u16::MAX.into() {
            // What is left of it ends within its first line.
            let head = ResponseHead::builder(meta.head().status()).build();
            meta.set_head(head.expect("a status alone"));
        }
        (meta, Box::new(reader))
    }

    fn live_hit(&self, number: u64, live: &Live, old: Option<&Entry>) -> (CacheMeta, HitHandler) {
        let mut reader = Reader::follower(self.state.clone(), live.body.clone(), CacheEntryId::new(number));
        reader.open = Some(self.handlers.clone());
        let mut meta = match old {
            Some(old) if self.has(Defect::FollowerGetsOldMeta) => old.meta.clone(),
            _ => live.meta.clone(),
        };
        if self.has(Defect::FollowerForgetsOpaque) {
            meta.set_opaque(Bytes::new());
        }
        (meta, Box::new(reader))
    }

    fn stored(&self, state: &mut State, key: &HashBinary) -> Option<(CacheMeta, HitHandler)> {
        const COPIED_AFTER_HITS: usize = 10;
        let (now, lookups) = (state.tick(), state.lookups);
        if let Some(copy) = state.copies.get(key) {
            return Some(self.stored_hit(copy, lookups));
        }
        let entry = state.entries.get_mut(key)?;
        if self.has(Defect::HidesStale) && !entry.meta.is_fresh(SystemTime::now()) {
            return None;
        }
        entry.accessed = now;
        entry.hits += 1;
        let copies = matches!(
            self.defect,
            Defect::CopyOutlivesReplace | Defect::CopyOutlivesUpdate | Defect::CopyOutlivesExpire
        );
        if copies && entry.hits == COPIED_AFTER_HITS {
            state.copies.insert(*key, entry.clone());
        }
        Some(self.stored_hit(entry, lookups))
    }
}

#[async_trait]
impl Storage for BrokenStorage {
    async fn lookup(&self, key: &CacheKey, _trace: &SpanHandle) -> Result<Option<(CacheMeta, HitHandler)>> {
        let (key, primary) = (self.key_of_request(key), key.primary_bin());
        if self.has(Defect::DroppedLookupEvicts) {
            let dropped = OnDrop::new(|| lock(&self.state).forget(key));
            crate::body::pause().await;
            dropped.disarm();
        }
        while self.has(Defect::MissNeverEnds) && !lock(&self.state).has(&key) {
            crate::body::pause().await;
        }
        let mut state = lock(&self.state);
        state.lookups += 1;
        if self.has(Defect::StoredBeforeLive)
            && let Some(stored) = self.stored(&mut state, &key)
        {
            return Ok(Some(stored));
        }
        let hidden = |live: &Live| live.evicted || (live.invalidated && !self.has(Defect::LiveSurvivesPurge));
        let visible = state
            .live
            .iter()
            .filter(|(_, live)| self.is_of(live, key, primary, Defect::LiveByPrimary) && !hidden(live));
        if let Some((number, live)) = visible.max_by_key(|(number, _)| **number)
            && !matches!(self.defect, Defect::HidesPartials | Defect::MetaEarly)
        {
            return Ok(Some(self.live_hit(*number, live, state.entries.get(&key))));
        }
        let mut found = self.stored(&mut state, &key);
        if found.is_none() && self.has(Defect::LazyPurge) {
            found = state
                .removed
                .take_if(|(of, _)| *of == key)
                .map(|(_, entry)| self.stored_hit(&entry, 0));
        }
        if found.is_none() && self.has(Defect::MissIsError) {
            return Err(ErrorKind::StorageFailed.error("no such entry"));
        }
        Ok(found)
    }

    async fn lookup_streaming_write(
        &self,
        key: &CacheKey,
        streaming_write_tag: Option<&[u8]>,
        trace: &SpanHandle,
    ) -> Result<Option<(CacheMeta, HitHandler)>> {
        let Some(tag) = streaming_write_tag else {
            assert!(!self.has(Defect::TagNonePanics), "a tag");
            return self.lookup(key, trace).await;
        };
        if self.has(Defect::EmptyTag) && tag.is_empty() {
            let state = lock(&self.state);
            let of_key = state
                .live
                .iter()
                .filter(|(_, live)| live.key == self.key_of_request(key));
            let newest = of_key.max_by_key(|(number, _)| **number);
            return Ok(newest.map(|(number, live)| self.live_hit(*number, live, None)));
        }
        let number = U64WriteId::try_from(tag).map(u64::from);
        assert!(number.is_ok() || !self.has(Defect::ShortTagPanics), "eight bytes");
        let Ok(number) = number else {
            return Ok(None);
        };
        let (of, primary) = (self.key_of_request(key), key.primary_bin());
        let state = lock(&self.state);
        let live = state.live.get(&number).filter(|live| {
            let purged = live.invalidated && self.has(Defect::TagHiddenByPurge);
            let is_meant = self.is_of(live, of, primary, Defect::TagOfPrimary);
            !purged && (is_meant || self.has(Defect::TagOfAnyKey))
        });
        Ok(live.map(|live| self.live_hit(number, live, state.entries.get(&live.key))))
    }

    async fn get_miss_handler(
        &self,
        key: &CacheKey,
        meta: &CacheMeta,
        _trace: &SpanHandle,
    ) -> Result<MissHandler> {
        let mut state = lock(&self.state);
        let (key, primary) = (self.key_of_request(key), key.primary_bin());
        let number = match self.defect {
            Defect::TagReused => state.live.len() as u64,
            Defect::TagOf16Bits => state.tick() % (1 << 16),
            _ => state.tick(),
        };
        let mut body = Arc::new(Body::new(self.defect));
        if self.has(Defect::WritersShareBody)
            && let Some(other) = state.live.values().find(|live| live.key == key)
        {
            body = other.body.clone();
        }
        if let Some(promised) = meta.head().get("content-length") {
            let promised = String::from_utf8_lossy(promised).parse().unwrap_or(0);
            match self.defect {
                Defect::TrustsContentLength => body.lock().bytes.reserve(promised),
                Defect::TrustsAdmittedLength if promised > ADMITTED_BYTES_MAX => {
                    return Err(ErrorKind::Refused.error("too large"));
                }
                Defect::TrustsAdmittedLength => body.lock().bytes.reserve(promised),
                _ => {}
            }
        }
        if self.has(Defect::MetaEarly)
            && let Some(old) = state.entries.get_mut(&key)
        {
            old.meta = meta.clone();
        }
        let live = Live {
            key,
            primary,
            meta: lossy::meta(self.defect, meta),
            body: body.clone(),
            invalidated: false,
            evicted: false,
        };
        state.live.insert(number, live);
        Ok(Box::new(Write::new(
            self.state.clone(),
            number,
            body,
            self.capacity_bytes,
            self.defect,
        )))
    }

    async fn purge(&self, key: &CompactCacheKey, purge_type: PurgeType, trace: &SpanHandle) -> Result<bool> {
        if self.has(Defect::DroppedPurgeComesBack) {
            let key = self.key_of(key);
            let before = lock(&self.state).entries.remove(&key);
            let dropped = OnDrop::new(|| {
                if let Some(mut entry) = before.clone() {
                    entry.meta.set_opaque(Bytes::from_static(b"put back"));
                    lock(&self.state).entries.insert(key, entry);
                }
            });
            if before.is_some() {
                crate::body::pause().await;
            }
            dropped.disarm();
            if before.is_some() {
                return Ok(true);
            }
        }
        if self.has(Defect::PurgeChecksThenActs) {
            return Ok(crate::race::purge(&self.state, self.key_of(key), purge_type).await);
        }
        if self.has(Defect::EvictedTargetHidesLive) && purge_type == PurgeType::Eviction {
            let removed = self.remove(&mut lock(&self.state), PurgeTarget::Active(key));
            return Ok(removed.is_some());
        }
        let outcome = self
            .purge_target(PurgeTarget::Active(key), purge_type, trace)
            .await?;
        Ok(outcome != PurgeOutcome::NotFound || self.has(Defect::AlwaysTrue))
    }

    async fn purge_target(
        &self,
        target: PurgeTarget<'_>,
        purge_type: PurgeType,
        _trace: &SpanHandle,
    ) -> Result<PurgeOutcome> {
        let mut state = lock(&self.state);
        let mut hidden = false;
        let hides = match (target, purge_type) {
            (PurgeTarget::Active(_), PurgeType::Invalidation) => true,
            (PurgeTarget::Exact(..), PurgeType::Invalidation) if self.has(Defect::OldIdHidesLive) => true,
            (PurgeTarget::Exact(key, id), _) if self.has(Defect::ExactIdHidesLive) => {
                let stored = state.entries.get(&self.key_of(key));
                stored.is_some_and(|entry| entry.id == id)
            }
            (PurgeTarget::Active(_), PurgeType::Eviction) => self.has(Defect::EvictedTargetHidesLive),
            _ => false,
        };
        if hides {
            let (key, primary) = (self.key_of(target.key()), target.key().primary_bin());
            let is_meant = |live: &&mut Live| self.is_of(live, key, primary, Defect::PurgeHidesLiveVariants);
            for live in state.live.values_mut().filter(is_meant) {
                let visible = !std::mem::replace(&mut live.invalidated, true);
                hidden |= visible && matches!(target, PurgeTarget::Active(_));
            }
        }
        if self.has(Defect::EvictionHidesLive) && purge_type == PurgeType::Eviction {
            let key = self.key_of(target.key());
            let of_key = state.live.values_mut().filter(|live| live.key == key);
            of_key.for_each(|live| live.evicted = true);
        }
        if matches!(
            self.defect,
            Defect::RemembersPurgedKeys | Defect::TombstoneTooStrong
        ) {
            state.purged.push(self.key_of(target.key()));
        }
        if self.has(Defect::PurgesAllVariants) && target.key().variance.is_none() {
            // The other variants are those that share what is not the variance: here, everything of that length.
            state
                .entries
                .retain(|_, entry| entry.meta.variance().is_none() && entry.id.get() % 5 != 0);
        }
        Ok(match self.remove(&mut state, target) {
            Some(id) => PurgeOutcome::Purged(Some(id)),
            None if hidden => PurgeOutcome::Purged(None),
            None => PurgeOutcome::NotFound,
        })
    }

    async fn expire(&self, target: PurgeTarget<'_>, _trace: &SpanHandle) -> Result<PurgeOutcome> {
        let mut state = lock(&self.state);
        let key = match self.defect {
            Defect::ExpireByPrimary => target.key().primary_bin(),
            _ => self.key_of(target.key()),
        };
        let is_meant = |entry: &&mut Entry| match target {
            PurgeTarget::Active(_) => true,
            PurgeTarget::Exact(_, id) => entry.id == id || self.has(Defect::ExpireIgnoresId),
        };
        if !self.has(Defect::CopyOutlivesExpire) {
            state.copies.remove(&key);
        }
        let Some(entry) = state.entries.get_mut(&key).filter(is_meant) else {
            return Ok(PurgeOutcome::NotFound);
        };
        match self.defect {
            Defect::ExpireDeletes => drop(state.entries.remove(&key)),
            Defect::ExpireForgetsWindows => {
                let updated = entry.meta.updated();
                entry.meta.update_freshness(SystemTime::now(), 0, 0, updated);
            }
            Defect::ExpireForgetsOpaque => {
                entry.meta.expire_at(SystemTime::now());
                entry.meta.set_opaque(Bytes::new());
            }
            Defect::ExpireProlongs => {
                let (meta, before) = (&mut entry.meta, SystemTime::now() - Duration::from_nanos(1));
                let (revalidate, error) = (meta.stale_while_revalidate_sec(), meta.stale_if_error_sec());
                meta.update_freshness(before, revalidate, error, meta.updated());
            }
            _ => entry.meta.expire_at(SystemTime::now()),
        }
        Ok(PurgeOutcome::Expired)
    }

    async fn update_meta(&self, key: &CacheKey, meta: &CacheMeta, _trace: &SpanHandle) -> Result<bool> {
        let key = self.key_of_request(key);
        if self.has(Defect::DroppedUpdateRemoves) {
            let dropped = OnDrop::new(|| lock(&self.state).forget(key));
            crate::body::pause().await;
            dropped.disarm();
        }
        if self.has(Defect::UpdateWritesBack) {
            return Ok(crate::race::update(&self.state, key, meta).await);
        }
        if self.has(Defect::UpdateResurrects) {
            let before = lock(&self.state).entries.get(&key).cloned();
            crate::body::pause().await;
            let Some(mut entry) = before else { return Ok(false) };
            entry.meta = meta.clone();
            lock(&self.state).entries.insert(key, entry);
            return Ok(true);
        }
        let mut state = lock(&self.state);
        if self.has(Defect::UpdateCreates) && !state.entries.contains_key(&key) {
            let (body, accessed) = (Arc::new(Body::new(self.defect)), state.tick());
            body.complete()?;
            let (id, meta) = (CacheEntryId::new(accessed), meta.clone());
            state.entries.insert(
                key,
                Entry {
                    id,
                    meta,
                    body,
                    accessed,
                    hits: 0,
                },
            );
        }
        if !self.has(Defect::CopyOutlivesUpdate) {
            state.copies.remove(&key);
        }
        let Some(entry) = state.entries.get_mut(&key) else {
            return Ok(false);
        };
        entry.meta = lossy::meta(self.defect, meta);
        match self.defect {
            Defect::UpdateLosesBody => {
                entry.body = Arc::new(Body::new(self.defect));
                entry.body.complete()?;
            }
            Defect::DiesOnUpdate => {
                let copy = Body::new(self.defect);
                copy.append(&entry.body.lock().bytes, true)?;
                let old = std::mem::replace(&mut entry.body, Arc::new(copy));
                let mut old = old.lock();
                old.bytes.clear();
                old.phase = Phase::Aborted;
            }
            _ => {}
        }
        if let Some(capacity_bytes) = self.capacity_bytes {
            state.evict_down_to(capacity_bytes, self.defect);
        }
        Ok(true)
    }

    fn support_streaming_partial_write(&self) -> bool {
        // A reader that follows the write does not see the old entry at all.
        !self.has(Defect::MetaEarly)
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync + 'static) {
        self
    }
}
