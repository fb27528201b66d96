//! What all parts of an open store share.

use crate::DiskOptions;
use crate::admission::{Admission, Refusal};
use crate::buffers::Buffers;
use crate::detour::Detour;
use crate::format::StoreId;
use crate::index::Index;
use crate::io::{File, Io};
use crate::pool::Pool;
use crate::recovery;
use crate::segment::{Layout, Segments};
use crate::spare::{Readers, Spares};
use crate::spill::{Reservation, SpillFile};
use crate::stats::{Counters, DiskStats};
use crate::tier::MemoryTier;
use crate::writer::{Op, Queue};
use forebay_core::{CacheMeta, Error, ErrorKind, HashBinary, Result};
use forebay_live::LiveWrites;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// What a write in progress carries: the file that its body was moved to, once it outgrew memory.
pub(crate) type Spilled = OnceLock<Arc<SpillFile>>;

/// An open store. Whoever has the writer changes index, segments and logs; all others read.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) options: DiskOptions,
    pub(crate) layout: Layout,
    pub(crate) id: StoreId,
    pub(crate) index: Index,
    pub(crate) segments: Segments,
    pub(crate) live: Arc<LiveWrites<Spilled>>,
    pub(crate) counters: Arc<Counters>,
    admission: Admission,
    pub(crate) pool: Pool,
    pub(crate) buffers: Buffers,
    /// Whether callers read what nobody can tell to be in memory.
    pub(crate) read_detour: Detour,
    pub(crate) tier: MemoryTier,
    pub(crate) queue: Queue,
    /// Bytes of body files of writes in progress, and of spare ones.
    pub(crate) spilling: Arc<AtomicU64>,
    pub(crate) spares: Spares,
    pub(crate) readers: Arc<Readers>,
    /// The numbers that segments had not yet when the store was opened, by ring.
    pub(crate) next_segments: [u32; 2],
    /// Keys whose entries were dropped when the store was opened, with their generations: each is owed a tombstone.
    pub(crate) owed: Mutex<HashMap<HashBinary, u64>>,
    /// The first that entries of this run have.
    pub(crate) first_generation: u64,
    next_generation: AtomicU64,
    /// What the file system has room for, where some of it is to be left free.
    pub(crate) may_occupy_bytes: AtomicU64,
    /// Held while the store is being closed.
    closing: Mutex<()>,
    lock: Mutex<Option<Arc<dyn File>>>,
    /// The process whose id is in the LOCK file.
    signed_by: AtomicU32,
    /// When a write last failed, and how.
    failed: Mutex<Option<(Instant, String)>>,
}

/// What recovery found.
pub(crate) struct Recovered {
    pub(crate) layout: Layout,
    pub(crate) id: StoreId,
    pub(crate) index: Index,
    pub(crate) segments: Segments,
    /// Of each ring, in the order of [`Ring::ALL`](crate::ring::Ring::ALL).
    pub(crate) next_segments: [u32; 2],
    pub(crate) next_generation: u64,
    pub(crate) lock: Arc<dyn File>,
    pub(crate) owed: HashMap<HashBinary, u64>,
}

impl Store {
    pub(crate) fn new(options: DiskOptions, found: Recovered) -> Self {
        Store {
            admission: Admission::new(&options, Instant::now()),
            tier: MemoryTier::new(options.memory_tier_bytes),
            options,
            layout: found.layout,
            id: found.id,
            index: found.index,
            segments: found.segments,
            live: Arc::default(),
            counters: Arc::default(),
            pool: Pool::default(),
            buffers: Buffers::default(),
            read_detour: Detour::default(),
            queue: Queue::default(),
            spilling: Arc::default(),
            spares: Spares::default(),
            readers: Arc::default(),
            next_segments: found.next_segments,
            owed: Mutex::new(found.owed),
            first_generation: found.next_generation,
            next_generation: AtomicU64::new(found.next_generation),
            may_occupy_bytes: AtomicU64::new(u64::MAX),
            closing: Mutex::default(),
            lock: Mutex::new(Some(found.lock)),
            signed_by: AtomicU32::new(std::process::id()),
            failed: Mutex::default(),
        }
    }

    pub(crate) fn io(&self) -> &dyn Io {
        &*self.options.io
    }

    /// A number that no entry and no write of this store ever had.
    pub(crate) fn new_generation(&self) -> u64 {
        self.next_generation.fetch_add(1, Ordering::Relaxed)
    }

    /// What the store occupies on disk.
    pub(crate) fn used_bytes(&self) -> u64 {
        self.segments.footprint_bytes() + self.spilling.load(Ordering::Acquire)
    }

    /// Takes room that the writer has made.
    pub(crate) fn reserve(&self, bytes: u64) -> Reservation {
        Reservation::new(self.spilling.clone(), bytes)
    }

    /// Notes that a write has failed for good: for a while no other begins, so that bodies pass by a disk that fails
    /// instead of depending on it.
    pub(crate) fn pause(&self, error: &Error) {
        *self.failed.lock() = Some((Instant::now(), error.to_string()));
    }

