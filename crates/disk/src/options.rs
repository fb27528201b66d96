//! How a store is opened.

use crate::index::Index;
use crate::io::{Io, RealIo};
use crate::{DiskStorage, recovery, store::Store};
use forebay_core::{ErrorKind, Result};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The least capacity: below it, the overhead of segments outweighs what they hold.
const CAPACITY_BYTES_MIN: u64 = 1 << 20;
/// What a store holds unless told otherwise.
const CAPACITY_BYTES_DEFAULT: u64 = 1 << 30;
/// What writes in progress hold in memory unless told otherwise.
const IN_FLIGHT_BYTES_DEFAULT: u64 = 128 << 20;
const INDEX_BYTES_DEFAULT: u64 = 1 << 30;

/// When what was written is made durable against a crash of the machine. A crash of the process alone loses nothing
/// that was finished, whichever it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    /// Whenever the operating system does it.
    Never,
    /// At least this often while there is something to sync: a crash of the machine loses what is younger.
    Interval(Duration),
    /// Before `finish` returns: a crash of the machine loses nothing that was finished, but for the old entry of a key
    /// whose replacement was being written at that moment: it may be a miss.
    Always,
}

/// How to open a store.
///
/// ```no_run
/// use forebay_disk::DiskOptions;
///
/// let store = DiskOptions::new("/var/cache/proxy").capacity_bytes(10 << 30).open()?;
/// # Ok::<(), Box<forebay_core::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct DiskOptions {
    pub(crate) dir: PathBuf,
    pub(crate) capacity_bytes: u64,
    pub(crate) max_object_bytes: Option<u64>,
    pub(crate) in_flight_bytes: u64,
    pub(crate) index_bytes: u64,
    pub(crate) pause_after_failure: Duration,
    pub(crate) sync: Sync,
    pub(crate) io: Arc<dyn Io>,
}

impl DiskOptions {
    /// A store in this directory, which is made if it is absent; its parent must be there.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        DiskOptions {
            dir: dir.into(),
            capacity_bytes: CAPACITY_BYTES_DEFAULT,
            max_object_bytes: None,
            in_flight_bytes: IN_FLIGHT_BYTES_DEFAULT,
            index_bytes: INDEX_BYTES_DEFAULT,
            pause_after_failure: Duration::from_secs(1),
            sync: Sync::Interval(Duration::from_secs(5)),
            io: Arc::new(RealIo),
        }
    }

    /// How many bytes the store may occupy, overhead included; 1 GiB by default, 1 MiB at least.
    pub fn capacity_bytes(mut self, capacity_bytes: u64) -> Self {
        self.capacity_bytes = capacity_bytes;
        self
    }

    /// The largest body that is stored, in bytes. It is a quarter of the capacity by default, and at most.
    pub fn max_object_bytes(mut self, max_object_bytes: u64) -> Self {
        self.max_object_bytes = Some(max_object_bytes);
        self
    }

    /// What writes in progress may hold in memory; 128 MiB by default. From half of it on, bodies go to the disk in
    /// smaller pieces; from all of it on, new writes are refused, and one that will not be stored any more (the disk
    /// failed, or the body grew too large) is no longer carried on for its readers. One that is under way may go on
    /// until twice as much is held; then it fails.
    pub fn in_flight_bytes(mut self, in_flight_bytes: u64) -> Self {
        self.in_flight_bytes = in_flight_bytes;
        self
    }

    /// What the index may occupy in memory; 1 GiB by default, which is enough for 18 million entries: one takes at most 57
    /// bytes. Where that is reached, the oldest segments go, as they do where the capacity is.
    pub fn index_bytes(mut self, index_bytes: u64) -> Self {
        self.index_bytes = index_bytes;
        self
    }

    /// For how long new writes are refused after one has failed on the disk; 1 second by default. Responses pass by
    /// meanwhile, and hits go on.
    pub fn pause_after_failure(mut self, pause: Duration) -> Self {
        self.pause_after_failure = pause;
        self
    }

    /// When to sync; every 5 seconds by default.
    pub fn sync(mut self, sync: Sync) -> Self {
        self.sync = sync;
        self
    }

    /// Another way to the files: for tests of what happens when they fail.
    pub fn io(mut self, io: impl Io) -> Self {
        self.io = Arc::new(io);
        self
    }

    /// Opens the store and finds its entries. Blocks on the disk; starts no thread.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`] if the capacity is too small, or if the directory is in use, is not a store's, or is of
    /// another version; nothing in it was changed then. [`ErrorKind::StorageFailed`] if the disk fails.
    pub fn open(self) -> Result<DiskStorage> {
        if self.capacity_bytes < CAPACITY_BYTES_MIN {
            let capacity = self.capacity_bytes;
            return Err(ErrorKind::Refused.error(format!(
                "a disk store of {capacity} bytes; give it at least {CAPACITY_BYTES_MIN}"
            )));
        }
        let store: Store = recovery::open(&self)?;
        Ok(DiskStorage::new(store))
    }

    /// How many entries the index may have.
    pub(crate) fn entries_max(&self) -> usize {
        (self.index_bytes / Index::ENTRY_BYTES_MAX as u64).max(1) as usize
    }

    /// The largest body.
    pub(crate) fn body_bytes_max(&self) -> u64 {
        let most = self.capacity_bytes / 4;
        self.max_object_bytes.map_or(most, |max| max.min(most))
    }

    /// When a segment counts as full: a 128th of the capacity, from 1 MiB to 1 GiB, but at most a 16th.
    pub(crate) fn segment_bytes(&self) -> u64 {
        (self.capacity_bytes / 128)
            .clamp(1 << 20, 1 << 30)
            .min(self.capacity_bytes / 16)
    }
}
