//! Making room: the oldest segment goes as a whole, but for what was read of it.

use super::{After, Writer, slot_of};
use crate::format::footer::{ITEM_BYTES, Item};
use crate::format::record::Kind;
use crate::options::Sync;
use crate::recovery::load_items;
use crate::segment::Segment;
use crate::store::weight_bytes;
use forebay_core::{ErrorKind, Result};
use std::io;
use std::sync::Arc;

/// What a new segment and rounding can cost beyond the records themselves.
pub(super) const SLACK_BYTES: u64 = 16 << 10;

/// With more segments than this, the oldest goes also where there is room: each has an open file. A store that is opened
/// often has many small ones.
const SEGMENTS_MAX: usize = 256;

/// What outlives the eviction of its segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// What was read, up to so many bytes.
    Read(u64),
    Nothing,
    All,
}

impl Writer {
    /// Evicts until so many bytes more fit into the capacity: of the log, and of body files.
    pub(super) fn make_room(&mut self, log_bytes: u64, bodies_bytes: u64) -> Result<()> {
        let bytes = log_bytes.saturating_add(bodies_bytes);
        loop {
            let capacity = self.capacity_bytes();
            let items = self.batch.pending.len() as u64 * ITEM_BYTES as u64;
            let log_growth = (self.batch.len_bytes + items)
                .saturating_add(log_bytes)
                .saturating_sub(self.unwritten_bytes());
            let used = self.store.used_bytes().saturating_add(log_growth);
            if used.saturating_add(bodies_bytes).saturating_add(SLACK_BYTES) <= capacity {
                return Ok(());
            }
            self.flush();
            let evicted = self.evict_oldest(None);
            match evicted {
                Ok(true) => {}
                Ok(false) => {
                    self.store.counters.refused.add(1);
                    return Err(ErrorKind::Refused.error(format!(
                        "no room for {bytes} bytes: writes in progress take up the capacity of {capacity} bytes"
                    )));
                }
                Err(error) => return Err(self.failed("evict the oldest segment", error)),
            }
        }
    }

