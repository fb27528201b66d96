//! Appending records: opening and sealing the active segment, writing a batch, and making its effects visible.

use super::{Active, After, Batch, Pending, Reply, Writer};
use crate::format::fixed::{FIXED_BYTES, encode_segment};
use crate::format::footer::{self, Item};
use crate::format::record::{ALIGN, Header, Kind};
use crate::index::Slot;
use crate::io::{OpenMode, write_full};
use crate::options::Sync;
use crate::segment::Segment;
use bytes::Bytes;
use forebay_core::{CacheEntryId, ErrorKind, PurgeOutcome, Result};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// So many files may wait for a sync: they are open until then.
const UNSYNCED_FILES_MAX: usize = 64;

impl Writer {
    /// Sees to it that there is an active segment that is not full.
    pub(super) fn place(&mut self) -> Result<()> {
        let full = self.active.as_ref().is_some_and(|active| {
            active.segment.footprint_bytes() + self.batch.len_bytes >= self.store.options.segment_bytes()
        });
        if full {
            self.flush();
            self.seal();
        }
        if self.active.is_none() {
            let number = self.store.next_segment.fetch_add(1, Ordering::AcqRel);
            let active = self
                .new_segment(number)
                .map_err(|error| self.failed("begin a segment", error))?;
            self.store.segments.insert(active.segment.clone());
            self.active = Some(active);
        }
        Ok(())
    }

    fn new_segment(&mut self, number: u32) -> io::Result<Active> {
        let (io, layout) = (self.store.io(), &self.store.layout);
        io.create_dir(&layout.segment(number))?;
        let begun = io.open(&layout.log(number), OpenMode::CreateNew).and_then(|log| {
            write_full(&*log, &[encode_segment(self.store.id, number)], 0)?;
            if self.store.options.sync == Sync::Always {
                log.sync()?;
                io.sync_dir(&layout.segment(number))?;
                io.sync_dir(&layout.segments())?;
            }
            Ok(log)
        });
        match begun {
            Ok(log) => {
                let segment = Arc::new(Segment::new(number, log, FIXED_BYTES as u64));
                Ok(Active {
                    segment,
                    end: FIXED_BYTES as u64,
                    items: Vec::new(),
                })
            }
            Err(error) => {
                // What cannot be removed is an empty segment, which the next open takes as such.
                let _ = io.remove_file(&layout.log(number));
                let _ = io.remove_dir(&layout.segment(number));
                Err(error)
            }
        }
    }

    /// Ends the active segment with its footer. Without one, if that fails, it is scanned when the store is opened.
    pub(super) fn seal(&mut self) {
        let Some(active) = self.active.take() else { return };
        let seed = self.id().segment_seed(active.segment.number);
        let footer = footer::encode(&active.items, active.end, seed);
        if let Err(error) = write_full(&*active.segment.log, &[footer], active.end) {
            let number = active.segment.number;
            let _ = self.failed(&format!("write the footer of segment {number:08x}"), error);
        }
        if self.store.options.sync != Sync::Never {
            self.unsynced.push(active.segment.log.clone());
        }
    }

    pub(super) fn active_number(&self) -> Option<u32> {
        self.active.as_ref().map(|active| active.segment.number)
    }

    /// Where a body file of the active segment lies.
    pub(super) fn active_body(&self, generation: u64) -> PathBuf {
        self.store
            .layout
            .body(self.active_number().unwrap_or_default(), generation)
    }

    /// Puts a record into the batch. `place` was called before.
    pub(super) fn append(
        &mut self,
        header: Header,
        table: &[u64],
        meta: &Bytes,
        body: Vec<Bytes>,
        after: After,
    ) {
        let seed = self.id().segment_seed(self.active_number().unwrap_or_default());
        let at = self.active.as_ref().map_or(0, |active| active.end) + self.batch.len_bytes;
        let item = self.item_of(&header, at);
        let batch = &mut self.batch;
        batch.buffers.push(header.encode(table, seed).into());
        batch.buffers.push(meta.clone());
        batch.buffers.extend(body);
        batch.buffers.push(header.encode_end(seed).into());
        batch.len_bytes += header.record_bytes() as u64;
        batch.keys.insert(header.key);
        batch.pending.push(Pending { item, after });
    }

    pub(super) fn item_of(&self, header: &Header, at: u64) -> Item {
        Item {
            kind: Some(header.kind),
            key: header.key,
            generation: header.generation,
            offset_units: (at / ALIGN as u64) as u32, // a log ends far below 256 GiB
            record_units: (header.record_bytes() / ALIGN) as u32,
            body_len: header.body_len,
        }
    }

    /// Writes the batch and makes its effects visible, in order.
    pub(super) fn flush(&mut self) {
        if self.batch.pending.is_empty() {
            return;
        }
        let batch = std::mem::take(&mut self.batch);
        match self.write(&batch) {
            Ok(()) => {
                let answers: Vec<_> = batch
                    .pending
                    .into_iter()
                    .map(|pending| self.publish(pending))
                    .collect();
                self.reclaim();
                // Last: who waits sees everything that follows from the operation.
                answers.into_iter().for_each(Answer::send);
            }
            Err(error) => {
                let error = self.failed("append to the log", error).to_string();
                for pending in batch.pending {
                    self.fail(pending, &error);
                }
                self.cut_active();
            }
        }
        if self.unsynced.len() > UNSYNCED_FILES_MAX {
            self.sync();
        }
    }

