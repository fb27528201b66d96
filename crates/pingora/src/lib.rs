//! The bridge between forebay storages and pingora-cache 0.9, both ways.
//!
//! - [`leak`] hands any [`forebay_core::Storage`] to pingora ([`ToPingora`]).
//! - [`FromPingora`] makes any [`pingora_cache::Storage`] a forebay storage, for instance to put it under the
//!   conformance suite.
//!
//! A pingora proxy that caches in a bounded memory storage:
//!
//! ```
//! use async_trait::async_trait;
//! use forebay_memory::MemoryOptions;
//! use pingora_core::{Result, upstreams::peer::HttpPeer};
//! use pingora_proxy::{ProxyHttp, Session};
//! use std::sync::Arc;
//!
//! struct Proxy {
//!     storage: &'static (dyn pingora_cache::Storage + Sync),
//! }
//!
//! #[async_trait]
//! impl ProxyHttp for Proxy {
//!     type CTX = ();
//!     fn new_ctx(&self) {}
//!
//!     fn request_cache_filter(&self, session: &mut Session, _ctx: &mut ()) -> Result<()> {
//!         // No eviction manager: the storage keeps to its capacity by itself.
//!         session.cache.enable(self.storage, None, None, None, None);
//!         Ok(())
//!     }
//! #   async fn upstream_peer(&self, _: &mut Session, _: &mut ()) -> Result<Box<HttpPeer>> {
//! #       Ok(Box::new(HttpPeer::new("127.0.0.1:9000", false, String::new())))
//! #   }
//!     // cache_key_callback, response_cache_filter, upstream_peer as in any caching proxy of pingora's
//! }
//!
//! let memory = Arc::new(MemoryOptions::new(64 << 20).build()?);
//! let proxy = Proxy { storage: forebay_pingora::leak(memory.clone()) };
//! assert_eq!(memory.stats().entries, 0); // the storage stays in reach
//! # let _ = proxy;
//! # Ok::<(), Box<forebay_core::Error>>(())
//! ```
//!
//! For pingora-cache 0.8, turn on the feature `pingora-0-8` and take the same names from its module `v0_8`.
//!
//! Entries keep their place: a key has the same hashes on both sides. Errors and bodies pass unchanged, without a copy.
//!
//! # What survives
//!
//! Every field of pingora's meta comes back from a forebay storage: all times with their nanoseconds, the epoch
//! override and the provenance, the stale windows, the variance, and the response head with its version, its reason
//! phrase, and its header lines in pingora's order, in their case, with their repetition. Most of that stands in the
//! fields of [`forebay_core::CacheMeta`], where other users of the same store read and change it; the rest is in its
//! opaque bytes, which are empty for the usual entry.
//!
//! An entry that somebody else wrote, without the bridge, is served too: its head counts as HTTP/1.1, its provenance
//! as its creation.
//!
//! Not kept: extensions that pingora's user puts on a meta (what they weigh cannot be known; those that a storage
//! puts on a forebay meta reach the user), extensions of the head, and whether a header value was marked as sensitive.
//! Refused: what pingora cannot encode for any storage, such as a revalidated entry from before 1970.

#![cfg_attr(
    feature = "pingora-0-8",
    expect(
        clippy::duplicate_mod,
        reason = "what does not depend on pingora's version is written once, and compiled for each"
    )
)]

#[cfg(feature = "pingora-0-8")]
pub mod v0_8;
mod v0_9;

pub use v0_9::{FromPingora, ToPingora, leak};
