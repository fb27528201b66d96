//! A reader of one write in progress.

use crate::LiveWrite;
use bytes::Bytes;
use forebay_core::{ErrorKind, Result};
use std::sync::Arc;

/// What comes next in the body that a follower reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Bytes, from the position of the follower on; never empty.
    Chunk(Bytes),
    /// The bytes from `start` to below `until` are no longer in memory: the backend reads them, or some of them, where
    /// it has put them, and calls [`Follower::advance`].
    Released {
        /// The position of the follower.
        start: u64,
        /// Where the bytes in memory, or the range, begin again.
        until: u64,
    },
    /// The body, or the range, was delivered whole.
    End,
}

/// Reads one write in progress from any offset on; reads on after the writer is gone (`STREAM-OUTLIVE`).
#[derive(Debug)]
pub struct Follower<T> {
    write: Arc<LiveWrite<T>>,
    position: u64,
    end: Option<u64>,
}

impl<T> Follower<T> {
    /// A follower at the start of the body.
    pub fn new(write: Arc<LiveWrite<T>>) -> Self {
        Follower {
            write,
            position: 0,
            end: None,
        }
    }

    /// The write that it follows.
    pub fn write(&self) -> &Arc<LiveWrite<T>> {
        &self.write
    }

    /// Makes the following reads yield `[start, end)`, whether those bytes have come yet or not (`SEEK-LIVE`).
    ///
    /// # Errors
    /// [`ErrorKind::SeekOutOfRange`] if `end` is before `start`, or if the body has ended before `start`. The follower
    /// stays where it was.
    pub fn seek(&mut self, start: usize, end: Option<usize>) -> Result<()> {
        if end.is_some_and(|end| end < start) {
            let context = format!("a range from byte {start} back to {}", end.unwrap_or_default());
            return Err(ErrorKind::SeekOutOfRange.error(context));
        }
        self.write.body().check_position(start as u64)?;
        self.position = start as u64;
        self.end = end.map(|end| end as u64);
        Ok(())
    }

    /// What comes next; waits for the writer where nothing has come yet. A chunk moves the position on.
    ///
    /// # Errors
    /// [`ErrorKind::WriterAborted`] after the last byte of a write that was given up; it stays so.
    /// [`ErrorKind::SeekOutOfRange`] if the body turned out to end before the start of the range.
    ///
    /// # Cancellation
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Result<Next> {
        let next = self.write.body().next(self.position, self.end).await?;
        if let Next::Chunk(chunk) = &next {
            self.position += chunk.len() as u64;
        }
        Ok(next)
    }

    /// Moves the position over bytes that the backend has delivered itself, after [`Next::Released`].
    pub fn advance(&mut self, len_bytes: u64) {
        self.position += len_bytes;
    }
}
