//! What the writer does for each operation, up to the record that it appends.

use super::{After, Change, Commit, CommitBody, Pending, Reply, Writer};
use crate::format::label::{Label, LabelLens};
use crate::format::record::{Header, Kind};
use crate::index::Slot;
use crate::read::{Failure, Stored, Wait};
use crate::store::Spilled;
use forebay_core::{CacheEntryId, CacheMeta, ErrorKind, HashBinary, PurgeOutcome, PurgeType, Result};
use forebay_live::KeyWrites;
use std::io;

impl Writer {
    pub(super) fn commit(&mut self, commit: Commit) {
        let Commit {
            guard,
            label,
            body,
            body_len,
            reply,
        } = commit;
        self.settle(guard.key());
        let (kind, table) = match &body {
            CommitBody::Inline { table, .. } => (Kind::Entry, table.clone()),
            CommitBody::File { table_checksum, .. } => (Kind::FileEntry, vec![*table_checksum]),
        };
        let generation = guard.id().get();
        let header = Header {
            kind,
            key: *guard.key(),
            generation,
            label: label.lens(),
            body_len,
            label_checksum: label.checksum(self.id().generation_seed(generation)),
        };
        let weight = header.weight_bytes();
        if guard.is_purged() {
            // As if it had been purged right after it was admitted.
            drop((body, guard));
            // A store that was opened with less capacity than it had occupies too much until its first write.
            let is_too_large = self.store.used_bytes() > self.store.options.capacity_bytes;
            let room = if is_too_large {
                self.make_room(0, 0)
            } else {
                Ok(())
            };
            let _ = reply.send(room.map(|()| weight));
            return;
        }
        let (chunks, spill) = match body {
            CommitBody::Inline { chunks, .. } => (chunks, None),
            CommitBody::File { spill, .. } => (Vec::new(), Some(spill)),
        };
        self.make_index_room();
        if let Err(error) = self.place_record(header.record_bytes() as u64) {
            drop((guard, spill));
            let _ = reply.send(Err(error));
            return;
        }
        let after = After::Admit {
            guard,
            spill,
            weight_bytes: weight,
            reply,
        };
        self.append(header, &table, &label, chunks, after);
    }

    pub(super) fn purge(
        &mut self,
        key: HashBinary,
        only: Option<CacheEntryId>,
        purge_type: PurgeType,
        reply: Reply<PurgeOutcome>,
    ) {
        self.settle(&key);
        match self.slot(&key, only) {
            None if self.owed.contains_key(&key) => {
                self.purge_live(&key, only, purge_type);
                let _ = reply.send(Err(ErrorKind::StorageFailed.error(
                    "an entry is purged, but the disk does not let the store write it down; purge it again",
                )));
            }
            None => {
                let live = self.purge_live(&key, only, purge_type);
                let outcome = live.map_or(PurgeOutcome::NotFound, |id| PurgeOutcome::Purged(Some(id)));
                let _ = reply.send(Ok(outcome));
            }
            Some(slot) => self.append_tombstone(
                key,
                slot.generation,
                After::Purge {
                    only,
                    purge_type,
                    reply,
                },
            ),
        }
    }

    /// Hides the writes in progress that a purge is for; the id of one of them.
    pub(super) fn purge_live(
        &self,
        key: &HashBinary,
        only: Option<CacheEntryId>,
        purge_type: PurgeType,
    ) -> Option<CacheEntryId> {
        let live = &self.store.live;
        live.with_key(key, |writes| hide(writes, only, purge_type))
    }

    pub(super) fn heal(&mut self, key: HashBinary, slot: Slot, what: &'static str, reply: Reply<bool>) {
        self.settle(&key);
        if self.store.index.get(&key) != Some(slot) {
            let _ = reply.send(Ok(false));
            return;
        }
        self.store.counters.corrupt_entries.add(1);
        let log = self.store.layout.log(slot.segment);
        log::warn!(
            "entry {} of {} is dropped: {what}",
            slot.generation,
            log.display()
        );
        self.append_tombstone(key, slot.generation, After::Heal { reply });
    }

    pub(super) fn append_tombstone(&mut self, key: HashBinary, generation: u64, after: After) {
        let header = Header {
            kind: Kind::Tombstone,
            key,
            generation,
            label: LabelLens::NONE,
            body_len: 0,
            label_checksum: 0,
        };
        match self.place() {
            Ok(()) => self.append(header, &[], &Label::none(), Vec::new(), after),
            Err(error) => {
                let pending = Pending {
                    item: self.item_of(&header, 0),
                    after,
                };
                self.fail(pending, &error.to_string());
            }
        }
    }

