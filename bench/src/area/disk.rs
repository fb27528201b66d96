//! The disk store beside bare system calls and the stores on disk.

use super::{ROOMY_BYTES, SIZES, Setting, contest, full_bytes, object_count, task};
use crate::Failure;
use crate::contender::files::{Append, FilePerObject, Into, Pread, TokioFs};
use crate::contender::least::Least;
use crate::contender::native::Native;
use crate::contender::{AnyContender, Operation, Pages, Task, contender};
use crate::measurement::{Measurement, Unit};
use crate::objects;
use crate::timing::{Concurrency, cores};
use forebay_disk::DiskOptions;
use std::path::Path;
use std::sync::Arc;

const AREA: &str = "disk";
/// What a round of fills may write.
const FILL_ROOM_BYTES: u64 = 32 << 20;
/// As many loads at a time as the tables of the design have.
const IN_FLIGHT: Concurrency = Concurrency::InFlight(32);

pub(super) fn measure(setting: Setting<'_>) -> Result<Vec<Measurement>, Failure> {
    let mut measured = Vec::new();
    for size in setting.sizes() {
        measured.extend(reads(setting, *size)?);
        measured.extend(writes(setting, *size)?);
    }
    measured.extend(mixed(setting)?);
    Ok(measured)
}

fn ours(dir: &Path, capacity_bytes: u64, keys: u64) -> Result<AnyContender, Failure> {
    let store = DiskOptions::new(dir.join("store"))
        .capacity_bytes(capacity_bytes)
        .open()?;
    Ok(contender(Native::new("forebay-disk", Arc::new(store), keys)?))
}

/// The stores of others.
#[cfg(feature = "peers")]
fn peers(dir: &Path, capacity_bytes: u64, size: usize) -> Result<Vec<AnyContender>, Failure> {
    use crate::contender::foyer::Foyer;
    use crate::contender::stores::{Cacache, Fjall, Redb};
    Ok(vec![
        contender(Foyer::new(dir, capacity_bytes, size)?),
        contender(Cacache::new(dir)?),
        contender(Redb::new(dir, 64 << 20)?),
        contender(Fjall::new(dir, 64 << 20)?),
    ])
}

#[cfg(not(feature = "peers"))]
fn peers(_dir: &Path, _capacity_bytes: u64, _size: usize) -> Result<Vec<AnyContender>, Failure> {
    Ok(Vec::new())
}

fn reads(setting: Setting<'_>, size: usize) -> Result<Vec<Measurement>, Failure> {
    let (count, body, dir) = (object_count(size), objects::body(size), setting.folder("disk")?);
    let dir = dir.path();
    let mut stores = vec![
        ours(dir, ROOMY_BYTES, 2 * count)?,
        contender(FilePerObject::new(dir)?),
    ];
    stores.extend(peers(dir, ROOMY_BYTES, size)?);
    let tokio = contender(TokioFs::new(dir)?);
    for store in stores.iter().chain([&tokio]) {
        store.store(count, &body)?;
    }
    let least = Arc::new(Least::new(dir, count, &body)?);
    let limits = [
        contender(Pread::new(dir, count, &body, Into::OneBuffer)?),
        contender(Pread::new(dir, count, &body, Into::Verified)?),
        contender(Pread::new(dir, count, &body, Into::NewBuffer)?),
        contender(Native::new("a verified read by the trait", least, count)?),
    ];
    let all: Vec<_> = stores.iter().chain(&limits).chain([&tokio]).collect();
    let stores: Vec<_> = stores.iter().collect();
    let ask = |operation, concurrency, room_bytes, contenders: &[&AnyContender]| {
        contest(
            AREA,
            setting,
            &task(operation, concurrency, size),
            room_bytes,
            contenders,
        )
    };
    let mut measured = Vec::new();
    for threads in setting.threads() {
        measured.extend(ask(Operation::Hit, threads, u64::MAX, &all));
    }
    measured.extend(ask(Operation::Hit, IN_FLIGHT, u64::MAX, &all));
    if size == SIZES[0] {
        measured.extend(system_calls(stores[0], size)?);
    }
    let one = Concurrency::Threads(1);
    measured.extend(ask(Operation::Range, one, u64::MAX, &stores));
    if size == SIZES[0] {
        measured.extend(ask(Operation::Miss, one, u64::MAX, &stores));
        measured.extend(ask(Operation::UpdateMeta, one, FILL_ROOM_BYTES, &stores));
        measured.extend(ask(Operation::Purge, one, FILL_ROOM_BYTES / 16, &stores));
    }
    if size >= 1 << 20 {
        for followers in [1, 10, 100] {
            let operation = Operation::Follow(followers);
            measured.extend(ask(operation, Concurrency::InFlight(1), FILL_ROOM_BYTES, &stores));
        }
    }
    Ok(measured)
}

