//! The store as a [`Storage`].

use crate::at_work::AtWork;
use crate::follow::LiveHit;
use crate::format::label::Label;
use crate::hit::{Body, StoredHit};
use crate::index::Slot;
use crate::miss::DiskMiss;
use crate::read::{BodyFile, Failure, Wait};
use crate::stats::DiskStats;
use crate::store::{Spilled, Store};
use crate::writer::{Change, Op};
use async_trait::async_trait;
use forebay_core::{
    CacheHashKey, CacheKey, CacheMeta, CompactCacheKey, HashBinary, HitHandler, MissHandler, PurgeOutcome,
    PurgeTarget, PurgeType, Result, SpanHandle, Storage,
};
use forebay_live::{LiveWrite, ShardedArc, ShardedRef};
use std::any::Any;
use std::sync::Arc;
use std::time::SystemTime;
use tracing::Instrument as _;

/// So often a lookup follows an entry that is being moved before it takes it for gone.
const MOVES_MAX: usize = 16;

/// A storage on disk, made by [`DiskOptions::open`](crate::DiskOptions::open).
///
/// Clones are the same store. When the last one is dropped the store is closed, as by [`close`](DiskStorage::close);
/// hit handlers read on, writes in progress can no longer be finished.
#[derive(Debug, Clone)]
pub struct DiskStorage {
    open: Arc<OpenStore>,
}

/// Closes the store when dropped.
#[derive(Debug)]
struct OpenStore {
    store: ShardedArc<Store>,
}

impl Drop for OpenStore {
    fn drop(&mut self) {
        close(&self.store);
    }
}

impl DiskStorage {
    pub(crate) fn new(store: Store) -> Self {
        DiskStorage {
            open: Arc::new(OpenStore {
                store: ShardedArc::new(store),
            }),
        }
    }

    /// Finishes what is queued, seals and syncs the log, and lets others have the directory. Blocks for as long as the
    /// disk takes, but where the store's own work has woken who calls this: then a thread does it. From then on the store finds
    /// what it has and refuses to change it: a purge is an error then, and what it is for is found all the same.
    pub fn close(&self) {
        close(self.store());
    }

    /// What the store has counted so far.
    pub fn stats(&self) -> DiskStats {
        self.store().stats()
    }

    fn store(&self) -> &ShardedArc<Store> {
        &self.open.store
    }

    fn live_hit(&self, write: Arc<LiveWrite<Spilled>>) -> (CacheMeta, HitHandler) {
        self.store().counters.stream_hits.add(1);
        (
            write.meta().clone(),
            Box::new(LiveHit::new(self.store().get(), write)),
        )
    }

    /// Finds a write in progress, else a stored entry. What is damaged is dropped and is a miss; what the disk fails to
    /// give is a miss.
    async fn find(&self, key: &HashBinary) -> Option<(CacheMeta, HitHandler)> {
        let store = self.store();
        for _ in 0..MOVES_MAX {
            // Each time round: a write may have begun while a moved entry was looked for.
            if let Some(write) = store.live.newest(key) {
                return Some(self.live_hit(write));
            }
            let (slot, reads) = store.index.touch(key)?;
            let opened = match open_entry(store.get(), key, slot, reads, Wait::No) {
                Err(Failure::Io(error)) if store.may_read_untold(&error) => {
                    store.untold(|| open_entry(store.get(), key, slot, reads, Wait::Yes))
                }
                Err(_) => Box::pin(open_waiting(store, *key, slot, reads)).await,
                at_hand => at_hand,
            };
            match opened {
                Ok(Some(found)) => {
                    store.counters.hits.add(1);
                    return Some(found);
                }
                Ok(None) => {} // its segment went away, and the slot with it
                Err(Failure::Damaged(what)) => {
                    if Box::pin(store.heal(*key, slot, what)).await {
                        return None;
                    }
                }
                Err(Failure::Io(error)) => {
                    store.counters.read_errors.add(1);
                    log::warn!("cannot read entry {}, taken for a miss: {error}", slot.generation);
                    return None;
                }
            }
        }
        None
    }

    /// Counts that nothing was found, where nothing was.
    fn count_miss<T>(&self, found: &Option<T>) {
        if found.is_none() {
            self.store().counters.misses.add(1);
        }
    }
}

#[async_trait]
impl Storage for DiskStorage {
    async fn lookup(&self, key: &CacheKey, _: &SpanHandle) -> Result<Option<(CacheMeta, HitHandler)>> {
        let found = self.find(&key.combined_bin()).await;
        self.count_miss(&found);
        Ok(found)
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
        let write = self.store().live.by_tag(&key.combined_bin(), tag);
        self.count_miss(&write);
        Ok(write.map(|write| self.live_hit(write)))
    }

