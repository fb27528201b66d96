//! The areas of the suite: what is measured in each, and with whom.

mod bridge;
mod disk;
mod memory;
mod policy;
mod store;

use crate::Failure;
use crate::comparison::{Comparison, Plan, compare};
use crate::contender::{AnyContender, Operation, Task};
use crate::folder::Folder;
use crate::measurement::Measurement;
use crate::objects;
use crate::report::words;
use crate::timing::Concurrency;
use crate::used_memory::UsedMemory;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// What can be asked for, with what it is about.
pub const AREAS: [(&str, &str); 6] = [
    (
        "memory",
        "the memory store, native, beside bare memory, quick_cache and moka; memory per entry",
    ),
    (
        "disk",
        "the disk store, native, beside bare system calls, foyer, cacache, redb and fjall",
    ),
    (
        "bridge",
        "both stores through pingora's trait, beside pingora's MemCache",
    ),
    (
        "store",
        "the disk store as a whole: a million entries, opening, latency while filling, slow fills, 1 GiB",
    ),
    (
        "policy",
        "hit ratios of both stores beside LRU, FIFO and S3-FIFO on three traces",
    ),
    ("proxy", "forebay-proxy beside other proxies"),
];

/// How a run is done.
#[derive(Debug, Clone, Copy)]
pub struct Setting<'a> {
    /// Fewer sizes and rounds, to see whether everything works.
    pub quick: bool,
    /// Where stores may be made, on the file system to be measured.
    pub dir: &'a Path,
    /// What else memory holds.
    pub memory: &'a UsedMemory,
}

/// Measures one area.
///
/// # Errors
/// Where the area could not be set up; a contender that fails is told in its measurement.
pub fn measure(area: &str, setting: Setting<'_>) -> Result<Vec<Measurement>, Failure> {
    match area {
        "memory" => memory::measure(setting),
        "disk" => disk::measure(setting),
        "bridge" => bridge::measure(setting),
        "store" => store::measure(setting),
        "policy" => policy::measure(setting),
        "proxy" => Ok(crate::proxy::measure(setting.quick, setting.memory)),
        _ => Err(format!("no area \"{area}\"").into()),
    }
}

/// What a store may hold where nothing is to be evicted.
const ROOMY_BYTES: u64 = 2 << 30;
const SIZES: [usize; 5] = [1 << 10, 16 << 10, 128 << 10, 1 << 20, 16 << 20];

impl Setting<'_> {
    fn plan(self) -> Plan {
        Plan::new(self.quick)
    }

    fn sizes(self) -> &'static [usize] {
        if self.quick { &SIZES[..4] } else { &SIZES }
    }

    /// One thread, and as many as there are cores (two where there is one, to see what waits for what).
    fn threads(self) -> [Concurrency; 2] {
        [1, crate::timing::cores().max(2)].map(Concurrency::Threads)
    }

    fn folder(self, name: &str) -> Result<Folder, Failure> {
        let folder = Folder::new_in(self.dir, name);
        Ok(folder.map_err(|error| format!("a folder in {}: {error}", self.dir.display()))?)
    }
}

/// How many objects of a size are kept: enough that they are not all in the first caches, few enough to stay in memory.
fn object_count(size_bytes: usize) -> u64 {
    ((64 << 20) / size_bytes as u64).clamp(4, 1009)
}

/// What the stores hold that are measured full: the less, the smaller its objects, since it has to be filled first.
fn full_bytes(size_bytes: usize) -> u64 {
    (size_bytes as u64 * 4096).clamp(32 << 20, 256 << 20)
}

/// One operation on objects of one size.
fn task(operation: Operation, concurrency: Concurrency, size_bytes: usize) -> Task {
    Task {
        operation,
        concurrency,
        objects: object_count(size_bytes),
        body: objects::body(size_bytes),
        trace: Arc::from([]),
    }
}

/// Lets contenders do one task in turns.
fn contest(
    area: &'static str,
    setting: Setting<'_>,
    task: &Task,
    room_bytes: u64,
    contenders: &[&AnyContender],
) -> Vec<Measurement> {
    let has_size = !matches!(task.operation, Operation::Miss);
    let what = Comparison {
        area,
        operation: task.operation.name(),
        size_bytes: has_size.then_some(task.body.len() as u64),
        concurrency: task.concurrency.count(),
        operations_max: (room_bytes / task.body.len().max(1) as u64).max(1),
    };
    setting.memory.fill();
    let started = Instant::now();
    let measured = compare(
        &what,
        setting.plan(),
        contenders
            .iter()
            .map(|contender| contender.entrant(task))
            .collect(),
    );
    eprintln!(
        "bench: {area}, {}, {}, {} at a time: {:.1?}",
        what.operation,
        words::size(task.body.len() as u64),
        what.concurrency,
        started.elapsed()
    );
    measured
}