/// How many `read`s and `write`s an operation takes, of whatever kind they are.
fn system_calls(ours: &AnyContender, size: usize) -> Result<Vec<Measurement>, Failure> {
    const OPERATIONS: u64 = 10_000;
    let count = |operation: Operation| {
        let asked = task(operation, Concurrency::Threads(1), size);
        let mut work = ours.entrant(&asked).work?;
        let before = read_and_write_calls()?;
        work(OPERATIONS)?;
        let calls = read_and_write_calls()? - before;
        Ok(Measurement {
            area: AREA,
            operation: format!("system calls of a {}", asked.operation.name()),
            size_bytes: None,
            concurrency: 1,
            contender: ours.name().to_owned(),
            unit: Unit::Ratio,
            rounds: vec![calls as f64 / OPERATIONS as f64],
            note: Some("reads and writes, by the kernel's count".to_owned()),
        })
    };
    [Operation::Hit, Operation::Miss].into_iter().map(count).collect()
}

fn read_and_write_calls() -> Result<u64, Failure> {
    let io = std::fs::read_to_string("/proc/self/io")?;
    let calls = io
        .lines()
        .filter_map(|line| line.strip_prefix("syscr: ").or(line.strip_prefix("syscw: ")));
    Ok(calls.filter_map(|count| count.parse::<u64>().ok()).sum())
}

fn writes(setting: Setting<'_>, size: usize) -> Result<Vec<Measurement>, Failure> {
    let mut measured = Vec::new();
    for (pages, capacity_bytes) in [(Pages::Fresh, ROOMY_BYTES), (Pages::Warm, full_bytes(size))] {
        // A writer alone, and eight of them, whose records can share a write.
        for writers in [Concurrency::Threads(1), Concurrency::InFlight(8)] {
            let eight = writers != Concurrency::Threads(1);
            if eight && size != 16 << 10 {
                continue;
            }
            let dir = setting.folder("disk")?;
            let dir = dir.path();
            let mut stores = vec![ours(dir, capacity_bytes, 0)?, contender(FilePerObject::new(dir)?)];
            stores.push(match pages {
                Pages::Fresh => contender(Append::fresh(dir)?),
                Pages::Warm => contender(Append::warm(dir, capacity_bytes)?),
            });
            stores.extend(peers(dir, capacity_bytes, size)?);
            let body = objects::body(size);
            if pages == Pages::Warm {
                for store in &stores {
                    store.store_full(capacity_bytes, object_count(size), &body)?;
                }
            }
            let fill = task(Operation::Fill(pages), writers, size);
            let stores: Vec<_> = stores.iter().collect();
            measured.extend(contest(AREA, setting, &fill, FILL_ROOM_BYTES, &stores));
        }
    }
    Ok(measured)
}

/// Objects of 16 KiB, of which a quarter fits into the stores that are bounded.
fn mixed(setting: Setting<'_>) -> Result<Vec<Measurement>, Failure> {
    let (size, objects) = (16 << 10, 16_384_u64);
    let trace = crate::policy::trace::zipf(objects, 1 << 18, 0.9)
        .into_iter()
        .map(|access| access.id);
    let mixed = Task {
        objects,
        trace: trace.collect(),
        ..task(Operation::Mixed, Concurrency::Threads(cores().max(2)), size)
    };
    let (dir, capacity_bytes) = (setting.folder("disk")?, objects / 4 * (size as u64 + 1024));
    let mut stores = vec![ours(dir.path(), capacity_bytes, objects)?];
    stores.extend(peers(dir.path(), capacity_bytes, size)?);
    let stores: Vec<_> = stores.iter().collect();
    Ok(contest(AREA, setting, &mixed, u64::MAX, &stores))
}
