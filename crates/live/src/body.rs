//! The body of one write in progress: the bytes held in memory, how far it is, and who waits for more.

use crate::{CHUNK_BYTES_MAX, Next};
use bytes::Bytes;
use forebay_core::{ErrorKind, Result};
use parking_lot::Mutex;
use std::collections::VecDeque;
use tokio::sync::Notify;

/// Chunks below this size are copied; above it, a buffer is assumed to hold little beside the chunk.
const SMALL_CHUNK_BYTES: usize = 16 << 10;
/// So many chunks are left as they came, however small.
const CHUNKS_UNJOINED: usize = 16;

/// A body that grows while it is read.
///
/// It begins at offset 0 and ends by [`complete`](LiveBody::complete) or [`abort`](LiveBody::abort), whichever comes
/// first. Offsets and lengths are in bytes.
#[derive(Debug, Default)]
pub struct LiveBody {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Chunks in order, each with the offset at which it begins; none is empty.
    chunks: VecDeque<(u64, Bytes)>,
    /// What lies below this offset is no longer held.
    released: u64,
    len: u64,
    phase: Phase,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Phase {
    #[default]
    Writing,
    Complete,
    Aborted,
}

impl LiveBody {
    /// Appends a chunk and wakes whoever waits. A large one is shared; small ones are copied, and joined where there
    /// are many, so that a body in tiny pieces costs little more than its bytes. An empty one changes nothing. On a
    /// body that has ended, it is ignored: the miss handler checks [`is_writing`](LiveBody::is_writing) first to tell
    /// its caller.
    pub fn push(&self, chunk: Bytes) {
        let mut state = self.state.lock();
        if chunk.is_empty() || state.phase != Phase::Writing {
            return;
        }
        let start = state.len;
        state.len += chunk.len() as u64;
        // A small part of a large network buffer would keep all of that alive for as long as the body is held.
        let held = if chunk.len() < SMALL_CHUNK_BYTES {
            Bytes::copy_from_slice(&chunk)
        } else {
            chunk
        };
        state.chunks.push_back((start, held));
        state.join_small();
        drop(state);
        self.changed.notify_waiters();
    }

    /// Says that every byte has come: followers end cleanly after the last one.
    pub fn complete(&self) {
        self.end(Phase::Complete);
    }

    /// Says that no more will come: followers fail after the bytes that are there. Does nothing once complete.
    pub fn abort(&self) {
        self.end(Phase::Aborted);
    }

    fn end(&self, phase: Phase) {
        let mut state = self.state.lock();
        if state.phase == Phase::Writing {
            state.phase = phase;
            drop(state);
            self.changed.notify_waiters();
        }
    }

    /// How many bytes have come.
    pub fn len(&self) -> u64 {
        self.state.lock().len
    }

    /// Whether no byte has come yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether it may still grow.
    pub fn is_writing(&self) -> bool {
        self.state.lock().phase == Phase::Writing
    }

    /// Whether every byte has come.
    pub fn is_complete(&self) -> bool {
        self.state.lock().phase == Phase::Complete
    }

    /// The chunks that are held, in order.
    pub fn chunks(&self) -> Vec<Bytes> {
        self.state
            .lock()
            .chunks
            .iter()
            .map(|(_, chunk)| chunk.clone())
            .collect()
    }

    /// The bytes from `start` to below `until`, as far as they are held.
    pub fn chunks_between(&self, start: u64, until: u64) -> Vec<Bytes> {
        let state = self.state.lock();
        let first = state
            .chunks
            .partition_point(|(at, chunk)| at + chunk.len() as u64 <= start);
        let within = state.chunks.range(first..).take_while(|(at, _)| *at < until);
        within
            .map(|(at, chunk)| {
                let from = start.saturating_sub(*at) as usize;
                let to = (until - at).min(chunk.len() as u64) as usize;
                chunk.slice(from..to)
            })
            .collect()
    }

    /// Bytes that are held in memory.
    pub fn held_bytes(&self) -> u64 {
        let state = self.state.lock();
        state.len - state.released
    }

    /// Lets go of the chunks that lie wholly below `offset`, because they can be read elsewhere by now, or nobody keeps them.
    /// Followers that are behind get [`Next::Released`].
    pub fn release_to(&self, offset: u64) {
        let mut state = self.state.lock();
        while let Some((start, chunk)) = state.chunks.front() {
            let end = start + chunk.len() as u64;
            if end > offset {
                break;
            }
            state.released = end;
            state.chunks.pop_front();
        }
    }

    /// Whether a range can begin here: an error once the length is known and `position` lies beyond it.
    pub(crate) fn check_position(&self, position: u64) -> Result<()> {
        let state = self.state.lock();
        match state.phase {
            Phase::Complete if position > state.len => Err(out_of_range(position, state.len)),
            _ => Ok(()),
        }
    }

    /// What a reader at `position` gets, waiting for it if need be.
    pub(crate) async fn next(&self, position: u64, end: Option<u64>) -> Result<Next> {
        loop {
            // Made before the look at the state, so that no change between the look and the wait is lost.
            let changed = self.changed.notified();
            if let Some(next) = self.state.lock().look(position, end) {
                return next;
            }
            changed.await;
        }
    }
}

impl State {
    /// Joins small chunks at the end, of about the same size each time, so that each byte is copied a few times at most
    /// and few chunks remain.
    fn join_small(&mut self) {
        while let Some(before) = self.chunks.len().checked_sub(2)
            && before >= CHUNKS_UNJOINED
            && let ((start, before), (_, last)) = (&self.chunks[before], &self.chunks[before + 1])
            && before.len() <= 2 * last.len()
            && before.len() + last.len() <= SMALL_CHUNK_BYTES
        {
            let joined = (*start, [&before[..], &last[..]].concat().into());
            self.chunks.pop_back();
            self.chunks.pop_back();
            self.chunks.push_back(joined);
        }
    }

    /// What is there for a reader at `position`, or `None` if it has to wait.
    fn look(&self, position: u64, end: Option<u64>) -> Option<Result<Next>> {
        if end.is_some_and(|end| position >= end) {
            return Some(Ok(Next::End));
        }
        if position < self.released {
            let until = end.map_or(self.released, |end| end.min(self.released));
            return Some(Ok(Next::Released {
                start: position,
                until,
            }));
        }
        if position < self.len {
            return Some(Ok(Next::Chunk(self.slice(position, end))));
        }
        match self.phase {
            Phase::Writing => None,
            Phase::Complete if position > self.len => Some(Err(out_of_range(position, self.len))),
            Phase::Complete => Some(Ok(Next::End)),
            Phase::Aborted => {
                let context = format!("the writer of this entry gave up after {} bytes", self.len);
                Some(Err(ErrorKind::WriterAborted.error(context)))
            }
        }
    }

    /// The rest of the chunk that holds `position`, within the range and the largest chunk.
    fn slice(&self, position: u64, end: Option<u64>) -> Bytes {
        let index = self.chunks.partition_point(|(start, _)| *start <= position) - 1;
        let (start, chunk) = &self.chunks[index];
        let from = (position - start) as usize;
        let wanted = end.map_or(CHUNK_BYTES_MAX as u64, |end| {
            (end - position).min(CHUNK_BYTES_MAX as u64)
        });
        let until = chunk.len().min(from + wanted as usize);
        chunk.slice(from..until)
    }
}

fn out_of_range(position: u64, len: u64) -> Box<forebay_core::Error> {
    ErrorKind::SeekOutOfRange.error(format!("a range from byte {position} of a body of {len} bytes"))
}
