//! The reference's body and reader, with the places where they can be broken.

use crate::defect::Defect;
use crate::storage::{State, lock};
use async_trait::async_trait;
use bytes::Bytes;
use forebay_core::{CacheEntryId, CacheHashKey, CacheKey, ErrorKind, HandleHit, Result, SpanHandle, Storage};
use std::any::Any;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

const CHUNK_BYTES: usize = 64 << 10;
/// For defects: a buffer inside the storage, how many chunks are joined, and how many are kept for followers.
const BUFFER_BYTES: usize = 1 << 20;
const CHUNKS_JOINED: usize = 32;
const RING_CHUNKS: usize = 1024;

pub(crate) struct Body {
    growing: Mutex<Growing>,
    defect: Defect,
}

#[derive(Default)]
pub(crate) struct Growing {
    pub(crate) bytes: Vec<u8>,
    pub(crate) phase: Phase,
    waiting: Vec<Waker>,
    shared_position: usize,
    /// For defects: how many chunks were written, where each of them ends, whether `finish` was called, and the end of
    /// the last range that was sought.
    chunks: usize,
    chunk_ends: Vec<usize>,
    shared_end: Option<usize>,
    pub(crate) finished: bool,
}

#[derive(Default, Clone, Copy, PartialEq, Debug)]
pub(crate) enum Phase {
    #[default]
    Writing,
    Whole,
    Aborted,
}

