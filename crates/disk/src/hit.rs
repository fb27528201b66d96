//! Reading the body of one stored entry.

use crate::format::{BLOCK_BYTES, blocks_match};
use crate::index::Slot;
use crate::io::File;
use crate::read::{BodyFile, Failure};
use crate::spare::Reading;
use crate::store::Store;
use crate::tier::Place;
use bytes::Bytes;
use forebay_core::{CacheEntryId, ErrorKind, HandleHit, HashBinary, ReadBody, Result, end_of_body};
use forebay_live::ShardedRef;
use std::any::Any;
use std::sync::Arc;

/// How much of a body file one read takes at most, in blocks: each chunk is sent by a call of its own, and wakes the client.
const CHUNK_BLOCKS: usize = 16;
const CHUNK_BYTES: u64 = (CHUNK_BLOCKS * BLOCK_BYTES) as u64;
/// The same where buffers of `MANY_BYTES` are in use: clients are slow to take what was read for them.
const CHUNK_BLOCKS_OF_MANY: usize = 1;
const MANY_BYTES: usize = 64 << 20;

/// Counts an open handler for as long as it lives.
pub(crate) struct Opened(ShardedRef<Store>);

impl Opened {
    pub(crate) fn new(store: ShardedRef<Store>) -> Self {
        store.counters.open_handlers.add(1);
        Opened(store)
    }

    pub(crate) fn store(&self) -> &Arc<Store> {
        &self.0
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.0.counters.open_handlers.sub(1);
    }
}

/// Where the body of a stored entry is.
pub(crate) enum Body {
    /// In memory since the lookup, checked.
    Inline(Bytes),
    /// In an open file, to be checked as it is read.
    File(BodyFile, #[expect(dead_code, reason = "holds the file")] Reading),
}

/// Reads a stored entry.
pub(crate) struct StoredHit {
    opened: Opened,
    key: HashBinary,
    slot: Slot,
    /// How often the entry was read.
    reads: u8,
    weight_bytes: u64,
    body: Body,
    position: u64,
    end: u64,
}

impl StoredHit {
    pub(crate) fn new(
        store: ShardedRef<Store>,
        key: HashBinary,
        (slot, reads): (Slot, u8),
        weight_bytes: u64,
        body: Body,
    ) -> Self {
        let mut hit = StoredHit {
            opened: Opened::new(store),
            key,
            slot,
            reads,
            weight_bytes,
            body,
            position: 0,
            end: 0,
        };
        hit.end = hit.len_bytes();
        hit
    }

    fn len_bytes(&self) -> u64 {
        match &self.body {
            Body::Inline(bytes) => bytes.len() as u64,
            Body::File(file, _) => file.len_bytes,
        }
    }

    /// What the memory tier has of the next chunk of a body file.
    fn copied(&self) -> Option<Bytes> {
        let (store, place, start) = (self.opened.store(), self.chunk(), self.chunk_start());
        let copy = store.tier.get(place)?;
        store.counters.memory_tier_reads.add(1);
        let until = (copy.len() as u64).min(self.end - start) as usize;
        Some(copy.slice((self.position - start) as usize..until))
    }

    /// Has the memory tier look at the blocks that were read of a body of so many bytes, if they are a whole chunk.
    fn offer(&self, blocks: &Bytes, range: &BlockRange, body_len: u64) {
        let start = self.chunk_start();
        if range.start_byte == start && blocks.len() as u64 == CHUNK_BYTES.min(body_len - start) {
            let tier = &self.opened.store().tier;
            tier.offer(self.chunk(), blocks, body_len, self.reads);
        }
    }

    fn chunk(&self) -> Place {
        Place::Chunk {
            generation: self.slot.generation,
            start_byte: self.chunk_start(),
        }
    }

    fn chunk_start(&self) -> u64 {
        self.position / CHUNK_BYTES * CHUNK_BYTES
    }

