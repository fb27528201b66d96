//! The trait of a storage: finding, admitting, purging and refreshing entries.

use crate::{CacheKey, CacheMeta, CompactCacheKey, HitHandler, MissHandler, SpanHandle};
use async_trait::async_trait;
use pingora_error::Result;
use std::any::Any;
use std::fmt;

/// Why an entry is purged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PurgeType {
    /// To make room. A write in progress of the same key goes on and is admitted.
    Eviction,
    /// Because the content is no longer right. A write in progress was fetched before and should not be admitted.
    Invalidation,
}

/// The identity of one stored generation of a key: a later write of the same key has another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CacheEntryId(u64);

impl CacheEntryId {
    /// An id from the storage's own number.
    pub fn new(id: u64) -> Self {
        CacheEntryId(id)
    }

    /// The storage's own number.
    pub fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for CacheEntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Which entry a purge or an expiry is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PurgeTarget<'a> {
    /// Whatever the key names at that moment.
    Active(&'a CompactCacheKey),
    /// This generation of the key and no other.
    Exact(&'a CompactCacheKey, CacheEntryId),
}

impl<'a> PurgeTarget<'a> {
    /// The key, in either case.
    pub fn key(self) -> &'a CompactCacheKey {
        match self {
            PurgeTarget::Active(key) | PurgeTarget::Exact(key, _) => key,
        }
    }
}

/// What a purge or an expiry did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PurgeOutcome {
    /// There was no such entry.
    NotFound,
    /// The entry is gone; its id, where the storage has ids.
    Purged(Option<CacheEntryId>),
    /// The entry is still stored and no longer fresh.
    Expired,
}

