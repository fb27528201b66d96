//! Power cuts (PERSIST-POWER): with whatever was not synced lost, torn or reordered, a store opens, serves nothing wrong,
//! and has what its durability promises.
//!
//! A run of operations is recorded once; then the power is cut at every step of it, with several seeds.
//! `FOREBAY_POWER_SEEDS` sets how many seeds each step gets (1); `FOREBAY_POWER_ONLY=step,seed` repeats one cut.

mod common;

use common::*;
use forebay_core::{PurgeTarget, PurgeType, Storage};
use forebay_disk::io::{CrashIo, Names, PowerCut};
use forebay_disk::{DiskOptions, DiskStorage, Sync};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

const ROOMY: u64 = 32 << 20;
/// Little, but enough that a body file is kept for the next one.
const FILES_CAPACITY: u64 = 5 << 20;

#[derive(Debug, Clone, Copy)]
enum Op {
    Put(usize),
    Update,
    Expire,
    Purge,
    /// So that it outlives its segment.
    Get,
}

/// What a key is: the event whose meta it has, and the one whose body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    meta: usize,
    body: usize,
    len: usize,
    expired: bool,
}

/// One operation, from when to when it ran, in steps of the record, and what it made of its key.
#[derive(Debug)]
#[expect(dead_code, reason = "shown in reports")]
struct Event {
    name: String,
    op: Op,
    began: usize,
    done: usize,
    state: Option<State>,
}

struct Run {
    io: CrashIo,
    sync: Sync,
    /// Whether a miss may be an eviction.
    evicts: bool,
    events: Vec<Event>,
    /// The syncs of everything, once the run is over.
    syncs: OnceLock<Vec<Synced>>,
    /// Whether it ended with a close, which syncs everything.
    closed: bool,
    dir: tempfile::TempDir,
}

/// A sync of everything.
struct Synced {
    /// The step that ends it.
    end: usize,
    /// Whatever was done by this step is durable then. It began after the one before had ended; how long after, the record does
    /// not tell.
    until: usize,
}

/// The syncs of everything. Others sync names, or the main ring alone, before a segment goes.
fn syncs_of_all(io: &CrashIo) -> Vec<Synced> {
    let mut steps = io.describe(usize::MAX, usize::MAX);
    steps.reverse();
    let ends = steps.windows(2).enumerate();
    let ends = ends.filter(|(at, pair)| pair[1] == "sync segments/" && is_sync_on_probation(&steps[..=*at]));
    let mut until = 0;
    ends.map(|(at, _)| Synced {
        end: at + 1,
        until: std::mem::replace(&mut until, at + 1),
    })
    .collect()
}

/// Whether the last of these steps is a sync of the log of a segment on probation.
fn is_sync_on_probation(steps: &[String]) -> bool {
    let Some(file) = steps.last().and_then(|step| step.strip_prefix("sync ")) else {
        return false;
    };
    // A log that was taken over has its name by a move.
    let mut name = String::new();
    for step in steps {
        let words: Vec<_> = step.split(' ').collect();
        match words[..] {
            ["make", made, ..] if step.ends_with(&format!(" ({file})")) => name = made.to_owned(),
            ["move", from, "to", to] if from == name => name = to.to_owned(),
            _ => {}
        }
    }
    name.starts_with("segments/8")
}

impl Run {
    async fn of(sync: Sync, capacity: u64, ops: &[(&str, Op)], close: bool) -> Run {
        let dir = tempfile::tempdir().unwrap();
        let io = CrashIo::new(dir.path()).unwrap();
        let mut run = Run {
            io: io.clone(),
            sync,
            evicts: capacity < ROOMY,
            events: Vec::new(),
            syncs: OnceLock::new(),
            closed: close,
            dir,
        };
        let options = DiskOptions::new(run.dir.path())
            .capacity_bytes(capacity)
            .sync(sync)
            .io(io);
        let store = options.open().unwrap();
        for (number, (name, op)) in ops.iter().enumerate() {
            run.execute(&store, name, *op, run.events.len()).await;
            if matches!(sync, Sync::Interval(interval) if interval < Duration::from_secs(1))
                && number % 5 == 4
            {
                run.wait_for_a_sync(&store).await;
            }
        }
        if close {
            store.close();
        }
        drop(store);
        run
    }