    /// Writes the tombstones that could not be written before, unless the key has an entry again: that one's record
    /// comes later in the log and says the same.
    pub(super) fn pay_owed(&mut self) {
        if self.owed.is_empty() {
            return;
        }
        for (key, generation) in std::mem::take(&mut self.owed) {
            if self.store.index.get(&key).is_none() && self.store.segments.len() > 0 {
                self.append_tombstone(key, generation, After::Owed);
                self.flush_if_large();
            }
        }
        self.flush();
    }

    pub(super) fn rewrite(
        &mut self,
        key: HashBinary,
        only: Option<CacheEntryId>,
        change: Change,
        reply: Reply<PurgeOutcome>,
    ) {
        self.settle(&key);
        let Some(slot) = self.slot(&key, only) else {
            let _ = reply.send(Ok(PurgeOutcome::NotFound));
            return;
        };
        match self.rewritten(&key, slot, change) {
            Ok(Some((stored, slot))) => {
                self.append_rewritten(stored, slot.generation, After::Rewrite { reply });
            }
            Ok(None) => {
                let _ = reply.send(Ok(PurgeOutcome::NotFound));
            }
            Err(error) => {
                let _ = reply.send(Err(error));
            }
        }
    }

    /// The entry as it will be, and where it is after room was made; `None` if it has gone meanwhile.
    fn rewritten(&mut self, key: &HashBinary, slot: Slot, change: Change) -> Result<Option<(Stored, Slot)>> {
        let mut stored = match self.store.read_record(key, slot, Wait::Yes) {
            Ok(Some(stored)) => stored,
            Ok(None) => return Ok(None),
            Err(Failure::Io(error)) => {
                self.store.counters.read_errors.add(1);
                return Err(ErrorKind::StorageFailed.because("read the entry whose meta is to change", error));
            }
            Err(Failure::Damaged(what)) => {
                let (reply, _) = tokio::sync::oneshot::channel();
                self.heal(*key, slot, what, reply);
                return Ok(None);
            }
        };
        let meta = match change {
            Change::Replace(meta) => meta,
            Change::Expire(now) => {
                let mut meta = CacheMeta::decode(stored.label.meta())?;
                meta.expire_at(now);
                meta.encode()?.into()
            }
        };
        self.place_record((stored.header.record_bytes() + meta.len()) as u64)?;
        // Both may have moved the entry or dropped it.
        match self.store.index.get(key) {
            Some(now) if now == slot => {
                stored.label = stored.label.with_meta(&meta);
                Ok(Some((stored, slot)))
            }
            Some(now) if now.generation == slot.generation => self.rewritten(key, now, Change::Replace(meta)),
            _ => Ok(None),
        }
    }

    /// Appends an entry once more, with the label that it has now. A body file stays where it is.
    pub(super) fn append_rewritten(&mut self, stored: Stored, generation: u64, after: After) {
        let seed = self.id().generation_seed(generation);
        let header = Header {
            label: stored.label.lens(),
            label_checksum: stored.label.checksum(seed),
            ..stored.header
        };
        self.append(
            header,
            &stored.table,
            &stored.label,
            vec![stored.inline_body],
            after,
        );
    }

    /// Writes what is pending if it concerns this key, so that index and purge marks are as the log says.
    fn settle(&mut self, key: &HashBinary) {
        if self.batch.keys.contains(key) {
            self.flush();
        }
    }

    pub(super) fn slot(&self, key: &HashBinary, only: Option<CacheEntryId>) -> Option<Slot> {
        let slot = self.store.index.get(key)?;
        only.is_none_or(|id| id.get() == slot.generation).then_some(slot)
    }

    /// Counts a failure and words it.
    pub(super) fn failed(&self, what: &str, error: io::Error) -> Box<forebay_core::Error> {
        self.store.counters.write_errors.add(1);
        let context = format!("{what}, in {}", self.store.layout.root().display());
        ErrorKind::StorageFailed.because(context, error)
    }
}

/// Hides the writes of a key that a purge is for; the id of one of them.
pub(super) fn hide(
    writes: &KeyWrites<Spilled>,
    only: Option<CacheEntryId>,
    purge_type: PurgeType,
) -> Option<CacheEntryId> {
    if purge_type == PurgeType::Eviction {
        return None;
    }
    match only {
        Some(id) => writes.purge_exact(id).then_some(id),
        None => {
            let newest = writes.newest().map(|write| write.id());
            writes.purge().then_some(newest)?
        }
    }
}
