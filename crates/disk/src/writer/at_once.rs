//! What a caller may do itself: one write of a record to the end of a log that is open and has room for it. A record is short:
//! large bodies lie beside the log. Whatever may wait for the disk longer than such a write does is left to the store's thread.

use super::{Change, Commit, CommitBody, Op, Writer};
use crate::format::record::{ALIGN, Header, Kind};
use crate::index::Slot;
use crate::options::Sync;
use crate::read::slot_range;
use crate::ring::Ring;

impl Op {
    /// Whether it may be one that its caller does.
    pub(super) fn may_be_short(&self) -> bool {
        match self {
            Op::Commit(commit) => matches!(commit.body, CommitBody::Inline { .. }),
            Op::Purge { .. } | Op::Rewrite { .. } | Op::Reserve { .. } => true,
            Op::Heal { .. } | Op::Shrink { .. } => false,
        }
    }
}

impl Commit {
    fn record_bytes(&self) -> u64 {
        let header = Header {
            kind: Kind::Entry,
            key: *self.guard.key(),
            generation: self.guard.id().get(),
            meta_len: self.meta.len() as u32,
            body_len: self.body_len,
            meta_checksum: 0,
        };
        header.record_bytes() as u64
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
        match op {
            Op::Commit(commit) => {
                let replaced = self.store.index.get(commit.guard.key());
                self.appends_shortly(commit.record_bytes(), replaced)
            }
            Op::Purge { key, only, .. } => match self.slot(key, *only) {
                Some(slot) => self.appends_shortly(ALIGN as u64, Some(slot)),
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
                    self.appends_shortly((record_bytes + more_bytes) as u64, Some(slot))
                        && self.store.is_at_hand(slot)
                }
                None => true,
            },
            Op::Reserve { bytes, .. } => self.fits(0, *bytes),
            Op::Heal { .. } | Op::Shrink { .. } => false,
        }
    }

    /// Whether so much can be appended by one write, after which a slot is no longer the key's.
    fn appends_shortly(&self, record_bytes: u64, replaced: Option<Slot>) -> bool {
        let has_log = self.ring == Ring::Probation && self.active.is_some() && !self.is_full();
        has_log
            && self.store.options.sync != Sync::Always
            && self.owed.is_empty()
            && self.uncut.is_empty()
            && self.fits(record_bytes, 0)
            && self.store.index.len() < self.store.options.entries_max()
            && replaced.is_none_or(|slot| !self.takes_a_file_along(slot))
    }

    /// Whether a file goes with a slot: that of its body, or a segment that has nothing else in it.
    fn takes_a_file_along(&self, slot: Slot) -> bool {
        let segment = self.store.segments.get(slot.segment);
        slot.body_in_file || segment.is_none_or(|segment| segment.live() <= 1)
    }
}
