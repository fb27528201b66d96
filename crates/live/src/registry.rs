//! Which writes are in progress: found by key while they are visible, by tag as long as they live.

use crate::LiveBody;
use forebay_core::streaming_write::U64WriteId;
use forebay_core::{CacheEntryId, CacheMeta, HashBinary};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// One write in progress; `T` is what the backend keeps with it.
#[derive(Debug)]
pub struct LiveWrite<T> {
    key: HashBinary,
    tag: U64WriteId,
    meta: CacheMeta,
    purged: AtomicBool,
    body: LiveBody,
    extra: T,
}

impl<T> LiveWrite<T> {
    /// The combined hash of the key.
    pub fn key(&self) -> &HashBinary {
        &self.key
    }

    /// The number of this write; the id of the entry once it is stored.
    pub fn id(&self) -> CacheEntryId {
        CacheEntryId::new(self.tag.into())
    }

    /// The number of this write as a tag.
    pub fn tag(&self) -> &[u8] {
        self.tag.as_bytes()
    }

    /// The meta given to this write (`STREAM-META`).
    pub fn meta(&self) -> &CacheMeta {
        &self.meta
    }

    /// Whether the key was invalidated since the write began: it must not be admitted (`PURGE-LIVE`).
    pub fn is_purged(&self) -> bool {
        self.purged.load(Ordering::Acquire)
    }

    /// The body.
    pub fn body(&self) -> &LiveBody {
        &self.body
    }

    /// What the backend keeps with the write.
    pub fn extra(&self) -> &T {
        &self.extra
    }
}

/// The writes in progress of one storage.
#[derive(Debug)]
pub struct LiveWrites<T> {
    shards: [Mutex<Shard<T>>; SHARDS],
    /// How many there are: a lookup on a quiet storage looks at this and at nothing else.
    count: AtomicUsize,
}

type Shard<T> = HashMap<HashBinary, KeyWrites<T>>;
const SHARDS: usize = 64;

/// What stays of a body that passes through, for those who read along.
const PASSED_ON_BYTES: u64 = 4 << 20;

impl<T> Default for LiveWrites<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> LiveWrites<T> {
    /// An empty registry.
    pub fn new() -> Self {
        LiveWrites {
            shards: std::array::from_fn(|_| Mutex::default()),
            count: AtomicUsize::new(0),
        }
    }

    /// Registers a write of the key. `id` is unique among all entries and writes that the storage ever had.
    pub fn begin(self: &Arc<Self>, key: HashBinary, id: u64, meta: CacheMeta, extra: T) -> LiveGuard<T> {
        let (tag, purged, body) = (id.into(), AtomicBool::new(false), LiveBody::default());
        let write = Arc::new(LiveWrite {
            key,
            tag,
            meta,
            purged,
            body,
            extra,
        });
        let mut shard = self.shard(&key).lock();
        shard.entry(key).or_default().writes.push(write.clone());
        self.count.fetch_add(1, Ordering::Release);
        LiveGuard {
            registry: self.clone(),
            write,
        }
    }

    /// The visible write of this key that began last (`STREAM-VISIBLE`).
    pub fn newest(&self, key: &HashBinary) -> Option<Arc<LiveWrite<T>>> {
        if self.is_empty() {
            return None;
        }
        self.shard(key).lock().get(key)?.newest().cloned()
    }

    /// The write of this key that has this tag, visible or not (`STREAM-TAG`, `STREAM-TAG-UNKNOWN`).
    pub fn by_tag(&self, key: &HashBinary, tag: &[u8]) -> Option<Arc<LiveWrite<T>>> {
        self.shard(key)
            .lock()
            .get(key)?
            .writes
            .iter()
            .find(|write| write.tag() == tag)
            .cloned()
    }

    /// Runs `act` on the writes of this key while no other call on the key can: what makes a storage's purge, commit
    /// and update of one key follow each other. `act` must not call the registry.
    pub fn with_key<R>(&self, key: &HashBinary, act: impl FnOnce(&KeyWrites<T>) -> R) -> R {
        let shard = self.shard(key).lock();
        match shard.get(key) {
            Some(writes) => act(writes),
            None => act(&KeyWrites::default()),
        }
    }

