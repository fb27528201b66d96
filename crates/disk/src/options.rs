//! How a store is opened.

use crate::ghosts::Ghosts;
use crate::index::Index;
use crate::io::{Io, RealIo};
use crate::{DiskStorage, WaitingStorage, recovery};
use forebay_core::{ErrorKind, Result};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The least capacity: below it, the overhead of segments outweighs what they hold.
const CAPACITY_BYTES_MIN: u64 = 1 << 20;
/// So many segments any store may have.
const SEGMENTS_MAX: usize = 256;
/// What a store holds unless told otherwise.
const CAPACITY_BYTES_DEFAULT: u64 = 1 << 30;
/// What writes in progress hold in memory unless told otherwise.
const IN_FLIGHT_BYTES_DEFAULT: u64 = 128 << 20;
const INDEX_BYTES_DEFAULT: u64 = 1 << 30;

/// When what was written is made durable against a crash of the machine.
///
/// What may be lost of what was finished: entries, and purges, expiries and updates, which are undone then.
///
/// | | the process crashes | the system crashes, or the power is cut |
/// |---|---|---|
/// | [`Never`](Sync::Never) | nothing | what the operating system had not written yet: on Linux, some 30 seconds or more |
/// | [`Interval`](Sync::Interval) | nothing | what is younger than the interval and two syncs; entries that eviction has moved within it |
/// | [`Always`](Sync::Always) | nothing | nothing; of a key whose replacement was being written at that moment, the entry |
///
/// Whatever is lost, the store opens, and what it serves is whole and was written for that key. A write that was not
/// finished leaves nothing. What a disk loses that it has said is durable, no setting can keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    /// Whenever the operating system does it.
    Never,
    /// This often while there is something to sync, and one after the other where one takes longer. Nothing waits for it.
    Interval(Duration),
    /// Before `finish`, a purge, an expiry or an update returns.
    Always,
}

/// What an open does where another process has the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnLocked {
    /// It is refused, by a sentence that names the other process.
    Refuse,
    /// It waits for the other one to end, at most for so long, and is refused then.
    Wait(Duration),
}

/// So often an open that waits looks whether the directory is free.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_millis(20);

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
    pub(crate) min_free_bytes: u64,
    pub(crate) max_object_bytes: Option<u64>,
    pub(crate) in_flight_bytes: u64,
    pub(crate) index_bytes: u64,
    pub(crate) memory_tier_bytes: u64,
    pub(crate) pause_after_failure: Duration,
    pub(crate) sync: Sync,
    pub(crate) on_locked: OnLocked,
    pub(crate) second_sight_bytes: Option<u64>,
    pub(crate) write_bytes_per_second: Option<u64>,
    pub(crate) io: Arc<dyn Io>,
}