    /// The next chunk of a body file, checked.
    async fn read_file(&self, body: &BodyFile) -> Result<Bytes> {
        let store = &self.opened.store();
        let range = BlockRange::around(store, self.position, self.end, body.len_bytes);
        let bytes = match range
            .read(store, &body.file, &body.table[range.first..], body.seed)
            .await
        {
            Ok(bytes) => bytes,
            Err(Failure::Damaged(what)) => {
                Box::pin(store.heal(self.key, self.slot, what)).await;
                let generation = self.slot.generation;
                return Err(ErrorKind::Corrupt.error(format!("body of entry {generation}: {what}")));
            }
            Err(Failure::Io(error)) => {
                store.counters.read_errors.add(1);
                let context = format!("read body of entry {}", self.slot.generation);
                return Err(ErrorKind::StorageFailed.because(context, error));
            }
        };
        self.offer(&bytes, &range, body.len_bytes);
        Ok(range.cut(bytes, self.position, self.end))
    }
}

impl HandleHit for StoredHit {
    fn read_body<'s, 'f>(&'s mut self) -> ReadBody<'f>
    where
        's: 'f,
        Self: 'f,
    {
        if self.position >= self.end {
            return end_of_body();
        }
        Box::pin(async {
            let chunk = match &self.body {
                Body::Inline(bytes) => bytes.slice(self.position as usize..self.end as usize),
                Body::File(file, _) => match self.copied() {
                    Some(chunk) => chunk,
                    None => Box::pin(self.read_file(file)).await?,
                },
            };
            self.position += chunk.len() as u64;
            Ok(Some(chunk))
        })
    }

    fn can_seek(&self) -> bool {
        true
    }

    fn seek(&mut self, start: usize, end: Option<usize>) -> Result<()> {
        let (start, len) = (start as u64, self.len_bytes());
        let end = end.map_or(len, |end| end as u64);
        if start > len || end < start {
            let context = format!("range from byte {start} to {end} of a body of {len} bytes");
            return Err(ErrorKind::SeekOutOfRange.error(context));
        }
        (self.position, self.end) = (start, end.min(len));
        Ok(())
    }

    fn get_eviction_weight(&self) -> usize {
        usize::try_from(self.weight_bytes).unwrap_or(usize::MAX)
    }

    fn entry_id(&self) -> Option<CacheEntryId> {
        Some(CacheEntryId::new(self.slot.generation))
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync) {
        self
    }

    fn as_any_mut(&mut self) -> &mut (dyn Any + Send + Sync) {
        self
    }
}

/// The whole blocks around the start of a range, at most one chunk of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BlockRange {
    pub(crate) first: usize,
    pub(crate) until: usize,
    start_byte: u64,
    end_byte: u64,
}

impl BlockRange {
    pub(crate) fn around(store: &Store, start: u64, end: u64, body_len: u64) -> Self {
        let block = BLOCK_BYTES as u64;
        let first = start / block;
        let blocks = match store.buffers.used_bytes() < MANY_BYTES {
            true => CHUNK_BLOCKS,
            false => CHUNK_BLOCKS_OF_MANY,
        };
        let until = end.min((first + blocks as u64) * block).div_ceil(block);
        BlockRange {
            first: first as usize,
            until: until as usize,
            start_byte: first * block,
            end_byte: body_len.min(until * block),
        }
    }

    /// Reads the blocks, or the first of them, and checks them; `table` begins with the first one's checksum.
    pub(crate) async fn read(
        &self,
        store: &Store,
        file: &Arc<dyn File>,
        table: &[u64],
        seed: u64,
    ) -> Result<Bytes, Failure> {
        let bytes = store
            .read_blocks(file, self.start_byte, (self.end_byte - self.start_byte) as usize)
            .await?;
        match blocks_match(&bytes, table, 0, seed) {
            true => Ok(bytes),
            false => Err(Failure::Damaged("a block of the body is damaged")),
        }
    }

    /// Of the blocks' bytes, those within `[start, end)`.
    pub(crate) fn cut(&self, bytes: Bytes, start: u64, end: u64) -> Bytes {
        let until = (bytes.len() as u64).min(end - self.start_byte) as usize;
        bytes.slice((start - self.start_byte) as usize..until)
    }
}
