//! The trait of a miss: writing the body of one new entry.

use crate::CacheEntryId;
use async_trait::async_trait;
use bytes::Bytes;
use pingora_error::Result;

/// A handler as storages return it.
pub type MissHandler = Box<dyn HandleMiss>;

/// What finishing a write did, in the bytes that an eviction manager counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MissFinishType {
    /// A new entry of this weight (`WRITE-SIZE`).
    Created(usize),
    /// An entry that was there grew by the first number; the second is the largest weight it may have.
    Appended(usize, Option<usize>),
}

/// Writes the body of one new entry. Dropping it before [`finish`](HandleMiss::finish) returned gives the write up:
/// nothing is admitted (`WRITE-DROP`).
#[async_trait]
pub trait HandleMiss: Send + Sync {
    /// Appends to the body; with `eof`, says that these were the last bytes.
    ///
    /// **Contract**
    /// - `WRITE-EOF-OPTIONAL`: the `eof` write may be empty or never come; empty writes change nothing.
    /// - `WRITE-AFTER-EOF`: a write after `eof` is an error and harms nothing.
    /// - `STREAM-WAKE`: waiting followers wake up.
    /// - `BOUND-LEAK`: whatever is held for the write is given back when the handler is gone.
    ///
    /// **Errors**: [`Refused`](crate::ErrorKind::Refused), [`StorageFailed`](crate::ErrorKind::StorageFailed): the
    /// write has failed, nothing will be admitted (`WRITE-ERR-USABLE`) and followers get an error.
    /// [`Misuse`](crate::ErrorKind::Misuse): only this call failed.
    ///
    /// **Cancellation**: the bytes were taken, or not. A `write_body` that was polled and then dropped ends the write: the
    /// handler can only be dropped.
    async fn write_body(&mut self, data: Bytes, eof: bool) -> Result<()>;

    /// Admits the entry: from its return on, lookups find it.
    ///
    /// **Contract**
    /// - `WRITE-ATOMIC`, `WRITE-REPLACE`: the new entry, whole, in place of the old.
    /// - `WRITE-EOF-OPTIONAL`: also without an `eof` write before.
    /// - `WRITE-SIZE`: the weight is positive and is that of later hits.
    /// - `WRITE-REFUSED`: what was not stored is an error, never a weight of 0.
    /// - `PURGE-LIVE`: a write that was invalidated meanwhile should not be admitted; the result is then `Created`, as if it
    ///   had been purged right after, or an error.
    /// - `BOUND-CAPACITY`: a bounded storage is within its capacity again.
    ///
    /// **Errors**: nothing is admitted; the old entry is untouched or gone. Followers that were told the end of the
    /// body have it whole.
    ///
    /// **Cancellation**: `WRITE-CANCEL`: the entry is wholly the old one or wholly the new one.
    async fn finish(self: Box<Self>) -> Result<MissFinishType>;

    /// The tag by which [`lookup_streaming_write`](crate::Storage::lookup_streaming_write) finds this write; `None`
    /// where the storage does not stream. It never changes, and no other live write has it (`STREAM-TAG-STABLE`).
    fn streaming_write_tag(&self) -> Option<&[u8]> {
        None
    }

    /// The id that the entry will have once it is admitted, where the storage has entry ids (`PURGE-ENTRY`).
    fn entry_id(&self) -> Option<CacheEntryId> {
        None
    }
}
