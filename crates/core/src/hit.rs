//! The trait of a hit: reading the body of one entry.

use crate::{CacheEntryId, CacheKey, ErrorKind, SpanHandle, Storage};
use async_trait::async_trait;
use bytes::Bytes;
use pingora_error::Result;
use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A handler as storages return it.
pub type HitHandler = Box<dyn HandleHit>;

/// Reads the body of one entry, stored or still being written.
///
/// Positions count in bytes from the start of the body. A handler stays with the generation that it was opened on
/// (`READ-SURVIVES-PURGE`); dropping it at any time is fine (`LOOKUP-UNUSED`).
#[async_trait]
pub trait HandleHit: Send + Sync {
    /// The next chunk of the body or of the range sought; `None` after its last byte.
    ///
    /// **Contract**
    /// - `READ-EOF`: `None` means that everything was delivered, never a failure, and it stays `None`.
    /// - `READ-NONEMPTY`, `READ-BOUNDED`: a chunk has from 1 byte to 1 MiB.
    /// - `READ-SURVIVES-PURGE`, `READ-SURVIVES-UPDATE`: the bytes are those of one generation, whatever happens to the
    ///   entry.
    /// - `STREAM-PREFIX`, `STREAM-WAKE`, `STREAM-EOF`, `STREAM-ABORT`, `STREAM-OUTLIVE`: on a live write, waits for
    ///   bytes, ends when the writer is done, and fails when the writer gives up.
    ///
    /// **Errors** end the body: [`Corrupt`](ErrorKind::Corrupt) (the entry becomes a miss),
    /// [`WriterAborted`](ErrorKind::WriterAborted), [`StorageFailed`](ErrorKind::StorageFailed). What was delivered is
    /// a true prefix; it must not be taken for the whole.
    ///
    /// **Cancellation**: `READ-CANCEL`: dropping the future loses no byte; the next call goes on where the last
    /// completed one ended.
    ///
    /// What it returns is a [`ReadBody`], and may be [`end_of_body`].
    async fn read_body(&mut self) -> Result<Option<Bytes>>;

    /// Ends the hit, so that the storage can account for it.
    ///
    /// **Contract** `READ-FINISH-ANY`: legal at any point, also with the entry gone, and without effect on a newer
    /// generation.
    ///
    /// **Errors** leave the entry as it is. **Cancellation**: safe at every point.
    ///
    /// By default there is nothing to account for, and no error. (Its signature is that of an `async fn`.)
    fn finish<'a, 'b, 'c, 'f>(
        self: Box<Self>,
        storage: &'a dyn Storage,
        key: &'b CacheKey,
        trace: &'c SpanHandle,
    ) -> Pin<Box<dyn Future<Output = Result<()>> + Send + 'f>>
    where
        'a: 'f,
        'b: 'f,
        'c: 'f,
        Self: 'f,
    {
        let _ = (storage, key, trace);
        Box::pin(NothingToDo)
    }

    /// Whether [`seek`](HandleHit::seek) works. One answer for the life of the handler (`SEEK-STABLE`).
    fn can_seek(&self) -> bool {
        false
    }

    /// Whether [`seek_multipart`](HandleHit::seek_multipart) works (`SEEK-STABLE`).
    fn can_seek_multipart(&self) -> bool {
        self.can_seek()
    }

