//! A bounded memory storage: bodies are lists of shared buffers, and a hit copies nothing.
//!
//! ```
//! use bytes::Bytes;
//! use forebay_core::{CacheKey, CacheMeta, ResponseHead, SpanHandle, Storage};
//! use forebay_memory::MemoryOptions;
//! use std::time::{Duration, SystemTime};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> forebay_core::Result<()> {
//! let storage = MemoryOptions::new(64 << 20).build()?;
//! let (key, trace) = (CacheKey::new("", "/index.html", ""), SpanHandle::none());
//!
//! let now = SystemTime::now();
//! let head = ResponseHead::builder(200).header("content-type", "text/html").build()?;
//! let meta = CacheMeta::new(now + Duration::from_secs(60), now, 0, 0, head);
//! let mut miss = storage.get_miss_handler(&key, &meta, &trace).await?;
//! miss.write_body(Bytes::from_static(b"<p>hello"), true).await?;
//! miss.finish().await?;
//!
//! let (found, mut hit) = storage.lookup(&key, &trace).await?.expect("it was just written");
//! assert_eq!(found, meta);
//! assert_eq!(hit.read_body().await?, Some(Bytes::from_static(b"<p>hello")));
//! assert_eq!(hit.read_body().await?, None);
//! # Ok(())
//! # }
//! ```

mod body;
mod entry;
mod hit;
#[cfg(feature = "metrics")]
mod metrics;
mod miss;
mod options;
mod sharing;
mod stats;
mod storage;

pub use options::MemoryOptions;
pub use stats::MemoryStats;
pub use storage::MemoryStorage;
