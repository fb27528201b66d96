//! Taking over the log of an evicted segment for the next one: its pages and blocks are there already, and writing over
//! them is several times cheaper than having new ones made.

use super::Writer;
use super::outlive::Keep;
use crate::format::fixed::{FIXED_BYTES, encode_segment};
use crate::io::{File, write_full};
use crate::options::Sync;
use crate::ring::Ring;
use crate::segment::Segment;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// With fewer segments than this, eviction is left to those who need room.
const SEGMENTS_MIN: usize = 4;

/// What becomes of the logs of evicted segments.
#[derive(Default)]
pub(super) struct Recycle {
    /// Whether the segment that is evicted now is to leave its log.
    wanted: bool,
    /// The log that was left, under its name in the `spill` directory.
    retired: Option<Retired>,
}

struct Retired {
    log: Arc<dyn File>,
    ring: Ring,
    /// Whether a part of it, without the rest, would say what is no longer so.
    overrules: bool,
}

impl Writer {
    /// Before the full active segment is sealed: where there is no room for another, one goes now, and leaves its log.
    pub(super) fn retire_oldest(&mut self) {
        let next_bytes = self.active.as_ref().map_or(0, |active| active.end);
        self.recycle.wanted = true;
        while self.room_bytes() < next_bytes
            && !self.full.evicting
            && self.store.segments.len() >= SEGMENTS_MIN
        {
            if let Err(error) = self.evict_next(Keep::Read) {
                let _ = self.failed("evict a segment", error); // who needs the room tries again
                break;
            }
        }
        self.recycle.wanted = false;
    }

    /// What the capacity leaves for another segment.
    fn room_bytes(&self) -> u64 {
        self.capacity_bytes()
            .saturating_sub(self.store.used_bytes())
            .saturating_sub(self.spare_bytes())
    }

    /// Removes the log of a segment that is no longer in the map, or keeps it for the next one if nobody reads it.
    pub(super) fn let_go_of_log(&mut self, segment: &Arc<Segment>) -> io::Result<()> {
        let (io, path) = (self.store.io(), self.store.layout.log(segment.number));
        // Counted after it left the map: no new reader can come.
        let unread = Arc::strong_count(segment) == 1 && Arc::strong_count(&segment.log) == 1;
        if self.recycle.wanted && self.recycle.retired.is_none() && unread {
            io.rename(&path, &self.store.layout.retired_log())?;
            self.recycle.retired = Some(Retired {
                log: segment.log.clone(),
                ring: Ring::of(segment.number),
                overrules: segment.overrules(),
            });
            return Ok(());
        }
        io.remove_file(&path)
    }

    /// Makes the retired log that of a new segment, if there is one; it and its length.
    pub(super) fn take_over_log(&mut self, number: u32, path: &Path) -> Option<(Arc<dyn File>, u64)> {
        let retired = self.recycle.retired.take()?;
        let room = self.room_bytes();
        match self.prepare_log(&retired, number, path, room) {
            Ok(len_bytes) => Some((retired.log, len_bytes)),
            Err(_) => {
                self.recycle.retired = Some(retired);
                self.drop_retired_log(); // a new file does as well
                None
            }
        }
    }

    /// Its length then.
    fn prepare_log(&self, retired: &Retired, number: u32, path: &Path, room: u64) -> io::Result<u64> {
        let log = &*retired.log;
        write_full(log, &[encode_segment(self.store.id, number)], 0)?;
        let changes_ring = retired.ring != Ring::of(number);
        if changes_ring || retired.overrules && self.store.options.sync != Sync::Never {
            // A power cut may give the log back to the segment that it was of, with a part of it overwritten: with an entry,
            // and without the tombstone that followed it. Its start tells an open, and in the other ring, whose numbers
            // do not tell which of the two came later, it has to, under every setting: else the whole ring would go.
            log.sync()?;
        }
        let mut len_bytes = log.len_bytes()?;
        if len_bytes > room {
            len_bytes = room.max(FIXED_BYTES as u64);
            log.set_len(len_bytes)?;
        }
        self.store.io().rename(&self.store.layout.retired_log(), path)?;
        Ok(len_bytes)
    }

    pub(super) fn drop_retired_log(&mut self) {
        if self.recycle.retired.take().is_some()
            && let Err(error) = self.store.io().remove_file(&self.store.layout.retired_log())
        {
            let _ = self.failed("remove a retired log", error); // the next open removes it
        }
    }
}
