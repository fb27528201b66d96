//! Reading and checking what is stored.

use crate::format::label::Label;
use crate::format::record::{ALIGN, Header, Kind, Table};
use crate::format::{BLOCK_BYTES, StoreId, blocks_match, body};
use crate::index::Slot;
use crate::io::{File, Io, OpenMode, read_full, read_full_nowait, thread_waits};
use crate::segment::Segment;
use crate::store::Store;
use bytes::Bytes;
use forebay_core::HashBinary;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// So much of a body is read at a time where the disk is waited for, in bytes: while it is sent, the kernel reads ahead.
const WAIT_BYTES: usize = 4 * BLOCK_BYTES;

/// Why something stored could not be read.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The bytes are not what was written; the text says which.
    Damaged(&'static str),
    /// The disk failed.
    Io(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Failure::Damaged("it ends too early"),
            io::ErrorKind::NotFound => Failure::Damaged("its body file is gone"),
            _ => Failure::Io(error),
        }
    }
}

/// A record that was read and checked, an inline body included.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) header: Header,
    pub(crate) table: Table,
    pub(crate) label: Label,
    pub(crate) inline_body: Bytes,
}

impl Stored {
    pub(crate) fn body_in_file(&self) -> bool {
        self.header.kind == Kind::FileEntry
    }

    /// Checks the bytes of the record that a slot speaks of. Its trailer is for scans; all else has checksums.
    pub(crate) fn parse(bytes: &Bytes, id: StoreId, key: &HashBinary, slot: Slot) -> Result<Stored, Failure> {
        let stored = Stored::split(bytes, id, key, slot)?;
        let seed = id.generation_seed(stored.header.generation);
        if stored.label.checksum(seed) != stored.header.label_checksum {
            return Err(Failure::Damaged("its key text or its meta is damaged"));
        }
        if !stored.body_in_file() && !blocks_match(&stored.inline_body, &stored.table, 0, seed) {
            return Err(Failure::Damaged("its body is damaged"));
        }
        Ok(stored)
    }

    /// The parts of a record, of which its head alone is checked.
    fn split(bytes: &Bytes, id: StoreId, key: &HashBinary, slot: Slot) -> Result<Stored, Failure> {
        let (header, table) = Header::decode(bytes, id.segment_seed(slot.segment))
            .ok_or(Failure::Damaged("its record has a damaged head"))?;
        if header.key != *key
            || header.generation != slot.generation
            || header.record_bytes() != bytes.len()
            || (header.kind == Kind::FileEntry) != slot.body_in_file
        {
            return Err(Failure::Damaged("its record is another's"));
        }
        let label = Label::of(bytes.slice(header.label_at()..header.body_at()), header.label);
        let inline_body = match header.kind {
            Kind::Entry => bytes.slice(header.body_at()..header.body_at() + header.body_len as usize),
            _ => Bytes::new(),
        };
        Ok(Stored {
            header,
            table,
            label,
            inline_body,
        })
    }
}

/// Whether a read may wait for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// It reads what memory has at hand, and fails where that is not all.
    No,
    /// It blocks for as long as the disk takes.
    Yes,
}

impl Wait {
    /// Fills the buffer.
    fn read_full(self, file: &dyn File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        match self {
            Wait::No => read_full_nowait(file, buffer, offset),
            Wait::Yes => read_full(file, buffer, offset),
        }
    }
}

/// An open body file with its checksums.
#[derive(Debug, Clone)]
pub(crate) struct BodyFile {
    pub(crate) file: Arc<dyn File>,
    pub(crate) table: Arc<[u64]>,
    pub(crate) seed: u64,
    pub(crate) len_bytes: u64,
}

impl BodyFile {
    /// Opens the body file of a record and checks its table.
    pub(crate) fn open(
        io: &dyn Io,
        path: &Path,
        id: StoreId,
        header: &Header,
        table: &[u64],
        wait: Wait,
    ) -> Result<BodyFile, Failure> {
        let file = match wait {
            Wait::No => io.open_nowait(path)?,
            Wait::Yes => io.open(path, OpenMode::Read)?,
        };
        let Header {
            key,
            generation,
            body_len,
            ..
        } = *header;
        if file.len_bytes()? != body::file_bytes(body_len) {
            return Err(Failure::Damaged("its body file has another length"));
        }
        let mut end = vec![0; (body::file_bytes(body_len) - body_len) as usize];
        wait.read_full(&*file, &mut end, body_len)?;
        let seed = id.generation_seed(generation);
        let table_checksum = table.first().copied().unwrap_or_default();
        let table = body::decode_end(&end, &key, generation, body_len, table_checksum, seed)
            .ok_or(Failure::Damaged("its body file has a damaged end"))?;
        Ok(BodyFile {
            file,
            table: table.into(),
            seed,
            len_bytes: body_len,
        })
    }
}