    /// Runs an operation; `number` tells its versions from all others.
    async fn execute(&mut self, store: &DiskStorage, name: &str, op: Op, number: usize) {
        let began = self.io.steps();
        let last = self
            .events
            .iter()
            .rev()
            .find(|event| event.name == name)
            .and_then(|event| event.state);
        let state = match op {
            Op::Get => {
                get(store, name).await;
                last
            }
            Op::Put(len) => {
                let mut miss = store
                    .get_miss_handler(&key(name), &meta(&number.to_string()), &none())
                    .await
                    .unwrap();
                miss.write_body(body(len, number as u64), true).await.unwrap();
                miss.finish().await.unwrap();
                Some(State {
                    meta: number,
                    body: number,
                    len,
                    expired: false,
                })
            }
            Op::Update => {
                let found = store
                    .update_meta(&key(name), &meta(&number.to_string()), &none())
                    .await
                    .unwrap();
                found.then(|| State {
                    meta: number,
                    expired: false,
                    ..last.unwrap()
                })
            }
            Op::Expire => {
                let compact = key(name).to_compact();
                store
                    .expire(PurgeTarget::Active(&compact), &none())
                    .await
                    .unwrap();
                let found = find(store, name).await.is_some();
                found.then(|| State {
                    expired: true,
                    ..last.unwrap()
                })
            }
            Op::Purge => {
                store
                    .purge(&key(name).to_compact(), PurgeType::Invalidation, &none())
                    .await
                    .unwrap();
                None
            }
        };
        if let Op::Get = op {
            return; // which changes nothing
        }
        let done = self.io.steps();
        self.events.push(Event {
            name: name.to_owned(),
            op,
            began,
            done,
            state,
        });
    }

    /// Runs writes of so many keys at once, which are committed together as it happens.
    async fn execute_group(&mut self, store: &DiskStorage, keys: usize, len: usize) {
        let first = self.events.len();
        let mut tasks = tokio::task::JoinSet::new();
        for number in first..first + keys {
            let (store, io) = (store.clone(), self.io.clone());
            tasks.spawn(async move {
                let (name, began) = (format!("g{}", number - first), io.steps());
                let tag = meta(&number.to_string());
                let mut miss = store.get_miss_handler(&key(&name), &tag, &none()).await.unwrap();
                miss.write_body(body(len, number as u64), true).await.unwrap();
                miss.finish().await.unwrap();
                let state = State {
                    meta: number,
                    body: number,
                    len,
                    expired: false,
                };
                Event {
                    name,
                    op: Op::Put(len),
                    began,
                    done: io.steps(),
                    state: Some(state),
                }
            });
        }
        let mut events = tasks.join_all().await;
        events.sort_by(|a, b| a.name.cmp(&b.name));
        self.events.extend(events);
    }

    /// Groups of writes, the keys of one replaced by the next; until some were committed by one write to the log.
    async fn of_groups(sync: Sync) -> Run {
        let dir = tempfile::tempdir().unwrap();
        let io = CrashIo::new(dir.path()).unwrap();
        let mut run = Run {
            io: io.clone(),
            sync,
            evicts: false,
            events: Vec::new(),
            syncs: OnceLock::new(),
            closed: false,
            dir,
        };
        let options = DiskOptions::new(run.dir.path()).capacity_bytes(ROOMY).sync(sync);
        let store = options.io(io).open().unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        for groups in 1.. {
            assert!(Instant::now() < deadline, "nothing was committed together");
            run.execute_group(&store, 7, 800).await;
            if let Sync::Interval(_) = sync {
                run.wait_for_a_sync(&store).await;
            }
            // A record of these is below 1.2 KB; nothing else that is written yet is above.
            let steps = run.io.describe(usize::MAX, usize::MAX);
            let together = steps.iter().any(|step| {
                let bytes = step
                    .strip_prefix("write ")
                    .and_then(|rest| rest.split(' ').next());
                bytes.is_some_and(|bytes| bytes.parse::<usize>().unwrap() > 2_400)
            });
            if together && groups >= 4 {
                break;
            }
        }
        drop(store);
        run
    }