impl DiskOptions {
    /// A store in this directory, which is made if it is absent; its parent must be there.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        DiskOptions {
            dir: dir.into(),
            capacity_bytes: CAPACITY_BYTES_DEFAULT,
            min_free_bytes: 0,
            max_object_bytes: None,
            in_flight_bytes: IN_FLIGHT_BYTES_DEFAULT,
            index_bytes: INDEX_BYTES_DEFAULT,
            memory_tier_bytes: 0,
            pause_after_failure: Duration::from_secs(1),
            sync: Sync::Interval(Duration::from_secs(5)),
            on_locked: OnLocked::Refuse,
            second_sight_bytes: None,
            write_bytes_per_second: None,
            io: Arc::new(RealIo),
        }
    }

    /// How many bytes the store may occupy, overhead included; 1 GiB by default, 1 MiB at least. A store has a file open for each
    /// of its segments: there are up to 256, or two for each GiB of a capacity above 128 GiB.
    pub fn capacity_bytes(mut self, capacity_bytes: u64) -> Self {
        self.capacity_bytes = capacity_bytes;
        self
    }

    /// How many bytes of the file system the store leaves free, whoever else uses it; none by default. Where less is free, old
    /// entries make room, down to a sixteenth of the capacity; where there is more again, the store grows again. It looks every
    /// second at most while it writes. Where the file system does not tell, this has no effect.
    pub fn min_free_bytes(mut self, min_free_bytes: u64) -> Self {
        self.min_free_bytes = min_free_bytes;
        self
    }

    /// The largest body that is stored, in bytes. It is a quarter of the capacity by default, and at most. A `Content-Length`
    /// above it is refused before the body comes. Without one, a body that grows so large passes through to those who read
    /// along, and `finish` is an error.
    pub fn max_object_bytes(mut self, max_object_bytes: u64) -> Self {
        self.max_object_bytes = Some(max_object_bytes);
        self
    }

    /// What writes in progress may hold in memory; 128 MiB by default. From half of it on, bodies go to the disk in
    /// smaller pieces, and one that will not be stored any more keeps its last 4 MiB alone: whoever is further behind gets an
    /// error; from all of it on, new writes are refused, and one that will not be stored any more (the disk
    /// failed, or the body grew too large) is no longer carried on for its readers. One that is under way may go on
    /// until twice as much is held; then it fails.
    pub fn in_flight_bytes(mut self, in_flight_bytes: u64) -> Self {
        self.in_flight_bytes = in_flight_bytes;
        self
    }

    /// What the index may occupy in memory; 1 GiB by default, which is enough for 20 million entries: one takes at most 53
    /// bytes. Where that is reached, segments go, as they do where the capacity is.
    pub fn index_bytes(mut self, index_bytes: u64) -> Self {
        self.index_bytes = index_bytes;
        self
    }

    /// What copies of what is read often may occupy in memory, in bytes; none by default. A hit that finds one neither copies it
    /// out of the page cache nor checks it again, which for a large body is most of the store's work. A body of more than a
    /// sixteenth of this is not copied. Slow clients may hold as much again of copies that have made room for others.
    pub fn memory_tier_bytes(mut self, memory_tier_bytes: u64) -> Self {
        self.memory_tier_bytes = memory_tier_bytes;
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

    /// Bodies of so many bytes or more are stored only if they are asked for again soon after a first time; not so by
    /// default. Most large bodies are asked for once, and would evict much that is asked for often. The store remembers
    /// some 65,000 keys for it, in 256 KiB of memory. A `Content-Length` tells the length before the body comes; without
    /// one, a body that grows so large is no longer stored, and still reaches its readers.
    pub fn second_sight_bytes(mut self, from_bytes: u64) -> Self {
        self.second_sight_bytes = Some(from_bytes);
        self
    }

    /// How many bytes a second of new bodies the disk is to take, on average; no limit by default. A write that comes
    /// when more was written is refused, and its response passes by. One that is under way may be ahead of the rate by
    /// ten seconds; beyond that it is no longer stored, and still reaches its readers. What eviction keeps and updates
    /// append is not counted.
    pub fn write_bytes_per_second(mut self, bytes_per_second: u64) -> Self {
        self.write_bytes_per_second = Some(bytes_per_second);
        self
    }

    /// What to do where another process has the directory; to refuse, by default. A graceful upgrade waits: the old
    /// process drains and closes its store, and the new one goes on with it.
    /// [`open_when_free`](DiskOptions::open_when_free) does not wait, and serves without a store meanwhile.
    pub fn on_locked(mut self, on_locked: OnLocked) -> Self {
        self.on_locked = on_locked;
        self
    }

    /// Another way to the files: for tests of what happens when they fail.
    pub fn io(mut self, io: impl Io) -> Self {
        self.io = Arc::new(io);
        self
    }

    /// Opens the store and finds its entries. Blocks on the disk, and for as long as [`OnLocked::Wait`] allows; starts no
    /// thread.
    ///
    /// # Errors
    /// [`ErrorKind::Misuse`] for a capacity below 1 MiB. [`ErrorKind::Refused`] if the directory is in use, is not a store's,
    /// or is of another version. Nothing in it was changed then. [`ErrorKind::StorageFailed`] if the disk fails.
    pub fn open(self) -> Result<DiskStorage> {
        match self.try_open()? {
            Some(store) => Ok(store),
            None => Err(recovery::in_use(&self)),
        }
    }

    /// Opens the store, or where another process has the directory, a storage without it, which opens it as soon as the
    /// other one lets go of it. Meanwhile nothing is found and nothing stored. [`OnLocked`] has no part in it.
    ///
    /// # Errors
    /// As [`open`](DiskOptions::open), but for a directory in use.
    pub fn open_when_free(self) -> Result<WaitingStorage> {
        let store = self.clone().on_locked(OnLocked::Refuse).try_open()?;
        Ok(WaitingStorage::new(self, store))
    }

    /// `None` if another process has the directory.
    pub(crate) fn try_open(&self) -> Result<Option<DiskStorage>> {
        if self.capacity_bytes < CAPACITY_BYTES_MIN {
            let capacity = self.capacity_bytes;
            return Err(ErrorKind::Misuse.error(format!(
                "a disk store of {capacity} bytes; give it at least {CAPACITY_BYTES_MIN}"
            )));
        }
        let until = match self.on_locked {
            OnLocked::Refuse => None,
            OnLocked::Wait(most) => Some((Instant::now(), most)),
        };
        loop {
            if let Some(store) = recovery::open(self)? {
                return Ok(Some(DiskStorage::new(store)));
            }
            match until {
                Some((since, most)) if since.elapsed() < most => std::thread::sleep(LOOK_AGAIN),
                _ => return Ok(None),
            }
        }
    }

    /// How many entries the index may have.
    pub(crate) fn entries_max(&self) -> usize {
        let entry_bytes = Index::ENTRY_BYTES_MAX + Ghosts::ENTRY_BYTES;
        (self.index_bytes / entry_bytes as u64).max(1) as usize
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

    /// With more segments than this, one goes also where there is room: each has an open file, and a store that is opened
    /// often has many small ones. A full store has half as many.
    pub(crate) fn segments_max(&self) -> usize {
        let when_full = self.capacity_bytes / self.segment_bytes().max(1);
        usize::try_from(when_full.saturating_mul(2))
            .unwrap_or(usize::MAX)
            .max(SEGMENTS_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Above 256 GiB, segments went where there was room for them.
    #[test]
    fn segments_do_not_go_for_their_number_before_they_fill_the_capacity() {
        for capacity_bytes in [
            CAPACITY_BYTES_MIN,
            1 << 30,
            200 << 30,
            300 << 30,
            16 << 40,
            u64::MAX,
        ] {
            let options = DiskOptions::new("").capacity_bytes(capacity_bytes);
            let full_bytes = options.segments_max() as u128 * u128::from(options.segment_bytes());
            assert!(full_bytes >= u128::from(capacity_bytes), "{capacity_bytes}");
        }
    }
}
