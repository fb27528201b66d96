//! Opening a store: whose directory it is, what its logs say, and which files belong to nothing.

mod bodies;
mod claim;
mod scan;

pub(crate) use claim::{Identity, claim_again, identify, in_use, owner, sign};
pub(crate) use scan::{is_sealed, load_items};

use crate::DiskOptions;
use crate::format::StoreId;
use crate::format::fixed::{FIXED_BYTES, decode_segment};
use crate::format::footer::Item;
use crate::format::record::{ALIGN, Kind};
use crate::index::Index;
use crate::io::{File, Io, OpenMode, PathKind, is_out_of_files, read_full};
use crate::ring::Ring;
use crate::segment::{Layout, Segment, Segments, disk_bytes, segment_number};
use crate::store::{Recovered, Store};
use crate::writer::slot_of;
use forebay_core::{Error, ErrorKind, Result};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// So many numbers are left out where the clock does not tell that they were not used before.
const GENERATION_MARGIN: u64 = 1 << 20;

/// So much of a log is looked at in one read, for what follows its records.
const PIECE_BYTES: u64 = 64 << 10;

/// Opens the store of these options; `None` if another process has it.
pub(crate) fn open(options: &DiskOptions) -> Result<Option<Store>> {
    let io = &*options.io;
    let layout = Layout::new(options.dir.clone());
    let _span = tracing::info_span!("open", dir = %layout.root().display()).entered();
    let Some(claim) = claim::claim(io, &layout, options.sync)? else {
        return Ok(None);
    };
    let mut numbers = segment_numbers(io, &layout)?;
    for number in take_evicted(io, &layout, claim.id, &mut numbers)? {
        remove_log(io, &layout.log(number));
    }
    remove_log(io, &layout.retired_log());
    let (index, segments) = (Index::default(), Segments::default());
    let mut newest_generation = 0;
    for number in &numbers {
        let replayed = replay(io, &layout, claim.id, *number, &index, &segments);
        let generation = replayed.map_err(|error| failed("read", &layout.log(*number), error))?;
        newest_generation = newest_generation.max(generation);
    }
    let owed = bodies::settle(io, &layout, &index, &segments)
        .map_err(|error| failed("settle the bodies of", layout.root(), error))?;
    log::info!(
        "opened the store in {}: {} entries in {} segments",
        layout.root().display(),
        index.len(),
        segments.len()
    );
    let found = Recovered {
        layout,
        id: claim.id,
        index,
        segments,
        next_segments: Ring::ALL.map(|ring| next_number(ring, &numbers)),
        next_generation: first_generation(newest_generation, SystemTime::now()),
        lock: claim.lock,
        owed,
    };
    Ok(Some(Store::new(options.clone(), found)))
}

/// Numbers that writes had which never came into a log must not be given again: the microseconds of the clock are ahead
/// of any store that begins less than a million writes a second; the margin is for clocks that went back.
fn first_generation(newest: u64, now: SystemTime) -> u64 {
    let micros = now
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_micros() as u64);
    micros.max(newest.saturating_add(GENERATION_MARGIN))
}

fn next_number(ring: Ring, numbers: &[u32]) -> u32 {
    let newest = numbers.iter().rfind(|number| Ring::of(**number) == ring);
    newest.map_or(*ring.numbers().start(), |newest| newest.saturating_add(1))
}

