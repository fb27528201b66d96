//! The memory tier: copies of what is read often, checked already. It answers for the disk, and never knows more: the
//! index is asked first, and what it says tells the copy.

use crate::index::{READS_MAX, Slot};
use bytes::Bytes;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Of what is read often enough, one read in so many leaves a copy: what is hot is there soon.
const READS_PER_COPY: usize = 8;
/// The same in a tier that is full, or nearly so: where more is read than fits in, few reads copy.
const READS_PER_COPY_WHEN_FULL: usize = 64;
/// A body may take up to this share of the tier.
const BODY_SHARE: u64 = 16;
/// With less than this, a part of the cache that has its own lock would be too small for the largest bodies.
const SHARD_BYTES_MIN: u64 = 16 << 20;
const SHARDS_MAX: u64 = 16;
const TYPICAL_COPY_BYTES: u64 = 8 << 10;
/// What the cache holds for each copy beside its bytes, in bytes; rounded up.
const BOOKKEEPING_BYTES: u64 = 130;

/// What a copy is of. Nothing else ever has the same place: segments and generations are numbered once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    /// The record that lies there.
    Record { segment: u32, offset_units: u32 },
    /// The chunk of so many bytes of the body file of a generation that begins there.
    Chunk { generation: u64, start_byte: u64 },
}

impl From<Slot> for Place {
    fn from(slot: Slot) -> Self {
        Place::Record {
            segment: slot.segment,
            offset_units: slot.offset_units,
        }
    }
}

type Copies = Cache<Place, Bytes, ByWeight, DefaultHashBuilder, DefaultLifecycle<Place, Bytes>>;

pub(crate) struct MemoryTier {
    /// Absent where it has no room.
    copies: Option<Copies>,
    capacity_bytes: u64,
    /// Reads that might have left a copy.
    reads: AtomicUsize,
    /// Bytes of copies, with those that have left the tier and that somebody still sends.
    held_bytes: Arc<AtomicU64>,
}

/// A copy, counted for as long as a part of it is in use.
struct Held {
    bytes: Box<[u8]>,
    held_bytes: Arc<AtomicU64>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let len_bytes = self.bytes.len() as u64;
        self.held_bytes.fetch_sub(len_bytes, Ordering::Relaxed);
    }
}

#[derive(Clone)]
struct ByWeight;

impl Weighter<Place, Bytes> for ByWeight {
    fn weight(&self, _: &Place, copy: &Bytes) -> u64 {
        copy.len() as u64 + BOOKKEEPING_BYTES
    }
}

impl MemoryTier {
    pub(crate) fn new(capacity_bytes: u64) -> Self {
        let shards = (capacity_bytes / SHARD_BYTES_MIN).clamp(1, SHARDS_MAX);
        let options = OptionsBuilder::new()
            .shards(1 << shards.ilog2()) // a power of two, which it would round up to
            .weight_capacity(capacity_bytes)
            .estimated_items_capacity((capacity_bytes / TYPICAL_COPY_BYTES).max(1) as usize)
            .build();
        let copies = options.ok().filter(|_| capacity_bytes > 0).map(|options| {
            let lifecycle = DefaultLifecycle::default();
            Cache::with_options(options, ByWeight, DefaultHashBuilder::default(), lifecycle)
        });
        MemoryTier {
            copies,
            capacity_bytes,
            reads: AtomicUsize::new(0),
            held_bytes: Arc::default(),
        }
    }

    pub(crate) fn get(&self, place: Place) -> Option<Bytes> {
        self.copies.as_ref()?.get(&place)
    }

    /// Copies what was read from there and checked, if it is worth it: a part of a body of so many bytes, of an entry that
    /// was read so often.
    pub(crate) fn offer(&self, place: Place, read: &Bytes, body_len_bytes: u64, reads: u8) {
        let Some(copies) = &self.copies else { return };
        if reads < READS_MAX || body_len_bytes > self.capacity_bytes / BODY_SHARE {
            return;
        }
        let before = self.reads.fetch_add(1, Ordering::Relaxed);
        if !before.is_multiple_of(READS_PER_COPY) {
            return;
        }
        let is_full = || copies.weight() > self.capacity_bytes / 4 * 3;
        if (before.is_multiple_of(READS_PER_COPY_WHEN_FULL) || !is_full())
            && let Some(copy) = self.copy(read)
        {
            copies.insert(place, copy);
        }
    }

    /// A copy that is no longer than what it is of, unlike the buffer; none where slow clients hold as much of old copies as
    /// the tier may have.
    fn copy(&self, read: &Bytes) -> Option<Bytes> {
        let len_bytes = read.len() as u64;
        if self.held_bytes() + len_bytes > self.capacity_bytes.saturating_mul(2) {
            return None;
        }
        self.held_bytes.fetch_add(len_bytes, Ordering::Relaxed);
        Some(Bytes::from_owner(Held {
            bytes: read[..].into(),
            held_bytes: self.held_bytes.clone(),
        }))
    }

    /// What copies occupy, in bytes, with those that have left the tier and that somebody still sends.
    pub(crate) fn held_bytes(&self) -> u64 {
        self.held_bytes.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for MemoryTier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryTier")
            .field("held_bytes", &self.held_bytes())
            .field("capacity_bytes", &self.capacity_bytes)
            .finish_non_exhaustive()
    }
}