/// A storage for an HTTP cache.
///
/// Methods may be called at any time from any task. A future that is dropped before it is done leaves each entry either
/// as it was or as it would have become, and nothing in between (`WRITE-CANCEL`).
///
/// A backend has to write `lookup`, `get_miss_handler`, `purge`, `update_meta` and `as_any`; the rest has defaults.
#[async_trait]
pub trait Storage: Send + Sync + 'static {
    /// Finds the entry of a key: its meta, and a handler that reads its body.
    ///
    /// **Contract**
    /// - `LOOKUP-MISS`: a key that was never written is `Ok(None)`.
    /// - `LOOKUP-ROUNDTRIP`, `LOOKUP-META-EXACT`: what was written comes back exactly.
    /// - `LOOKUP-VARIANCE`: the combined hash tells keys apart.
    /// - `LOOKUP-STALE`: stale entries are returned; the caller decides.
    /// - `LOOKUP-UNUSED`: a handler that is dropped unread changes nothing.
    /// - `LOOKUP-CONCURRENT`: handlers of one entry are independent.
    /// - `LOOKUP-SELF-HEAL`: a damaged entry is `Ok(None)` and can be written again.
    /// - `STREAM-VISIBLE`: a live write of the key comes before an older entry, with the meta of that write
    ///   (`STREAM-META`).
    ///
    /// **Errors** only where the medium fails as a whole. A cache core then fetches without its lock, so a miss is the
    /// better answer wherever one is honest. No state changes.
    ///
    /// **Cancellation**: safe at every point.
    async fn lookup(&self, key: &CacheKey, trace: &SpanHandle) -> Result<Option<(CacheMeta, HitHandler)>>;

    /// Finds the live write that has this tag, so that the request that writes can read its own body.
    ///
    /// By default, and wherever there is no tag, it is [`lookup`](Storage::lookup).
    ///
    /// **Contract**
    /// - `STREAM-TAG`: found from the moment [`get_miss_handler`](Storage::get_miss_handler) returns until the handler
    ///   is finished or dropped, also when the key was purged or rewritten meanwhile.
    /// - `STREAM-TAG-UNKNOWN`: any other tag is `Ok(None)`.
    /// - `STREAM-TAG-NONE`: without a tag, it is `lookup`.
    ///
    /// **Errors** and **cancellation** as for `lookup`.
    async fn lookup_streaming_write(
        &self,
        key: &CacheKey,
        streaming_write_tag: Option<&[u8]>,
        trace: &SpanHandle,
    ) -> Result<Option<(CacheMeta, HitHandler)>> {
        let _ = streaming_write_tag;
        self.lookup(key, trace).await
    }

    /// Starts to write an entry. The handler takes the body; `finish` on it admits the entry.
    ///
    /// **Contract**
    /// - `WRITE-ATOMIC`: until `finish`, who does not follow the write sees the old entry or none.
    /// - `WRITE-REPLACE`, `WRITE-CONCURRENT`: an existing entry is replaced as a whole; writers do not disturb each
    ///   other.
    /// - `BOUND-NO-PREALLOC`: memory follows the bytes that arrive, not what the head promises.
    ///
    /// **Errors**: [`Refused`](crate::ErrorKind::Refused) is the safe way to decline: the response is then served
    /// uncached. Nothing of the entry remains.
    ///
    /// **Cancellation**: dropping the future writes nothing.
    async fn get_miss_handler(
        &self,
        key: &CacheKey,
        meta: &CacheMeta,
        trace: &SpanHandle,
    ) -> Result<MissHandler>;

    /// Removes what the key names; `true` exactly if this call removed something.
    ///
    /// **Contract**
    /// - `PURGE-GONE`: a lookup that starts after it returned does not find the entry, now or ever.
    /// - `PURGE-RESULT`: `true` exactly if an entry or a live write was visible and this call removed it.
    /// - `PURGE-EXACT-KEY`: no other key, and no other variant, is touched.
    /// - `PURGE-LIVE`: followers and the tagged reader of a live write go on. With
    ///   [`Invalidation`](PurgeType::Invalidation) that write is hidden from plain lookups, and should not be admitted; with
    ///   [`Eviction`](PurgeType::Eviction) it goes on as if nothing had been.
    /// - `PURGE-REWRITE`: a write that starts afterwards is admitted.
    /// - `PURGE-NO-LEAK`: nothing of a purged key stays behind.
    /// - `READ-SURVIVES-PURGE`: open handlers never yield other bytes.
    ///
    /// **Errors**: the entry is gone for this process, but the medium may not know it.
    ///
    /// **Cancellation**: the entry is there or gone.
    async fn purge(&self, key: &CompactCacheKey, purge_type: PurgeType, trace: &SpanHandle) -> Result<bool>;

    /// [`purge`](Storage::purge) for one generation of a key, or with the id of what was removed.
    ///
    /// The default is for storages without entry ids: it purges by key, and finds no exact generation.
    ///
    /// **Contract**
    /// - `PURGE-ENTRY`: an exact target removes that generation and no other; an older id removes nothing. Where
    ///   handlers have an `entry_id`, the outcome of an active target names the one that was removed.
    /// - All rules of `purge`.
    ///
    /// **Errors** and **cancellation** as for `purge`.
    async fn purge_target(
        &self,
        target: PurgeTarget<'_>,
        purge_type: PurgeType,
        trace: &SpanHandle,
    ) -> Result<PurgeOutcome> {
        match target {
            PurgeTarget::Exact(..) => Ok(PurgeOutcome::NotFound),
            PurgeTarget::Active(key) => Ok(match self.purge(key, purge_type, trace).await? {
                true => PurgeOutcome::Purged(None),
                false => PurgeOutcome::NotFound,
            }),
        }
    }

    /// Ends the freshness of a stored entry and keeps it, so that a revalidation can use its body again.
    ///
    /// The default purges instead, and says so by its outcome: an entry that cannot be marked must not stay fresh.
    /// It is about the stored entry; a write in progress is not touched.
    ///
    /// **Contract**
    /// - `EXPIRE-STALE`: afterwards the entry is found, is not fresh, and keeps its body and its stale windows.
    /// - `READ-SURVIVES-UPDATE`: open handlers read on.
    ///
    /// **Errors** and **cancellation** as for `purge`.
    async fn expire(&self, target: PurgeTarget<'_>, trace: &SpanHandle) -> Result<PurgeOutcome> {
        self.purge_target(target, PurgeType::Invalidation, trace).await
    }

    /// Replaces the meta of a stored entry; `false` if there is none.
    ///
    /// **Contract**
    /// - `UPDATE-META`: the next lookup has the new meta and the same body.
    /// - `UPDATE-ABSENT`: on an absent key it is `Ok(false)` and creates nothing.
    /// - `UPDATE-RACE`: it never brings a purged entry back, nor the meta or the body of a replaced one. Under way when a write
    ///   ends, it may come after it, and is then an update of the new entry.
    /// - `READ-SURVIVES-UPDATE`: open handlers read on.
    ///
    /// **Errors**: the entry keeps its old meta, or is gone.
    ///
    /// **Cancellation**: the meta is the old one or the new one.
    async fn update_meta(&self, key: &CacheKey, meta: &CacheMeta, trace: &SpanHandle) -> Result<bool>;

    /// Whether lookups find writes in progress, so that a cache core may let its waiting readers go early.
    fn support_streaming_partial_write(&self) -> bool {
        false
    }

    /// The concrete type behind the trait object.
    fn as_any(&self) -> &(dyn Any + Send + Sync + 'static);
}
