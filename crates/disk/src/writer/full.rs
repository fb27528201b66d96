//! A disk that is full before the capacity is: the store shrinks to what the disk has, and goes on storing.

use super::evict::Keep;
use super::{After, Writer};
use crate::io::is_full;
use std::io;
use std::time::{Duration, Instant};

/// So long after it was last full, the disk may have more room again.
const GROW_AFTER: Duration = Duration::from_secs(10);
/// A disk that is full again within this time is no news.
const EPISODE: Duration = Duration::from_secs(600);

/// What the writer knows of a full disk.
#[derive(Debug, Default)]
pub(super) struct Full {
    /// When the disk was last full, and what the store may occupy since.
    last: Option<(Instant, u64)>,
    /// Whether a segment is being evicted, which must not evict another.
    pub(super) evicting: bool,
}

impl Writer {
    /// What the store may occupy: its capacity, or for a while what it had when the disk was last full, so that room
    /// is made in time and what was read is kept.
    pub(super) fn capacity_bytes(&self) -> u64 {
        let capacity = self.store.options.capacity_bytes;
        match self.full.last {
            Some((at, bytes)) if at.elapsed() < GROW_AFTER => bytes.clamp(capacity / 16, capacity),
            _ => capacity,
        }
    }

    /// Does what needs room on the disk; as long as there is none, evicts and tries again.
    pub(super) fn with_room<T>(&mut self, mut act: impl FnMut(&mut Self) -> io::Result<T>) -> io::Result<T> {
        loop {
            match act(self) {
                Err(error) if is_full(&error) && self.shrink(false) => {}
                other => return other,
            }
        }
    }

    /// Notes that the disk has failed for good: for a while no write begins. What could not be kept of a segment that is
    /// evicted is no such failure.
    pub(super) fn pause(&self, error: &forebay_core::Error) {
        if !self.full.evicting {
            self.store.pause(error);
        }
    }

    /// Evicts the oldest segment because the disk is full; `false` if there is none that may go. The active one may only
    /// where no record waits to be written to it.
    pub(super) fn shrink(&mut self, active_too: bool) -> bool {
        let Some(oldest) = self.store.segments.oldest() else {
            return false;
        };
        let needed = (!active_too && self.active_number() == Some(oldest.number))
            || self
                .batch
                .pending
                .iter()
                .any(|pending| pending.after.moved_from() == Some(oldest.number));
        if self.full.evicting || needed {
            return false;
        }
        let root = self.store.layout.root().display();
        if self.full.last.is_none_or(|(at, _)| at.elapsed() >= EPISODE) {
            log::warn!(
                "the disk of {root} is full before the store has its capacity of {} bytes: old entries make room; \
                 give the store a smaller capacity or the disk more room",
                self.store.options.capacity_bytes
            );
        }
        // What was read is not kept: that would need room itself.
        let evicted = self.evict_oldest(Some(Keep::Nothing));
        self.full.last = Some((Instant::now(), self.store.used_bytes()));
        match evicted {
            Ok(evicted) => {
                self.store.counters.full_disk_evictions.add(u64::from(evicted));
                evicted
            }
            Err(error) => {
                let _ = self.failed("evict the oldest segment of a full disk", error);
                false
            }
        }
    }
}

impl After {
    /// The segment whose body file was moved for this record, and would be moved back if it failed.
    fn moved_from(&self) -> Option<u32> {
        match self {
            After::Rewrite { moved_from, .. } | After::Keep { moved_from } => *moved_from,
            _ => None,
        }
    }
}
