//! Appending records: opening and sealing the active segment, writing a batch, and making its effects visible.

use super::publish::Answer;
use super::{Active, After, Batch, Pending, Writer};
use crate::format::fixed::{FIXED_BYTES, encode_segment};
use crate::format::footer::{self, Item};
use crate::format::label::Label;
use crate::format::record::{ALIGN, Header};
use crate::io::{OpenMode, write_full};
use crate::options::Sync;
use crate::ring::Ring;
use crate::segment::Segment;
use crate::store::Store;
use bytes::Bytes;
use forebay_core::Result;
use std::io;
use std::sync::Arc;

/// A batch is written when it has grown to this, though more may be queued.
const BATCH_BYTES_MAX: u64 = 4 << 20;
const PAGE_BYTES: u64 = 4096;
static ZEROS: [u8; PAGE_BYTES as usize] = [0; PAGE_BYTES as usize];

impl Writer {
    /// Appends to this ring from now on.
    pub(super) fn switch_to(&mut self, ring: Ring) {
        if self.ring != ring {
            self.flush();
            std::mem::swap(&mut self.active, &mut self.idle);
            self.ring = ring;
        }
    }

    /// Sees to it that there is an active segment that is not full.
    pub(super) fn place(&mut self) -> Result<()> {
        if self.is_full() {
            self.flush();
            self.retire_oldest();
            self.seal();
        }
        if self.active.is_none() {
            let number = self.next_segments[self.ring as usize];
            let active = self
                .with_room(|writer| writer.new_segment(number))
                .map_err(|error| self.failed("begin a segment", error))
                .inspect_err(|error| self.pause(error))?;
            // Only now: a number that is left out would tell the next open that all before it was evicted.
            self.next_segments[self.ring as usize] = number.saturating_add(1);
            self.store.segments.insert(active.segment.clone());
            self.active = Some(active);
        }
        Ok(())
    }

    /// Sees to it that there is room for a record of so many bytes, and an active segment that is not full. A full one is
    /// followed by the next before room is made: what goes for that leaves its files.
    pub(super) fn place_record(&mut self, bytes: u64) -> Result<()> {
        if self.is_full() {
            self.place()?;
        }
        self.make_room(bytes, 0)?;
        self.place()
    }

    /// Whether the active segment takes no more records.
    pub(super) fn is_full(&self) -> bool {
        self.active.as_ref().is_some_and(|active| {
            active.segment.written_bytes() + self.batch.len_bytes >= self.store.options.segment_bytes()
        })
    }

