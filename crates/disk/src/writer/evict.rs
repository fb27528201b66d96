//! Making room: a segment goes as a whole, but for what is to outlive it.

use super::outlive::Keep;
use super::{Writer, slot_of};
use crate::format::footer::{ITEM_BYTES, Item};
use crate::index::Slot;
use crate::options::Sync;
use crate::recovery::load_items;
use crate::ring::{Ring, probation_bytes};
use crate::segment::Segment;
use crate::spare::Room;
use forebay_core::{HashBinary, Result};
use std::io;
use std::sync::Arc;

/// What a new segment and rounding can cost.
const SLACK_BYTES: u64 = 16 << 10;

/// So many go at a time at most. One that moves to a main ring that was not appended to yet begins a segment itself.
const MERGED_MAX: usize = 4;

impl Writer {
    /// Evicts until so many bytes more fit into the capacity: of the log, and of body files. Spare files that are not ready
    /// yet stay: were each record to take one, they would never become enough to be made ready.
    pub(super) fn make_room(&mut self, log_bytes: u64, bodies_bytes: u64) -> Result<()> {
        while !self.fits(log_bytes, bodies_bytes) {
            if self.store.spares.take_longest().is_none() {
                self.evict_for(log_bytes.saturating_add(bodies_bytes))?;
            }
        }
        Ok(())
    }

    /// The same for a new body file, which may be that of one which is evicted.
    pub(super) fn make_room_for_file(&mut self, bytes: u64) -> Result<Room> {
        loop {
            if self.fits(0, bytes) {
                return Ok(Room::Free(self.store.reserve(bytes)));
            }
            if let Some(spare) = self.store.spares.take(bytes) {
                return Ok(Room::Spare(spare));
            }
            if let Some(too_short) = self.store.spares.take_longest() {
                drop(too_short);
                continue;
            }
            self.evict_for(bytes)?;
        }
    }

    pub(super) fn fits(&self, log_bytes: u64, bodies_bytes: u64) -> bool {
        self.grown_bytes(log_bytes)
            .saturating_add(bodies_bytes)
            .saturating_add(self.headroom_bytes())
            <= self.capacity_bytes()
    }

    /// Evicts a segment, since there is no room for so many bytes; it leaves its body files.
    fn evict_for(&mut self, bytes: u64) -> Result<()> {
        self.flush();
        self.recycle.wants_bodies = true;
        let evicted = self.evict_next(Keep::Read);
        self.recycle.wants_bodies = false;
        match evicted {
            Ok(true) => Ok(()),
            Ok(false) if self.drop_spare() => Ok(()),
            Ok(false) => {
                let capacity = self.capacity_bytes();
                Err(self.store.refused(format!(
                    "no room for {bytes} bytes: writes in progress take up the capacity of {capacity} bytes"
                )))
            }
            Err(_) if self.refound() => Ok(()), // the directory was emptied, and so is the store
            Err(error) => Err(self.failed("evict a segment", error)),
        }
    }

    /// What the store will occupy once the batch is written, and so many bytes more of the log.
    fn grown_bytes(&self, log_bytes: u64) -> u64 {
        debug_assert!(self.store.segments.adds_up());
        let items = self.batch.pending.len() as u64 * ITEM_BYTES as u64;
        let log_growth = (self.batch.len_bytes + items)
            .saturating_add(log_bytes)
            .saturating_sub(self.unwritten_bytes());
        self.store.used_bytes().saturating_add(log_growth)
    }

    /// Whether the capacity has room for so many bytes more of the log, with what a new segment costs.
    pub(super) fn has_room(&self, log_bytes: u64) -> bool {
        self.grown_bytes(log_bytes).saturating_add(SLACK_BYTES) <= self.capacity_bytes()
    }

    /// What is left free of the capacity: what eviction appends before a segment goes, and what a new one and rounding
    /// can cost beyond the records themselves.
    pub(super) fn headroom_bytes(&self) -> u64 {
        let kept = self.store.options.segment_bytes();
        kept.min(self.capacity_bytes() / 8) + SLACK_BYTES
    }

    /// Evicts where the index has as many entries as it may, so that one more fits in.
    pub(super) fn make_index_room(&mut self) {
        let max = self.store.options.entries_max();
        for keep in [Keep::Read, Keep::Nothing] {
            if self.store.index.len() < max || self.full.evicting {
                return;
            }
            self.flush();
            if let Err(error) = self.evict_next(keep)
                && !self.refound()
            {
                let _ = self.failed("evict a segment", error);
                return;
            }
        }
    }

