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

/// Sees to every body file in the store, and drops entries that have none.
pub(super) fn settle(io: &dyn Io, layout: &Layout, index: &Index, segments: &Segments) -> io::Result<()> {
    let mut expected = Expected::new();
    index.for_each(|key, slot| {
        if slot.body_in_file {
            expected.insert(slot.generation, (*key, slot));
        }
    });
    for generation in body_files(io, layout)? {
        let path = layout.body(generation);
        let Some((_, slot)) = expected.remove(&generation) else {
            // Of a write that was not finished, or of an entry that has gone.
            io.remove_file(&path)?;
            continue;
        };
        let len_bytes = io.open(&path, OpenMode::Read)?.len_bytes()?;
        if let Some(segment) = segments.get(slot.segment) {
            // A damaged length is found by the first lookup; what it occupies is counted all the same.
            segment.add_body(generation, len_bytes.max(file_bytes(0)));
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

fn body_files(io: &dyn Io, layout: &Layout) -> io::Result<Vec<u64>> {
    let listed = io.list(&layout.bodies())?;
    let files = listed.iter().filter(|(_, kind)| *kind == PathKind::File);
    Ok(files
        .filter_map(|(name, _)| name.to_str().and_then(body_generation))
        .collect())
}
