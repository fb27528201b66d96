//! The body of one write, from its first byte on, and the handlers that read it.

use async_trait::async_trait;
use bytes::Bytes;
use forebay_core::{CacheEntryId, CacheKey, ErrorKind, HandleHit, Result, SpanHandle, Storage};
use std::any::Any;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

const CHUNK_BYTES: usize = 64 << 10;

/// Bytes that grow until the writer is done. An entry and the followers of its write share it.
#[derive(Default)]
pub(super) struct Body(Mutex<Growing>);

#[derive(Default)]
struct Growing {
    bytes: Vec<u8>,
    phase: Phase,
    waiting: Vec<Waker>,
}

#[derive(Default, Clone, Copy, PartialEq)]
enum Phase {
    #[default]
    Writing,
    Whole,
    Aborted,
}

impl Body {
    fn lock(&self) -> MutexGuard<'_, Growing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn len(&self) -> usize {
        self.lock().bytes.len()
    }

    pub(super) fn append(&self, data: &[u8], eof: bool) -> Result<()> {
        let mut growing = self.lock();
        match growing.phase {
            Phase::Writing => {}
            Phase::Whole => return Err(ErrorKind::Misuse.error("a write after eof")),
            Phase::Aborted => return Err(ErrorKind::Refused.error("a body larger than the capacity")),
        }
        growing.bytes.extend_from_slice(data);
        if eof {
            growing.phase = Phase::Whole;
        }
        growing.wake();
        Ok(())
    }

    pub(super) fn complete(&self) -> Result<()> {
        let mut growing = self.lock();
        if growing.phase == Phase::Aborted {
            return Err(ErrorKind::Refused.error("a body larger than the capacity"));
        }
        growing.phase = Phase::Whole;
        growing.wake();
        Ok(())
    }

    /// Ends a body that is not whole.
    pub(super) fn abort(&self) {
        let mut growing = self.lock();
        if growing.phase == Phase::Writing {
            growing.phase = Phase::Aborted;
            growing.wake();
        }
    }
}

impl Growing {
    fn wake(&mut self) {
        for waker in self.waiting.drain(..) {
            waker.wake();
        }
    }
}

/// Reads a body, be it whole or growing.
pub(super) struct Reader {
    body: Arc<Body>,
    position: usize,
    end: Option<usize>,
    follows: bool,
    weight: usize,
    id: CacheEntryId,
    /// What is counted as open as long as it is held.
    _open: Arc<()>,
}

impl Reader {
    pub(super) fn stored(body: Arc<Body>, weight: usize, id: CacheEntryId, open: Arc<()>) -> Self {
        Reader {
            body,
            position: 0,
            end: None,
            follows: false,
            weight,
            id,
            _open: open,
        }
    }

    pub(super) fn follower(body: Arc<Body>, id: CacheEntryId, open: Arc<()>) -> Self {
        Reader {
            follows: true,
            ..Self::stored(body, 0, id, open)
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>>> {
        let mut growing = self.body.lock();
        let len = growing.bytes.len();
        let limit = self.end.unwrap_or(usize::MAX);
        if self.position < len.min(limit) {
            let until = len.min(limit).min(self.position + CHUNK_BYTES);
            let chunk = Bytes::copy_from_slice(&growing.bytes[self.position..until]);
            self.position = until;
            return Poll::Ready(Ok(Some(chunk)));
        }
        if self.position == limit {
            return Poll::Ready(Ok(None));
        }
        match growing.phase {
            Phase::Whole if self.position > len => {
                let text = format!("a range from byte {} of a body of {len} bytes", self.position);
                Poll::Ready(Err(ErrorKind::SeekOutOfRange.error(text)))
            }
            Phase::Whole => Poll::Ready(Ok(None)),
            Phase::Aborted => {
                let text = format!("the writer gave up after {len} bytes");
                Poll::Ready(Err(ErrorKind::WriterAborted.error(text)))
            }
            Phase::Writing => {
                growing.waiting.push(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

#[async_trait]
impl HandleHit for Reader {
    async fn read_body(&mut self) -> Result<Option<Bytes>> {
        poll_fn(|cx| self.poll_read(cx)).await
    }

    async fn finish(
        self: Box<Self>,
        _storage: &dyn Storage,
        _key: &CacheKey,
        _trace: &SpanHandle,
    ) -> Result<()> {
        Ok(())
    }

    fn can_seek(&self) -> bool {
        true
    }

    fn seek(&mut self, start: usize, end: Option<usize>) -> Result<()> {
        let growing = self.body.lock();
        let beyond = growing.phase == Phase::Whole && start > growing.bytes.len();
        if beyond || end.is_some_and(|end| end < start) {
            let text = format!("{start} to {end:?} in a body of {} bytes", growing.bytes.len());
            return Err(ErrorKind::SeekOutOfRange.error(text));
        }
        drop(growing);
        (self.position, self.end) = (start, end);
        Ok(())
    }

    fn is_stream_hit(&self) -> bool {
        self.follows
    }

    fn should_count_access(&self) -> bool {
        !self.follows
    }

    fn get_eviction_weight(&self) -> usize {
        self.weight
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
