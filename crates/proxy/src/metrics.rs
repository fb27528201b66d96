//! Counts what the proxy does.

mod durations;
mod render;

use forebay_live::Counter;

use self::durations::Durations;

/// The proxy's counters. One instance serves the whole process.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    /// Requests answered from the cache without asking the origin.
    pub hits: Counter,
    /// Cacheable requests for which nothing was stored.
    pub misses: Counter,
    /// Requests whose stored entry was checked with the origin, or replaced.
    pub revalidations: Counter,
    /// Stale entries served, while revalidating or for a failed origin.
    pub stale: Counter,
    /// Requests that the cache does not handle.
    pub passed: Counter,
    /// Body bytes sent to clients out of the cache.
    pub hit_bytes: Counter,
    /// Body bytes sent to clients from the origin.
    pub origin_bytes: Counter,
    /// Entries removed by PURGE.
    pub purges: Counter,
    /// Requests that ended in an error.
    pub errors: Counter,
    /// What requests took, from their head to the end of their response.
    pub durations: Durations,
    /// Lines left out of the access log, since their reader did not keep up or has gone.
    pub access_log_dropped: Counter,
    /// Requests being served.
    pub open_requests: Counter,
}

/// What a store tells of itself; counts begin at its opening.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct StoreStats {
    /// Bytes that entries take now.
    pub resident_bytes: u64,
    /// Bytes that they may take.
    pub capacity_bytes: u64,
    /// Entries there now.
    pub entries: u64,
    /// Entries evicted to make room.
    pub evictions: u64,
    /// Segments evicted because the disk was full before the capacity was.
    pub full_disk_evictions: u64,
    /// Writes refused: too large, for want of room, or by the policy.
    pub refused: u64,
    /// Of these, large bodies that were asked for the first time.
    pub refused_first_sight: u64,
    /// Of these, writes beyond --disk-write-rate.
    pub refused_write_rate: u64,
    /// Failed reads.
    pub read_errors: u64,
    /// Failed writes.
    pub write_errors: u64,
    /// Entries found damaged.
    pub corrupt_entries: u64,
    /// A write failed, and none has begun since.
    pub is_paused: bool,
    /// Bytes written to the disk.
    pub written_bytes: u64,
    /// Hit and miss handlers that are open now.
    pub open_handlers: u64,
    /// Bytes of a disk store's copies in memory.
    pub memory_tier_bytes: u64,
    /// Reads that they answered: of an entry, and of each chunk of a large body.
    pub memory_tier_reads: u64,
}
