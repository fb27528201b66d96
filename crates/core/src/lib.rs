//! The storage interface of an HTTP cache: what a cache core calls, and what a backend implements.
//!
//! A cache core (a proxy) talks to three traits:
//!
//! - [`Storage`] finds, admits, purges and refreshes entries,
//! - [`HandleHit`] reads the body of one found entry,
//! - [`HandleMiss`] writes the body of one new entry.
//!
//! Around them stand the vocabulary that both sides share: [`CacheKey`] and [`CompactCacheKey`], [`CacheMeta`] with
//! its [`ResponseHead`], write ids ([`streaming_write`]) and the kinds of errors ([`ErrorKind`]).
//!
//! The rules that bind a backend have ids such as `READ-EOF`. Each stands at the method that it binds, in a line of
//! its own; their full texts are in `SPEC.md` of the conformance crate, which also tests them.
//!
//! This crate does no I/O and starts no task.

mod error;
mod head;
mod hit;
mod key;
mod meta;
mod miss;
mod storage;
pub mod streaming_write;
mod varint;

pub use error::ErrorKind;
pub use head::{ResponseHead, ResponseHeadBuilder};
pub use hit::{HandleHit, HitHandler, ReadBody, end_of_body};
pub use http::Extensions;
pub use key::{CacheHashKey, CacheKey, CompactCacheKey, HashBinary};
pub use meta::CacheMeta;
pub use miss::{HandleMiss, MissFinishType, MissHandler};
pub use pingora_error::{Error, Result};
pub use storage::{CacheEntryId, PurgeOutcome, PurgeTarget, PurgeType, Storage};

/// The span under which a storage records what it does for one request: the ecosystem's convention.
///
/// [`SpanHandle::none`] is the span of a caller that traces nothing.
pub type SpanHandle = tracing::Span;