/// The segments in the directory, in the order of replay. Names that no store gives are left alone.
pub(crate) fn segment_numbers(io: &dyn Io, layout: &Layout) -> Result<Vec<u32>> {
    let listed = io
        .list(&layout.segments())
        .map_err(|error| failed("list", &layout.segments(), error))?;
    let mut numbers = Vec::new();
    for (name, kind) in listed {
        let Some(number) = name.to_str().and_then(segment_number) else {
            continue;
        };
        if kind != PathKind::File {
            return Err(not_ours(&layout.log(number), "a file"));
        }
        numbers.push(number);
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Takes out those segments that are there only because a power cut has undone their removal.
pub(crate) fn take_evicted(
    io: &dyn Io,
    layout: &Layout,
    id: StoreId,
    numbers: &mut Vec<u32>,
) -> Result<Vec<u32>> {
    let mut taken = Vec::new();
    let on_probation = numbers.split_off(numbers.partition_point(|number| Ring::of(*number) == Ring::Main));
    for mut ring in [std::mem::take(numbers), on_probation] {
        taken.extend(ring.drain(..evicted(io, layout, id, &ring)?));
        numbers.extend(ring);
    }
    Ok(taken)
}

/// How many of the segments of one ring, from the oldest on, were evicted before. They go in order, so what lies before a
/// gap was gone; a younger one may have held the tombstone of what is in it. One whose log has been taken over is gone too,
/// and one that goes while this looks; but for the newest, which a store whose write of its start has failed makes anew.
fn evicted(io: &dyn Io, layout: &Layout, id: StoreId, numbers: &[u32]) -> Result<usize> {
    for at in (1..=numbers.len()).rev() {
        let number = numbers[at - 1];
        let next = numbers.get(at);
        if next.is_some_and(|next| *next != number.saturating_add(1)) {
            return Ok(at);
        }
        let log = layout.log(number);
        let start = claim::read_start(io, &log).map_err(|error| failed("look at", &log, error))?;
        let is_gone = match start {
            None => next.is_some(),
            Some(start) => decode_segment(&start)
                .is_some_and(|(owner, named)| owner != id || was_taken_over(number, named)),
        };
        if is_gone {
            return Ok(at);
        }
    }
    Ok(0)
}

/// Whether the log of a segment, which names this one, was taken over from it. A later one of its ring took it, or one of
/// the other ring, which begins with a durable start. Where an earlier one is named, this one took it, and the write of its
/// start was lost: there is nothing in it.
fn was_taken_over(number: u32, named: u32) -> bool {
    named > number || Ring::of(named) != Ring::of(number)
}

/// Removes the log of a segment that was evicted before. If that fails, the next open finds it again.
fn remove_log(io: &dyn Io, path: &Path) {
    match io.remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            log::warn!(
                "cannot remove {}, of a segment that was evicted before: {error}",
                path.display()
            );
        }
        _ => {}
    }
}

/// Cuts off the pages that were made ahead of the records of a log, where its store was killed; the log's length then. Behind
/// the records nothing but zeros goes: anything else may be of one that is damaged.
fn give_back_pages(io: &dyn Io, path: &Path, log: &dyn File, items: &[Item]) -> io::Result<u64> {
    let len_bytes = log.len_bytes()?;
    let ends = items
        .iter()
        .map(|item| (u64::from(item.offset_units) + u64::from(item.record_units)) * ALIGN as u64);
    let keep = disk_bytes(ends.max().unwrap_or(FIXED_BYTES as u64));
    let mut at = len_bytes;
    let mut piece = vec![0; (len_bytes.saturating_sub(keep)).min(PIECE_BYTES) as usize];
    while at > keep {
        let start = at.saturating_sub(PIECE_BYTES).max(keep);
        let bytes = &mut piece[..(at - start) as usize];
        read_full(log, bytes, start)?;
        if bytes.iter().any(|byte| *byte != 0) {
            return Ok(len_bytes);
        }
        at = start;
    }
    let cut = |keep| io.open(path, OpenMode::ReadWrite)?.set_len(keep);
    match len_bytes > keep && cut(keep).is_ok() {
        true => Ok(keep),
        false => Ok(len_bytes), // it goes with its segment
    }
}

/// Takes over what the log of one segment says; the newest generation in it.
fn replay(
    io: &dyn Io,
    layout: &Layout,
    id: StoreId,
    number: u32,
    index: &Index,
    segments: &Segments,
) -> io::Result<u64> {
    // To be read alone, so that no segment of this run takes it over: a power cut may have lost the name that it had last, and
    // what was written under that, by the seed of a number that this run gives again, would pass for records.
    let log = io.open(&layout.log(number), OpenMode::Read)?;
    let items = load_items(&*log, number, id)?;
    let len_bytes = give_back_pages(io, &layout.log(number), &*log, &items)?;
    let segment = Arc::new(Segment::new(number, log.clone(), len_bytes));
    segment.set_overrules(); // or it might
    segments.insert(segment.clone());
    let mut newest = 0;
    for item in items {
        newest = newest.max(item.generation);
        let old = match item.kind {
            Some(Kind::Entry | Kind::FileEntry) => {
                segment.add_live(1);
                index.insert(item.key, slot_of(&item, number), 0)
            }
            Some(Kind::Tombstone) | None => index.remove(&item.key),
        };
        if let Some(old) = old.and_then(|old| segments.get(old.segment)) {
            old.add_live(-1);
        }
    }
    Ok(newest)
}

fn failed(what: &str, path: &Path, error: io::Error) -> Box<Error> {
    let advice = match is_out_of_files(&error) {
        true => " (the store has a file open for each of its segments: allow the process more open files)",
        false => "",
    };
    ErrorKind::StorageFailed.because(format!("open a store: {what} {}{advice}", path.display()), error)
}

pub(crate) fn not_ours(path: &Path, expected: &str) -> Box<Error> {
    ErrorKind::Refused.error(format!(
        "open a store: {} is not {expected}, which it has to be in a store; nothing was changed",
        path.display()
    ))
}