    fn write(&mut self, batch: &Batch) -> io::Result<()> {
        let Some(active) = &mut self.active else {
            return Err(io::Error::other("no segment is open"));
        };
        let bodies = batch.pending.iter().filter_map(|pending| match &pending.after {
            After::Admit {
                spill: Some(spill), ..
            } => Some(spill.shared().file.clone()),
            _ => None,
        });
        let always = self.store.options.sync == Sync::Always;
        if always {
            let (mut any, io) = (false, &self.store.options.io);
            for file in bodies {
                file.sync()?;
                any = true;
            }
            if any {
                io.sync_dir(&self.store.layout.segment(active.segment.number))?;
            }
        } else if self.store.options.sync != Sync::Never {
            self.unsynced.extend(bodies);
            self.dirty_since.get_or_insert_with(Instant::now);
        }
        write_full(&*active.segment.log, &batch.buffers, active.end)?;
        if always {
            active.segment.log.sync()?;
        }
        active.end += batch.len_bytes;
        active
            .items
            .extend(batch.pending.iter().map(|pending| pending.item));
        active.segment.grow(batch.len_bytes, batch.pending.len() as u64);
        Ok(())
    }

    /// Takes back what a failed write may have left, so that no later open takes it for written. Where that fails too,
    /// nothing more is written to this log.
    fn cut_active(&mut self) {
        if let Some(active) = &self.active
            && let Err(error) = active.segment.log.set_len(active.end)
        {
            let number = active.segment.number;
            let _ = self.failed(&format!("cut the log of segment {number:08x}"), error);
            self.active = None;
        }
    }

    fn publish(&mut self, pending: Pending) -> Answer {
        let Pending { item, after } = pending;
        match after {
            After::Admit {
                guard,
                spill,
                weight_bytes,
                reply,
            } => {
                if let (Some(spill), Some(active)) = (spill, &self.active) {
                    let bytes = crate::format::body::file_bytes(item.body_len);
                    active.segment.add_body(item.generation, bytes);
                    spill.keep();
                }
                self.set(&item, None);
                self.store.counters.admitted.add(1);
                drop(guard); // only now: lookups find the write until they find the entry
                Answer::Admitted(reply, weight_bytes)
            }
            After::Purge {
                only,
                purge_type,
                reply,
            } => {
                self.unset(&item);
                self.purge_live(&item.key, only, purge_type);
                Answer::Outcome(
                    reply,
                    PurgeOutcome::Purged(Some(CacheEntryId::new(item.generation))),
                )
            }
            After::Rewrite { moved_from, reply } => {
                self.set(&item, moved_from);
                Answer::Outcome(reply, PurgeOutcome::Expired)
            }
            After::Keep { moved_from } => {
                self.set(&item, moved_from);
                self.store.counters.kept_entries.add(1);
                Answer::Nobody
            }
            After::Heal { reply } => {
                self.unset(&item);
                Answer::Healed(reply)
            }
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
                self.unset(&item);
                self.purge_live(&item.key, only, purge_type);
                let _ = reply.send(Err(error));
            }
            After::Rewrite { moved_from, reply } => {
                self.move_back(&item, moved_from);
                let _ = reply.send(Err(error));
            }
            After::Keep { moved_from } => self.move_back(&item, moved_from),
            After::Heal { reply } => {
                self.unset(&item);
                let _ = reply.send(Ok(true));
            }
        }
    }

    /// Makes the index point to a record of the active segment.
    fn set(&self, item: &Item, moved_from: Option<u32>) {
        let Some(active) = &self.active else { return };
        if let Some(bytes) = moved_from
            .and_then(|from| self.store.segments.get(from))
            .and_then(|from| from.take_body(item.generation))
        {
            active.segment.add_body(item.generation, bytes);
        }
        let slot = slot_of(item, active.segment.number);
        active.segment.add_live(1);
        if let Some(old) = self.store.index.insert(item.key, slot) {
            self.let_go(old, Some(slot.generation));
        }
    }

    fn unset(&self, item: &Item) {
        if let Some(old) = self.store.index.remove(&item.key) {
            self.let_go(old, None);
        }
    }

    fn move_back(&self, item: &Item, moved_from: Option<u32>) {
        if let Some(from) = moved_from {
            let back = self.store.layout.body(from, item.generation);
            if let Err(error) = self.store.io().rename(&self.active_body(item.generation), &back) {
                // Lookups will find the entry damaged; an open finds the file and moves it back.
                let _ = self.failed("move a body file back", error);
            }
        }
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
                .remove_file(&self.store.layout.body(old.segment, old.generation))
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

/// What an operation has come to, for who waits for it.
enum Answer {
    Admitted(Reply<usize>, usize),
    Outcome(Reply<PurgeOutcome>, PurgeOutcome),
    Healed(Reply<bool>),
    Nobody,
}

impl Answer {
    /// Tells it; the one that waited may be gone.
    fn send(self) {
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
