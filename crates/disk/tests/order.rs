//! The order of what a store does to its files: what goes from probation is overruled durably before it does.
//!
//! `power.rs` cuts the power where chance has it; here the record of the steps itself is looked at.

mod common;

use common::*;
use forebay_core::{PurgeType, Storage};
use forebay_disk::io::CrashIo;
use forebay_disk::{DiskOptions, DiskStorage, Sync};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

/// Entries that are kept, replaced and purged, and others that nobody asks for again, with their tombstones in the same
/// segment: both rings turn several times.
async fn turn(store: &DiskStorage) {
    for number in 0..500 {
        let (hot, brief) = (format!("hot {}", number % 71), format!("brief {number}"));
        fill(store, &hot, 20_000).await;
        get(store, &hot).await.unwrap();
        fill(store, &brief, 5_000).await;
        fill(store, &format!("cold {number}"), 40_000).await;
        purge(store, &brief).await;
        if number % 3 == 1 {
            purge(store, &format!("hot {}", (number + 30) % 71)).await;
        }
    }
}

/// What is kept is purged, so that the main ring is empty; then others come and go.
async fn cool_down(store: &DiskStorage) {
    for number in 0..71 {
        purge(store, &format!("hot {number}")).await;
    }
    for number in 500..600 {
        fill(store, &format!("cold {number}"), 40_000).await;
    }
}

async fn fill(store: &DiskStorage, name: &str, len: usize) {
    put(store, name, &body(len, 1)).await.unwrap();
}

async fn purge(store: &DiskStorage, name: &str) {
    let key = key(name).to_compact();
    store.purge(&key, PurgeType::Invalidation, &none()).await.unwrap();
}

/// A small store whose steps are recorded. With an interval that never ends, no other sync hides one that is missing.
fn recorded(dir: &Path) -> (DiskStorage, CrashIo) {
    let io = CrashIo::new(dir).unwrap();
    let options = DiskOptions::new(dir).capacity_bytes(2 << 20).io(io.clone());
    let options = options.sync(Sync::Interval(Duration::from_secs(36_000)));
    (options.open().unwrap(), io)
}

/// Takes all recorded steps in their order; where a log that was taken over may be written over is looked at up to one.
fn ordered(io: &CrashIo, borrowed_until: usize) -> Order {
    let mut steps = io.describe(usize::MAX, usize::MAX);
    steps.reverse();
    let mut order = Order::default();
    for (at, step) in steps.iter().enumerate() {
        let before = &steps[at.saturating_sub(12)..at];
        order.check_borrowed = at < borrowed_until;
        order.take(step, &|why| {
            panic!("step {at}, {step}: {why}; before: {before:#?}")
        });
    }
    order
}

#[tokio::test]
async fn what_goes_from_probation_is_overruled_durably_first() {
    let dir = tempfile::tempdir().unwrap();
    let (store, io) = recorded(dir.path());
    turn(&store).await;
    let turned = io.steps();
    cool_down(&store).await;
    // What comes after the turn has no tombstones.
    let Order { gone, taken_over, .. } = ordered(&io, turned);
    assert!(
        gone[0] > 10 && gone[1] > 50 && taken_over > 10,
        "{gone:?} {taken_over}"
    );
}

/// What is replaced at once leaves empty segments, which go one after the other behind the newest. A cut that lost the name
/// of that one and the first removal, and not the second, brought an older version back.
#[tokio::test]
async fn segments_that_are_empty_go_only_behind_one_that_is_there_for_sure() {
    let dir = tempfile::tempdir().unwrap();
    let (store, io) = recorded(dir.path());
    for _ in 0..60 {
        fill(&store, "one", 76_000).await;
        fill(&store, "other", 50_000).await;
    }
    let order = ordered(&io, 0);
    assert!(order.gone[1] > 10, "{:?}", order.gone);
}

/// What is not durable yet, by the steps so far.
#[derive(Default)]
struct Order {
    /// The log of each file.
    logs: BTreeMap<String, String>,
    /// Files of the main ring with tombstones of a segment that is still there.
    written: BTreeSet<String>,
    main_removed: bool,
    /// By ring: the segments whose names are not durable, the newest whose name is, and whether a removal is not.
    unnamed: [BTreeSet<String>; 2],
    named: [String; 2],
    removed: [bool; 2],
    /// Files that are being taken over, and do not tell durably yet.
    borrowed: BTreeSet<String>,
    check_borrowed: bool,
    /// How many segments have gone, of the main ring and from probation.
    gone: [usize; 2],
    taken_over: usize,
}

impl Order {
    fn take(&mut self, step: &str, fail: &dyn Fn(&str)) {
        let words: Vec<_> = step.split(' ').collect();
        match words[..] {
            ["make", log, "(file", id] if log.ends_with(".log") => {
                self.logs
                    .insert(id.trim_end_matches(')').to_owned(), log.to_owned());
                self.unnamed[ring_of(log)].insert(log.to_owned());
            }
            ["move", "segments/retired.log", "to", log] => {
                let (_, old) = self.known("segments/retired.log");
                *old = log.to_owned();
                self.unnamed[ring_of(log)].insert(log.to_owned());
                self.taken_over += 1;
            }
            ["move", log, "to", "segments/retired.log"] => {
                let (id, old) = self.known(log);
                *old = "segments/retired.log".to_owned();
                let id = id.clone();
                self.borrowed.insert(id);
                self.gone(log, fail);
            }
            ["remove", log] if log.ends_with(".log") => self.gone(log, fail),
            ["write", len, "bytes", "at", at, "of", "file", id] => {
                if at != "0" && self.check_borrowed && self.borrowed.contains(id) {
                    fail("the old segment may come back, and not tell that this wrote over it");
                }
                // Nothing that is kept is as short as a few tombstones.
                let is_main = self.logs.get(id).is_some_and(|log| log.starts_with("segments/0"));
                if is_main && len.parse::<usize>().unwrap() < 4096 {
                    self.written.insert(id.to_owned());
                }
            }
            ["sync", "file", id] => {
                self.written.remove(id);
                self.borrowed.remove(id);
            }
            ["sync", "segments/"] => {
                self.main_removed = false;
                self.removed = [false; 2];
                for (named, unnamed) in self.named.iter_mut().zip(&mut self.unnamed) {
                    let newest = std::mem::take(unnamed).pop_last();
                    *named = newest.unwrap_or_default().max(std::mem::take(named));
                }
            }
            _ => {}
        }
    }

    fn known(&mut self, log: &str) -> (&String, &mut String) {
        self.logs.iter_mut().find(|(_, known)| *known == log).unwrap()
    }

    fn gone(&mut self, log: &str, fail: &dyn Fn(&str)) {
        let of_main = log.starts_with("segments/0");
        if !of_main && self.main_removed {
            fail("a segment of the main ring may come back");
        }
        if !of_main && !self.written.is_empty() {
            fail("tombstones that were appended to the main ring may be lost");
        }
        let ring = ring_of(log);
        if self.removed[ring] && self.named[ring].as_str() <= log {
            fail("no younger one is there for sure to tell that an older one, which may come back, has gone");
        }
        self.removed[ring] = true;
        self.main_removed |= of_main;
        self.written.clear();
        self.gone[usize::from(!of_main)] += 1;
    }
}

/// 0 for the main ring.
fn ring_of(path: &str) -> usize {
    usize::from(!path.starts_with("segments/0"))
}
