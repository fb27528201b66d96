//! Segments: their place on disk, what they hold, and what they cost.

use crate::format::footer::{ITEM_BYTES, TAIL_BYTES};
use crate::io::File;
use crate::ring::Ring;
use crossbeam_utils::sync::{ShardedLock, ShardedLockReadGuard, ShardedLockWriteGuard};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};

/// What a file system gives to a file at least, and rounds up to.
const DISK_BLOCK_BYTES: u64 = 4096;

/// One segment. Whoever holds it can read its log, also after it was evicted.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) number: u32,
    pub(crate) log: Arc<dyn File>,
    /// How many slots of the index point here.
    live: AtomicI64,
    log_bytes: AtomicU64,
    /// What its log occupies already where that is more: one that was taken over, or that has pages ahead, is longer than
    /// what was written.
    allocated_bytes: AtomicU64,
    records: AtomicU64,
    /// Whether any of its records may say something else of a key than an earlier one did.
    overrules: AtomicBool,
    bodies_bytes: AtomicU64,
    /// The length of each body file, by generation.
    bodies: Mutex<HashMap<u64, u64>>,
    /// Where its footprint is counted, as long as it is in the map.
    total: Mutex<Option<Arc<AtomicU64>>>,
}

impl Segment {
    pub(crate) fn new(number: u32, log: Arc<dyn File>, log_bytes: u64) -> Self {
        Segment {
            number,
            log,
            live: AtomicI64::new(0),
            log_bytes: AtomicU64::new(log_bytes),
            allocated_bytes: AtomicU64::new(0),
            records: AtomicU64::new(0),
            overrules: AtomicBool::new(false),
            bodies_bytes: AtomicU64::new(0),
            bodies: Mutex::default(),
            total: Mutex::default(),
        }
    }

    /// Changes what it occupies, as the one that is allowed to, and counts that.
    fn change<R>(&self, change: impl FnOnce() -> R) -> R {
        let before = self.footprint_bytes();
        let result = change();
        if let Some(total) = &*self.total.lock() {
            total.fetch_add(self.footprint_bytes().wrapping_sub(before), Ordering::AcqRel);
        }
        result
    }

    pub(crate) fn live(&self) -> i64 {
        self.live.load(Ordering::Acquire)
    }

    pub(crate) fn add_live(&self, change: i64) {
        self.live.fetch_add(change, Ordering::AcqRel);
    }

    /// Counts records that were appended.
    pub(crate) fn grow(&self, bytes: u64, records: u64) {
        self.change(|| {
            self.log_bytes.fetch_add(bytes, Ordering::AcqRel);
            self.records.fetch_add(records, Ordering::AcqRel);
        });
    }

    /// Notes that a record says something else of its key than an earlier one.
    pub(crate) fn set_overrules(&self) {
        self.overrules.store(true, Ordering::Release);
    }

    pub(crate) fn overrules(&self) -> bool {
        self.overrules.load(Ordering::Acquire)
    }

    /// Counts a body file.
    pub(crate) fn add_body(&self, generation: u64, file_bytes: u64) {
        let old = self.bodies.lock().insert(generation, file_bytes);
        let more = disk_bytes(file_bytes).wrapping_sub(old.map_or(0, disk_bytes));
        self.change(|| self.bodies_bytes.fetch_add(more, Ordering::AcqRel));
    }

    /// No longer counts a body file; its length.
    pub(crate) fn take_body(&self, generation: u64) -> Option<u64> {
        let file_bytes = self.bodies.lock().remove(&generation)?;
        let less = disk_bytes(file_bytes);
        self.change(|| self.bodies_bytes.fetch_sub(less, Ordering::AcqRel));
        Some(file_bytes)
    }

    /// The length of a body file.
    pub(crate) fn body_bytes(&self, generation: u64) -> Option<u64> {
        self.bodies.lock().get(&generation).copied()
    }

    /// The generations that have a body file here, oldest first, each with the length of that.
    pub(crate) fn bodies(&self) -> Vec<(u64, u64)> {
        let bodies = self.bodies.lock();
        let mut bodies: Vec<_> = bodies
            .iter()
            .map(|(generation, len)| (*generation, *len))
            .collect();
        bodies.sort_unstable();
        bodies
    }

    /// Says how long the file of the log is, whatever was written of it.
    pub(crate) fn set_allocated(&self, bytes: u64) {
        self.change(|| self.allocated_bytes.store(bytes, Ordering::Release));
    }

    /// How much can be written to the log without it growing.
    pub(crate) fn unwritten_bytes(&self) -> u64 {
        let allocated = disk_bytes(self.allocated_bytes.load(Ordering::Acquire));
        allocated.saturating_sub(self.log_and_footer_bytes())
    }

    /// What the segment occupies on disk, the footer to come included.
    pub(crate) fn footprint_bytes(&self) -> u64 {
        self.written_bytes() + self.unwritten_bytes()
    }

    /// The same, but for what of the log was not written yet.
    pub(crate) fn written_bytes(&self) -> u64 {
        self.log_and_footer_bytes() + self.bodies_bytes.load(Ordering::Acquire)
    }

    fn log_and_footer_bytes(&self) -> u64 {
        let footer = self.records.load(Ordering::Acquire) * ITEM_BYTES as u64 + TAIL_BYTES as u64;
        disk_bytes(self.log_bytes.load(Ordering::Acquire) + footer)
    }
}

