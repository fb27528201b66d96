//! A disk storage for HTTP caches: two rings of log segments.
//!
//! Small entries are records in append-only logs; large bodies lie in files of their own, which the log names. The log is
//! the commit: what it says, in order, is what is stored. One thread per store writes it, but for short changes of what is
//! stored, which their callers append. Where room is needed a segment goes as a whole. What is new is on probation, in a
//! tenth of the capacity; what is read there, or comes back soon after, moves to the main ring (S3-FIFO). `FORMAT.md` in
//! this crate describes every byte.
//!
//! Hits read the page cache on the calling thread, where that has what they need, and check it. For what is read often, that
//! is most of the work: copies of it may be [kept in memory](DiskOptions::memory_tier_bytes). Where the file system cannot tell
//! what that has (overlayfs), the calling thread reads all the same; after a read for which it had to wait, threads of the
//! store read for a thousand times as long, 10 s at most. Where the system is not Linux, that is after each one.
//!
//! Where the disk is full before the capacity is, the store shrinks to what the disk has and goes on storing. A write
//! that fails for good is not admitted, and its body still reaches those who read it, out of memory, within
//! [`DiskOptions::in_flight_bytes`]. For [a while](DiskOptions::pause_after_failure) no other write begins. Entries that
//! are stored are served all the time, and [`DiskStats`] counts what happened.
//!
//! ```no_run
//! use forebay_core::{CacheKey, SpanHandle, Storage};
//! use forebay_disk::DiskOptions;
//!
//! # async fn example() -> forebay_core::Result<()> {
//! let store = DiskOptions::new("/var/cache/proxy").capacity_bytes(10 << 30).open()?;
//! let found = store.lookup(&CacheKey::new("", "http://example.org/", ""), &SpanHandle::none()).await?;
//! assert!(found.is_none());
//! # Ok(())
//! # }
//! ```

mod admission;
mod at_work;
mod buffers;
mod detour;
mod follow;
mod format;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod ghosts;
mod hit;
mod index;
pub mod io;
#[cfg(feature = "metrics")]
mod metrics;
mod miss;
mod options;
mod pool;
mod read;
mod recovery;
mod ring;
mod segment;
mod spare;
mod spill;
mod stats;
mod storage;
mod store;
pub mod survey;
mod tier;
mod waiting;
mod writer;

pub use options::{DiskOptions, OnLocked, Sync};
pub use stats::DiskStats;
pub use storage::DiskStorage;
pub use waiting::WaitingStorage;
