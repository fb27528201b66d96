//! The bridge to pingora-cache 0.8, both ways, as that of the crate's root to 0.9; with the feature `pingora-0-8`.
//!
//! ```
//! use forebay_memory::MemoryOptions;
//! use std::sync::Arc;
//!
//! // For a proxy on pingora 0.8:
//! let memory = Arc::new(MemoryOptions::new(64 << 20).build()?);
//! let storage: &'static (dyn pingora_cache_0_8::Storage + Sync) = forebay_pingora::v0_8::leak(memory);
//!
//! // A storage of pingora 0.8 as one of forebay's, for instance for the conformance suite:
//! let memcache = Box::leak(Box::new(pingora_cache_0_8::MemCache::new()));
//! let bridged = forebay_pingora::v0_8::FromPingora::new(memcache);
//! # let _ = (storage, bridged);
//! # Ok::<(), Box<forebay_core::Error>>(())
//! ```
//!
//! (`pingora_cache_0_8` is `pingora-cache` 0.8 under another name, so that both versions have a place here.)
//!
//! # What differs from 0.9
//!
//! - Entries have no ids: a purge is by key, and answers whether it removed something.
//! - There is no expiry. [`FromPingora`] purges instead, and says so by its outcome.
//! - A meta has no provenance. That of an entry which pingora 0.9 wrote to the same store is kept until pingora 0.8
//!   updates the entry's meta.
//! - A key has a namespace, which pingora 0.8 hashes without a boundary: `("a", "bc")` and `("ab", "c")` are one. Its hash
//!   goes along as it is, so entries keep their place, and collide as they do in pingora 0.8.
//! - Errors are of another crate version. They are translated, with their type, source, retry, context and cause, which
//!   costs one more allocation for each chunk of a body.
//! - What opens a store fails with an error of the newer crate version, too, which `?` does not turn into one of pingora 0.8's.
//! - What became stale before 1970, in an entry that was revalidated, became stale in 1970.
//!
//! A proxy on pingora 0.8 needs a tokio below 1.54 in its lock file (`cargo update tokio --precise 1.53.1`): pingora-core 0.8.1
//! panics with later ones. This bridge,
//! pingora-cache and the conformance suite have no part in that.

mod error;
#[path = "../shared/mod.rs"]
mod shared;
mod to_pingora;
mod version;

pub use shared::{FromPingora, ToPingora};
pub use to_pingora::leak;
