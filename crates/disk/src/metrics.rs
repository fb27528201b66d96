//! What a store counts, through the facade of the `metrics` crate.

use crate::DiskStats;
use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};

/// What a number is.
enum Kind {
    /// It only grows while the store is open.
    Counter,
    /// It goes up and down.
    Gauge,
}

use Kind::{Counter, Gauge};

type Field = (Kind, &'static str, Unit, &'static str, fn(&DiskStats) -> u64);

const FIELDS: [Field; 29] = [
    (
        Gauge,
        "forebay_disk_entries",
        Unit::Count,
        "Stored entries.",
        |s| s.entries,
    ),
    (
        Gauge,
        "forebay_disk_resident_bytes",
        Unit::Bytes,
        "Bytes on disk.",
        |s| s.resident_bytes,
    ),
    (
        Gauge,
        "forebay_disk_capacity_bytes",
        Unit::Bytes,
        "Bytes that may be on disk.",
        |s| s.capacity_bytes,
    ),
    (Gauge, "forebay_disk_segments", Unit::Count, "Segments.", |s| {
        s.segments
    }),
    (
        Gauge,
        "forebay_disk_index_bytes",
        Unit::Bytes,
        "Bytes of the index, in memory.",
        |s| s.index_bytes,
    ),
    (
        Gauge,
        "forebay_disk_memory_tier_bytes",
        Unit::Bytes,
        "Bytes of the memory tier.",
        |s| s.memory_tier_bytes,
    ),
    (
        Gauge,
        "forebay_disk_live_writes",
        Unit::Count,
        "Writes in progress.",
        |s| s.live_writes,
    ),
    (
        Gauge,
        "forebay_disk_open_handlers",
        Unit::Count,
        "Open hit handlers.",
        |s| s.open_handlers,
    ),
    (
        Gauge,
        "forebay_disk_in_flight_bytes",
        Unit::Bytes,
        "Bytes of writes in memory.",
        |s| s.in_flight_bytes,
    ),
    (
        Counter,
        "forebay_disk_hits_total",
        Unit::Count,
        "Lookups that found an entry.",
        |s| s.hits,
    ),
    (
        Counter,
        "forebay_disk_stream_hits_total",
        Unit::Count,
        "Lookups that found a write in progress.",
        |s| s.stream_hits,
    ),
    (
        Counter,
        "forebay_disk_misses_total",
        Unit::Count,
        "Lookups that found nothing.",
        |s| s.misses,
    ),
    (
        Counter,
        "forebay_disk_admitted_total",
        Unit::Count,
        "Entries admitted.",
        |s| s.admitted,
    ),
    (
        Counter,
        "forebay_disk_admitted_bytes_total",
        Unit::Bytes,
        "Bytes of entries admitted.",
        |s| s.admitted_bytes,
    ),
    (
        Counter,
        "forebay_disk_written_bytes_total",
        Unit::Bytes,
        "Bytes of records and bodies written.",
        |s| s.written_bytes,
    ),
    (
        Counter,
        "forebay_disk_evicted_entries_total",
        Unit::Count,
        "Entries evicted.",
        |s| s.evicted_entries,
    ),
    (
        Counter,
        "forebay_disk_evicted_bytes_total",
        Unit::Bytes,
        "Bytes of evicted segments.",
        |s| s.evicted_bytes,
    ),
    (
        Counter,
        "forebay_disk_evicted_segments_total",
        Unit::Count,
        "Segments evicted.",
        |s| s.evicted_segments,
    ),
    (
        Counter,
        "forebay_disk_kept_entries_total",
        Unit::Count,
        "Entries that outlived their segment.",
        |s| s.kept_entries,
    ),
    (
        Counter,
        "forebay_disk_full_disk_evictions_total",
        Unit::Count,
        "Segments evicted for a full disk.",
        |s| s.full_disk_evictions,
    ),
    (
        Counter,
        "forebay_disk_read_errors_total",
        Unit::Count,
        "Reads that failed.",
        |s| s.read_errors,
    ),
    (
        Counter,
        "forebay_disk_write_errors_total",
        Unit::Count,
        "Changes of files that failed.",
        |s| s.write_errors,
    ),
    (
        Gauge,
        "forebay_disk_is_paused",
        Unit::Count,
        "1 where a write has failed, and none has begun since.",
        |s| s.is_paused.into(),
    ),
    (
        Counter,
        "forebay_disk_corrupt_entries_total",
        Unit::Count,
        "Entries found damaged.",
        |s| s.corrupt_entries,
    ),
    (
        Counter,
        "forebay_disk_refused_total",
        Unit::Count,
        "Writes refused, whatever for.",
        |s| s.refused,
    ),
    (
        Counter,
        "forebay_disk_refused_first_sight_total",
        Unit::Count,
        "Large bodies refused at first sight.",
        |s| s.refused_first_sight,
    ),
    (
        Counter,
        "forebay_disk_refused_write_rate_total",
        Unit::Count,
        "Writes refused beyond the rate.",
        |s| s.refused_write_rate,
    ),
    (
        Counter,
        "forebay_disk_fallback_reads_total",
        Unit::Count,
        "Reads that waited for the disk.",
        |s| s.fallback_reads,
    ),
    (
        Counter,
        "forebay_disk_memory_tier_reads_total",
        Unit::Count,
        "Reads that the memory tier answered.",
        |s| s.memory_tier_reads,
    ),
];

