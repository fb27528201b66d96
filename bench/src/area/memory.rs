//! The memory store beside bare memory and the memory caches.

use super::{ROOMY_BYTES, Setting, contest, full_bytes, object_count, task};
use crate::Failure;
use crate::child;
use crate::contender::memory::{CloneLimit, CopyLimit, QuickCache};
use crate::contender::native::Native;
use crate::contender::{AnyContender, Operation, Pages, Task, contender};
use crate::measurement::{Measurement, Unit};
use crate::objects;
use crate::timing::{Concurrency, cores};
use forebay_memory::MemoryOptions;
use std::sync::Arc;

const AREA: &str = "memory";
/// What a round of fills may write.
const FILL_ROOM_BYTES: u64 = 64 << 20;
const UNBOUNDED: u64 = u64::MAX;

pub(super) fn measure(setting: Setting<'_>) -> Result<Vec<Measurement>, Failure> {
    let mut measured = Vec::new();
    for size in setting.sizes() {
        measured.extend(reads(setting, *size)?);
        measured.extend(writes(setting, *size)?);
    }
    measured.extend(mixed(setting)?);
    measured.extend(memory_per_entry(setting)?);
    Ok(measured)
}

/// The caches, ours first.
fn caches(capacity_bytes: u64, size: usize) -> Result<Vec<AnyContender>, Failure> {
    let ours = MemoryOptions::new(capacity_bytes).build()?;
    let keys = 2 * object_count(size);
    Ok(vec![
        contender(Native::new("forebay-memory", Arc::new(ours), keys)?),
        contender(QuickCache::new(capacity_bytes, size)?),
        #[cfg(feature = "peers")]
        contender(crate::contender::memory::Moka::new(capacity_bytes)?),
    ])
}

fn reads(setting: Setting<'_>, size: usize) -> Result<Vec<Measurement>, Failure> {
    let (count, body) = (object_count(size), objects::body(size));
    let caches = caches(ROOMY_BYTES, size)?;
    for cache in &caches {
        cache.store(count, &body)?;
    }
    let limits = [
        contender(CloneLimit::new(count, &body)),
        contender(CopyLimit::new(count, &body)),
    ];
    let with_limits: Vec<_> = caches.iter().chain(&limits).collect();
    let alone: Vec<_> = caches.iter().collect();
    let ask = |operation, concurrency, contenders: &[&AnyContender]| {
        contest(
            AREA,
            setting,
            &task(operation, concurrency, size),
            UNBOUNDED,
            contenders,
        )
    };
    let mut measured = Vec::new();
    for threads in setting.threads() {
        measured.extend(ask(Operation::Hit, threads, &with_limits));
    }
    let one = Concurrency::Threads(1);
    measured.extend(ask(Operation::Range, one, &alone));
    if size == super::SIZES[0] {
        measured.extend(ask(Operation::Miss, one, &alone));
        measured.extend(ask(Operation::UpdateMeta, one, &alone));
        let purge = task(Operation::Purge, one, size);
        measured.extend(contest(AREA, setting, &purge, FILL_ROOM_BYTES, &alone));
    }
    if size >= 1 << 20 {
        for followers in [1, 10, 100] {
            let followed = task(Operation::Follow(followers), Concurrency::InFlight(1), size);
            measured.extend(contest(AREA, setting, &followed, FILL_ROOM_BYTES, &alone));
        }
    }
    Ok(measured)
}

fn writes(setting: Setting<'_>, size: usize) -> Result<Vec<Measurement>, Failure> {
    let (body, mut measured) = (objects::body(size), Vec::new());
    for (pages, capacity_bytes) in [(Pages::Fresh, ROOMY_BYTES), (Pages::Warm, full_bytes(size))] {
        let mut contenders = caches(capacity_bytes, size)?;
        if pages == Pages::Warm {
            for cache in &contenders {
                cache.store_full(capacity_bytes, object_count(size), &body)?;
            }
        }
        contenders.push(contender(CopyLimit::new(0, &body)));
        let fill = task(Operation::Fill(pages), Concurrency::Threads(1), size);
        let contenders: Vec<_> = contenders.iter().collect();
        measured.extend(contest(AREA, setting, &fill, FILL_ROOM_BYTES, &contenders));
    }
    Ok(measured)
}

/// Objects of 16 KiB, of which a quarter fits.
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
    let contenders = caches(objects / 4 * (size as u64 + 1024), size)?;
    let contenders: Vec<_> = contenders.iter().collect();
    Ok(contest(AREA, setting, &mixed, UNBOUNDED, &contenders))
}

/// Each in a process of its own, since an allocator gives little back.
fn memory_per_entry(setting: Setting<'_>) -> Result<Vec<Measurement>, Failure> {
    let (entries, rounds) = if setting.quick { (50_000, 1) } else { (200_000, 3) };
    let mut measured = Vec::new();
    for name in child::per_entry::CONTENDERS {
        let mut values = Vec::new();
        let mut note = format!("beyond a body of 1 KiB, {entries} entries");
        for _ in 0..rounds {
            match child::ask(&["memory-per-entry", name, &entries.to_string()]) {
                Ok(answer) => values.push(answer["bytes_per_entry"].as_f64().unwrap_or(f64::NAN)),
                Err(failure) => note = failure.to_string(),
            }
        }
        measured.push(Measurement {
            area: AREA,
            operation: "memory per entry".to_owned(),
            size_bytes: Some(1024),
            concurrency: 1,
            contender: name.to_owned(),
            unit: Unit::BytesPerEntry,
            rounds: values,
            note: Some(note),
        });
    }
    Ok(measured)
}
