//! Counts what the proxy does, and writes the counts in Prometheus' text format.

use std::fmt::Write as _;

use forebay_live::Counter;

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
    /// Requests being served.
    pub open_requests: Counter,
}

/// What a store tells of itself; counts begin at its opening.
#[derive(Clone, Copy, Debug, Default)]
pub struct StoreStats {
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
    /// Failed reads and writes, and entries found damaged.
    pub errors: u64,
    /// Hit and miss handlers that are open now.
    pub open_handlers: u64,
    /// Bytes of a disk store's copies in memory.
    pub memory_tier_bytes: u64,
    /// Reads that they answered: of an entry, and of each chunk of a large body.
    pub memory_tier_reads: u64,
}

impl Metrics {
    /// All numbers in Prometheus' text exposition format.
    pub(crate) fn render(&self, store: &StoreStats) -> String {
        let mut text = String::new();
        let mut put = |name: &str, kind: &str, help: &str, value: u64| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "# HELP forebay_{name} {help}\n# TYPE forebay_{name} {kind}");
            let _ = writeln!(text, "forebay_{name} {value}");
        };
        for (name, help, counter) in [
            ("hits_total", "Requests answered from the cache.", &self.hits),
            (
                "misses_total",
                "Cacheable requests for which nothing was stored.",
                &self.misses,
            ),
            (
                "revalidations_total",
                "Requests that checked a stored entry.",
                &self.revalidations,
            ),
            ("stale_total", "Stale entries served.", &self.stale),
            (
                "passed_total",
                "Requests that the cache does not handle.",
                &self.passed,
            ),
            (
                "hit_bytes_total",
                "Body bytes sent out of the cache.",
                &self.hit_bytes,
            ),
            (
                "origin_bytes_total",
                "Body bytes sent from the origin.",
                &self.origin_bytes,
            ),
            ("purges_total", "Entries removed by PURGE.", &self.purges),
            ("errors_total", "Requests that ended in an error.", &self.errors),
        ] {
            put(name, "counter", help, counter.get());
        }
        put(
            "open_requests",
            "gauge",
            "Requests being served.",
            self.open_requests.get(),
        );
        for (name, kind, help, value) in [
            (
                "store_resident_bytes",
                "gauge",
                "Bytes that entries take.",
                store.resident_bytes,
            ),
            (
                "store_capacity_bytes",
                "gauge",
                "Bytes that entries may take.",
                store.capacity_bytes,
            ),
            ("store_entries", "gauge", "Entries stored.", store.entries),
            (
                "store_evictions_total",
                "counter",
                "Entries evicted to make room.",
                store.evictions,
            ),
            (
                "store_refused_total",
                "counter",
                "Writes refused by the store, whatever for.",
                store.refused,
            ),
            (
                "store_refused_first_sight_total",
                "counter",
                "Large bodies refused because they were asked for the first time.",
                store.refused_first_sight,
            ),
            (
                "store_refused_write_rate_total",
                "counter",
                "Writes refused because more was written than --disk-write-rate.",
                store.refused_write_rate,
            ),
            (
                "store_full_disk_evictions_total",
                "counter",
                "Segments evicted because the disk was full before the capacity was.",
                store.full_disk_evictions,
            ),
            (
                "store_errors_total",
                "counter",
                "Failed reads and writes, damaged entries.",
                store.errors,
            ),
            (
                "store_open_handlers",
                "gauge",
                "Open hit and miss handlers.",
                store.open_handlers,
            ),
            (
                "store_memory_tier_bytes",
                "gauge",
                "Bytes of copies in memory of what is on disk.",
                store.memory_tier_bytes,
            ),
            (
                "store_memory_tier_reads_total",
                "counter",
                "Reads of the disk store that its copies in memory answered.",
                store.memory_tier_reads,
            ),
        ] {
            put(name, kind, help, value);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_its_type() {
        let metrics = Metrics::default();
        metrics.hits.add(3);
        let text = metrics.render(&StoreStats {
            resident_bytes: 7,
            ..StoreStats::default()
        });
        assert!(text.contains("# TYPE forebay_hits_total counter\nforebay_hits_total 3\n"));
        assert!(text.contains("# TYPE forebay_store_resident_bytes gauge\nforebay_store_resident_bytes 7\n"));
    }
}
