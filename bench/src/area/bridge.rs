//! Both stores through pingora's trait, beside pingora's `MemCache` and the native calls.

use super::{ROOMY_BYTES, SIZES, Setting, contest, full_bytes, object_count, task};
use crate::Failure;
use crate::contender::native::Native;
use crate::contender::pingora::Pingora;
use crate::contender::{AnyContender, Operation, Pages, Task, contender};
use crate::measurement::Measurement;
use crate::objects;
use crate::timing::{Concurrency, cores};
use forebay_core::Storage;
use forebay_disk::DiskOptions;
use forebay_memory::MemoryOptions;
use std::path::Path;
use std::sync::Arc;

const AREA: &str = "bridge";
const FILL_ROOM_BYTES: u64 = 32 << 20;

pub(super) fn measure(setting: Setting<'_>) -> Result<Vec<Measurement>, Failure> {
    let mut measured = Vec::new();
    for size in setting.sizes() {
        measured.extend(reads(setting, *size)?);
        measured.extend(writes(setting, *size)?);
    }
    measured.extend(mixed(setting)?);
    Ok(measured)
}

/// Both stores, and both behind the bridge, and `MemCache`.
struct Field {
    native: Vec<AnyContender>,
    bridged: Vec<AnyContender>,
    mem_cache: AnyContender,
}

impl Field {
    fn new(dir: &Path, capacity_bytes: u64, keys: u64) -> Result<Self, Failure> {
        let memory: Arc<dyn Storage> = Arc::new(MemoryOptions::new(capacity_bytes).build()?);
        let disk = DiskOptions::new(dir.join("store"))
            .capacity_bytes(capacity_bytes)
            .open()?;
        let disk: Arc<dyn Storage> = Arc::new(disk);
        let mut field = Field {
            native: Vec::new(),
            bridged: Vec::new(),
            mem_cache: contender(Pingora::mem_cache(keys)?),
        };
        for (name, store) in [("forebay-memory", memory), ("forebay-disk", disk)] {
            let bridged = forebay_pingora::leak(store.clone());
            field.native.push(contender(Native::new(name, store, keys)?));
            field.bridged.push(contender(Pingora::bridged(
                &format!("{name}, bridge"),
                bridged,
                keys,
            )?));
        }
        Ok(field)
    }

    /// All that go through pingora's trait.
    fn through_pingora(&self) -> Vec<&AnyContender> {
        self.bridged.iter().chain([&self.mem_cache]).collect()
    }

    fn all(&self) -> Vec<&AnyContender> {
        self.bridged
            .iter()
            .chain([&self.mem_cache])
            .chain(&self.native)
            .collect()
    }

    /// What pingora was given lives as long as the process: at least what lies in memory goes.
    fn clear(&self) {
        self.bridged[0].clear();
        self.mem_cache.clear();
    }
}

fn reads(setting: Setting<'_>, size: usize) -> Result<Vec<Measurement>, Failure> {
    let (count, body, dir) = (object_count(size), objects::body(size), setting.folder("bridge")?);
    let field = Field::new(dir.path(), ROOMY_BYTES, 2 * count)?;
    for contender in field.through_pingora() {
        contender.store(count, &body)?;
    }
    // It has what is looked up, and nothing can be written to it.
    let floor = contender(Pingora::types_alone(count, body)?);
    let (mut all, through_pingora) = (field.all(), field.through_pingora());
    all.push(&floor);
    let mut that_read = through_pingora.clone();
    that_read.push(&floor);
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
    let one = Concurrency::Threads(1);
    measured.extend(ask(Operation::Range, one, u64::MAX, &that_read));
    if size == SIZES[0] {
        measured.extend(ask(Operation::Miss, one, u64::MAX, &through_pingora));
        measured.extend(ask(Operation::UpdateMeta, one, FILL_ROOM_BYTES, &through_pingora));
        measured.extend(ask(Operation::Purge, one, FILL_ROOM_BYTES / 8, &through_pingora));
    }
    if size >= 1 << 20 {
        for followers in [1, 10, 100] {
            let operation = Operation::Follow(followers);
            measured.extend(ask(
                operation,
                Concurrency::InFlight(1),
                FILL_ROOM_BYTES,
                &through_pingora,
            ));
        }
    }
    field.clear();
    Ok(measured)
}

fn writes(setting: Setting<'_>, size: usize) -> Result<Vec<Measurement>, Failure> {
    let body = objects::body(size);
    let mut measured = Vec::new();
    for (pages, capacity_bytes) in [(Pages::Fresh, ROOMY_BYTES), (Pages::Warm, full_bytes(size))] {
        let dir = setting.folder("bridge")?;
        let field = Field::new(dir.path(), capacity_bytes, object_count(size))?;
        if pages == Pages::Warm {
            for contender in field.through_pingora() {
                contender.store_full(capacity_bytes, object_count(size), &body)?;
            }
        }
        let fill = task(Operation::Fill(pages), Concurrency::Threads(1), size);
        measured.extend(contest(
            AREA,
            setting,
            &fill,
            FILL_ROOM_BYTES,
            &field.through_pingora(),
        ));
        field.clear();
    }
    Ok(measured)
}

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
    let dir = setting.folder("bridge")?;
    let field = Field::new(dir.path(), objects / 4 * (size as u64 + 1024), objects)?;
    let measured = contest(AREA, setting, &mixed, u64::MAX, &field.through_pingora());
    field.clear();
    Ok(measured)
}