    /// Waits for a sync of everything so far: for one to end, and for the next, which began after that. One more entry before
    /// each makes sure that there is something to sync.
    async fn wait_for_a_sync(&mut self, store: &DiskStorage) {
        for _ in 0..2 {
            let mark = self.io.steps();
            self.execute(store, "tick", Op::Put(10), self.events.len()).await;
            let deadline = Instant::now() + Duration::from_secs(20);
            while syncs_of_all(&self.io).last().is_none_or(|sync| sync.end < mark) {
                assert!(Instant::now() < deadline, "no sync within the interval");
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    }

    /// The step until which everything is durable by then.
    fn durable_until(&self, step: usize) -> Option<usize> {
        match self.sync {
            Sync::Always => Some(step),
            Sync::Interval(_) => {
                let syncs = self.syncs.get_or_init(|| {
                    let mut syncs = syncs_of_all(&self.io);
                    if let Some(last) = syncs.last_mut().filter(|_| self.closed) {
                        last.until = last.end;
                    }
                    syncs
                });
                let last = syncs.iter().rfind(|sync| sync.end < step);
                last.map(|sync| sync.until)
            }
            Sync::Never => None,
        }
    }

    /// The last event of a key that is durable by then.
    fn floor(&self, name: &str, step: usize) -> Option<usize> {
        let until = self.durable_until(step)?;
        self.events
            .iter()
            .rposition(|event| event.name == name && event.done <= until)
    }

    /// What the key may be, and whether it may be a miss.
    fn allowed(&self, name: &str, step: usize) -> (Vec<State>, bool) {
        let floor = self.floor(name, step);
        let later = self.events.iter().skip(floor.map_or(0, |floor| floor + 1));
        let later: Vec<_> = later
            .filter(|event| event.name == name && event.began < step)
            .collect();
        let first = floor.map(|floor| self.events[floor].state);
        let states = first
            .into_iter()
            .chain(later.iter().map(|event| event.state))
            .flatten()
            .collect();
        // A record that is torn takes the one that it replaces with it: it cannot be told from a damaged one.
        let missing = self.evicts || !later.is_empty() || first.is_none_or(|state| state.is_none());
        (states, missing)
    }

    /// Cuts the power at every step; what is wrong after each cut.
    async fn cut_everywhere(&self, names: Names) -> Vec<String> {
        let seeds = std::env::var("FOREBAY_POWER_SEEDS")
            .ok()
            .and_then(|n| n.parse().ok())
            .unwrap_or(1);
        let only = std::env::var("FOREBAY_POWER_ONLY").ok();
        let mut wrong = Vec::new();
        // The run that evicts is long and much the same all along: with one seed only, every third step has to do.
        let stride = if self.evicts && seeds == 1 { 3 } else { 1 };
        for step in (0..=self.io.steps()).step_by(stride) {
            for seed in 0..seeds {
                let cut = PowerCut {
                    step,
                    seed: seed * 1_000_003 + step as u64,
                    names,
                };
                if only
                    .as_ref()
                    .is_some_and(|only| *only != format!("{step},{}", cut.seed))
                {
                    continue;
                }
                if let Err(what) = self.check(&cut).await {
                    let before = self.io.describe(step, 12).join("\n    ");
                    wrong.push(format!("{what}\n  {cut:?}, last steps first:\n    {before}"));
                }
            }
        }
        wrong
    }

    async fn check(&self, cut: &PowerCut) -> Result<(), String> {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("left");
        self.io.cut(cut, &root).unwrap();
        let store = reopen(&root)?;
        let mut first = Vec::new();
        let names: BTreeSet<_> = self.events.iter().map(|event| event.name.as_str()).collect();
        for name in &names {
            first.push(self.check_key(&store, name, cut.step).await?);
        }
        // It is a store as any other: it can be written, closed and opened, and what was gone stays gone.
        put(&store, "after", &body(1000, 1))
            .await
            .map_err(|e| format!("write after the cut: {e}"))?;
        drop(store);
        let store = reopen(&root)?;
        for (name, before) in names.iter().zip(first) {
            let now = self.check_key(&store, name, cut.step).await?;
            if now != before {
                return Err(format!(
                    "{name} was {before:?} after the cut, and is {now:?} after a clean close"
                ));
            }
        }
        match get(&store, "after").await {
            Some(found) if found == body(1000, 1) => Ok(()),
            _ => Err("what was written after the cut is gone".to_owned()),
        }
    }

    /// Cuts the power, and once more at every step of the opening that follows, and of what is done after it.
    async fn cut_twice_everywhere(&self, names: Names) -> Vec<String> {
        let mut wrong = Vec::new();
        let seeds = std::env::var("FOREBAY_POWER_SEEDS").is_ok();
        // Some have to do otherwise, each with another seed.
        let stride = match seeds {
            true => 1,
            false if self.evicts => 23,
            false => 11,
        };
        for step in (0..=self.io.steps()).step_by(stride) {
            let first = PowerCut {
                step,
                seed: 77 + step as u64,
                names,
            };
            if let Err(what) = self.check_second_cuts(&first).await {
                wrong.push(format!("{what}\n  after {first:?}"));
            }
        }
        wrong
    }

    async fn check_second_cuts(&self, first: &PowerCut) -> Result<(), String> {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("left");
        self.io.cut(first, &root).unwrap();
        let io = CrashIo::new(&root).unwrap();
        let options = DiskOptions::new(&root).capacity_bytes(ROOMY).sync(self.sync);
        let store = options
            .io(io.clone())
            .open()
            .map_err(|error| format!("open fails: {error}"))?;
        let names: BTreeSet<_> = self.events.iter().map(|event| event.name.as_str()).collect();
        for name in &names {
            self.check_key(&store, name, first.step).await?; // and what is found damaged is dropped
        }
        put(&store, "after", &body(300_000, 1))
            .await
            .map_err(|error| format!("write after the cut: {error}"))?;
        drop(store);
        for step in 0..=io.steps() {
            let second = PowerCut {
                step,
                seed: first.seed * 31 + step as u64,
                names: first.names,
            };
            let again = dir.path().join(format!("again {step}"));
            io.cut(&second, &again).unwrap();
            let store = reopen(&again).map_err(|what| format!("{what}, cut again: {second:?}"))?;
            for name in &names {
                let checked = self.check_key(&store, name, first.step).await;
                checked.map_err(|what| format!("{what}, cut again: {second:?}"))?;
            }
            drop(store);
            std::fs::remove_dir_all(&again).unwrap();
        }
        Ok(())
    }

    async fn check_key(&self, store: &DiskStorage, name: &str, step: usize) -> Result<Option<State>, String> {
        let (states, may_miss) = self.allowed(name, step);
        let found = match lookup(store, name).await {
            Ok(found) => found,
            Err(Unread::StillFound(error)) => return Err(format!("{name} is still a hit after {error}")),
            Err(Unread::Gone(meta, error)) => {
                let event = &self.events[meta.parse::<usize>().unwrap()];
                if self.durable_until(step).is_some_and(|until| event.done <= until) {
                    return Err(format!(
                        "{event:?} was durable, is found, and cannot be read: {error}"
                    ));
                }
                None
            }
        };
        let fine = match &found {
            None => may_miss,
            Some((meta, bytes, expired)) => states.iter().any(|state| {
                state.meta.to_string() == *meta
                    && state.expired == *expired
                    && body(state.len, state.body as u64) == bytes
            }),
        };
        if !fine {
            let found = found.map(|(meta, bytes, expired)| (meta, bytes.len(), expired));
            let events: Vec<_> = self.events.iter().filter(|e| e.name == name).collect();
            return Err(format!(
                "{name} is {found:?} (meta, length, expired); may be {states:?}, a miss: {may_miss}\n  its events: {events:?}"
            ));
        }
        let meta = found.map(|(meta, ..)| meta);
        Ok(states
            .into_iter()
            .find(|state| Some(state.meta.to_string()) == meta))
    }
}

fn reopen(root: &Path) -> Result<DiskStorage, String> {
    let options = DiskOptions::new(root).capacity_bytes(ROOMY).sync(Sync::Never);
    let store = options.open().map_err(|error| format!("open fails: {error}"))?;
    expect_no_stray(root)?;
    Ok(store)
}

/// What was found, and could not be read to its end.
enum Unread {
    /// That of this meta, which is a miss from then on.
    Gone(String, String),
    StillFound(String),
}

/// ETag, body, and whether it is expired.
async fn lookup(store: &DiskStorage, name: &str) -> Result<Option<(String, bytes::Bytes, bool)>, Unread> {
    let Some((meta, mut hit)) = find(store, name).await else {
        return Ok(None);
    };
    let tag = String::from_utf8_lossy(meta.head().get("etag").unwrap()).into_owned();
    match read(&mut *hit).await {
        Ok(bytes) => Ok(Some((tag, bytes, !meta.is_fresh(SystemTime::now())))),
        Err(error) if find(store, name).await.is_some() => Err(Unread::StillFound(error.to_string())),
        Err(error) => Err(Unread::Gone(tag, error.to_string())),
    }
}

/// Entries in records and in files, replaced, updated, expired, purged and written again, over several segments.
const ALL_KINDS: &[(&str, Op)] = &[
    ("a", Op::Put(300)),
    ("b", Op::Put(3_000)),
    ("large", Op::Put(300_000)),
    ("c", Op::Put(70_000)),
    ("a", Op::Put(5_000)),
    ("large", Op::Update),
    ("b", Op::Purge),
    ("c", Op::Update),
    ("large2", Op::Put(700_000)),
    ("c", Op::Expire),
    ("d", Op::Put(200_000)),
    ("large", Op::Expire),
    ("b", Op::Put(100)),
    ("a", Op::Purge),
    ("large", Op::Purge),
    ("e", Op::Put(0)),
    ("large2", Op::Put(400_000)),
    ("large", Op::Put(500_000)),
    ("e", Op::Put(900)),
    ("b", Op::Update),
];

/// Enough to evict several segments; then what was purged in the first ones must not be back.
fn ops_that_evict() -> Vec<(&'static str, Op)> {
    const COLD: [&str; 12] = [
        "c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c9", "c10", "c11",
    ];
    let mut ops = vec![
        ("purged", Op::Put(900)),
        ("purged large", Op::Put(300_000)),
        ("replaced", Op::Put(60_000)),
        ("updated", Op::Put(270_000)),
        ("c0", Op::Put(100_000)),
        ("c1", Op::Put(100_000)),
        ("purged", Op::Purge),
        ("purged large", Op::Purge),
        ("updated", Op::Update),
        ("replaced", Op::Put(500)),
    ];
    ops.extend(COLD.iter().cycle().take(24).map(|name| (*name, Op::Put(120_000))));
    ops
}

/// What has moved to the main ring is replaced and purged, in segments that go; then none of it must be back.
fn ops_of_both_rings() -> Vec<(&'static str, Op)> {
    const COLD: [&str; 8] = ["c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7"];
    let mut ops = vec![("replaced", Op::Put(900)), ("purged", Op::Put(900))];
    ops.extend([("purged large", Op::Put(270_000)), ("updated", Op::Put(270_000))]);
    ops.extend(["replaced", "purged", "purged large", "updated"].map(|name| (name, Op::Get)));
    let churn = |ops: &mut Vec<_>, len, count| {
        ops.extend(COLD.iter().cycle().take(count).map(|name| (*name, Op::Put(len))));
    };
    churn(&mut ops, 120_000, 16);
    ops.extend(["purged", "purged large"].map(|name| (name, Op::Purge)));
    ops.extend([("updated", Op::Update), ("replaced", Op::Put(400))]);
    ops.extend([("purged", Op::Put(300)), ("purged", Op::Purge)]);
    churn(&mut ops, 110_000, 20);
    ops
}

/// Segments that begin with an entry and have its tombstone further on, until logs are taken over several times: the first
/// record of the new segment lies where the entry was, the next where the tombstone was.
fn ops_of_short_lives() -> Vec<(&'static str, Op)> {
    const BRIEF: [&str; 24] = [
        "b0", "b1", "b2", "b3", "b4", "b5", "b6", "b7", "b8", "b9", "b10", "b11", "b12", "b13", "b14", "b15",
        "b16", "b17", "b18", "b19", "b20", "b21", "b22", "b23",
    ];
    let segment = |name| {
        [
            (name, Op::Put(5_000)),
            ("filler", Op::Put(50_000)),
            (name, Op::Purge),
            ("filler", Op::Put(76_000)),
        ]
    };
    BRIEF.into_iter().flat_map(segment).collect()
}

/// Bodies in files, which are taken over by the next ones from the second third on.
fn ops_of_files() -> Vec<(&'static str, Op)> {
    const COLD: [&str; 16] = [
        "c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c9", "c10", "c11", "c12", "c13", "c14", "c15",
    ];
    let mut ops: Vec<_> = COLD.iter().map(|name| (*name, Op::Put(290_000))).collect();
    ops.extend(COLD.iter().take(14).map(|name| (*name, Op::Put(280_000))));
    ops
}

fn expect_nothing_wrong(wrong: Vec<String>) {
    assert!(
        wrong.is_empty(),
        "{} cuts go wrong; the first: {}",
        wrong.len(),
        wrong[0]
    );
}

#[tokio::test]
async fn nothing_that_was_finished_is_lost_where_every_commit_is_durable() {
    let run = Run::of(Sync::Always, ROOMY, ALL_KINDS, true).await;
    expect_nothing_wrong(run.cut_everywhere(Names::InOrder).await);
    expect_nothing_wrong(run.cut_everywhere(Names::AnyOrder).await);
}

#[tokio::test]
async fn what_was_synced_at_the_interval_is_there_and_nothing_older_comes_back() {
    let run = Run::of(Sync::Interval(Duration::from_millis(1)), ROOMY, ALL_KINDS, true).await;
    expect_nothing_wrong(run.cut_everywhere(Names::InOrder).await);
    expect_nothing_wrong(run.cut_everywhere(Names::AnyOrder).await);
}

#[tokio::test]
async fn nothing_wrong_is_served_where_nothing_is_ever_synced() {
    let run = Run::of(Sync::Never, ROOMY, ALL_KINDS, true).await;
    expect_nothing_wrong(run.cut_everywhere(Names::InOrder).await);
    expect_nothing_wrong(run.cut_everywhere(Names::AnyOrder).await);
}

/// Found here with names lost in any order: the removal of an old segment was lost, that of a younger one with the
/// tombstone was not, and the purged entry was back.
#[tokio::test]
async fn eviction_brings_back_nothing_that_was_purged_or_replaced() {
    for sync in [Sync::Always, Sync::Interval(Duration::from_millis(1))] {
        let run = Run::of(sync, 2 << 20, &ops_that_evict(), true).await;
        expect_nothing_wrong(run.cut_everywhere(Names::InOrder).await);
        expect_nothing_wrong(run.cut_everywhere(Names::AnyOrder).await);
    }
}

/// A log that was taken over was given back to its old segment by the cut, with the entry in it, and with its tombstone
/// written over.
#[tokio::test]
async fn a_log_that_is_given_back_after_it_was_taken_over_brings_back_nothing() {
    let sync = Sync::Interval(Duration::from_millis(1));
    let run = Run::of(sync, 2 << 20, &ops_of_short_lives(), true).await;
    expect_nothing_wrong(run.cut_everywhere(Names::AnyOrder).await);
}

/// A body file that was taken over is not given back to an entry that is found.
#[tokio::test]
async fn what_is_written_over_was_gone_for_good() {
    let sync = Sync::Interval(Duration::from_millis(1));
    let run = Run::of(sync, FILES_CAPACITY, &ops_of_files(), false).await;
    expect_nothing_wrong(run.cut_everywhere(Names::AnyOrder).await);
}

#[tokio::test]
async fn what_has_moved_to_the_main_ring_is_overruled_for_good() {
    for sync in [Sync::Always, Sync::Interval(Duration::from_millis(1))] {
        let run = Run::of(sync, 2 << 20, &ops_of_both_rings(), true).await;
        expect_nothing_wrong(run.cut_everywhere(Names::AnyOrder).await);
    }
}

/// Several records in one write: it can be torn in the middle of any of them.
#[tokio::test]
async fn a_group_commit_that_is_torn_costs_nothing_that_was_durable() {
    for sync in [
        Sync::Always,
        Sync::Interval(Duration::from_millis(1)),
        Sync::Never,
    ] {
        let run = Run::of_groups(sync).await;
        expect_nothing_wrong(run.cut_everywhere(Names::InOrder).await);
        expect_nothing_wrong(run.cut_everywhere(Names::AnyOrder).await);
    }
}

#[tokio::test]
async fn a_second_cut_while_the_store_recovers_from_the_first_costs_nothing_more() {
    for sync in [Sync::Always, Sync::Interval(Duration::from_millis(1))] {
        let run = Run::of(sync, ROOMY, ALL_KINDS, true).await;
        expect_nothing_wrong(run.cut_twice_everywhere(Names::InOrder).await);
        expect_nothing_wrong(run.cut_twice_everywhere(Names::AnyOrder).await);
    }
}

#[tokio::test]
async fn a_second_cut_after_evictions_brings_back_nothing_either() {
    let run = Run::of(Sync::Always, 2 << 20, &ops_that_evict(), true).await;
    expect_nothing_wrong(run.cut_twice_everywhere(Names::AnyOrder).await);
}