    /// What a log that was taken over has room for without growing.
    fn unwritten_bytes(&self) -> u64 {
        self.active
            .as_ref()
            .map_or(0, |active| active.segment.unwritten_bytes())
    }

    /// Drops segments from the oldest on as long as nothing in them is stored any more: one on probation only where the
    /// main ring is empty, for it may hold the tombstone of what lies there.
    pub(super) fn reclaim(&mut self) {
        if self.full.evicting {
            return;
        }
        for ring in Ring::ALL {
            while let Some(oldest) = self.store.segments.oldest(ring)
                && oldest.live() == 0
            {
                self.forget_active(oldest.number);
                if let Err(error) = self.drop_segment(&oldest) {
                    let _ = self.failed("remove an empty segment", error);
                    return;
                }
            }
            if self.store.segments.len_of(ring) > 0 {
                return;
            }
        }
        while self.drop_spare() {} // an empty store has no use for them
    }

    /// No more is appended to a segment that goes.
    fn forget_active(&mut self, number: u32) {
        for active in [&mut self.active, &mut self.idle] {
            if active.take_if(|active| active.segment.number == number).is_some() {
                self.unsynced.add_log(number); // should it stay
            }
        }
    }

    /// Keeps the number of segments within bounds. The entries of a small one move to the main ring.
    pub(super) fn merge_segments(&mut self) {
        for _ in 0..MERGED_MAX {
            if self.store.segments.len() <= self.store.options.segments_max() {
                return;
            }
            if let Some(oldest) = self.oldest_of_most() {
                self.merge(&oldest);
            }
        }
    }

    fn merge(&mut self, oldest: &Arc<Segment>) {
        let bytes = oldest.footprint_bytes();
        let keep = match bytes <= self.store.options.segment_bytes() / 4 && self.make_room(bytes, 0).is_ok() {
            true => Keep::All,
            false => Keep::Read,
        };
        if self.store.segments.get(oldest.number).is_none() {
            return; // making room took it
        }
        if let Err(error) = self.evict(oldest, keep) {
            let _ = self.failed("merge an old segment into the newest", error);
        }
    }

    /// The oldest segment of the ring that has most.
    fn oldest_of_most(&self) -> Option<Arc<Segment>> {
        let segments = &self.store.segments;
        let [main, probation] = Ring::ALL.map(|ring| segments.len_of(ring));
        segments.oldest(match main > probation {
            true => Ring::Main,
            false => Ring::Probation,
        })
    }

    /// Evicts the segment whose turn it is; `false` if there is none.
    pub(super) fn evict_next(&mut self, keep: Keep) -> io::Result<bool> {
        match self.next_to_go() {
            Some(leaving) => self.evict(&leaving, keep).map(|()| true),
            None => Ok(false),
        }
    }

    /// The oldest segment on probation where they have more than their share, or where nothing in it is stored any
    /// more; else the oldest of the main ring.
    fn next_to_go(&self) -> Option<Arc<Segment>> {
        let segments = &self.store.segments;
        let main = segments.oldest(Ring::Main);
        let share = probation_bytes(self.capacity_bytes());
        match segments.oldest(Ring::Probation) {
            Some(oldest)
                if main.is_none()
                    || oldest.live() == 0
                    || segments.footprint_bytes_of(Ring::Probation) > share =>
            {
                Some(oldest)
            }
            on_probation => main.or(on_probation),
        }
    }

    /// Evicts the oldest segment of a ring, but for what is to be kept of it.
    pub(super) fn evict(&mut self, leaving: &Arc<Segment>, keep: Keep) -> io::Result<()> {
        self.full.evicting = true;
        let evicted = self.evict_segment(leaving, keep);
        self.full.evicting = false;
        evicted
    }