    /// Makes the following reads yield `[start, end)`; without `end`, everything from `start` on.
    ///
    /// **Contract**
    /// - `SEEK-RANGE`, `SEEK-OPEN-END`: exactly that range, whatever was read or sought before (`SEEK-AGAIN`).
    /// - `SEEK-CLAMP`: an `end` beyond the body is its end.
    /// - `SEEK-EMPTY`: `start == end`, and `start` at the end of the body, are empty ranges, not errors.
    /// - `SEEK-LIVE`: on a live write, reads wait for a range that is not written yet.
    ///
    /// **Errors**: [`SeekOutOfRange`](ErrorKind::SeekOutOfRange) where `start` lies beyond the body or behind `end`
    /// (`SEEK-INVALID`); on a live write whose length is not known yet, the next read tells.
    /// [`Unsupported`](ErrorKind::Unsupported), the default, where the handler cannot seek (`SEEK-UNSUPPORTED`). The
    /// handler is as usable as before.
    fn seek(&mut self, start: usize, end: Option<usize>) -> Result<()> {
        let _ = (start, end);
        Err(ErrorKind::Unsupported.error("seek on a handler that cannot seek; ask can_seek() first"))
    }

    /// [`seek`](HandleHit::seek) to one part of a response of several ranges (`SEEK-MULTIPART`).
    ///
    /// **Errors** as for `seek`.
    fn seek_multipart(&mut self, start: usize, end: Option<usize>) -> Result<()> {
        self.seek(start, end)
    }

    /// Whether this reads a write in progress rather than a stored entry (`STREAM-COUNT`).
    fn is_stream_hit(&self) -> bool {
        false
    }

    /// Whether an eviction manager should count this hit as an access; followers are not counted (`STREAM-COUNT`).
    fn should_count_access(&self) -> bool {
        true
    }

    /// What the entry weighs for an eviction manager, in bytes; 0 where that is not known (yet).
    ///
    /// **Contract** `WRITE-SIZE`: for a stored entry, what `finish` said that it created.
    fn get_eviction_weight(&self) -> usize {
        0
    }

    /// Which generation this reads, where the storage has entry ids (`PURGE-ENTRY`).
    fn entry_id(&self) -> Option<CacheEntryId> {
        None
    }

    /// The concrete type behind the trait object.
    fn as_any(&self) -> &(dyn Any + Send + Sync);

    /// The concrete type behind the trait object, to change it.
    fn as_any_mut(&mut self) -> &mut (dyn Any + Send + Sync);
}

/// What [`HandleHit::read_body`] returns. A handler may write it without `async`, and without `#[async_trait]`:
///
/// ```
/// # use {bytes::Bytes, forebay_core::{HandleHit, ReadBody, end_of_body}, std::any::Any};
/// struct OneChunk(Bytes);
///
/// impl HandleHit for OneChunk {
///     fn read_body<'s, 'f>(&'s mut self) -> ReadBody<'f>
///     where
///         's: 'f,
///         Self: 'f,
///     {
///         match self.0.is_empty() {
///             true => end_of_body(),
///             false => Box::pin(async { Ok(Some(std::mem::take(&mut self.0))) }),
///         }
///     }
/// #   fn as_any(&self) -> &(dyn Any + Send + Sync) { self }
/// #   fn as_any_mut(&mut self) -> &mut (dyn Any + Send + Sync) { self }
/// }
/// ```
pub type ReadBody<'a> = Pin<Box<dyn Future<Output = Result<Option<Bytes>>> + Send + 'a>>;

/// What [`HandleHit::read_body`] may return behind the last byte of a body: `None`, without an allocation. Every hit that is
/// read to its end asks for it.
///
/// ```
/// use std::task::{Context, Poll, Waker};
///
/// let mut end = forebay_core::end_of_body();
/// let polled = end.as_mut().poll(&mut Context::from_waker(Waker::noop()));
/// assert!(matches!(polled, Poll::Ready(Ok(None))));
/// ```
pub fn end_of_body<'a>() -> ReadBody<'a> {
    Box::pin(NothingLeft)
}

/// Is done at once. It has no size, so that a box of it is no allocation.
struct NothingLeft;

impl Future for NothingLeft {
    type Output = Result<Option<Bytes>>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<Option<Bytes>>> {
        Poll::Ready(Ok(None))
    }
}

/// The same.
struct NothingToDo;

impl Future for NothingToDo {
    type Output = Result<()>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }
}
