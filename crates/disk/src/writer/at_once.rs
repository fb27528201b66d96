//! What a caller may do itself: one write of a record to the end of a log that is open and has room for it. Whatever may wait
//! for the disk longer than such a write does is left to the store's thread.

use super::{Change, Op, Writer};
use crate::format::record::{ALIGN, HEAD_BYTES_MAX};
use crate::index::Slot;
use crate::options::Sync;
use crate::read::slot_range;
use crate::ring::Ring;

/// Of entries that come together, those with no more of a body than this in their records are admitted by a caller. To write
/// longer ones is most of the work, and the store's thread does that on another processor than a caller that has more to do.
const BODY_BYTES_MAX: u64 = 16 << 10;
/// So many operations at most are done by a caller at a time.
pub(super) const OPS_MAX: usize = 64;

impl Op {
    /// Whether it may be one that a caller does, alone or with others.
    pub(super) fn may_be_short(&self, is_alone: bool) -> bool {
        match self {
            Op::Purge { .. } | Op::Rewrite { .. } | Op::Reserve { .. } => true,
            Op::Commit(commit) => is_alone || commit.inline_bytes() <= BODY_BYTES_MAX,
            Op::Heal { .. } | Op::SeeTo { .. } | Op::Due => false,
        }
    }

    /// Whether it waits a moment for others that may come along with it.
    pub(super) fn has_time(&self) -> bool {
        matches!(self, Op::Commit(_))
    }
}

impl Writer {
    /// Does the operations, up to the first that is not short; gives back what is left.
    pub(super) fn at_once(&mut self, ops: Vec<Op>) -> Vec<Op> {
        let mut ops = ops.into_iter();
        let mut left = Vec::new();
        for op in ops.by_ref() {
            if !self.is_short(&op) {
                left.push(op);
                break;
            }
            self.handle(op);
        }
        left.extend(ops);
        self.flush();
        left
    }

    fn is_short(&self, op: &Op) -> bool {
        // What failed before is made good first, and a disk that was full may be so again, which takes an eviction.
        if !self.owed.is_empty() || !self.uncut.is_empty() || self.was_full_lately() || self.is_look_due() {
            return false;
        }
        match op {
            Op::Purge { key, only, .. } => match self.slot(key, *only) {
                Some(slot) => self.appends(ALIGN) && !slot.body_in_file && self.has_others(slot),
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
                    self.appends(record_bytes + more_bytes)
                        && self.segment_stays(slot)
                        && self.store.is_at_hand(slot)
                }
                None => true,
            },
            Op::Reserve { bytes, .. } => self.fits(0, *bytes),
            Op::Commit(commit) => {
                let record_bytes =
                    HEAD_BYTES_MAX + commit.label.lens().all() + commit.inline_bytes() as usize + 2 * ALIGN;
                self.has_pages(record_bytes as u64)
                    && !commit.leaves_a_file()
                    && self.store.index.len() < self.store.options.entries_max()
                    && self.appends(record_bytes)
                    && (self.store.index.get(commit.guard.key()))
                        .is_none_or(|slot| !slot.body_in_file && self.segment_stays(slot))
            }
            Op::Heal { .. } | Op::SeeTo { .. } | Op::Due => false,
        }
    }

    /// Whether so much can be appended by one write.
    fn appends(&self, record_bytes: usize) -> bool {
        let has_log = self.ring == Ring::Probation && self.active.is_some() && !self.is_full();
        has_log && self.store.options.sync != Sync::Always && self.fits(record_bytes as u64, 0)
    }

    /// Whether a slot's segment stays when the next record of its key takes its place: that may go to the same one.
    fn segment_stays(&self, slot: Slot) -> bool {
        self.active_number() == Some(slot.segment) || self.has_others(slot)
    }

    /// Whether a slot's segment has other entries. With the last one it goes itself.
    fn has_others(&self, slot: Slot) -> bool {
        let segment = self.store.segments.get(slot.segment);
        segment.is_some_and(|segment| segment.live() > 1)
    }
}