    async fn get_miss_handler(
        &self,
        key: &CacheKey,
        meta: &CacheMeta,
        _: &SpanHandle,
    ) -> Result<MissHandler> {
        let (store, hash) = (self.store(), key.combined_bin());
        store.check_begin(&hash, meta)?;
        let encoded = meta.encode().inspect_err(|_| store.counters.refused.add(1))?;
        let label = Label::new(key, &encoded);
        let mut meta = meta.clone();
        meta.clear_extensions(); // followers get what later hits get
        let guard = store
            .live
            .begin(hash, store.new_generation(), meta, Spilled::new());
        Ok(Box::new(DiskMiss::new(store, guard, label)))
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
        trace: &SpanHandle,
    ) -> Result<PurgeOutcome> {
        let (key, only) = (target.key().combined_bin(), exact_id(target));
        self.store()
            .submit(|reply| Op::Purge {
                key,
                only,
                purge_type,
                reply,
            })
            .instrument(tracing::debug_span!(parent: trace, "purge"))
            .await
    }

    async fn expire(&self, target: PurgeTarget<'_>, trace: &SpanHandle) -> Result<PurgeOutcome> {
        let (key, only) = (target.key().combined_bin(), exact_id(target));
        let change = Change::Expire(SystemTime::now());
        self.store()
            .submit(|reply| Op::Rewrite {
                key,
                only,
                change,
                reply,
            })
            .instrument(tracing::debug_span!(parent: trace, "expire"))
            .await
    }

    async fn update_meta(&self, key: &CacheKey, meta: &CacheMeta, trace: &SpanHandle) -> Result<bool> {
        let (key, change) = (key.combined_bin(), Change::Replace(meta.encode()?.into()));
        let outcome = self
            .store()
            .submit(|reply| Op::Rewrite {
                key,
                only: None,
                change,
                reply,
            })
            .instrument(tracing::debug_span!(parent: trace, "update_meta"))
            .await?;
        Ok(outcome != PurgeOutcome::NotFound)
    }

    fn support_streaming_partial_write(&self) -> bool {
        true
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync + 'static) {
        self
    }
}

/// Closes the store, by a thread of its own where this one may not wait.
fn close(store: &Arc<Store>) {
    if !AtWork::is_here() {
        return store.close();
    }
    let closing = store.clone();
    let started = std::thread::Builder::new()
        .name("forebay-close".into())
        .spawn(move || closing.close());
    if let Err(error) = started {
        log::error!("cannot start a thread that closes the store, which ends with its last handler: {error}");
        store.queue.close_unwaited();
    }
}

fn exact_id(target: PurgeTarget<'_>) -> Option<forebay_core::CacheEntryId> {
    match target {
        PurgeTarget::Active(_) => None,
        PurgeTarget::Exact(_, id) => Some(id),
    }
}

/// Opens the entry of a slot; `None` where its segment is gone.
fn open_entry(
    store: ShardedRef<Store>,
    key: &HashBinary,
    slot: Slot,
    reads: u8,
    wait: Wait,
) -> Result<Option<(CacheMeta, HitHandler)>, Failure> {
    let Some(stored) = store.find_record(key, slot, reads, wait)? else {
        return Ok(None);
    };
    let (weight, in_file) = (stored.header.weight_bytes(), stored.body_in_file());
    let meta = CacheMeta::decode(stored.label.into_meta())
        .map_err(|_| Failure::Damaged("its meta cannot be read"))?;
    let body = match in_file {
        false => Body::Inline(stored.inline_body),
        true => {
            let reading = store.readers.enter(slot.generation);
            let path = store.layout.body(slot.generation);
            let file = BodyFile::open(
                &*store.options.io,
                &path,
                store.id,
                &stored.header,
                &stored.table,
                wait,
            )?;
            Body::File(file, reading)
        }
    };
    Ok(Some((
        meta,
        Box::new(StoredHit::new(store, *key, (slot, reads), weight, body)),
    )))
}

/// The same on a thread of the pool, where it may wait.
async fn open_waiting(
    store: &ShardedArc<Store>,
    key: HashBinary,
    slot: Slot,
    reads: u8,
) -> Result<Option<(CacheMeta, HitHandler)>, Failure> {
    store.counters.fallback_reads.add(1);
    let opening = store.get();
    let open = move || open_entry(opening, &key, slot, reads, Wait::Yes);
    store.pool.run(open).await?
}
