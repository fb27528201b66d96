//! Writes in progress: what every streaming backend needs, and needs to get right only once. Also what
//! threads that serve hits count by without waiting for one another: [`Counter`] and [`ShardedArc`].
//!
//! A backend keeps one [`LiveWrites`] registry. [`LiveWrites::begin`] registers a write and returns a [`LiveGuard`],
//! which the backend's miss handler owns. Whoever finds the write, by key or by tag, reads it through a [`Follower`].
//!
//! ```
//! use bytes::Bytes;
//! use forebay_core::{CacheMeta, ResponseHead};
//! use forebay_live::{Follower, LiveWrites, Next};
//! use std::{sync::Arc, time::SystemTime};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> forebay_core::Result<()> {
//! let now = SystemTime::now();
//! let meta = CacheMeta::new(now, now, 0, 0, ResponseHead::builder(200).build()?);
//! let writes = Arc::new(LiveWrites::<()>::new());
//! let writer = writes.begin([1; 16], 42, meta, ());
//! let mut follower = Follower::new(writes.newest(&[1; 16]).expect("it was begun"));
//!
//! writer.body().push(Bytes::from_static(b"first"));
//! assert!(matches!(follower.next().await?, Next::Chunk(chunk) if chunk == "first"));
//! drop(writer); // before the end: whoever followed is told
//! assert!(follower.next().await.is_err());
//! # Ok(())
//! # }
//! ```

mod body;
mod counter;
mod follower;
mod registry;
mod sharded_arc;

pub use body::LiveBody;
pub use counter::Counter;
pub use follower::{Follower, Next};
pub use registry::{KeyWrites, LiveGuard, LiveWrite, LiveWrites};
pub use sharded_arc::{ShardedArc, ShardedRef};

/// The largest chunk that a follower is given, in bytes (`READ-BOUNDED`).
pub const CHUNK_BYTES_MAX: usize = 1 << 20;
