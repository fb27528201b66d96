//! Hit ratios on made-up traces, and what they cost in writing.

use super::Setting;
use crate::Failure;
use crate::measurement::{Measurement, Unit};
use crate::policy::peers::{Fifo, Lru, S3Fifo};
use crate::policy::rings::{Order, Rings};
use crate::policy::trace::{self, Access};
use crate::policy::{Policy, Real, hit_ratio};
use forebay_disk::{DiskOptions, DiskStats, Sync};
use forebay_memory::MemoryOptions;

const CAPACITY_BYTES: u64 = 64 << 20;
const BODY_BYTES_MAX: u64 = 512 << 10;
const OBJECTS: u64 = 60_000;
const EXPONENT: f64 = 0.9;
/// Objects that take half of the capacity.
const CHANGED: u64 = CAPACITY_BYTES / trace::EVEN_BYTES / 2;

pub(super) fn measure(setting: Setting<'_>) -> Result<Vec<Measurement>, Failure> {
    let length = if setting.quick { 60_000 } else { 600_000 };
    // Of mixed sizes fewer objects fill the same room ten times.
    let traces = [
        ("Zipf", trace::zipf(OBJECTS, length, EXPONENT)),
        ("scan", trace::scan(OBJECTS, length, EXPONENT)),
        ("change", trace::change(OBJECTS, length, EXPONENT, CHANGED)),
        ("mixed sizes", trace::mixed_sizes(OBJECTS / 8, length, EXPONENT)),
    ];
    let mut measured = Vec::new();
    for (name, trace) in &traces {
        eprintln!("bench: policy, {name}, {} accesses", trace.len());
        measured.extend(on_trace(setting, name, trace)?);
    }
    Ok(measured)
}

fn on_trace(setting: Setting<'_>, name: &str, trace: &[Access]) -> Result<Vec<Measurement>, Failure> {
    let dir = setting.folder("policy")?;
    let memory = MemoryOptions::new(CAPACITY_BYTES)
        .max_object_bytes(2 * BODY_BYTES_MAX)
        .build()?;
    let disk = DiskOptions::new(dir.path().join("store"))
        .capacity_bytes(CAPACITY_BYTES)
        .sync(Sync::Never)
        .open()?;
    let policies: [(&str, &mut dyn Policy); 8] = [
        ("forebay-memory", &mut Real::new(memory, BODY_BYTES_MAX)?),
        ("forebay-disk", &mut Real::new(disk.clone(), BODY_BYTES_MAX)?),
        ("LRU", &mut Lru::new(CAPACITY_BYTES)),
        ("FIFO", &mut Fifo::new(CAPACITY_BYTES)),
        ("S3-FIFO", &mut S3Fifo::new(CAPACITY_BYTES)),
        ("one ring", &mut Rings::new(CAPACITY_BYTES, Order::One(0.25))),
        (
            "one ring, more kept",
            &mut Rings::new(CAPACITY_BYTES, Order::One(0.75)),
        ),
        (
            "two rings, no ghosts",
            &mut Rings::new(CAPACITY_BYTES, Order::TwoWithoutGhosts),
        ),
    ];
    let ratios = policies
        .into_iter()
        .map(|(contender, policy)| {
            let is_ours = contender.starts_with("forebay");
            let note = if is_ours {
                "the store itself, its overhead counted"
            } else {
                "simulated, bodies counted"
            };
            Ok(Measurement {
                area: "policy",
                operation: name.to_owned(),
                size_bytes: None,
                concurrency: 1,
                contender: contender.to_owned(),
                unit: Unit::HitRatio,
                rounds: vec![hit_ratio(policy, trace)?],
                note: Some(note.to_owned()),
            })
        })
        .collect::<Result<Vec<_>, Failure>>()?;
    Ok(ratios.into_iter().chain([written(name, &disk.stats())]).collect())
}

/// What the order of eviction costs: bytes written for each byte that came in.
fn written(name: &str, stats: &DiskStats) -> Measurement {
    Measurement {
        area: "policy",
        operation: format!("{name}: bytes written per byte admitted"),
        size_bytes: None,
        concurrency: 1,
        contender: "forebay-disk".to_owned(),
        unit: Unit::Ratio,
        rounds: vec![stats.written_bytes as f64 / stats.admitted_bytes.max(1) as f64],
        note: Some("records and bodies; more than 1 is what was kept, and written again".to_owned()),
    }
}