impl Body {
    pub(crate) fn new(defect: Defect) -> Self {
        Body {
            growing: Mutex::default(),
            defect,
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Growing> {
        self.growing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().bytes.len()
    }

    pub(crate) fn append(&self, data: &[u8], eof: bool) -> Result<()> {
        let mut growing = self.lock();
        match growing.phase {
            Phase::Writing => {}
            Phase::Whole if self.defect == Defect::PanicsAfterEof => {
                drop(growing);
                panic!("written after eof");
            }
            Phase::Whole if self.defect == Defect::AppendsAfterEof => {}
            Phase::Whole => return Err(ErrorKind::Misuse.error("a write after eof")),
            Phase::Aborted => return Err(ErrorKind::Refused.error("a body larger than the capacity")),
        }
        if data.is_empty() && !eof && self.defect == Defect::EmptyWriteEnds {
            growing.phase = Phase::Whole;
        }
        growing.bytes.extend_from_slice(data);
        growing.chunks += 1;
        let len = growing.bytes.len();
        growing.chunk_ends.push(len);
        if eof {
            growing.phase = Phase::Whole;
        }
        if self.defect != Defect::LostWakeupOnWrite || eof {
            growing.wake();
        }
        Ok(())
    }

    pub(crate) fn complete(&self) -> Result<()> {
        let mut growing = self.lock();
        if growing.phase == Phase::Aborted {
            return Err(ErrorKind::Refused.error("a body larger than the capacity"));
        }
        if growing.phase == Phase::Writing && self.defect == Defect::NeedsEof {
            return Err(ErrorKind::Misuse.error("finish without eof"));
        }
        if self.defect == Defect::LosesLastChunk && growing.bytes.len() > 4096 {
            let whole_chunks = growing.bytes.len() / 4096 * 4096;
            growing.bytes.truncate(whole_chunks);
        }
        if self.defect == Defect::LosesFullBuffer && !growing.bytes.is_empty() {
            // The last buffer is taken for one that has yet to be filled.
            let whole = growing.bytes.len().is_multiple_of(BUFFER_BYTES);
            let kept = growing.bytes.len() - if whole { BUFFER_BYTES } else { 0 };
            growing.bytes.truncate(kept);
        }
        (growing.phase, growing.finished) = (Phase::Whole, true);
        if self.defect != Defect::LostWakeupOnFinish {
            growing.wake();
        }
        Ok(())
    }

    pub(crate) fn abort(&self) {
        let mut growing = self.lock();
        if growing.phase == Phase::Writing {
            growing.phase = match self.defect {
                Defect::AbortIsEof => Phase::Whole,
                _ => Phase::Aborted,
            };
            if self.defect != Defect::LostWakeupOnDrop {
                growing.wake();
            }
        }
    }
}

impl Growing {
    /// Where a ring begins that followers share.
    fn kept_from(&self, defect: Defect) -> usize {
        let chunks = self.chunk_ends.len();
        match defect {
            Defect::RingOf1024Chunks if chunks > RING_CHUNKS => self.chunk_ends[chunks - RING_CHUNKS - 1],
            Defect::RingOf1MiB => self.bytes.len().saturating_sub(BUFFER_BYTES),
            _ => 0,
        }
    }

    pub(crate) fn bytes_before_last_chunk(&self) -> usize {
        let before = self.chunk_ends.iter().rev().nth(1);
        before.copied().unwrap_or(0)
    }

    pub(crate) fn wake(&mut self) {
        for waker in self.waiting.drain(..) {
            waker.wake();
        }
    }
}

pub(crate) struct Reader {
    pub(crate) body: Arc<Body>,
    pub(crate) state: Arc<Mutex<State>>,
    position: usize,
    end: Option<usize>,
    pub(crate) follows: bool,
    weight: usize,
    id: CacheEntryId,
    seeks: usize,
    reads: usize,
    yielded: bool,
    /// What is counted as open as long as it is held.
    pub(crate) open: Option<Arc<()>>,
    /// For defects: the chunks there were at the last read, bytes that were read ahead, whether it joined after eof, and
    /// the waker of the first poll.
    chunks_seen: usize,
    ahead: Option<Bytes>,
    late: bool,
    first_waker: Option<Waker>,
}

impl Reader {
    pub(crate) fn stored(state: Arc<Mutex<State>>, body: Arc<Body>, weight: usize, id: CacheEntryId) -> Self {
        Reader {
            body,
            state,
            position: 0,
            end: None,
            follows: false,
            weight,
            id,
            seeks: 0,
            reads: 0,
            yielded: false,
            open: None,
            chunks_seen: 0,
            ahead: None,
            late: false,
            first_waker: None,
        }
    }

    pub(crate) fn follower(state: Arc<Mutex<State>>, body: Arc<Body>, id: CacheEntryId) -> Self {
        let late = body.lock().phase == Phase::Whole;
        Reader {
            follows: true,
            late,
            ..Self::stored(state, body, 0, id)
        }
    }

    fn defect(&self) -> Defect {
        self.body.defect
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>>> {
        let defect = self.defect();
        let mut growing = self.body.lock();
        if defect == Defect::SharedCursor && !self.follows {
            self.position = growing.shared_position;
        }
        if self.follows {
            self.position = self.position.max(growing.kept_from(defect));
        }
        if self.follows && defect == Defect::LiveEndIsShared {
            self.end = growing.shared_end;
        }
        let len = growing.bytes.len();
        let limit = self.end.unwrap_or(usize::MAX);
        if let Some(ahead) = self.ahead.take() {
            return Poll::Ready(Ok(Some(ahead)));
        }
        let joined = growing.chunks / CHUNKS_JOINED > self.chunks_seen / CHUNKS_JOINED;
        if defect == Defect::JoinedChunksShift && joined && self.chunks_seen > 0 && self.position + 1 < len {
            self.position += 1;
        }
        self.chunks_seen = growing.chunks;
        if self.position < len.min(limit) {
            let chunk_bytes = match defect {
                Defect::OneChunk => usize::MAX / 2,
                Defect::OneChunkOfFollower if self.follows => usize::MAX / 2,
                _ => CHUNK_BYTES,
            };
            let until = len.min(limit).min(self.position + chunk_bytes);
            let mut from = self.position;
            if defect == Defect::ReadsTwice && self.follows && from > 0 && from % 10 == 1 {
                from -= 1;
            }
            let chunk = Bytes::copy_from_slice(&growing.bytes[from..until]);
            let stays = defect == Defect::BodyNeverEnds && !self.follows;
            self.position = if stays { self.position } else { until };
            growing.shared_position = until;
            return Poll::Ready(Ok(Some(chunk)));
        }
        growing.shared_position = 0;
        if self.position == limit {
            return Poll::Ready(Ok(None));
        }
        match growing.phase {
            _ if defect == Defect::ReadsAgainAfterEnd && !self.follows => {
                self.position = 0;
                Poll::Ready(Ok(None))
            }
            Phase::Whole if self.position > len && defect != Defect::LiveSeekShort => {
                Poll::Ready(Err(ErrorKind::SeekOutOfRange.error("beyond the body")))
            }
            Phase::Whole if defect == Defect::LateFollowerWaits && self.late && !growing.finished => {
                growing.waiting.push(cx.waker().clone());
                Poll::Pending
            }
            Phase::Whole => Poll::Ready(Ok(None)),
            Phase::Aborted => Poll::Ready(Err(ErrorKind::WriterAborted.error("the writer gave up"))),
            Phase::Writing if defect == Defect::EmptyChunksWhileItWaits => {
                Poll::Ready(Ok(Some(Bytes::new())))
            }
            Phase::Writing if defect == Defect::EarlyEof && len > 0 => Poll::Ready(Ok(None)),
            Phase::Writing => {
                if defect == Defect::OneWaiter {
                    growing.waiting.clear();
                }
                let waker = match defect {
                    Defect::KeepsFirstWaker => self.first_waker.get_or_insert_with(|| cx.waker().clone()),
                    _ => cx.waker(),
                };
                growing.waiting.push(waker.clone());
                Poll::Pending
            }
        }
    }

    /// Whether it will have to wait, as things are now.
    fn waits(&self) -> bool {
        let growing = self.body.lock();
        self.position >= growing.bytes.len() && growing.phase == Phase::Writing
    }

    /// Waits for a change from now on.
    async fn changed(&self) {
        let mut asked = false;
        poll_fn(|cx| {
            if std::mem::replace(&mut asked, true) {
                return Poll::Ready(());
            }
            self.body.lock().waiting.push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

/// Pending once.
pub(crate) async fn pause() {
    let mut paused = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut paused, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[async_trait]
impl HandleHit for Reader {
    async fn read_body(&mut self) -> Result<Option<Bytes>> {
        self.reads += 1;
        if self.defect() == Defect::EmptyChunks && self.reads == 1 {
            return Ok(Some(Bytes::new()));
        }
        while self.defect() == Defect::ChecksThenWaits && self.waits() {
            // Here a write is missed.
            pause().await;
            self.changed().await;
        }
        self.first_waker = None;
        let chunk = poll_fn(|cx| self.poll_read(cx)).await;
        if self.defect() == Defect::LosesCancelledChunk && !std::mem::replace(&mut self.yielded, true) {
            pause().await;
        }
        chunk
    }

    async fn finish(
        self: Box<Self>,
        _storage: &dyn Storage,
        key: &CacheKey,
        _trace: &SpanHandle,
    ) -> Result<()> {
        let mut state = lock(&self.state);
        match self.defect() {
            Defect::FinishResurrects => state.restore(key.combined_bin(), self.body.clone()),
            Defect::FinishRemoves => state.forget(key.combined_bin()),
            _ => {}
        }
        Ok(())
    }

    fn can_seek(&self) -> bool {
        match self.defect() {
            Defect::FlipsCanSeek => self.reads == 0,
            Defect::SeekPanics | Defect::DeniesSeek => false,
            _ => true,
        }
    }

    fn seek(&mut self, start: usize, end: Option<usize>) -> Result<()> {
        let defect = self.defect();
        let mut growing = self.body.lock();
        growing.shared_end = end;
        let len = growing.bytes.len();
        let whole = growing.phase == Phase::Whole;
        let at_chunk_edge = 0 < start && start < len && growing.chunk_ends.contains(&start);
        drop(growing);
        let error = || Err(ErrorKind::SeekOutOfRange.error("a range outside of the body"));
        let start = match defect {
            Defect::StartIn32Bits => start as u32 as usize,
            _ => start,
        };
        let end = match defect {
            Defect::EndIn32Bits => end.map(|end| (end as u32 as usize).max(start)),
            _ => end,
        };
        self.seeks += 1;
        match defect {
            Defect::SeekPanics => panic!("not yet implemented"),
            Defect::SeekOnce if self.seeks > 1 => return error(),
            Defect::EmptyRangeIsError if whole && start >= len => return error(),
            Defect::EndNotClamped if whole && end.is_some_and(|end| end > len) => return error(),
            Defect::BackwardsRange if end.is_some_and(|end| end < start) => return Ok(()),
            Defect::BackwardsPanics => drop(end.map(|end| end.checked_sub(start).unwrap())),
            _ => {}
        }
        if (whole && start > len) || end.is_some_and(|end| end < start) {
            if defect == Defect::InvalidSeekMoves {
                self.position = len;
            }
            return error();
        }
        self.position = match defect {
            Defect::SeekWithinBuffer => start % BUFFER_BYTES,
            Defect::SeekAtChunkEdge if at_chunk_edge => start - 1,
            _ => start,
        };
        self.end = match end {
            Some(end) if defect == Defect::EndInclusive => Some(end + 1),
            None if defect == Defect::KeepsOldEnd => self.end,
            Some(end) if defect == Defect::LiveSeekShort && !whole => Some(end.min(len.max(start))),
            end => end,
        };
        Ok(())
    }

    fn seek_multipart(&mut self, start: usize, end: Option<usize>) -> Result<()> {
        match self.defect() {
            Defect::MultipartOverreads => self.seek(start, None),
            Defect::MultipartKeepsReadAhead => {
                let (growing, from) = (self.body.lock(), self.position);
                let until = growing.bytes.len().min(self.end.unwrap_or(usize::MAX));
                // Where the last read stopped half way.
                let ahead =
                    (from > 0 && from < until).then(|| growing.bytes[from..until.min(from + 10)].to_vec());
                drop(growing);
                self.seek(start, end)?;
                self.ahead = ahead.map(Bytes::from);
                Ok(())
            }
            _ => self.seek(start, end),
        }
    }

    fn is_stream_hit(&self) -> bool {
        let ended = self.defect() == Defect::StreamHitUntilFinish && self.body.lock().finished;
        self.follows && !ended
    }

    fn should_count_access(&self) -> bool {
        self.defect() == Defect::CountsFollowers || !self.follows
    }

    fn get_eviction_weight(&self) -> usize {
        match self.defect() {
            Defect::WeightOfBody => self.body.len(),
            _ => self.weight,
        }
    }

    fn entry_id(&self) -> Option<CacheEntryId> {
        Some(self.id)
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync) {
        self
    }

    fn as_any_mut(&mut self) -> &mut (dyn Any + Send + Sync) {
        self
    }
}