    fn evict_segment(&mut self, leaving: &Arc<Segment>, keep: Keep) -> io::Result<()> {
        let (ring, freed) = (Ring::of(leaving.number), leaving.footprint_bytes());
        let _span = tracing::debug_span!("evict", segment = leaving.number, bytes = freed).entered();
        if self.active_number() == Some(leaving.number) {
            self.flush();
        }
        self.forget_active(leaving.number);
        let items = match load_items(&*leaving.log, leaving.number, self.id()) {
            Ok(items) => items,
            Err(error) => match self.goes_unread(leaving, &error) {
                true => Vec::new(), // the index tells of its entries
                false => return self.evict_oldest_of_main(),
            },
        };
        self.outlive(leaving, &items, keep)?;
        let entries = self.entries_in(leaving, &items);
        // Before its entries leave the index: if it stays, a purge has to find them.
        self.drop_segment(leaving)?;
        for (key, _) in &entries {
            if ring == Ring::Probation {
                self.ghosts.add(key, self.store.index.len());
            }
            self.store.index.remove(key);
            leaving.add_live(-1);
        }
        let counters = &self.store.counters;
        counters.evicted_entries.add(entries.len() as u64);
        counters.evicted_bytes.add(freed);
        counters.evicted_segments.add(1);
        Ok(())
    }

    /// Whether a segment may go whose log cannot be read, so that nobody knows of its tombstones: not where what they are for may
    /// be in the main ring.
    fn goes_unread(&self, leaving: &Segment, error: &io::Error) -> bool {
        self.store.counters.read_errors.add(1);
        let log = self.store.layout.log(leaving.number);
        log::warn!(
            "cannot read {}, which is evicted as it is: {error}",
            log.display()
        );
        let is_on_probation = Ring::of(leaving.number) == Ring::Probation;
        !(is_on_probation && leaving.overrules()) || self.store.segments.len_of(Ring::Main) == 0
    }

    fn evict_oldest_of_main(&mut self) -> io::Result<()> {
        match self.store.segments.oldest(Ring::Main) {
            Some(oldest) => self.evict_segment(&oldest, Keep::Nothing),
            None => Ok(()),
        }
    }

    /// The entries whose record lies in a segment, by its items; where these do not tell of all (a log that was damaged
    /// since), the index does.
    pub(super) fn entries_in(&self, segment: &Segment, items: &[Item]) -> Vec<(HashBinary, Slot)> {
        let index = &self.store.index;
        let mut entries: Vec<_> = items
            .iter()
            .map(|item| (item.key, slot_of(item, segment.number)))
            .filter(|(key, slot)| index.get(key) == Some(*slot))
            .collect();
        if (entries.len() as i64) < segment.live() {
            entries.clear();
            index.for_each(|key, slot| {
                if slot.segment == segment.number {
                    entries.push((*key, slot));
                }
            });
        }
        entries
    }

    /// Removes a segment from the disk. Readers have its files open. The log goes first: without it, what a kill leaves of
    /// the segment is no entry with its body gone. If it cannot be removed, the segment stays the oldest: a younger one must
    /// not go before it.
    fn drop_segment(&mut self, segment: &Arc<Segment>) -> io::Result<()> {
        if self.is_anothers() {
            self.drop_without_files(segment);
            return Ok(());
        }
        let store = self.store.clone();
        let (io, layout, ring) = (store.io(), &store.layout, Ring::of(segment.number));
        // With no younger segment of the ring that is there for sure, an open could not tell that one whose removal was lost
        // had been evicted before. Nor could it tell that of the main ring where what overruled it on probation is gone.
        let is_told = self.durable.newest[ring as usize].is_some_and(|newest| newest > segment.number);
        let needs_names = !is_told && self.store.options.sync != Sync::Never;
        let main_has_shrunk = self.main_removed > self.durable.removed;
        if needs_names || ring == Ring::Probation && main_has_shrunk {
            self.sync_names()?;
        }
        self.store.segments.remove(segment.number);
        if let Err(error) = gone(self.let_go_of_log(segment)) {
            self.store.segments.insert(segment.clone());
            return Err(error);
        }
        self.removed += 1;
        if ring == Ring::Main {
            self.main_removed = self.removed;
        }
        let mut retired = Vec::new();
        for (generation, len_bytes) in segment.bodies() {
            if let Some(spare) = self.retire_body(generation, len_bytes) {
                retired.push(spare);
            } else if let Err(error) = gone(io.remove_file(&layout.body(generation))) {
                let _ = self.failed("remove a body file", error); // the next open removes it
            }
        }
        self.retire_bodies(retired);
        Ok(())
    }
}

/// What was to be removed may be gone already.
pub(super) fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
