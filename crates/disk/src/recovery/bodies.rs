//! Body files after a replay: counted where an entry has one, moved to where it looks, removed where none does.

use crate::format::body::file_bytes;
use crate::index::{Index, Slot};
use crate::io::{Io, OpenMode, PathKind};
use crate::segment::{Layout, Segments, body_generation};
use forebay_core::HashBinary;
use std::collections::HashMap;
use std::io;
use std::path::Path;

/// Entries with a body file whose file was not seen yet, by generation.
type Expected = HashMap<u64, (HashBinary, Slot)>;

/// Sees to every body file in the store, and drops entries that have none.
pub(super) fn settle(io: &dyn Io, layout: &Layout, index: &Index, segments: &Segments) -> io::Result<()> {
    remove_spilled(io, layout)?;
    let mut expected = Expected::new();
    index.for_each(|key, slot| {
        if slot.body_in_file {
            expected.insert(slot.generation, (*key, slot));
        }
    });
    // All are listed before any is moved: one that is moved on to a later segment would be seen there once more.
    let mut found = Vec::new();
    for segment in segments.all() {
        let generations = body_files(io, &layout.segment(segment.number))?;
        found.extend(
            generations
                .into_iter()
                .map(|generation| (segment.number, generation)),
        );
    }
    for (segment, generation) in found {
        let path = layout.body(segment, generation);
        match expected.remove(&generation) {
            None => io.remove_file(&path)?,
            Some((_, slot)) => adopt(io, layout, segments, &path, segment, slot)?,
        }
    }
    for (key, slot) in expected.into_values() {
        log::warn!("entry {} is dropped: its body file is gone", slot.generation);
        index.remove(&key);
        if let Some(segment) = segments.get(slot.segment) {
            segment.add_live(-1);
        }
    }
    Ok(())
}

/// Removes what there still is of a segment that was evicted. What remains is found again by the next open.
pub(super) fn remove_segment(io: &dyn Io, layout: &Layout, number: u32) {
    let remove = || {
        for generation in body_files(io, &layout.segment(number))? {
            io.remove_file(&layout.body(number, generation))?;
        }
        match io.remove_file(&layout.log(number)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        io.remove_dir(&layout.segment(number))
    };
    if let Err(error) = remove() {
        let path = layout.segment(number);
        log::warn!(
            "cannot remove {}, which was evicted before: {error}",
            path.display()
        );
    }
}

/// Nothing that was being written when the store was last in use will be finished.
fn remove_spilled(io: &dyn Io, layout: &Layout) -> io::Result<()> {
    for generation in body_files(io, &layout.spill())? {
        io.remove_file(&layout.spilled(generation))?;
    }
    match io.remove_file(&layout.retired_log()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn body_files(io: &dyn Io, dir: &Path) -> io::Result<Vec<u64>> {
    let listed = io.list(dir)?;
    let files = listed.iter().filter(|(_, kind)| *kind == PathKind::File);
    Ok(files
        .filter_map(|(name, _)| name.to_str().and_then(body_generation))
        .collect())
}

/// Counts a body file to the segment of its record. It is elsewhere where a move was cut short.
fn adopt(
    io: &dyn Io,
    layout: &Layout,
    segments: &Segments,
    path: &Path,
    found_in: u32,
    slot: Slot,
) -> io::Result<()> {
    let len_bytes = io.open(path, OpenMode::Read)?.len_bytes()?;
    if found_in != slot.segment {
        io.rename(path, &layout.body(slot.segment, slot.generation))?;
    }
    if let Some(segment) = segments.get(slot.segment) {
        // A damaged length is found by the first lookup; what it occupies is counted all the same.
        segment.add_body(slot.generation, len_bytes.max(file_bytes(0)));
    }
    Ok(())
}
