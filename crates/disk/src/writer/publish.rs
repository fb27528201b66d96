//! What a record changes once it is written, or once it could not be.

use super::{After, Pending, Reply, Writer};
use crate::format::footer::Item;
use crate::format::record::Kind;
use crate::index::Slot;
use crate::ring::Ring;
use forebay_core::{CacheEntryId, ErrorKind, PurgeOutcome, PurgeType};
use std::io;

impl Writer {
    /// Makes an operation visible.
    pub(super) fn publish(&mut self, pending: Pending) -> Answer {
        let Pending { item, after } = pending;
        if let Some(active) = &self.active
            && after.overrules(self.store.index.get(&item.key))
        {
            active.segment.set_overrules();
        }
        match after {
            After::Admit {
                guard,
                spill,
                weight_bytes,
                reply,
            } => {
                let counters = &self.store.counters;
                counters.admitted.add(1);
                counters.admitted_bytes.add(weight_bytes);
                if let (Some(spill), Some(active)) = (spill, &self.active) {
                    let bytes = crate::format::body::file_bytes(item.body_len);
                    spill.keep(); // before it is counted elsewhere, so that nobody sees it twice
                    active.segment.add_body(item.generation, bytes);
                    counters.written_bytes.add(bytes);
                    self.unsynced.add_body(active.segment.number, item.generation);
                }
                // One that is known was asked for before.
                let is_known = self.store.index.reads(&item.key).is_some() || self.ghosts.has(&item.key);
                self.set(&item, u8::from(is_known));
                drop(guard); // only now: lookups find the write until they find the entry
                Answer::Admitted(reply, weight_bytes)
            }
            After::Purge {
                only,
                purge_type,
                reply,
            } => {
                self.unset_and_hide(&item, only, purge_type);
                Answer::Outcome(
                    reply,
                    PurgeOutcome::Purged(Some(CacheEntryId::new(item.generation))),
                )
            }
            After::Rewrite { reply } => {
                let reads = self.store.index.reads(&item.key).unwrap_or_default();
                self.set(&item, reads.max(1));
                Answer::Outcome(reply, PurgeOutcome::Expired)
            }
            After::Keep { reads } => {
                self.set(&item, reads);
                self.store.counters.kept_entries.add(1);
                Answer::Nobody
            }
            After::Heal { reply } => {
                self.unset(&item);
                Answer::Healed(reply)
            }
            After::Bury | After::Owed => Answer::Nobody,
        }
    }

    /// What happens instead where the record could not be written: nothing is admitted, and what was to go is gone for
    /// this process at least.
    pub(super) fn fail(&mut self, pending: Pending, error: &str) {
        let Pending { item, after } = pending;
        let error = ErrorKind::StorageFailed.error(error.to_owned());
        match after {
            After::Admit {
                guard, spill, reply, ..
            } => {
                drop((spill, guard));
                let _ = reply.send(Err(error));
            }
            After::Purge {
                only,
                purge_type,
                reply,
            } => {
                self.unset_and_hide(&item, only, purge_type);
                self.owed.insert(item.key, item.generation);
                let _ = reply.send(Err(error));
            }
            After::Rewrite { reply } => drop(reply.send(Err(error))),
            After::Keep { .. } => {} // it goes with its segment
            After::Bury => self.unburied = true,
            After::Heal { reply } => {
                self.unset(&item);
                self.owed.insert(item.key, item.generation);
                let _ = reply.send(Ok(true));
            }
            After::Owed => {
                self.owed.insert(item.key, item.generation);
            }
        }
    }

    /// Makes the index point to a record of the active segment, which counts as read so often. The body file of an entry
    /// that moves is counted there from now on.
    fn set(&mut self, item: &Item, reads: u8) {
        let Some(active) = &self.active else { return };
        if let Some(from) = self.file_counted_by(item)
            && from != active.segment.number
            && let Some(bytes) =
                (self.store.segments.get(from)).and_then(|from| from.take_body(item.generation))
        {
            active.segment.add_body(item.generation, bytes);
            self.unsynced.add_body(active.segment.number, item.generation);
        }
        let slot = slot_of(item, active.segment.number);
        active.segment.add_live(1);
        if let Some(old) = self.store.index.insert(item.key, slot, reads) {
            self.let_go(old, Some(slot.generation));
        }
        if self.owed.contains_key(&item.key) {
            self.store.index.set_covers(&item.key); // what the tombstone was for may lie in the main ring
        }
    }

    fn unset(&self, item: &Item) {
        if let Some(old) = self.store.index.remove(&item.key) {
            self.let_go(old, None);
        }
    }

    /// Takes an entry from the index and hides the writes in progress of its key, at one moment: a write that begins when
    /// the entry is gone is not one that the purge was for.
    fn unset_and_hide(&self, item: &Item, only: Option<CacheEntryId>, purge_type: PurgeType) {
        let old = self.store.live.with_key(&item.key, |writes| {
            super::operations::hide(writes, only, purge_type);
            self.store.index.remove(&item.key)
        });
        if let Some(old) = old {
            self.let_go(old, None);
        }
    }

    /// The segment that has the entry's record, and counts its body file, before this one is appended.
    pub(super) fn file_counted_by(&self, item: &Item) -> Option<u32> {
        let before = self.store.index.get(&item.key)?;
        (before.body_in_file && before.generation == item.generation).then_some(before.segment)
    }

    /// Counts a slot out that the index has no more; a body file that nothing refers to is removed.
    pub(super) fn let_go(&self, old: Slot, kept_generation: Option<u64>) {
        let Some(segment) = self.store.segments.get(old.segment) else {
            return;
        };
        segment.add_live(-1);
        if old.body_in_file && kept_generation != Some(old.generation) {
            match self
                .store
                .io()
                .remove_file(&self.store.layout.body(old.generation))
            {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    // It stays counted, and goes with its segment.
                    let _ = self.failed("remove a body file", error);
                }
                _ => {
                    segment.take_body(old.generation);
                }
            }
        }
    }
}

impl After {
    /// Whether its record says something else of its key than the record before, which was that of the slot.
    fn overrules(&self, before: Option<Slot>) -> bool {
        match self {
            After::Admit { .. } => before.is_some(),
            // It may overrule what lies in the main ring, as the slot did.
            After::Keep { .. } => before.is_some_and(|slot| Ring::of(slot.segment) == Ring::Probation),
            _ => true,
        }
    }
}

/// What an operation has come to, for who waits for it.
pub(super) enum Answer {
    Admitted(Reply<u64>, u64),
    Outcome(Reply<PurgeOutcome>, PurgeOutcome),
    Healed(Reply<bool>),
    Nobody,
}

impl Answer {
    /// Tells it; the one that waited may be gone.
    pub(super) fn send(self) {
        match self {
            Answer::Admitted(reply, weight_bytes) => drop(reply.send(Ok(weight_bytes))),
            Answer::Outcome(reply, outcome) => drop(reply.send(Ok(outcome))),
            Answer::Healed(reply) => drop(reply.send(Ok(true))),
            Answer::Nobody => {}
        }
    }
}

/// The slot of an item that is an entry.
pub(crate) fn slot_of(item: &Item, segment: u32) -> Slot {
    Slot {
        segment,
        offset_units: item.offset_units,
        record_units: item.record_units,
        generation: item.generation,
        body_in_file: item.kind == Some(Kind::FileEntry),
    }
}
