//! The hot paths of the storages, each alone, so that its instructions and allocations can be counted.
//!
//! An operation does here what a cache core does with a storage and nothing else: no timer, no clock, no other thread.
//! What is counted is therefore the same from run to run.

mod bridged;
mod hot_path;
mod native;

pub use hot_path::HotPath;

use forebay_core::Storage;
use forebay_disk::{DiskOptions, Sync as DiskSync};
use forebay_memory::MemoryOptions;
use std::error::Error;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// What can go wrong while a path is prepared or run.
pub type AnyError = Box<dyn Error + Send + Sync>;

/// Bytes of every body; a small one, so that the path shows rather than the copying of bytes.
pub const BODY_BYTES: usize = 1 << 10;
/// Different keys that operations take turns in, so that no one slot of a table decides.
const KEY_COUNT: usize = 16;
/// Operations of each key before anything is counted: later hits find the flags of a hot entry as they stay, and the memory
/// tier has its copy.
const WARM_UP_ROUNDS: usize = 100;
/// Large enough that nothing is evicted.
const CAPACITY_BYTES: u64 = 256 << 20;
const MEMORY_TIER_BYTES: u64 = 16 << 20;

/// One hot path, ready to run.
pub struct Guarded {
    path: HotPath,
    runtime: Runtime,
    side: Side,
    /// The directory of a disk store, for as long as the store lives.
    _directory: Option<TempDir>,
}

enum Side {
    Native(native::Native),
    Bridged(bridged::Bridged),
}

impl Guarded {
    /// Opens what the path needs, fills it, and runs the path until it is warm.
    ///
    /// # Errors
    /// Whatever the storage says.
    pub fn prepare(path: HotPath) -> Result<Self, AnyError> {
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let directory = path.is_on_disk().then(tempfile::tempdir).transpose()?;
        let storage: Arc<dyn Storage> = match &directory {
            Some(directory) => Arc::new(
                DiskOptions::new(directory.path().join("store"))
                    .capacity_bytes(CAPACITY_BYTES)
                    .memory_tier_bytes(if path.has_memory_tier() {
                        MEMORY_TIER_BYTES
                    } else {
                        0
                    })
                    .sync(DiskSync::Never)
                    .open()?,
            ),
            None => Arc::new(MemoryOptions::new(CAPACITY_BYTES).build()?),
        };
        let side = match path.is_bridged() {
            true => Side::Bridged(runtime.block_on(bridged::Bridged::fill(storage))?),
            false => Side::Native(runtime.block_on(native::Native::fill(storage))?),
        };
        let mut guarded = Guarded {
            path,
            runtime,
            side,
            _directory: directory,
        };
        guarded.run(WARM_UP_ROUNDS * KEY_COUNT)?;
        Ok(guarded)
    }

    /// Runs the path so many times, one after the other.
    ///
    /// # Errors
    /// Whatever the storage says, and where it found something else than what was stored.
    pub fn run(&mut self, operations: usize) -> Result<(), AnyError> {
        let path = self.path;
        match &mut self.side {
            Side::Native(native) => self.runtime.block_on(native.run(path, operations)),
            Side::Bridged(bridged) => self.runtime.block_on(bridged.run(operations)),
        }
    }
}

/// The names of keys: first those that are stored, then those that are not.
fn key_name(index: usize) -> String {
    format!("http://www.example.com/static/images/picture-{index}.jpg?size=large")
}

/// The head of a response as they are: ten lines.
const HEAD_LINES: [(&str, &str); 10] = [
    ("Date", "Tue, 15 Nov 1994 08:12:31 GMT"),
    ("Content-Type", "image/jpeg"),
    ("Content-Length", "1024"),
    (
        "Cache-Control",
        "public, max-age=86400, stale-while-revalidate=60",
    ),
    ("ETag", "\"5f3e-6a1b2c3d4e5f6\""),
    ("Last-Modified", "Mon, 14 Nov 1994 10:00:00 GMT"),
    ("Accept-Ranges", "bytes"),
    ("Vary", "Accept-Encoding"),
    ("Server", "origin/1.2.3"),
    ("X-Request-Id", "0f8fad5b-d9cb-469f-a165-70867728950e"),
];
