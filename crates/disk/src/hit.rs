//! Reading the body of one entry, stored or still being written.

use crate::format::{BLOCK_BYTES, blocks_match};
use crate::index::Slot;
use crate::io::File;
use crate::read::{BodyFile, Failure};
use crate::spill::SpillFile;
use crate::store::{Spilled, Store};
use async_trait::async_trait;
use bytes::Bytes;
use forebay_core::{
    CacheEntryId, CacheKey, ErrorKind, HandleHit, HashBinary, Result, SpanHandle, Storage as StorageTrait,
};
use forebay_live::{Follower, LiveWrite, Next};
use std::any::Any;
use std::sync::Arc;

/// How much of a body file one read takes; a multiple of the block.
const CHUNK_BYTES: u64 = 4 * BLOCK_BYTES as u64;

/// Counts an open handler for as long as it lives.
struct Opened(Arc<Store>);

impl Opened {
    fn new(store: &Arc<Store>) -> Self {
        store.counters.open_handlers.add(1);
        Opened(store.clone())
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
    File(BodyFile),
}

/// Reads a stored entry.
pub(crate) struct StoredHit {
    opened: Opened,
    key: HashBinary,
    slot: Slot,
    weight_bytes: usize,
    body: Body,
    position: u64,
    end: u64,
}

impl StoredHit {
    pub(crate) fn new(
        store: &Arc<Store>,
        key: HashBinary,
        slot: Slot,
        weight_bytes: usize,
        body: Body,
    ) -> Self {
        let mut hit = StoredHit {
            opened: Opened::new(store),
            key,
            slot,
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
            Body::File(file) => file.len_bytes,
        }
    }

    /// The next chunk of a body file, checked.
    async fn read_file(&self, body: &BodyFile) -> Result<Bytes> {
        let range = BlockRange::around(self.position, self.end, body.len_bytes);
        let store = &self.opened.0;
        let bytes = match range
            .read(store, &body.file, &body.table[range.first..], body.seed)
            .await
        {
            Ok(bytes) => bytes,
            Err(Failure::Damaged(what)) => {
                store.heal(self.key, self.slot, what).await;
                let generation = self.slot.generation;
                return Err(ErrorKind::Corrupt.error(format!("body of entry {generation}: {what}")));
            }
            Err(Failure::Io(error)) => {
                store.counters.read_errors.add(1);
                let context = format!("read body of entry {}", self.slot.generation);
                return Err(ErrorKind::StorageFailed.because(context, error));
            }
        };
        Ok(range.cut(bytes, self.position, self.end))
    }
}

#[async_trait]
impl HandleHit for StoredHit {
    async fn read_body(&mut self) -> Result<Option<Bytes>> {
        if self.position >= self.end {
            return Ok(None);
        }
        let chunk = match &self.body {
            Body::Inline(bytes) => bytes.slice(self.position as usize..self.end as usize),
            Body::File(file) => self.read_file(file).await?,
        };
        self.position += chunk.len() as u64;
        Ok(Some(chunk))
    }

    async fn finish(self: Box<Self>, _: &dyn StorageTrait, _: &CacheKey, _: &SpanHandle) -> Result<()> {
        Ok(())
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
        self.weight_bytes
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

/// Follows a write in progress.
pub(crate) struct LiveHit {
    opened: Opened,
    follower: Follower<Spilled>,
}

impl LiveHit {
    pub(crate) fn new(store: &Arc<Store>, write: Arc<LiveWrite<Spilled>>) -> Self {
        LiveHit {
            opened: Opened::new(store),
            follower: Follower::new(write),
        }
    }

    /// Bytes that memory has let go of: only whole blocks of the spill file are ever released.
    async fn read_spilled(&self, start: u64, until: u64) -> Result<Bytes> {
        let gone = || ErrorKind::StorageFailed.error("a write in progress has no body file to read on from");
        let spilled: &Arc<SpillFile> = self.follower.write().extra().get().ok_or_else(gone)?;
        let range = BlockRange::around(start, until, u64::MAX);
        let table = spilled.table(range.first, range.until).ok_or_else(gone)?;
        let store = &self.opened.0;
        match range.read(store, &spilled.file, &table, spilled.seed).await {
            Ok(bytes) => Ok(range.cut(bytes, start, until)),
            Err(Failure::Damaged(what)) => {
                Err(ErrorKind::Corrupt.error(format!("write in progress: {what}")))
            }
            Err(Failure::Io(error)) => {
                store.counters.read_errors.add(1);
                Err(ErrorKind::StorageFailed.because("read body of a write in progress", error))
            }
        }
    }
}

#[async_trait]
impl HandleHit for LiveHit {
    async fn read_body(&mut self) -> Result<Option<Bytes>> {
        match self.follower.next().await? {
            Next::Chunk(chunk) => Ok(Some(chunk)),
            Next::End => Ok(None),
            Next::Released { start, until } => {
                let chunk = self.read_spilled(start, until).await?;
                self.follower.advance(chunk.len() as u64);
                Ok(Some(chunk))
            }
        }
    }

    async fn finish(self: Box<Self>, _: &dyn StorageTrait, _: &CacheKey, _: &SpanHandle) -> Result<()> {
        Ok(())
    }

    fn can_seek(&self) -> bool {
        true
    }

    fn seek(&mut self, start: usize, end: Option<usize>) -> Result<()> {
        self.follower.seek(start, end)
    }

    fn is_stream_hit(&self) -> bool {
        true
    }

    fn should_count_access(&self) -> bool {
        false
    }

    fn entry_id(&self) -> Option<CacheEntryId> {
        Some(self.follower.write().id())
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
struct BlockRange {
    first: usize,
    until: usize,
    start_byte: u64,
    end_byte: u64,
}

impl BlockRange {
    fn around(start: u64, end: u64, body_len: u64) -> Self {
        let block = BLOCK_BYTES as u64;
        let first = start / block;
        let until = end.min(first * block + CHUNK_BYTES).div_ceil(block);
        BlockRange {
            first: first as usize,
            until: until as usize,
            start_byte: first * block,
            end_byte: body_len.min(until * block),
        }
    }

    /// Reads the blocks and checks them; `table` begins with the first one's checksum.
    async fn read(
        &self,
        store: &Store,
        file: &Arc<dyn File>,
        table: &[u64],
        seed: u64,
    ) -> Result<Bytes, Failure> {
        let bytes = store
            .read(file, self.start_byte, (self.end_byte - self.start_byte) as usize)
            .await?;
        match blocks_match(&bytes, table, 0, seed) {
            true => Ok(bytes),
            false => Err(Failure::Damaged("a block of the body is damaged")),
        }
    }

    /// Of the blocks' bytes, those within `[start, end)`.
    fn cut(&self, bytes: Bytes, start: u64, end: u64) -> Bytes {
        let until = end.min(self.end_byte) - self.start_byte;
        bytes.slice((start - self.start_byte) as usize..until as usize)
    }
}