    /// Whether a write may begin, after the disk has failed or held too much, by the length that it declares, and by the policy.
    pub(crate) fn check_begin(&self, key: &HashBinary, meta: &CacheMeta) -> Result<()> {
        self.check_state()?;
        let declared = meta.head().get("content-length");
        let declared = declared.and_then(|value| std::str::from_utf8(value).ok()?.parse().ok());
        self.check_len(declared.unwrap_or(0))?;
        let admitted = self.admission.begin(key, declared, Instant::now());
        admitted.map_err(|refusal| self.not_admitted(refusal))
    }

    /// Whether a body of this length may be stored for now.
    fn check_len(&self, len: u64) -> Result<()> {
        let max = self.body_bytes_max();
        if len <= max {
            return Ok(());
        }
        if len <= self.options.body_bytes_max() {
            self.queue.add(Op::Due); // there may be more free by now
        }
        Err(self.refused(format!("a body of more than {max} bytes is not stored")))
    }

    /// Whether a write may go on that had `before` bytes and gets `more`, by its length and by the policy.
    pub(crate) fn check_growth(&self, key: &HashBinary, before: u64, more: u64) -> Result<()> {
        self.check_len(before + more)?;
        let admitted = self.admission.go_on(key, before, more, Instant::now());
        admitted.map_err(|refusal| self.not_admitted(refusal))
    }

    fn not_admitted(&self, refusal: Refusal) -> Box<Error> {
        let (counter, why) = match refusal {
            Refusal::FirstSight => (
                &self.counters.refused_first_sight,
                "a large body that is asked for the first time",
            ),
            Refusal::WriteRate => (
                &self.counters.refused_write_rate,
                "more is being written than the limit of bytes a second allows",
            ),
        };
        counter.add(1);
        self.refused(why.to_owned())
    }

    fn check_state(&self) -> Result<()> {
        let held = self.counters.in_flight_bytes.load(Ordering::Relaxed);
        if held >= self.options.in_flight_bytes {
            let most = self.options.in_flight_bytes;
            return Err(self.refused(format!("writes in progress hold {held} bytes of {most}")));
        }
        let pause = self.options.pause_after_failure;
        let mut failed = self.failed.lock();
        let Some((at, error)) = &*failed else {
            return Ok(());
        };
        let elapsed = at.elapsed();
        if elapsed >= pause {
            *failed = None;
            return Ok(());
        }
        Err(self.refused(format!(
            "the disk failed {} ms ago: {error}; trying again in {} ms",
            elapsed.as_millis(),
            (pause - elapsed).as_millis()
        )))
    }

    /// Counts a refusal and words it.
    pub(crate) fn refused(&self, why: String) -> Box<Error> {
        self.counters.refused.add(1);
        ErrorKind::Refused.error(why)
    }

    /// Names this process in the LOCK file, where it is a fork of the one that opened the store: a daemon.
    pub(crate) fn sign_lock(&self) {
        let pid = std::process::id();
        if self.signed_by.swap(pid, Ordering::AcqRel) != pid
            && let Some(lock) = &*self.lock.lock()
        {
            recovery::sign(&**lock, &self.layout.lock());
        }
    }

    /// Whether the directory is this process's still: somebody may have emptied it, and another begun there. `NotFound` where it
    /// is nobody's.
    pub(crate) fn has_dir(&self) -> io::Result<bool> {
        match &*self.lock.lock() {
            Some(lock) => lock.is_at(&self.layout.lock()),
            None => Err(io::Error::other("the store is closed")),
        }
    }

    /// An error where it is not.
    pub(crate) fn expect_own(&self) -> io::Result<()> {
        match self.has_dir()? {
            true => Ok(()),
            false => Err(io::Error::other(format!(
                "{} has the directory now",
                recovery::owner(self.io(), &self.layout)
            ))),
        }
    }

    /// The largest body for now: where the file system has little room, less than the capacity allows.
    pub(crate) fn body_bytes_max(&self) -> u64 {
        let may_occupy = self.may_occupy_bytes.load(Ordering::Relaxed);
        self.options.body_bytes_max().min(may_occupy / 4)
    }

    /// Has the directory by another lock, that of a directory which was emptied being gone.
    pub(crate) fn replace_lock(&self, lock: Arc<dyn File>) {
        *self.lock.lock() = Some(lock);
    }

    /// Has the writer finish what is queued, seal the log and end, and lets another process have the directory. Blocks, also
    /// where another caller does this.
    pub(crate) fn close(&self) {
        let _closing = self.closing.lock();
        self.queue.close();
        self.pool.wait_for_drops(); // files of writes that were given up go before others come
        *self.lock.lock() = None;
    }

    pub(crate) fn stats(&self) -> DiskStats {
        let mut stats = DiskStats {
            entries: self.index.len() as u64,
            resident_bytes: self.used_bytes(),
            capacity_bytes: self.options.capacity_bytes,
            segments: self.segments.len() as u64,
            index_bytes: self.index.len_bytes() as u64,
            memory_tier_bytes: self.tier.held_bytes(),
            live_writes: self.live.len() as u64,
            is_paused: self.failed.lock().is_some(),
            ..DiskStats::default()
        };
        self.counters.fill(&mut stats);
        stats
    }
}