    fn new_segment(&mut self, number: u32) -> io::Result<Active> {
        self.store.expect_own()?;
        let taken_over = self.take_over_log(number, &self.store.layout.log(number));
        let (io, layout) = (self.store.io(), &self.store.layout);
        let log = match taken_over {
            Some(taken_over) => Ok(taken_over),
            None => io.open(&layout.log(number), OpenMode::CreateNew).and_then(|log| {
                write_full(&*log, &[encode_segment(self.store.id, number)], 0)?;
                Ok((log, 0))
            }),
        };
        let begun = log.and_then(|(log, file_bytes)| {
            if self.store.options.sync == Sync::Always {
                log.sync()?;
                io.sync_dir(&layout.segments())?;
            }
            Ok((log, file_bytes))
        });
        match begun {
            Ok((log, file_bytes)) => {
                let segment = Arc::new(Segment::new(number, log, FIXED_BYTES as u64));
                segment.set_allocated(file_bytes);
                Ok(Active {
                    segment,
                    end: FIXED_BYTES as u64,
                    file_bytes,
                    takes_pages: !self.was_full_lately(),
                    items: Vec::new(),
                })
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error), // it is somebody else's
            Err(error) => {
                match io.remove_file(&layout.log(number)) {
                    // It stays as an empty segment, and keeps its number.
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        self.next_segments[self.ring as usize] = number.saturating_add(1);
                    }
                    _ => {}
                }
                Err(error)
            }
        }
    }

    /// Ends the active segment with its footer. Without one, if that fails, it is scanned when the store is opened.
    pub(super) fn seal(&mut self) {
        let Some(active) = &self.active else { return };
        let (segment, end, leftovers) = (active.segment.clone(), active.end, active.file_bytes);
        let footer = [footer::encode(
            &active.items,
            end,
            self.id().segment_seed(segment.number),
        )];
        let sealed_bytes = end + footer[0].len() as u64;
        let sealed = self.with_room(|_| {
            write_full(&*segment.log, &footer, end)?;
            match leftovers > sealed_bytes {
                true => segment.log.set_len(sealed_bytes), // a footer is found at the end of its file
                false => Ok(()),
            }
        });
        segment.set_allocated(if sealed.is_ok() { 0 } else { leftovers });
        if let Err(error) = sealed {
            let number = segment.number;
            let _ = self.failed(&format!("write the footer of segment {number:08x}"), error);
        }
        self.unsynced.add_log(segment.number);
        self.active = None;
    }

    pub(super) fn active_number(&self) -> Option<u32> {
        self.active.as_ref().map(|active| active.segment.number)
    }

    /// Puts a record into the batch. `place` was called before.
    pub(super) fn append(
        &mut self,
        header: Header,
        table: &[u64],
        label: &Label,
        body: Vec<Bytes>,
        after: After,
    ) {
        let seed = self.id().segment_seed(self.active_number().unwrap_or_default());
        let at = self.active.as_ref().map_or(0, |active| active.end) + self.batch.len_bytes;
        let item = self.item_of(&header, at);
        let batch = &mut self.batch;
        batch.buffers.push(header.encode(table, seed).into());
        batch.buffers.push(label.bytes().clone());
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
        let written = self.with_room(|writer| {
            if writer.batch.pending.is_empty() {
                return Ok(()); // it was written while the store made what had failed good
            }
            let mut batch = std::mem::take(&mut writer.batch);
            let written = writer.write(&mut batch);
            writer.batch = batch; // what making room has to know of
            written
        });
        let batch = std::mem::take(&mut self.batch);
        match written {
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
                let error = self.failed("append to the log", error);
                self.pause(&error);
                let error = error.to_string();
                for pending in batch.pending {
                    self.fail(pending, &error);
                }
                self.cut_active();
            }
        }
    }

    /// Writes the batch once it has grown so large that no more of it should be in memory.
    pub(super) fn flush_if_large(&mut self) {
        if self.batch.len_bytes >= BATCH_BYTES_MAX {
            self.flush();
        }
    }

    fn write(&mut self, batch: &mut Batch) -> io::Result<()> {
        let Some(active) = &mut self.active else {
            return Err(io::Error::other("no segment is open"));
        };
        let always = self.store.options.sync == Sync::Always;
        if always {
            sync_bodies(batch, &self.store)?;
        } else {
            self.unsynced.touch();
        }
        let end = active.end + batch.len_bytes;
        let page_rest = (end.next_multiple_of(PAGE_BYTES).min(active.file_bytes)).saturating_sub(end);
        if page_rest > 0 {
            // Pages are written whole: else what is left of the last one had to be read first.
            batch
                .buffers
                .push(Bytes::from_static(&ZEROS[..page_rest as usize]));
        }
        let written = write_full(&*active.segment.log, &batch.buffers, active.end);
        if page_rest > 0 {
            batch.buffers.pop();
        }
        written?;
        if always {
            active.segment.log.sync()?;
        }
        active.end += batch.len_bytes;
        active
            .items
            .extend(batch.pending.iter().map(|pending| pending.item));
        active.segment.grow(batch.len_bytes, batch.pending.len() as u64);
        self.store.counters.written_bytes.add(batch.len_bytes);
        Ok(())
    }

    /// Takes back what a failed write may have left, so that no later open takes it for written. Where that fails too,
    /// nothing more is written to this log, and it is tried again as soon as there is something to do.
    pub(super) fn cut_active(&mut self) {
        let Some(active) = &mut self.active else { return };
        match active.segment.log.set_len(active.end) {
            Ok(()) => {
                active.file_bytes = 0;
                active.segment.set_allocated(0);
            }
            Err(error) => {
                let (segment, end) = (active.segment.clone(), active.end);
                let _ = self.failed(&format!("cut the log of segment {:08x}", segment.number), error);
                self.unsynced.add_log(segment.number);
                self.uncut.push((segment, end));
                self.active = None;
            }
        }
    }

    /// Cuts the logs that could not be cut before.
    pub(super) fn cut_again(&mut self) {
        self.uncut
            .retain(|(segment, end)| segment.log.set_len(*end).is_err());
    }
}

/// The bodies come before the records that speak of them.
fn sync_bodies(batch: &Batch, store: &Store) -> io::Result<()> {
    let mut any = false;
    for pending in &batch.pending {
        if let After::Admit {
            spill: Some(spill), ..
        } = &pending.after
        {
            spill.shared().file.sync()?;
            any = true;
        }
    }
    if any {
        store.io().sync_dir(&store.layout.bodies())?;
    }
    Ok(())
}
