//! One stored entry, and what it weighs.

use crate::body::Body;
use forebay_core::{CacheEntryId, CacheMeta, HashBinary};
use quick_cache::Weighter;
use std::sync::Arc;

/// What the cache holds per entry beside the entry itself: its slot, its place in the table with the table's slack, the
/// key, and its share of the ghost queue; then the two allocations. Measured with many small entries, rounded up.
const BOOKKEEPING_BYTES: usize = 160;

#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) id: CacheEntryId,
    pub(crate) meta: CacheMeta,
    /// Shared with the entry of the same write that has another meta.
    pub(crate) body: Arc<Body>,
    weight_bytes: usize,
}

impl Entry {
    pub(crate) fn new(id: CacheEntryId, meta: CacheMeta, body: Arc<Body>) -> Self {
        let beside_meta = size_of::<Self>() - size_of::<CacheMeta>() + BOOKKEEPING_BYTES;
        let weight_bytes = meta.weight_bytes() + body.weight_bytes() + beside_meta;
        Entry {
            id,
            meta,
            body,
            weight_bytes,
        }
    }

    /// The same body with another meta.
    pub(crate) fn with_meta(&self, meta: CacheMeta) -> Self {
        Entry::new(self.id, meta, self.body.clone())
    }

    pub(crate) fn weight_bytes(&self) -> usize {
        self.weight_bytes
    }
}

#[derive(Debug, Clone)]
pub(crate) struct ByWeight;

impl Weighter<HashBinary, Arc<Entry>> for ByWeight {
    fn weight(&self, _key: &HashBinary, entry: &Arc<Entry>) -> u64 {
        entry.weight_bytes as u64
    }
}