/// What a file of this length occupies.
pub(crate) fn disk_bytes(file_bytes: u64) -> u64 {
    file_bytes.next_multiple_of(DISK_BLOCK_BYTES)
}

/// The segments of a store, in the order of replay: those of the main ring, oldest first, then those on probation.
#[derive(Debug, Default)]
pub(crate) struct Segments {
    /// By a lock of which each thread has a part: every hit looks here.
    by_number: ShardedLock<BTreeMap<u32, Arc<Segment>>>,
    /// What those of each ring occupy together.
    footprints: [Arc<AtomicU64>; 2],
}

impl Segments {
    fn read(&self) -> ShardedLockReadGuard<'_, BTreeMap<u32, Arc<Segment>>> {
        self.by_number.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> ShardedLockWriteGuard<'_, BTreeMap<u32, Arc<Segment>>> {
        self.by_number.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get(&self, number: u32) -> Option<Arc<Segment>> {
        self.read().get(&number).cloned()
    }

    /// Has a segment looked at, which is not removed meanwhile: by nothing that may wait.
    pub(crate) fn with<T>(&self, number: u32, look: impl FnOnce(&Segment) -> T) -> Option<T> {
        self.read().get(&number).map(|segment| look(segment))
    }

    /// Adds one with a number that is not there.
    pub(crate) fn insert(&self, segment: Arc<Segment>) {
        let total = &self.footprints[Ring::of(segment.number) as usize];
        total.fetch_add(segment.footprint_bytes(), Ordering::AcqRel);
        *segment.total.lock() = Some(total.clone());
        self.write().insert(segment.number, segment);
    }

    pub(crate) fn remove(&self, number: u32) {
        let removed = self.write().remove(&number);
        if let Some(segment) = removed
            && let Some(total) = segment.total.lock().take()
        {
            total.fetch_sub(segment.footprint_bytes(), Ordering::AcqRel);
        }
    }

    pub(crate) fn oldest(&self, ring: Ring) -> Option<Arc<Segment>> {
        let by_number = self.read();
        let (_, segment) = by_number.range(ring.numbers()).next()?;
        Some(segment.clone())
    }

    pub(crate) fn newest_number(&self, ring: Ring) -> Option<u32> {
        let by_number = self.read();
        by_number
            .range(ring.numbers())
            .next_back()
            .map(|(number, _)| *number)
    }

    pub(crate) fn len(&self) -> usize {
        self.read().len()
    }

    pub(crate) fn len_of(&self, ring: Ring) -> usize {
        self.read().range(ring.numbers()).count()
    }

    pub(crate) fn footprint_bytes(&self) -> u64 {
        Ring::ALL
            .into_iter()
            .map(|ring| self.footprint_bytes_of(ring))
            .sum()
    }

    pub(crate) fn footprint_bytes_of(&self, ring: Ring) -> u64 {
        self.footprints[ring as usize].load(Ordering::Acquire)
    }

    /// Whether the total of each ring is that of its segments, while nobody changes them.
    pub(crate) fn adds_up(&self) -> bool {
        let by_number = self.read();
        Ring::ALL.into_iter().all(|ring| {
            let of_ring = by_number.range(ring.numbers());
            let sum: u64 = of_ring.map(|(_, segment)| segment.footprint_bytes()).sum();
            sum == self.footprint_bytes_of(ring)
        })
    }
}

/// The paths of a store.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    root: PathBuf,
}

impl Layout {
    pub(crate) fn new(root: PathBuf) -> Self {
        Layout { root }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn format(&self) -> PathBuf {
        self.root.join("FORMAT")
    }

    pub(crate) fn new_format(&self) -> PathBuf {
        self.root.join("FORMAT.new")
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.root.join("LOCK")
    }

    pub(crate) fn segments(&self) -> PathBuf {
        self.root.join("segments")
    }

    pub(crate) fn bodies(&self) -> PathBuf {
        self.root.join("bodies")
    }

    pub(crate) fn log(&self, number: u32) -> PathBuf {
        self.segments().join(log_name(number))
    }

    /// The body file of a write: from its beginning, as long as any record names it.
    pub(crate) fn body(&self, generation: u64) -> PathBuf {
        self.bodies().join(body_name(generation))
    }

    /// The log of a segment that was evicted, until the next segment takes it over.
    pub(crate) fn retired_log(&self) -> PathBuf {
        self.segments().join("retired.log")
    }
}

/// The name of a log in `segments/`.
pub(crate) fn log_name(number: u32) -> String {
    format!("{number:08x}.log")
}

/// The name of a body file in `bodies/`.
pub(crate) fn body_name(generation: u64) -> String {
    format!("{generation:016x}.body")
}

/// The number of the segment that a log is of; `None` for a name that no store gives.
pub(crate) fn segment_number(name: &str) -> Option<u32> {
    let number = u32::from_str_radix(name.strip_suffix(".log")?, 16).ok()?;
    (name == log_name(number)).then_some(number)
}

/// The generation of a body file; `None` for a name that no store gives.
pub(crate) fn body_generation(name: &str) -> Option<u64> {
    let generation = u64::from_str_radix(name.strip_suffix(".body")?, 16).ok()?;
    (name == body_name(generation)).then_some(generation)
}
