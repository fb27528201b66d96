//! What a store counts.

use forebay_live::Counter;
use std::sync::atomic::{AtomicU64, Ordering};

/// One moment of a store. Counters begin at 0 when it is opened; what is there now are the first nine fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct DiskStats {
    /// Stored entries.
    pub entries: u64,
    /// Bytes on disk: logs, bodies, their overhead, and bodies being written.
    pub resident_bytes: u64,
    /// What `resident_bytes` never exceeds once a `finish` has returned.
    pub capacity_bytes: u64,
    /// Segments.
    pub segments: u64,
    /// What the index occupies in memory, in bytes.
    pub index_bytes: u64,
    /// What copies of the memory tier occupy, in bytes, with those that it has let go of and that somebody still reads.
    pub memory_tier_bytes: u64,
    /// Writes in progress.
    pub live_writes: u64,
    /// Hit handlers that are open.
    pub open_handlers: u64,
    /// Bytes of writes in progress that are held in memory.
    pub in_flight_bytes: u64,
    /// Lookups that found a stored entry.
    pub hits: u64,
    /// Lookups that found a write in progress.
    pub stream_hits: u64,
    /// Lookups that found nothing.
    pub misses: u64,
    /// Entries admitted.
    pub admitted: u64,
    /// What they weigh, in bytes.
    pub admitted_bytes: u64,
    /// Bytes of records and bodies that were written: of what was admitted, changed, purged, or kept when its segment went.
    pub written_bytes: u64,
    /// Entries that were evicted to make room.
    pub evicted_entries: u64,
    /// Bytes of evicted segments.
    pub evicted_bytes: u64,
    /// Segments that were evicted.
    pub evicted_segments: u64,
    /// Entries that outlived the eviction of their segment, because they had been read, or had
    /// come back after they had left.
    pub kept_entries: u64,
    /// Reads that failed.
    pub read_errors: u64,
    /// Writes, and all else that changes a file, that failed.
    pub write_errors: u64,
    /// A write has failed, and none has begun since: they are refused for a while.
    pub is_paused: bool,
    /// Segments that were evicted because the disk was full, before the capacity was.
    pub full_disk_evictions: u64,
    /// Entries found damaged, and dropped.
    pub corrupt_entries: u64,
    /// Writes that were refused: too large, no room, or by the policy.
    pub refused: u64,
    /// Of these, large bodies that were asked for the first time.
    pub refused_first_sight: u64,
    /// Of these, writes beyond the limit of bytes a second.
    pub refused_write_rate: u64,
    /// Reads that had to wait for the disk, on a thread of the store.
    pub fallback_reads: u64,
    /// Reads that the memory tier answered: of an entry's record, and of each chunk of a body file.
    pub memory_tier_reads: u64,
}

macro_rules! counters {
    ($($name:ident),*) => {
        /// The counters of a store.
        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            /// One number: each write looks at it.
            pub(crate) in_flight_bytes: AtomicU64,
            $(pub(crate) $name: Counter),*
        }

        impl Counters {
            pub(crate) fn fill(&self, stats: &mut DiskStats) {
                stats.in_flight_bytes = self.in_flight_bytes.load(Ordering::Relaxed);
                $(stats.$name = self.$name.get();)*
            }
        }
    };
}

counters!(
    open_handlers,
    hits,
    stream_hits,
    misses,
    admitted,
    admitted_bytes,
    written_bytes,
    evicted_entries,
    evicted_bytes,
    evicted_segments,
    kept_entries,
    read_errors,
    write_errors,
    full_disk_evictions,
    corrupt_entries,
    refused,
    refused_first_sight,
    refused_write_rate,
    fallback_reads,
    memory_tier_reads
);
