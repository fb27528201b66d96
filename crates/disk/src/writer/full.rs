//! A disk that is full before the capacity is: the store shrinks to what the disk has, and goes on storing.

use super::Writer;
use super::outlive::Keep;
use crate::io::is_full;
use crate::recovery::load_items;
use crate::ring::Ring;
use crate::segment::Segment;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// So long after it was last full, the disk may have more room again.
const GROW_AFTER: Duration = Duration::from_secs(10);
/// So many segments go at most without a write having succeeded since: where somebody else takes what they free, or a
/// quota is the limit, evicting more would empty the store for nothing.
const UNHELPED_MAX: u32 = 4;
/// A disk that is full again within this time is no news.
const EPISODE: Duration = Duration::from_secs(600);

/// What the writer knows of a full disk.
#[derive(Debug, Default)]
pub(super) struct Full {
    /// When the disk was last full, and what the store may occupy since.
    last: Option<(Instant, u64)>,
    /// How many segments have gone since a write last succeeded.
    unhelped: u32,
    /// Whether a segment is being evicted, which must not evict another.
    pub(super) evicting: bool,
}

impl Writer {
    /// What the store may occupy: its capacity, or for a while what it had when the disk was last full, so that room
    /// is made in time and what was read is kept.
    pub(super) fn capacity_bytes(&self) -> u64 {
        let capacity = self.store.options.capacity_bytes;
        match self.full.last {
            Some((_, bytes)) if self.was_full_lately() => bytes.clamp(capacity / 16, capacity),
            _ => capacity,
        }
    }

    /// Whether the disk was full so short a time ago that it may not have more room yet.
    pub(super) fn was_full_lately(&self) -> bool {
        self.full.last.is_some_and(|(at, _)| at.elapsed() < GROW_AFTER)
    }

    /// Does what needs room on the disk; where there is none, evicts and tries again as long as that may help.
    pub(super) fn with_room<T>(&mut self, mut act: impl FnMut(&mut Self) -> io::Result<T>) -> io::Result<T> {
        loop {
            match act(self) {
                Err(error) if is_full(&error) && self.shrink() => {}
                Err(error) => return Err(error),
                Ok(done) => {
                    self.full.unhelped = 0;
                    return Ok(done);
                }
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

    /// Evicts a segment because the disk is full; `false` if there is none that may go, or if it was no help before.
    pub(super) fn shrink(&mut self) -> bool {
        if self.drop_spare() {
            return true;
        }
        if self.full.evicting || self.full.unhelped >= UNHELPED_MAX {
            return false;
        }
        let Some(leaving) = self.goes_without_a_write() else {
            return false;
        };
        self.full.unhelped += 1;
        let root = self.store.layout.root().display();
        if self.full.last.is_none_or(|(at, _)| at.elapsed() >= EPISODE) {
            log::warn!(
                "the disk of {root} is full before the store has its capacity of {} bytes: old entries make room; \
                 give the store a smaller capacity or the disk more room",
                self.store.options.capacity_bytes
            );
        }
        // What was read is not kept: that would need room itself.
        let evicted = self.evict(&leaving, Keep::Nothing);
        self.full.last = Some((Instant::now(), self.store.used_bytes()));
        match evicted {
            Ok(()) => {
                self.store.counters.full_disk_evictions.add(1);
                true
            }
            Err(error) => {
                let _ = self.failed("evict a segment of a full disk", error);
                false
            }
        }
    }

    /// The oldest segment of either ring that can go without anything being written, those on probation first. The active
    /// one of these stays: what it has is served on.
    fn goes_without_a_write(&self) -> Option<Arc<Segment>> {
        // Its file would go while the entry is being appended once more.
        let has_body_of_pending = |number| {
            let mut pending = self.batch.pending.iter();
            pending.any(|pending| self.file_counted_by(&pending.item) == Some(number))
        };
        [Ring::Probation, Ring::Main].into_iter().find_map(|ring| {
            let oldest = self.store.segments.oldest(ring)?;
            let number = oldest.number;
            if self.active_number() == Some(number) || has_body_of_pending(number) {
                return None;
            }
            let items = load_items(&*oldest.log, number, self.id()).ok()?;
            self.graves(&oldest, &items).is_empty().then_some(oldest)
        })
    }
}
