//! How much a memory storage may hold.

use crate::MemoryStorage;
use forebay_core::{ErrorKind, Result};

/// The limits of a [`MemoryStorage`], all in bytes.
///
/// ```
/// use forebay_memory::MemoryOptions;
///
/// let storage = MemoryOptions::new(256 << 20).max_object_bytes(8 << 20).build()?;
/// assert_eq!(storage.stats().entries, 0);
/// assert!(MemoryOptions::new(10).build().is_err());
/// # Ok::<(), Box<forebay_core::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct MemoryOptions {
    capacity_bytes: u64,
    max_object_bytes: Option<u64>,
    in_flight_bytes: Option<u64>,
}

const CAPACITY_BYTES_MIN: u64 = 64 << 10;
const MAX_OBJECT_BYTES_DEFAULT: u64 = 64 << 20;
/// The cache refuses what does not fit the hot part of one shard (97 %), so a shard has room for two of the largest.
const OBJECTS_PER_SHARD_MIN: u64 = 2;
const SHARDS_MAX: u64 = 64;

impl MemoryOptions {
    /// A storage that holds `capacity_bytes` of stored entries: keys, metas, bodies and bookkeeping. The hashes of keys
    /// that were evicted lately come on top, about one percent.
    pub fn new(capacity_bytes: u64) -> Self {
        MemoryOptions {
            capacity_bytes,
            max_object_bytes: None,
            in_flight_bytes: None,
        }
    }

    /// The largest entry that is admitted; by default a quarter of the capacity, and at most 64 MiB. Larger ones are
    /// refused, before the body comes where a `Content-Length` tells, and so is a new meta that would make an entry one of these.
    /// A body of unknown length that grows so large passes through to those who read along, and `finish` is an error.
    /// The smaller this is, the more shards the storage has, and the less its threads wait for each other.
    pub fn max_object_bytes(mut self, bytes: u64) -> Self {
        self.max_object_bytes = Some(bytes);
        self
    }

    /// What writes in progress may hold, beside the capacity; by default as much as a quarter of it, and no less than
    /// the largest object. From half of it on, a body that has grown too large keeps its last 4 MiB alone: whoever is further behind
    /// gets an error. New writes are refused from all of it on. One that is under way may go on until twice as much is
    /// held; then it fails.
    pub fn in_flight_bytes(mut self, bytes: u64) -> Self {
        self.in_flight_bytes = Some(bytes);
        self
    }

    /// The storage.
    ///
    /// # Errors
    /// [`ErrorKind::Misuse`] for a capacity below 64 KiB, a largest object of more than half the capacity, or one of 0.
    pub fn build(self) -> Result<MemoryStorage> {
        MemoryStorage::new(self.limits()?)
    }

    fn limits(&self) -> Result<Limits> {
        let capacity_bytes = self.capacity_bytes;
        let max_object_bytes = self
            .max_object_bytes
            .unwrap_or((capacity_bytes / 4).min(MAX_OBJECT_BYTES_DEFAULT));
        if capacity_bytes < CAPACITY_BYTES_MIN {
            let context = format!(
                "a memory capacity of {capacity_bytes} bytes; at least {CAPACITY_BYTES_MIN} are needed"
            );
            return Err(ErrorKind::Misuse.error(context));
        }
        if max_object_bytes == 0 || max_object_bytes > capacity_bytes / OBJECTS_PER_SHARD_MIN {
            let context = format!(
                "a largest object of {max_object_bytes} bytes in a memory capacity of {capacity_bytes}: give it from 1 \
                 byte to half the capacity"
            );
            return Err(ErrorKind::Misuse.error(context));
        }
        let shards = (capacity_bytes / (max_object_bytes * OBJECTS_PER_SHARD_MIN)).clamp(1, SHARDS_MAX);
        Ok(Limits {
            capacity_bytes,
            max_object_bytes,
            in_flight_bytes: self
                .in_flight_bytes
                .unwrap_or((capacity_bytes / 4).max(max_object_bytes)),
            // Rounded down to a power of two: the cache would round up, and its shards would be too small.
            shards: 1 << shards.ilog2(),
        })
    }
}

#[derive(Debug)]
pub(crate) struct Limits {
    pub(crate) capacity_bytes: u64,
    pub(crate) max_object_bytes: u64,
    pub(crate) in_flight_bytes: u64,
    pub(crate) shards: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(capacity_bytes: u64, max_object_bytes: u64) -> Limits {
        let options = MemoryOptions::new(capacity_bytes).max_object_bytes(max_object_bytes);
        options.limits().unwrap()
    }

    #[test]
    fn every_shard_has_room_for_several_of_the_largest_objects() {
        const MIB: u64 = 1 << 20;
        for (capacity, max_object, shards) in [
            (4 * MIB, MIB - 10, 2),
            (4 * MIB, 2 * MIB, 1),
            (64 * MIB, MIB, 32),
            (64 * MIB, 1, SHARDS_MAX),
        ] {
            let limits = limits(capacity, max_object);
            assert_eq!(limits.shards, shards, "{max_object} in {capacity}");
            assert!(limits.capacity_bytes / limits.shards >= OBJECTS_PER_SHARD_MIN * max_object);
        }
    }

    #[test]
    fn writes_in_progress_may_hold_a_quarter_and_one_of_the_largest_objects() {
        assert_eq!(limits(4 << 20, 1000).in_flight_bytes, 1 << 20);
        assert_eq!(limits(4 << 20, 2 << 20).in_flight_bytes, 2 << 20);
    }
}