impl Store {
    /// Reads the blocks of a body that the page cache has of a range that begins with one, at once; where it has not even
    /// the first, some of them on a thread of the pool. What comes is whole blocks, but for the end of the range.
    pub(crate) async fn read_blocks(
        &self,
        file: &Arc<dyn File>,
        offset: u64,
        len_bytes: usize,
    ) -> io::Result<Bytes> {
        let at_hand = |bytes: &mut [u8]| match file.read_at_nowait(bytes, offset)? {
            n if n == bytes.len() => Ok(n),
            n if n >= BLOCK_BYTES => Ok(n - n % BLOCK_BYTES),
            _ => Err(io::ErrorKind::WouldBlock.into()),
        };
        match self.buffers.take(len_bytes).fill_part(at_hand) {
            Ok(bytes) => Ok(bytes),
            Err((buffer, error)) if self.may_read_untold(&error) => self
                .untold(|| buffer.fill(|bytes| read_full(&**file, bytes, offset)))
                .map_err(|(_, error)| error),
            Err((buffer, _)) => {
                drop(buffer); // many may wait at a time: a buffer is taken by the thread that fills it
                self.read_waiting(file, offset, len_bytes.min(WAIT_BYTES)).await
            }
        }
    }

    /// Whether a caller whom nobody could tell whether memory has something goes and reads it: where callers have not waited
    /// for that lately.
    pub(crate) fn may_read_untold(&self, error: &io::Error) -> bool {
        error.kind() == io::ErrorKind::Unsupported && !self.read_detour.is_on(Instant::now())
    }

    /// Such a read. Where nobody counts for what a thread waits, it is taken to have waited.
    pub(crate) fn untold<T>(&self, read: impl FnOnce() -> T) -> T {
        let (begun, before) = (Instant::now(), thread_waits());
        let done = read();
        if before.is_none() || thread_waits() != before {
            self.read_detour.waited(begun);
        }
        done
    }

    /// Reads so many bytes on a thread of the pool.
    async fn read_waiting(&self, file: &Arc<dyn File>, offset: u64, len_bytes: usize) -> io::Result<Bytes> {
        self.counters.fallback_reads.add(1);
        let (file, buffer) = (file.clone(), self.buffers.later(len_bytes));
        let read = move || buffer.take().fill(|bytes| read_full(&*file, bytes, offset));
        self.pool.run(read).await?.map_err(|(_, error)| error)
    }

    /// The record of a slot that has been read so often: from the memory tier, or read and checked; `None` where its segment
    /// is gone.
    pub(crate) fn find_record(
        &self,
        key: &HashBinary,
        slot: Slot,
        reads: u8,
        wait: Wait,
    ) -> Result<Option<Stored>, Failure> {
        if let Some(copy) = self.tier.get(slot.into()) {
            self.counters.memory_tier_reads.add(1);
            return Stored::split(&copy, self.id, key, slot).map(Some);
        }
        let Some(bytes) = self.read_log(slot, wait)? else {
            return Ok(None);
        };
        let stored = Stored::parse(&bytes, self.id, key, slot)?;
        self.tier
            .offer(slot.into(), &bytes, stored.header.body_len, reads);
        Ok(Some(stored))
    }

    /// Reads and checks the record of a slot; `None` where its segment is gone.
    pub(crate) fn read_record(
        &self,
        key: &HashBinary,
        slot: Slot,
        wait: Wait,
    ) -> Result<Option<Stored>, Failure> {
        match self.read_log(slot, wait)? {
            Some(bytes) => Stored::parse(&bytes, self.id, key, slot).map(Some),
            None => Ok(None),
        }
    }

    /// Whether the page cache has the record of a slot. Where that cannot be told, it has after this.
    pub(crate) fn is_at_hand(&self, slot: Slot) -> bool {
        let read = match self.read_log(slot, Wait::No) {
            Err(error) if self.may_read_untold(&error) => self.untold(|| self.read_log(slot, Wait::Yes)),
            read => read,
        };
        matches!(read, Ok(Some(_)))
    }

    fn read_log(&self, slot: Slot, wait: Wait) -> io::Result<Option<Bytes>> {
        let (offset, len_bytes) = slot_range(slot);
        let buffer = self.buffers.take(len_bytes);
        let fill = |segment: &Segment| buffer.fill(|bytes| wait.read_full(&*segment.log, bytes, offset));
        let filled = match wait {
            Wait::No => self.segments.with(slot.segment, fill),
            Wait::Yes => self.segments.get(slot.segment).map(|segment| fill(&segment)),
        };
        filled.transpose().map_err(|(_, error)| error)
    }
}

/// Where the record of a slot begins in its log, and how long it is.
pub(crate) fn slot_range(slot: Slot) -> (u64, usize) {
    (
        u64::from(slot.offset_units) * ALIGN as u64,
        slot.record_units as usize * ALIGN,
    )
}
