//! What a storage counts, through the facade of the `metrics` crate, named as the disk store's numbers are.

use crate::MemoryStats;
use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};

/// One number. What only grows while the storage is there has a name that ends in `_total`; the others go up and down.
type Field = (&'static str, Unit, &'static str, fn(&MemoryStats) -> u64);

#[rustfmt::skip]
const FIELDS: [Field; 13] = [
    ("forebay_memory_entries", Unit::Count, "Stored entries.", |s| s.entries),
    ("forebay_memory_resident_bytes", Unit::Bytes, "Bytes of stored entries.", |s| s.resident_bytes),
    ("forebay_memory_capacity_bytes", Unit::Bytes, "Bytes that they may take.", |s| s.capacity_bytes),
    ("forebay_memory_live_writes", Unit::Count, "Writes in progress.", |s| s.live_writes),
    ("forebay_memory_in_flight_bytes", Unit::Bytes, "Bytes of writes in progress.", |s| s.in_flight_bytes),
    ("forebay_memory_open_handlers", Unit::Count, "Open hit handlers.", |s| s.open_handlers),
    ("forebay_memory_hits_total", Unit::Count, "Lookups that found an entry.", |s| s.hits),
    ("forebay_memory_stream_hits_total", Unit::Count, "Lookups that found a write in progress.", |s| s.stream_hits),
    ("forebay_memory_misses_total", Unit::Count, "Lookups that found nothing.", |s| s.misses),
    ("forebay_memory_admitted_total", Unit::Count, "Entries admitted.", |s| s.admitted),
    ("forebay_memory_evicted_entries_total", Unit::Count, "Entries evicted.", |s| s.evicted_entries),
    ("forebay_memory_evicted_bytes_total", Unit::Bytes, "Bytes of entries evicted.", |s| s.evicted_bytes),
    ("forebay_memory_refused_total", Unit::Count, "Writes refused.", |s| s.refused),
];

fn only_grows(name: &str) -> bool {
    name.ends_with("_total")
}

impl MemoryStats {
    /// Tells the recorder of this process what the numbers are. Once is enough.
    pub fn describe_metrics() {
        for (name, unit, help, _) in FIELDS {
            match only_grows(name) {
                true => describe_counter!(name, unit, help),
                false => describe_gauge!(name, unit, help),
            }
        }
    }

    /// Hands the numbers to the recorder of this process, labelled `store`: call it before each scrape, or every few
    /// seconds.
    pub fn publish(&self, store: &str) {
        for (name, _, _, value) in FIELDS {
            let value = value(self);
            match only_grows(name) {
                true => counter!(name, "store" => store.to_owned()).absolute(value),
                false => gauge!(name, "store" => store.to_owned()).set(value as f64),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryOptions;
    use metrics::{
        Counter, CounterFn, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder, SharedString,
    };
    use std::collections::{BTreeMap, BTreeSet};
    use std::sync::{Arc, Mutex};

    /// What it is told, by kind, name and label, and what it was told about, by kind and name.
    #[derive(Clone, Default)]
    struct Told {
        numbers: Arc<Mutex<BTreeMap<String, f64>>>,
        described: Arc<Mutex<BTreeSet<String>>>,
    }

    struct Number(Told, String);

    impl Told {
        fn number(&self, kind: &str, key: &Key) -> Arc<Number> {
            let labels: Vec<_> = key.labels().map(|label| label.value()).collect();
            let name = [&[kind, key.name()], &labels[..]].concat().join(" ");
            Arc::new(Number(self.clone(), name))
        }

        fn describe(&self, kind: &str, name: &KeyName) {
            let name = format!("{kind} {}", name.as_str());
            self.described.lock().unwrap().insert(name);
        }
    }

    impl CounterFn for Number {
        fn increment(&self, _: u64) {}
        fn absolute(&self, value: u64) {
            self.set(value as f64);
        }
    }

    impl GaugeFn for Number {
        fn increment(&self, _: f64) {}
        fn decrement(&self, _: f64) {}
        fn set(&self, value: f64) {
            self.0.numbers.lock().unwrap().insert(self.1.clone(), value);
        }
    }

    impl Recorder for Told {
        fn describe_counter(&self, name: KeyName, _: Option<Unit>, _: SharedString) {
            self.describe("counter", &name);
        }
        fn describe_gauge(&self, name: KeyName, _: Option<Unit>, _: SharedString) {
            self.describe("gauge", &name);
        }
        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
            Counter::from_arc(self.number("counter", key))
        }
        fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
            Gauge::from_arc(self.number("gauge", key))
        }
        fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::noop()
        }
    }

    /// A field that is added to the statistics has to come here too: its name is in the text of the struct.
    #[test]
    fn the_recorder_gets_every_number_with_the_name_of_the_storage() {
        let stats = MemoryOptions::new(1 << 20).build().unwrap().stats();
        let recorder = Told::default();
        metrics::with_local_recorder(&recorder, || {
            MemoryStats::describe_metrics();
            stats.publish("main");
        });
        let told = recorder.numbers.lock().unwrap();
        assert_eq!(
            told["gauge forebay_memory_capacity_bytes main"],
            f64::from(1 << 20)
        );
        let text = format!("{stats:?}");
        let names: Vec<_> = text
            .split(['{', ','])
            .filter_map(|field| Some(field.split_once(':')?.0.trim()))
            .collect();
        assert_eq!(told.len(), names.len());
        for name in names {
            let is_told = |kind, ending| {
                let metric = format!("{kind} forebay_memory_{name}{ending}");
                let is_described = recorder.described.lock().unwrap().contains(&metric);
                told.contains_key(&format!("{metric} main")) && is_described
            };
            assert!(is_told("gauge", "") || is_told("counter", "_total"), "{name}");
        }
    }
}
