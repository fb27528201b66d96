//! Writes the counts in Prometheus' text format.

use std::fmt::Write as _;

use super::{Metrics, StoreStats};

/// A text of metrics. Writing to a string cannot fail.
#[derive(Default)]
struct Text(String);

impl Text {
    fn describe(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(
            self.0,
            "# HELP forebay_{name} {help}\n# TYPE forebay_{name} {kind}"
        );
    }

    fn put(&mut self, name: &str, kind: &str, help: &str, value: u64) {
        self.describe(name, kind, help);
        let _ = writeln!(self.0, "forebay_{name} {value}");
    }

    /// One number for each value of a label.
    fn put_by(&mut self, name: &str, help: &str, label: &str, values: &[(&str, u64)]) {
        self.describe(name, "counter", help);
        for (of, value) in values {
            let _ = writeln!(self.0, "forebay_{name}{{{label}=\"{of}\"}} {value}");
        }
    }
}

impl Metrics {
    /// All numbers in Prometheus' text exposition format.
    pub(crate) fn render(&self, store: &StoreStats) -> String {
        let mut text = Text::default();
        self.render_requests(&mut text);
        render_store(store, &mut text);
        text.0
    }

    fn render_requests(&self, text: &mut Text) {
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
            (
                "access_log_dropped_total",
                "Lines left out of the access log, since their reader did not keep up or has gone.",
                &self.access_log_dropped,
            ),
        ] {
            text.put(name, "counter", help, counter.get());
        }
        text.put(
            "open_requests",
            "gauge",
            "Requests being served.",
            self.open_requests.get(),
        );
        let name = "request_duration_seconds";
        text.describe(
            name,
            "histogram",
            "From the head of a request to the end of its response.",
        );
        let mut count = 0;
        for (bound, up_to) in self.durations.cumulated() {
            count = up_to;
            let _ = writeln!(text.0, "forebay_{name}_bucket{{le=\"{bound}\"}} {count}");
        }
        let sum = self.durations.sum().as_secs_f64();
        let _ = writeln!(text.0, "forebay_{name}_sum {sum}\nforebay_{name}_count {count}");
    }
}

fn render_store(store: &StoreStats, text: &mut Text) {
    for (name, kind, help, value) in [
        (
            "resident_bytes",
            "gauge",
            "Bytes that entries take.",
            store.resident_bytes,
        ),
        (
            "capacity_bytes",
            "gauge",
            "Bytes that entries may take.",
            store.capacity_bytes,
        ),
        ("entries", "gauge", "Entries stored.", store.entries),
        (
            "evictions_total",
            "counter",
            "Entries evicted to make room.",
            store.evictions,
        ),
        (
            "refused_total",
            "counter",
            "Writes refused by the store, whatever for.",
            store.refused,
        ),
        (
            "refused_first_sight_total",
            "counter",
            "Large bodies refused because they were asked for the first time.",
            store.refused_first_sight,
        ),
        (
            "refused_write_rate_total",
            "counter",
            "Writes refused because more was written than --disk-write-rate.",
            store.refused_write_rate,
        ),
        (
            "full_disk_evictions_total",
            "counter",
            "Segments evicted because the disk was full before the capacity was.",
            store.full_disk_evictions,
        ),
        (
            "written_bytes_total",
            "counter",
            "Bytes written to the disk.",
            store.written_bytes,
        ),
        (
            "open_handlers",
            "gauge",
            "Open hit and miss handlers.",
            store.open_handlers,
        ),
        (
            "memory_tier_bytes",
            "gauge",
            "Bytes of copies in memory of what is on disk.",
            store.memory_tier_bytes,
        ),
        (
            "memory_tier_reads_total",
            "counter",
            "Reads of the disk store that its copies in memory answered.",
            store.memory_tier_reads,
        ),
    ] {
        text.put(&format!("store_{name}"), kind, help, value);
    }
    let errors = [
        ("read", store.read_errors),
        ("write", store.write_errors),
        ("corrupt", store.corrupt_entries),
    ];
    text.put_by(
        "store_errors_total",
        "Failed reads and writes, damaged entries.",
        "kind",
        &errors,
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn every_number_has_its_type() {
        let metrics = Metrics::default();
        metrics.hits.add(3);
        metrics.durations.add(Duration::from_millis(250));
        let text = metrics.render(&StoreStats {
            resident_bytes: 7,
            write_errors: 2,
            ..StoreStats::default()
        });
        for lines in [
            "# TYPE forebay_hits_total counter\nforebay_hits_total 3\n",
            "# TYPE forebay_store_resident_bytes gauge\nforebay_store_resident_bytes 7\n",
            "\nforebay_store_errors_total{kind=\"write\"} 2\n",
            "# TYPE forebay_request_duration_seconds histogram\n",
            "\nforebay_request_duration_seconds_bucket{le=\"0.1\"} 0\n",
            "\nforebay_request_duration_seconds_bucket{le=\"+Inf\"} 1\n",
            "\nforebay_request_duration_seconds_sum 0.25\nforebay_request_duration_seconds_count 1\n",
        ] {
            assert!(text.contains(lines), "{lines} in {text}");
        }
    }
}