impl DiskStats {
    /// Tells the recorder of this process what the numbers are. Once is enough.
    pub fn describe_metrics() {
        for (kind, name, unit, help, _) in FIELDS {
            match kind {
                Counter => describe_counter!(name, unit, help),
                Gauge => describe_gauge!(name, unit, help),
            }
        }
    }

    /// Hands the numbers to the recorder of this process, labelled `store`: call it before each scrape, or every few
    /// seconds. Counters are absolute: a store that is opened again begins at 0, as after a restart.
    pub fn publish(&self, store: &str) {
        for (kind, name, _, _, value) in FIELDS {
            let value = value(self);
            match kind {
                Counter => counter!(name, "store" => store.to_owned()).absolute(value),
                Gauge => gauge!(name, "store" => store.to_owned()).set(value as f64),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use metrics::{
        Counter as AnyCounter, CounterFn, Gauge as AnyGauge, GaugeFn, Histogram, Key, KeyName, Metadata,
        Recorder, SharedString,
    };
    use std::sync::{Arc, Mutex};

    /// Writes down what it is told, in lines.
    #[derive(Clone, Default)]
    struct Notes(Arc<Mutex<Vec<String>>>);

    struct Number(Notes, String);

    impl Notes {
        fn number(&self, key: &Key) -> Arc<Number> {
            let labels: Vec<_> = key.labels().map(|label| label.value()).collect();
            Arc::new(Number(
                self.clone(),
                format!("{} {}", key.name(), labels.join(" ")),
            ))
        }
    }

    impl CounterFn for Number {
        fn increment(&self, _: u64) {}
        fn absolute(&self, value: u64) {
            self.0.0.lock().unwrap().push(format!("{} {value}", self.1));
        }
    }

    impl GaugeFn for Number {
        fn increment(&self, _: f64) {}
        fn decrement(&self, _: f64) {}
        fn set(&self, value: f64) {
            self.0.0.lock().unwrap().push(format!("{} {value}", self.1));
        }
    }

    impl Recorder for Notes {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> AnyCounter {
            AnyCounter::from_arc(self.number(key))
        }
        fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> AnyGauge {
            AnyGauge::from_arc(self.number(key))
        }
        fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::noop()
        }
    }

    #[test]
    fn the_recorder_gets_every_number_with_the_name_of_the_store() {
        let (notes, mut stats) = (Notes::default(), DiskStats::default());
        (stats.hits, stats.entries) = (3, 7);
        metrics::with_local_recorder(&notes, || {
            DiskStats::describe_metrics();
            stats.publish("main");
        });
        let told = notes.0.lock().unwrap();
        assert_eq!(told.len(), FIELDS.len());
        for line in ["forebay_disk_hits_total main 3", "forebay_disk_entries main 7"] {
            assert!(told.iter().any(|told| told == line), "{told:?}");
        }
    }

    /// A field that is added to the statistics has to come here too: its name is in the text of the struct.
    #[test]
    fn every_number_has_its_metric() {
        let text = format!("{:?}", DiskStats::default());
        let names = text
            .split(['{', ','])
            .skip(1)
            .filter_map(|field| field.split(':').next());
        let mut count = 0;
        for name in names.map(str::trim).filter(|name| *name != "..") {
            let is_of = |metric: &str| {
                metric == format!("forebay_disk_{name}") || metric == format!("forebay_disk_{name}_total")
            };
            assert!(FIELDS.iter().any(|(_, metric, ..)| is_of(metric)), "{name}");
            count += 1;
        }
        assert_eq!(count, FIELDS.len());
    }
}