    /// How many writes are in progress.
    pub fn len(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// Whether no write is in progress.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn shard(&self, key: &HashBinary) -> &Mutex<Shard<T>> {
        &self.shards[key[0] as usize % SHARDS] // any byte of a hash is as good as another
    }

    fn end(&self, write: &Arc<LiveWrite<T>>) {
        let mut shard = self.shard(&write.key).lock();
        let Some(of_key) = shard.get_mut(&write.key) else {
            return;
        };
        let before = of_key.writes.len();
        of_key.writes.retain(|w| !Arc::ptr_eq(w, write));
        self.count
            .fetch_sub(before - of_key.writes.len(), Ordering::Release);
        if of_key.writes.is_empty() {
            shard.remove(&write.key); // PURGE-NO-LEAK
        }
    }
}

/// The writes in progress of one key, in the order in which they began.
#[derive(Debug)]
pub struct KeyWrites<T> {
    writes: Vec<Arc<LiveWrite<T>>>,
}

impl<T> Default for KeyWrites<T> {
    fn default() -> Self {
        KeyWrites { writes: Vec::new() }
    }
}

impl<T> KeyWrites<T> {
    /// The visible write that began last.
    pub fn newest(&self) -> Option<&Arc<LiveWrite<T>>> {
        self.writes.iter().rev().find(|write| !write.is_purged())
    }

    /// Hides every write from lookups by key and marks it as not to be admitted. Followers and tags are not touched.
    /// `true` if one was visible.
    pub fn purge(&self) -> bool {
        self.purge_where(|_| true)
    }

    /// As [`purge`](Self::purge), for the one write that has this id.
    pub fn purge_exact(&self, id: CacheEntryId) -> bool {
        self.purge_where(|write| write.id() == id)
    }

    fn purge_where(&self, chosen: impl Fn(&LiveWrite<T>) -> bool) -> bool {
        let mark = |write: &&Arc<LiveWrite<T>>| !write.purged.swap(true, Ordering::AcqRel);
        self.writes
            .iter()
            .filter(|write| chosen(write))
            .filter(mark)
            .count()
            > 0
    }
}

/// The writer's hold on its write. Dropping it aborts the body, unless that is complete, and ends the registration.
#[derive(Debug)]
pub struct LiveGuard<T> {
    registry: Arc<LiveWrites<T>>,
    write: Arc<LiveWrite<T>>,
}

impl<T> LiveGuard<T> {
    /// For a body that will not be stored, and goes on for those who read along: lets go of its start, as far as writes in progress
    /// hold more than half of `budget_bytes`, but not of its last 4 MiB, or quarter of the budget. Whoever is further behind gets
    /// [`Next::Released`](crate::Next::Released), and lookups by key no longer find what has no start. `false` if all of it is
    /// still held.
    pub fn pass_on(&self, in_flight_bytes: u64, budget_bytes: u64) -> bool {
        let body = self.body();
        let held_bytes = body.held_bytes();
        let kept_bytes = held_bytes
            .saturating_sub(in_flight_bytes.saturating_sub(budget_bytes / 2))
            .max(PASSED_ON_BYTES.min(budget_bytes / 4));
        if kept_bytes >= held_bytes {
            return false;
        }
        self.registry
            .with_key(self.key(), |writes| writes.purge_exact(self.id()));
        body.release_to(body.len() - kept_bytes);
        true
    }

    /// The write, to be followed or to be kept beyond the guard.
    pub fn write(&self) -> &Arc<LiveWrite<T>> {
        &self.write
    }
}

impl<T> Deref for LiveGuard<T> {
    type Target = LiveWrite<T>;

    fn deref(&self) -> &LiveWrite<T> {
        &self.write
    }
}

impl<T> Drop for LiveGuard<T> {
    fn drop(&mut self) {
        self.write.body.abort();
        self.registry.end(&self.write);
    }
}
