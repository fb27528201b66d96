//! A process that fills, purges, updates and expires at full speed is killed at random moments, again and again; whatever
//! was finished is there, nothing else is, on disk either.
//!
//! `FOREBAY_CRASH_ROUNDS` sets how often (20; `cargo xtask soak crash` takes 200), `FOREBAY_CRASH_SEED` by which numbers.

mod common;

use common::*;
use forebay_core::{PurgeTarget, PurgeType, Storage};
use forebay_disk::{DiskOptions, DiskStorage, Sync};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

/// Without eviction: every miss is a loss.
const ROOMY: u64 = 4 << 30;
/// With a new segment, and an eviction, every few writes.
const TIGHT: u64 = 8 << 20;
const TASKS: u64 = 3;
const KEYS_PER_TASK: u64 = 8;
/// So many rounds share a directory.
const ROUNDS_PER_DIR: u64 = 10;

const CHILD_DIR: &str = "FOREBAY_CRASH_CHILD_DIR";
const CHILD_SEED: &str = "FOREBAY_CRASH_CHILD_SEED";
const CHILD_CAPACITY: &str = "FOREBAY_CRASH_CHILD_CAPACITY";

/// What a key is: the writes whose meta and body it has, and whether it is expired. `None` if it has no entry.
type State = Option<(u64, u64, bool)>;

/// Numbers by chance, the same for the same seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % end
    }
}

/// The length of the body of a write.
fn len_of(write: u64) -> usize {
    [0, 300, 300, 9_000, 90_000, 262_144, 262_145, 700_000][(write % 8) as usize] + (write / 8 % 7) as usize
}

/// What one operation makes of a state.
#[derive(Clone, Copy)]
enum Step {
    Put,
    Abandon,
    Purge,
    Update,
    Expire,
}

impl Step {
    fn by_chance(chance: &mut Chance) -> Step {
        [
            Step::Put,
            Step::Put,
            Step::Put,
            Step::Abandon,
            Step::Purge,
            Step::Update,
            Step::Expire,
        ][chance.below(7) as usize]
    }

    fn of(self, state: State, number: u64) -> State {
        match (self, state) {
            (Step::Put, _) => Some((number, number, false)),
            (Step::Abandon, state) => state,
            (Step::Purge, _) => None,
            (Step::Update, state) => state.map(|(_, body, _)| (number, body, false)),
            (Step::Expire, state) => state.map(|(meta, body, _)| (meta, body, true)),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Step::Put => "put",
            Step::Abandon => "abandon",
            Step::Purge => "purge",
            Step::Update => "update",
            Step::Expire => "expire",
        }
    }

    fn named(name: &str) -> Option<Step> {
        [Step::Put, Step::Abandon, Step::Purge, Step::Update, Step::Expire]
            .into_iter()
            .find(|step| step.name() == name)
    }
}

/// Not a test by itself: what the process does that the test below kills.
#[test]
fn child_that_works_until_it_is_killed() {
    let Ok(dir) = std::env::var(CHILD_DIR) else { return };
    let number = |name| std::env::var(name).unwrap().parse::<u64>().unwrap();
    let seed = number(CHILD_SEED);
    let sync = [Sync::Never, Sync::Interval(Duration::from_millis(2))][(seed % 2) as usize];
    let options = DiskOptions::new(dir).capacity_bytes(number(CHILD_CAPACITY));
    let store = options.sync(sync).open().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(TASKS as usize)
        .build()
        .unwrap();
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| runtime.spawn(work(store.clone(), task, Chance(seed ^ (task << 40)), seed)))
        .collect();
    for task in tasks {
        runtime.block_on(task).unwrap();
    }
}

/// Works on keys of its own, one operation after the other, and says what it begins and what it has finished.
async fn work(store: DiskStorage, task: u64, mut chance: Chance, seed: u64) {
    // No two writes of all rounds share a number.
    let first = (seed & 0xffff_ffff) << 24 | task;
    for count in 0u64.. {
        let write = first + count * TASKS;
        let name = format!("{task}.{}", chance.below(KEYS_PER_TASK));
        let step = Step::by_chance(&mut chance);
        println!("\nbegin {name} {} {write}", step.name());
        execute(&store, &name, step, write).await;
        println!("\ndone {name} {} {write}", step.name());
    }
}

async fn execute(store: &DiskStorage, name: &str, step: Step, write: u64) {
    let compact = key(name).to_compact();
    let meta = meta(&write.to_string());
    match step {
        Step::Put | Step::Abandon => {
            let mut miss = store.get_miss_handler(&key(name), &meta, &none()).await.unwrap();
            let mut rest = body(len_of(write), write);
            while !rest.is_empty() {
                let chunk = rest.split_to(rest.len().min(50_000));
                miss.write_body(chunk, false).await.unwrap();
            }
            if let Step::Put = step {
                miss.finish().await.unwrap();
            }
        }
        Step::Purge => drop(
            store
                .purge(&compact, PurgeType::Invalidation, &none())
                .await
                .unwrap(),
        ),
        Step::Update => drop(store.update_meta(&key(name), &meta, &none()).await.unwrap()),
        Step::Expire => drop(
            store
                .expire(PurgeTarget::Active(&compact), &none())
                .await
                .unwrap(),
        ),
    }
}

