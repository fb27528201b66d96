//! Taking over the log of an evicted segment for the next one, and its body files for the next bodies: their pages and
//! blocks are there already, and writing over them is several times cheaper than having new ones made.

use super::Writer;
use super::evict::gone;
use super::outlive::Keep;
use crate::format::fixed::{FIXED_BYTES, encode_segment};
use crate::io::{File, write_full};
use crate::options::Sync;
use crate::ring::Ring;
use crate::segment::{Segment, disk_bytes};
use crate::spare::Spare;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// With fewer segments than this, eviction is left to those who need room.
const SEGMENTS_MIN: usize = 4;

/// Body files that nobody has use for are kept for the next bodies up to this share of the capacity, and so many bytes:
/// no segment has more.
const SPARES_SHARE: u64 = 8;
const SPARES_BYTES_MAX: u64 = 1 << 30;

/// What becomes of the files of evicted segments.
#[derive(Default)]
pub(super) struct Recycle {
    /// Whether the segment that is evicted now is to leave its log.
    wants_log: bool,
    /// Whether it is to leave its body files.
    pub(super) wants_bodies: bool,
    /// The log that was left, under a name of its own.
    retired: Option<Retired>,
    /// Body files of segments that are gone, until it is sure that a power cut does not bring these back; each with how many
    /// segments had been removed then.
    bodies: Vec<(u64, Spare)>,
}

struct Retired {
    log: Arc<dyn File>,
    ring: Ring,
    /// Whether a part of it, without the rest, would say what is no longer so.
    overrules: bool,
}

impl Writer {
    /// Before the full active segment is sealed: where there is no room for another, one goes now, and leaves its files.
    pub(super) fn retire_oldest(&mut self) {
        if self.full.evicting {
            return; // what outlives a segment has filled another: what the first leaves is settled
        }
        let next_bytes = self
            .active
            .as_ref()
            .map_or(0, |active| active.segment.written_bytes());
        (self.recycle.wants_log, self.recycle.wants_bodies) = (true, true);
        while self.room_bytes() + self.store.spares.total_bytes() < next_bytes
            && self.store.segments.len() >= SEGMENTS_MIN
        {
            if let Err(error) = self.evict_next(Keep::Read) {
                let _ = self.failed("evict a segment", error); // who needs the room tries again
                break;
            }
        }
        (self.recycle.wants_log, self.recycle.wants_bodies) = (false, false);
    }

    /// What the capacity leaves for another segment.
    fn room_bytes(&self) -> u64 {
        self.capacity_bytes()
            .saturating_sub(self.store.used_bytes())
            .saturating_sub(self.headroom_bytes())
    }

    /// Removes the log of a segment that is no longer in the map, or keeps it for the next one if nobody reads it.
    pub(super) fn let_go_of_log(&mut self, segment: &Arc<Segment>) -> io::Result<()> {
        let (io, path) = (self.store.io(), self.store.layout.log(segment.number));
        // Counted after it left the map: no new reader can come, and those that read under its lock are done.
        let unread = Arc::strong_count(segment) == 1 && Arc::strong_count(&segment.log) == 1;
        if self.recycle.wants_log && self.recycle.retired.is_none() && unread {
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
                self.drop_retired_log(); // a new file does as well; it is the way of logs that an earlier run has left
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

    /// Takes a body file out of a segment that has gone, if it may be of use. Those of an earlier run are not: whoever had an
    /// entry then may read it still, and is not counted.
    pub(super) fn retire_body(&self, generation: u64, len_bytes: u64) -> Option<Spare> {
        let fits = self.store.spares.total_bytes() + disk_bytes(len_bytes) <= self.spares_bytes_max();
        let is_of_this_run = generation >= self.store.first_generation;
        if !self.recycle.wants_bodies || !fits || !is_of_this_run {
            return None;
        }
        let (io, path) = (self.store.options.io.clone(), self.store.layout.body(generation));
        let room = self.store.reserve(disk_bytes(len_bytes));
        Some(self.store.spares.retire(io, path, generation, len_bytes, room))
    }

    fn spares_bytes_max(&self) -> u64 {
        (self.capacity_bytes() / SPARES_SHARE).min(SPARES_BYTES_MAX)
    }

    /// Takes body files of a segment that is gone. Before one is written over, no power cut must bring the segment back.
    pub(super) fn retire_bodies(&mut self, bodies: Vec<Spare>) {
        let removed = self.removed;
        self.recycle
            .bodies
            .extend(bodies.into_iter().map(|body| (removed, body)));
        let bytes: u64 = self
            .recycle
            .bodies
            .iter()
            .map(|(_, body)| body.room_bytes())
            .sum();
        if self.store.options.sync == Sync::Never {
            self.spare_retired_bodies(removed);
        } else if bytes >= self.spares_bytes_max() / 2
            && let Err(error) = self.sync_names()
        {
            let _ = self.failed("sync the names of the segments", error);
            self.recycle.bodies.clear();
        }
    }

    /// Makes those of the first so many removed segments the next bodies'.
    pub(super) fn spare_retired_bodies(&mut self, removed: u64) {
        let bodies = &mut self.recycle.bodies;
        let ready = bodies.partition_point(|(removed_by, _)| *removed_by <= removed);
        for (_, spare) in bodies.drain(..ready) {
            self.store.spares.add(spare);
        }
    }

    /// Removes a body file that waits to be written over; `false` if there is none.
    pub(super) fn drop_spare(&mut self) -> bool {
        let spare = self.store.spares.take_longest();
        spare
            .or_else(|| self.recycle.bodies.pop().map(|(_, spare)| spare))
            .is_some()
    }

    pub(super) fn drop_retired_log(&mut self) {
        if self.recycle.retired.take().is_some()
            && !self.is_anothers()
            && let Err(error) = gone(self.store.io().remove_file(&self.store.layout.retired_log()))
        {
            let _ = self.failed("remove a retired log", error); // the next open removes it
        }
    }
}
