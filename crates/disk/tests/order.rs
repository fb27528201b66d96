//! The order of what a store does to its files: what goes from probation is overruled durably before it does.
//!
//! `power.rs` cuts the power where chance has it; here the record of the steps itself is looked at.

mod common;

use common::*;
use forebay_core::{PurgeType, Storage};
use forebay_disk::io::CrashIo;
use forebay_disk::{DiskOptions, DiskStorage, Sync};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Entries that are kept, replaced and purged, and others that nobody asks for again, with their tombstones in the same
/// segment: both rings turn several times.
async fn turn(store: &DiskStorage) {
    for number in 0..200 {
        let (hot, brief) = (format!("hot {}", number % 17), format!("brief {number}"));
        put(
            store,
            &hot,
            &body(if number % 5 == 0 { 270_000 } else { 20_000 }, number),
        )
        .await
        .unwrap();
        get(store, &hot).await.unwrap();
        put(store, &brief, &body(5_000, number)).await.unwrap();
        put(store, &format!("cold {number}"), &body(40_000, number))
            .await
            .unwrap();
        let purged = [brief, format!("hot {}", (number + 8) % 17)];
        for name in purged.iter().take(1 + number as usize % 2) {
            let key = key(name).to_compact();
            store.purge(&key, PurgeType::Invalidation, &none()).await.unwrap();
        }
    }
}

#[tokio::test]
async fn what_goes_from_probation_is_overruled_durably_first() {
    let dir = tempfile::tempdir().unwrap();
    let io = CrashIo::new(dir.path()).unwrap();
    // With an interval that never ends, no other sync hides one that is missing.
    let store = DiskOptions::new(dir.path())
        .capacity_bytes(2 << 20)
        .sync(Sync::Interval(Duration::from_secs(36_000)))
        .io(io.clone())
        .open()
        .unwrap();
    turn(&store).await;
    let mut steps = io.describe(usize::MAX, usize::MAX);
    steps.reverse();
    let mut order = Order::default();
    for (at, step) in steps.iter().enumerate() {
        let before = &steps[at.saturating_sub(12)..at];
        order.take(step, &|why| {
            panic!("step {at}, {step}: {why}; before: {before:#?}")
        });
    }
    let Order { gone, taken_over, .. } = order;
    assert!(
        gone[0] > 10 && gone[1] > 50 && taken_over > 10,
        "{gone:?} {taken_over}"
    );
}

/// What is not durable yet, by the steps so far.
#[derive(Default)]
struct Order {
    /// The log of each file.
    logs: BTreeMap<String, String>,
    /// Files of the main ring that were written for a segment that is still there.
    written: BTreeSet<String>,
    main_removed: bool,
    /// Files that were taken over from a segment whose removal is not durable.
    borrowed: BTreeSet<String>,
    /// How many segments have gone, of the main ring and from probation.
    gone: [usize; 2],
    taken_over: usize,
}

impl Order {
    fn take(&mut self, step: &str, fail: &dyn Fn(&str)) {
        let words: Vec<_> = step.split(' ').collect();
        match words[..] {
            ["make", log, "(file", id] => {
                self.logs
                    .insert(id.trim_end_matches(')').to_owned(), log.to_owned());
            }
            ["move", "spill/retired.log", "to", log] => {
                let retired = self.logs.iter_mut().find(|(_, log)| *log == "spill/retired.log");
                let (id, old) = retired.unwrap();
                *old = log.to_owned();
                self.borrowed.insert(id.clone());
                self.taken_over += 1;
            }
            ["move", log, "to", "spill/retired.log"] => {
                let retired = self.logs.values_mut().find(|known| *known == log);
                *retired.unwrap() = "spill/retired.log".to_owned();
                self.gone(log, fail);
            }
            ["remove", log] if log.ends_with("/log") => self.gone(log, fail),
            ["write", _, "bytes", "at", at, "of", "file", id] => {
                if at != "0" && self.borrowed.contains(id) {
                    fail("the old segment may come back, and this writes over it");
                }
                if self.logs.get(id).is_some_and(|log| log.starts_with("segments/0")) {
                    self.written.insert(id.to_owned());
                }
            }
            ["sync", "file", id] => drop(self.written.remove(id)),
            ["sync", "segments/"] => {
                self.main_removed = false;
                self.borrowed.clear();
            }
            _ => {}
        }
    }

    fn gone(&mut self, log: &str, fail: &dyn Fn(&str)) {
        let of_main = log.starts_with("segments/0");
        if !of_main && self.main_removed {
            fail("a segment of the main ring may come back");
        }
        if !of_main && !self.written.is_empty() {
            fail("what was appended to the main ring may be lost");
        }
        self.main_removed |= of_main;
        self.written.clear();
        self.gone[usize::from(!of_main)] += 1;
    }
}