/// A directory, and what each key in it may be.
struct Site {
    dir: tempfile::TempDir,
    capacity: u64,
    states: BTreeMap<String, State>,
    killed: u64,
}

impl Site {
    fn new(capacity: u64) -> Self {
        Site {
            dir: tempfile::tempdir().unwrap(),
            capacity,
            states: BTreeMap::new(),
            killed: 0,
        }
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("store")
    }

    /// Runs a child and kills it after so many lines; the operations that had begun and were not finished.
    fn run_and_kill(&mut self, seed: u64, lines: u64) -> BTreeMap<String, State> {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_that_works_until_it_is_killed", "--nocapture"])
            .env(CHILD_DIR, self.root())
            .env(CHILD_SEED, seed.to_string())
            .env(CHILD_CAPACITY, self.capacity.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut begun = BTreeMap::new();
        let mut seen = 0;
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            let [word, name, step, write] = line.split(' ').collect::<Vec<_>>()[..] else {
                continue;
            };
            let (Some(step), Ok(write)) = (Step::named(step), write.parse()) else {
                continue;
            };
            let before = self.states.get(name).copied().flatten();
            let after = step.of(before, write);
            if word == "begin" {
                begun.insert(name.to_owned(), after);
            } else {
                begun.remove(name);
                self.states.insert(name.to_owned(), after);
            }
            seen += 1;
            if seen == lines {
                child.kill().unwrap(); // what is in the pipe is still read, to the last operation that was finished
            }
        }
        child.wait().unwrap();
        assert!(seen >= lines, "the child ended by itself");
        self.killed += 1;
        begun
    }

    /// Opens what is left, and compares every key, the files, and their size.
    async fn check(&mut self, begun: &BTreeMap<String, State>) -> Result<(), String> {
        let options = DiskOptions::new(self.root())
            .capacity_bytes(self.capacity)
            .sync(Sync::Never);
        let store = options.open().map_err(|error| format!("open: {error}"))?;
        let names: BTreeSet<String> = self.states.keys().chain(begun.keys()).cloned().collect();
        for name in names {
            let last = self.states.get(&name).copied().flatten();
            let mut allowed = vec![last];
            allowed.extend(begun.get(&name).copied());
            if self.capacity == TIGHT {
                allowed.push(None); // evicted
            }
            let found = look(&store, &name, &allowed).await?;
            self.states.insert(name, found);
        }
        let stats = store.stats();
        if stats.corrupt_entries > 0 {
            return Err(format!("damaged entries: {stats:?}"));
        }
        let used = disk_usage(&self.root());
        if used > stats.resident_bytes + 4096 || stats.resident_bytes > self.capacity {
            return Err(format!("{used} bytes on disk: {stats:?}"));
        }
        expect_no_stray(&self.root())
    }
}

/// Which of the allowed states a key is in.
async fn look(store: &DiskStorage, name: &str, allowed: &[State]) -> Result<State, String> {
    let mut found = None;
    if let Some((meta, mut hit)) = find(store, name).await {
        let bytes = read(&mut *hit)
            .await
            .map_err(|error| format!("{name}: {error}"))?;
        let tag = String::from_utf8_lossy(meta.head().get("etag").unwrap()).into_owned();
        found = Some((tag, bytes, !meta.is_fresh(SystemTime::now())));
    }
    let is = |state: &State| match (&found, state) {
        (None, None) => true,
        (Some((tag, bytes, expired)), Some((meta, write, expected))) => {
            *tag == meta.to_string() && expired == expected && *bytes == body(len_of(*write), *write)
        }
        _ => false,
    };
    allowed.iter().copied().find(is).ok_or_else(|| {
        let found = found.map(|(tag, bytes, expired)| (tag, bytes.len(), expired));
        format!("{name}: {found:?} is none of {allowed:?}")
    })
}

#[tokio::test]
async fn whatever_was_finished_outlives_a_kill_and_nothing_else_does() {
    let number = |name, default| std::env::var(name).map_or(default, |n: String| n.parse().unwrap());
    let rounds: u64 = number("FOREBAY_CRASH_ROUNDS", 20);
    let seed: u64 = number("FOREBAY_CRASH_SEED", u64::from(std::process::id()));
    println!("FOREBAY_CRASH_SEED={seed}");
    let mut chance = Chance(seed);
    let mut sites = [Site::new(ROOMY), Site::new(TIGHT)];
    for round in 0..rounds {
        let site = &mut sites[(round % 2) as usize];
        if site.killed == ROUNDS_PER_DIR {
            *site = Site::new(site.capacity);
        }
        let lines = 1 + chance.below(400);
        let begun = site.run_and_kill((seed << 16) + round, lines);
        if let Err(what) = site.check(&begun).await {
            panic!("round {round} of FOREBAY_CRASH_SEED={seed}: {what}");
        }
        if (round + 1) % 100 == 0 {
            println!("{} of {rounds} kills survived", round + 1);
        }
    }
}