    /// Evicts where the index has as many entries as it may, so that one more fits in.
    pub(super) fn make_index_room(&mut self) {
        let max = self.store.options.entries_max();
        for keep in [None, Some(Keep::Nothing)] {
            if self.store.index.len() < max || self.full.evicting {
                return;
            }
            self.flush();
            if let Err(error) = self.evict_oldest(keep) {
                let _ = self.failed("evict the oldest segment", error);
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

    /// Drops segments from the oldest on as long as nothing in them is stored any more. Never a younger one before an
    /// older: it may hold the tombstone of what the older one holds.
    pub(super) fn reclaim(&mut self) {
        while let Some(oldest) = self.store.segments.oldest()
            && oldest.live() == 0
        {
            if self.active_number() == Some(oldest.number) {
                self.active = None;
            }
            if let Err(error) = self.drop_segment(&oldest) {
                let _ = self.failed("remove an empty segment", error);
                return;
            }
        }
    }

    /// Keeps the number of segments within bounds. The entries of a small one move to the newest.
    pub(super) fn merge_segments(&mut self) {
        if self.store.segments.len() <= SEGMENTS_MAX {
            return;
        }
        let Some(oldest) = self.store.segments.oldest() else {
            return;
        };
        let bytes = oldest.footprint_bytes();
        let small = bytes <= self.store.options.segment_bytes() / 4 && self.make_room(bytes, 0).is_ok();
        if let Err(error) = self.evict_oldest(small.then_some(Keep::All)) {
            let _ = self.failed("merge the oldest segment into the newest", error);
        }
    }

    /// By default keeps what was read, up to a quarter; `false` if there is no segment.
    pub(super) fn evict_oldest(&mut self, keep: Option<Keep>) -> io::Result<bool> {
        let Some(oldest) = self.store.segments.oldest() else {
            return Ok(false);
        };
        self.full.evicting = true;
        let evicted = self.evict_segment(&oldest, keep);
        self.full.evicting = false;
        evicted.map(|()| true)
    }

    fn evict_segment(&mut self, oldest: &Arc<Segment>, keep: Option<Keep>) -> io::Result<()> {
        if self.active_number() == Some(oldest.number) {
            self.seal();
        }
        let freed = oldest.footprint_bytes();
        let _span = tracing::debug_span!("evict", segment = oldest.number, bytes = freed).entered();
        let items = load_items(&*oldest.log, oldest.number, self.id())?;
        if keep != Some(Keep::Nothing) {
            self.keep_entries(oldest, &items, keep.unwrap_or(Keep::Read(freed / 4)));
        }
        let mut evicted = 0;
        for item in &items {
            evicted += self.evict(item, oldest.number);
        }
        if oldest.live() > 0 {
            evicted += self.evict_by_index(oldest); // its footer and records did not tell of all
        }
        self.drop_segment(oldest)?;
        let counters = &self.store.counters;
        counters.evicted_entries.add(evicted);
        counters.evicted_bytes.add(freed);
        counters.evicted_segments.add(1);
        Ok(())
    }

    /// Appends once more what is to be kept.
    fn keep_entries(&mut self, oldest: &Arc<Segment>, items: &[Item], keep: Keep) {
        let mut left = match keep {
            Keep::Read(bytes) => bytes,
            Keep::Nothing => 0,
            Keep::All => u64::MAX,
        };
        for item in items {
            let slot = slot_of(item, oldest.number);
            let chosen = keep == Keep::All || self.store.index.was_hit(&item.key);
            if !chosen || self.store.index.get(&item.key) != Some(slot) {
                continue;
            }
            let Ok(Some(stored)) = self.store.read_record_blocking(&item.key, slot) else {
                continue;
            };
            let weight = weight_bytes(&stored) as u64;
            if weight > left || self.place().is_err() {
                continue;
            }
            left -= weight;
            let meta = stored.meta.clone();
            self.append_rewritten(stored, meta, slot, |moved_from| After::Keep { moved_from });
        }
        self.flush();
    }

    fn evict(&mut self, item: &Item, segment: u32) -> u64 {
        let is_entry = matches!(item.kind, Some(Kind::Entry | Kind::FileEntry));
        if !is_entry || self.store.index.get(&item.key) != Some(slot_of(item, segment)) {
            return 0;
        }
        if let Some(old) = self.store.index.remove(&item.key) {
            self.let_go(old, None);
        }
        1
    }

    fn evict_by_index(&mut self, segment: &Segment) -> u64 {
        let mut keys = Vec::new();
        self.store.index.for_each(|key, slot| {
            if slot.segment == segment.number {
                keys.push(*key);
            }
        });
        for key in &keys {
            if let Some(old) = self.store.index.remove(key) {
                self.let_go(old, None);
            }
        }
        keys.len() as u64
    }

    /// Removes a segment from the disk. Readers have its files open. If the log cannot be removed, the segment stays
    /// the oldest: a younger one must not go before it.
    fn drop_segment(&mut self, segment: &Arc<Segment>) -> io::Result<()> {
        let (io, layout) = (self.store.io(), &self.store.layout);
        if self.store.segments.len() == 1 && self.store.options.sync != Sync::Never {
            // With no segment left, an open could not tell that one whose removal was lost had been evicted before.
            io.sync_dir(&layout.segments())?;
        }
        for generation in segment.bodies() {
            if let Err(error) = gone(io.remove_file(&layout.body(segment.number, generation))) {
                let _ = self.failed("remove a body file", error); // the next open removes it
            }
        }
        self.store.segments.remove(segment.number);
        if let Err(error) = gone(self.let_go_of_log(segment)) {
            self.store.segments.insert(segment.clone());
            return Err(error);
        }
        // Someone else's file may be in it; then it stays.
        let _ = self
            .store
            .io()
            .remove_dir(&self.store.layout.segment(segment.number));
        Ok(())
    }
}

fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
