//! What a caller may do itself: one write of a record to the end of a log that is open and has room for it. Whatever may wait
//! for the disk longer than such a write does is left to the store's thread.

use super::{Change, Op, Writer};
use crate::format::record::ALIGN;
use crate::index::Slot;
use crate::options::Sync;
use crate::read::slot_range;
use crate::ring::Ring;

impl Op {
    /// Whether it may be one that its caller does. An entry is the thread's to admit: it writes together what queues up, on
    /// another processor than a caller that has more to do.
    pub(super) fn may_be_short(&self) -> bool {
        match self {
            Op::Purge { .. } | Op::Rewrite { .. } | Op::Reserve { .. } => true,
            Op::Commit(_) | Op::Heal { .. } | Op::Shrink { .. } | Op::Synced => false,
        }
    }
}

impl Writer {
    /// Does the operation, or gives it back.
    pub(super) fn at_once(&mut self, op: Op) -> Option<Op> {
        if !self.is_short(&op) {
            return Some(op);
        }
        self.handle(op);
        self.flush();
        None
    }

    fn is_short(&self, op: &Op) -> bool {
        // What failed before is made good first, and a disk that was full may be so again, which takes an eviction.
        if !self.owed.is_empty() || !self.uncut.is_empty() || self.was_full_lately() {
            return false;
        }
        match op {
            Op::Purge { key, only, .. } => match self.slot(key, *only) {
                Some(slot) => self.appends_shortly(ALIGN, slot),
                None => true, // nothing is written
            },
            Op::Rewrite {
                key, only, change, ..
            } => match self.slot(key, *only) {
                Some(slot) => {
                    let (_, record_bytes) = slot_range(slot);
                    let more_bytes = match change {
                        Change::Replace(meta) => meta.len(),
                        Change::Expire(_) => record_bytes,
                    };
                    self.appends_shortly(record_bytes + more_bytes, slot) && self.store.is_at_hand(slot)
                }
                None => true,
            },
            Op::Reserve { bytes, .. } => self.fits(0, *bytes),
            Op::Commit(_) | Op::Heal { .. } | Op::Shrink { .. } | Op::Synced => false,
        }
    }

    /// Whether so much can be appended by one write, after which the slot is no longer its key's.
    fn appends_shortly(&self, record_bytes: usize, replaced: Slot) -> bool {
        let has_log = self.ring == Ring::Probation && self.active.is_some() && !self.is_full();
        has_log
            && self.store.options.sync != Sync::Always
            && self.fits(record_bytes as u64, 0)
            && !self.takes_a_file_along(replaced)
    }

    /// Whether a file goes with a slot: that of its body, or a segment that has nothing else in it.
    fn takes_a_file_along(&self, slot: Slot) -> bool {
        let segment = self.store.segments.get(slot.segment);
        slot.body_in_file || segment.is_none_or(|segment| segment.live() <= 1)
    }
}
