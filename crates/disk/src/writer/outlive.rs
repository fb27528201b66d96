//! What outlives a segment that goes, and is appended to the main ring before: entries that were read, and tombstones of
//! what lies there.

use super::{After, Writer, slot_of};
use crate::format::footer::Item;
use crate::format::record::Kind;
use crate::read::Wait;
use crate::ring::Ring;
use crate::segment::Segment;
use forebay_core::HashBinary;
use std::collections::{BTreeMap, HashSet};
use std::io;

/// Which entries outlive their segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// Those that were read, as far as the capacity has room for them beside their segment; in the main ring up to three
    /// quarters of it, for the rest is room that is won.
    Read,
    Nothing,
    All,
}

impl Writer {
    /// Appends what is to outlive a segment. What overrules something in the main ring is durable then. On an error the
    /// segment has to stay.
    pub(super) fn outlive(&mut self, leaving: &Segment, items: &[Item], keep: Keep) -> io::Result<()> {
        // Else nothing is written, also in the middle of a write that the disk is too full for.
        if keep != Keep::Nothing || !self.graves(leaving, items).is_empty() {
            self.switch_to(Ring::Main);
            let outlived = self.append_outliving(leaving, items, keep);
            self.switch_to(Ring::Probation);
            outlived?;
        }
        // Whatever is to be durable otherwise: were this lost, something older would be back.
        match self.main_overrules {
            true => self.sync_main(),
            false => Ok(()),
        }
    }

    fn append_outliving(&mut self, leaving: &Segment, items: &[Item], keep: Keep) -> io::Result<()> {
        self.keep_entries(leaving, items, keep);
        let graves = self.graves(leaving, items);
        self.main_overrules |= !graves.is_empty();
        self.bury(&graves)
    }

    fn keep_entries(&mut self, leaving: &Segment, items: &[Item], keep: Keep) {
        let ring = Ring::of(leaving.number);
        let mut left = match (keep, ring) {
            (Keep::Read, Ring::Main) => leaving.footprint_bytes() / 4 * 3,
            _ => u64::MAX,
        };
        // A store that was given less capacity than it has is above it anyhow, and comes down all the same.
        let is_above = self.store.used_bytes() > self.capacity_bytes();
        // What follows a tombstone, or a damaged record, overrules what that one does.
        let no_entries = items.iter().filter(|item| !is_entry(item));
        let overruling: HashSet<_> = no_entries.map(|item| item.key).collect();
        let mut any = false;
        for (key, slot) in self.entries_in(leaving, items) {
            let reads = self.store.index.reads(&key).unwrap_or_default();
            if keep == Keep::Nothing || keep == Keep::Read && reads == 0 {
                continue;
            }
            let Ok(Some(stored)) = self.store.read_record(&key, slot, Wait::Yes) else {
                continue;
            };
            let weight = stored.header.weight_bytes();
            // The first one always: a body may be larger than all else of its segment.
            let fits = is_above || self.has_room(stored.header.record_bytes() as u64);
            if weight > left && any || !fits || self.place().is_err() {
                continue;
            }
            left = left.saturating_sub(weight);
            any = true;
            self.main_overrules |= self.store.index.covers(&key) || overruling.contains(&key);
            let reads = match ring {
                Ring::Main => reads.saturating_sub(1),
                Ring::Probation => 0,
            };
            self.append_rewritten(stored, slot.generation, After::Keep { reads });
            self.flush_if_large(); // they are in memory until then
        }
        self.flush();
    }

    /// The keys that need a tombstone in the main ring when a segment on probation goes with what it still holds, each
    /// with its last generation: an older record may lie there, and nothing that is left on probation would overrule it.
    pub(super) fn graves(&self, leaving: &Segment, items: &[Item]) -> BTreeMap<HashBinary, u64> {
        let mut graves = BTreeMap::new();
        let main_is_empty = self.store.segments.len_of(Ring::Main) == 0;
        if main_is_empty || Ring::of(leaving.number) == Ring::Main {
            return graves;
        }
        let index = &self.store.index;
        for item in items {
            let buried = match index.get(&item.key) {
                // It is replaced by a later record, which covers what this one has covered.
                Some(now) if is_entry(item) && now != slot_of(item, leaving.number) => false,
                Some(_) if is_entry(item) => index.covers(&item.key),
                // It was kept: its record is the last one of the main ring.
                Some(now) if Ring::of(now.segment) == Ring::Main => false,
                // A tombstone, or a damaged record, also where a later one follows, which does not know of what it
                // has covered; or an entry that has gone.
                _ => true,
            };
            if buried {
                graves.insert(item.key, item.generation);
            }
        }
        for (key, slot) in self.entries_in(leaving, items) {
            if index.covers(&key) {
                graves.insert(key, slot.generation);
            }
        }
        graves
    }

    fn bury(&mut self, graves: &BTreeMap<HashBinary, u64>) -> io::Result<()> {
        self.unburied = false;
        for (key, generation) in graves {
            self.append_tombstone(*key, *generation, After::Bury);
            self.flush_if_large();
        }
        self.flush();
        match self.unburied {
            true => Err(io::Error::other("a tombstone cannot be written")),
            false => Ok(()),
        }
    }
}

fn is_entry(item: &Item) -> bool {
    matches!(item.kind, Some(Kind::Entry | Kind::FileEntry))
}
