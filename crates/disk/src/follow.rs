//! Following a write in progress, in memory and in the file that its body was moved to.

use crate::hit::{BlockRange, Opened};
use crate::read::Failure;
use crate::spill::SpillFile;
use crate::store::{Spilled, Store};
use async_trait::async_trait;
use bytes::Bytes;
use forebay_core::{CacheEntryId, ErrorKind, HandleHit, Result};
use forebay_live::{Follower, LiveWrite, Next, ShardedRef};
use std::any::Any;
use std::sync::Arc;

/// Follows a write in progress.
pub(crate) struct LiveHit {
    opened: Opened,
    follower: Follower<Spilled>,
}

impl LiveHit {
    pub(crate) fn new(store: ShardedRef<Store>, write: Arc<LiveWrite<Spilled>>) -> Self {
        LiveHit {
            opened: Opened::new(store),
            follower: Follower::new(write),
        }
    }

    /// Bytes that memory has let go of: whole blocks of the spill file, or what a body that will not be stored had before.
    async fn read_spilled(&self, start: u64, until: u64) -> Result<Bytes> {
        let gone = || {
            ErrorKind::Refused.error(format!(
                "bytes {start} to {until} of a write in progress are gone: it is not stored, and its reader is too far behind"
            ))
        };
        let spilled: &Arc<SpillFile> = self.follower.write().extra().get().ok_or_else(gone)?;
        let store = &self.opened.store();
        let range = BlockRange::around(store, start, until, u64::MAX);
        let table = spilled.table(range.first, range.until).ok_or_else(gone)?;
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
