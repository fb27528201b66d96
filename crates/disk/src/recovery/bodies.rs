//! Body files after a replay: counted where an entry has one, removed where none does.

use crate::format::body::file_bytes;
use crate::index::{Index, Slot};
use crate::io::{Io, OpenMode, PathKind};
use crate::segment::{Layout, Segments, body_generation};
use forebay_core::HashBinary;
use std::collections::HashMap;
use std::io;

/// Entries with a body file whose file was not seen yet, by generation.
type Expected = HashMap<u64, (HashBinary, Slot)>;

/// Sees to every body file in the store, and drops entries that have none; their keys, each with its generation. A writer of
/// the run before may still be at it: writes in progress outlive a close, and remove their files.
pub(super) fn settle(
    io: &dyn Io,
    layout: &Layout,
    index: &Index,
    segments: &Segments,
) -> io::Result<HashMap<HashBinary, u64>> {
    let mut expected = Expected::new();
    index.for_each(|key, slot| {
        if slot.body_in_file {
            expected.insert(slot.generation, (*key, slot));
        }
    });
    for generation in body_files(io, layout)? {
        let path = layout.body(generation);
        let Some((_, slot)) = expected.get(&generation) else {
            // Of a write that was not finished, or of an entry that has gone.
            if_there(io.remove_file(&path))?;
            continue;
        };
        let Some(file) = if_there(io.open(&path, OpenMode::Read))? else {
            continue;
        };
        let len_bytes = file.len_bytes()?;
        if let Some(segment) = segments.get(slot.segment) {
            // A damaged length is found by the first lookup; what it occupies is counted all the same.
            segment.add_body(generation, len_bytes.max(file_bytes(0)));
        }
        expected.remove(&generation);
    }
    let mut dropped = HashMap::new();
    for (key, slot) in expected.into_values() {
        log::warn!("entry {} is dropped: its body file is gone", slot.generation);
        index.remove(&key);
        if let Some(segment) = segments.get(slot.segment) {
            segment.add_live(-1);
        }
        dropped.insert(key, slot.generation);
    }
    Ok(dropped)
}

/// `None` for a file that is gone.
fn if_there<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

fn body_files(io: &dyn Io, layout: &Layout) -> io::Result<Vec<u64>> {
    let listed = io.list(&layout.bodies())?;
    let files = listed.iter().filter(|(_, kind)| *kind == PathKind::File);
    Ok(files
        .filter_map(|(name, _)| name.to_str().and_then(body_generation))
        .collect())
}
