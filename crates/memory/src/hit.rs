//! Reading a stored entry, or one that is still being written.

use crate::entry::Entry;
use crate::stats::OpenHandler;
use async_trait::async_trait;
use bytes::Bytes;
use forebay_core::{CacheEntryId, ErrorKind, HandleHit, ReadBody, Result, end_of_body};
use forebay_live::{Follower, Next};
use std::any::Any;

/// A hit on a stored entry. The entry lives as long as the handler, whatever becomes of it in the storage.
pub(crate) struct StoredHit {
    entry: Entry,
    position: usize,
    end: usize,
    _open: OpenHandler,
}

impl StoredHit {
    pub(crate) fn new(entry: Entry, open: OpenHandler) -> Self {
        StoredHit {
            end: entry.body_len(),
            entry,
            position: 0,
            _open: open,
        }
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
            let chunk = self.entry.read(self.position, self.end);
            self.position += chunk.as_ref().map_or(0, Bytes::len);
            Ok(chunk)
        })
    }

    fn can_seek(&self) -> bool {
        true
    }

    fn seek(&mut self, start: usize, end: Option<usize>) -> Result<()> {
        let len = self.entry.body_len();
        let end = end.unwrap_or(len);
        if start > len || end < start {
            let context = format!("a range from byte {start} to {end} of a body of {len} bytes");
            return Err(ErrorKind::SeekOutOfRange.error(context));
        }
        (self.position, self.end) = (start, end.min(len));
        Ok(())
    }

    fn get_eviction_weight(&self) -> usize {
        self.entry.weight_bytes()
    }

    fn entry_id(&self) -> Option<CacheEntryId> {
        Some(self.entry.id())
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync) {
        self
    }

    fn as_any_mut(&mut self) -> &mut (dyn Any + Send + Sync) {
        self
    }
}

/// A hit on a write in progress.
pub(crate) struct StreamHit {
    follower: Follower<()>,
    _open: OpenHandler,
}

impl StreamHit {
    pub(crate) fn new(follower: Follower<()>, open: OpenHandler) -> Self {
        StreamHit {
            follower,
            _open: open,
        }
    }
}

#[async_trait]
impl HandleHit for StreamHit {
    async fn read_body(&mut self) -> Result<Option<Bytes>> {
        match self.follower.next().await? {
            Next::Chunk(chunk) => Ok(Some(chunk)),
            Next::End => Ok(None),
            Next::Released { start, until } => {
                let context = format!(
                    "bytes {start} to {until} of a write in progress are gone: it is not stored, and its reader is too far behind"
                );
                Err(ErrorKind::Refused.error(context))
            }
        }
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
