//! What a memory storage counts.

use crate::entry::Entry;
use forebay_core::HashBinary;
use forebay_live::{Counter, ShardedArc, ShardedRef};
use quick_cache::Lifecycle;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// The state of a [`MemoryStorage`](crate::MemoryStorage) and what it has done since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryStats {
    /// Stored entries.
    pub entries: u64,
    /// What they occupy, in bytes, bookkeeping included.
    pub resident_bytes: u64,
    /// What they may occupy, in bytes.
    pub capacity_bytes: u64,
    /// Writes in progress.
    pub live_writes: u64,
    /// Bytes of writes in progress.
    pub in_flight_bytes: u64,
    /// Hit handlers that are open.
    pub open_handlers: u64,
    /// Lookups that found a stored entry.
    pub hits: u64,
    /// Lookups that found a write in progress.
    pub stream_hits: u64,
    /// Lookups that found nothing.
    pub misses: u64,
    /// Entries admitted.
    pub admitted: u64,
    /// Entries evicted to make room.
    pub evicted_entries: u64,
    /// What the evicted ones occupied, in bytes.
    pub evicted_bytes: u64,
    /// Writes refused: too large, or too much in flight.
    pub refused: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Looked at by each write: no counter of parts.
    pub(crate) in_flight_bytes: AtomicU64,
    pub(crate) hits: Counter,
    pub(crate) stream_hits: Counter,
    pub(crate) misses: Counter,
    pub(crate) admitted: Counter,
    pub(crate) evicted_entries: Counter,
    pub(crate) evicted_bytes: Counter,
    pub(crate) refused: Counter,
}

/// Counts what the cache evicts.
#[derive(Debug, Clone)]
pub(crate) struct CountEvictions(pub(crate) Arc<Counters>);

impl Lifecycle<HashBinary, Entry> for CountEvictions {
    /// The key whose entry is being replaced: the cache tells of the old one as of one that it evicts.
    type RequestState = Option<HashBinary>;

    fn on_evict(&self, replaced: &mut Option<HashBinary>, key: HashBinary, entry: Entry) {
        if *replaced == Some(key) {
            *replaced = None;
            return;
        }
        self.0.evicted_entries.add(1);
        self.0.evicted_bytes.add(entry.weight_bytes() as u64);
    }
}

/// Counts the open hit handlers: each holds a reference.
#[derive(Debug, Default)]
pub(crate) struct OpenHandlers(ShardedArc<()>);

impl OpenHandlers {
    pub(crate) fn open(&self) -> OpenHandler {
        OpenHandler(self.0.get())
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.references()
    }
}

/// An open hit handler, for as long as it lives.
#[derive(Debug)]
pub(crate) struct OpenHandler(#[expect(dead_code, reason = "is counted")] ShardedRef<()>);
