//! A disk that is full before the capacity is: the store shrinks to what the disk has, and goes on storing.

use super::Writer;
use super::outlive::Keep;
use crate::io::is_full;
use crate::recovery::load_items;
use crate::ring::Ring;
use crate::segment::Segment;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// So long after it was last full, the disk may have more room again.
const GROW_AFTER: Duration = Duration::from_secs(10);
/// So many segments go at most without a write having succeeded since: where somebody else takes what they free, or a
/// quota is the limit, evicting more would empty the store for nothing.
const UNHELPED_MAX: u32 = 4;
/// How often the file system is asked how much is free.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// So many segments at most make room at a time for what others have taken.
const SEGMENTS_AT_ONCE: u64 = 4;
/// A disk that is full again within this time is no news.
const EPISODE: Duration = Duration::from_secs(600);

/// What the writer knows of a full disk.
#[derive(Debug, Default)]
pub(super) struct Full {
    /// When the disk was last full, and what the store may occupy since.
    last: Option<(Instant, u64)>,
    /// When the file system was last asked how much is free, and what the store may occupy by that, if it told.
    looked: Option<(Instant, Option<u64>)>,
    /// How many segments have gone since a write last succeeded.
    unhelped: u32,
    /// Whether a segment is being evicted, which must not evict another.
    pub(super) evicting: bool,
}

impl Writer {
    /// What the store may occupy: its capacity, or what leaves enough of the file system free, or for a while what it had when
    /// the disk was last full, so that room is made in time and what was read is kept.
    pub(super) fn capacity_bytes(&self) -> u64 {
        let capacity = self.store.options.capacity_bytes;
        let when_full = self.full.last.filter(|_| self.was_full_lately());
        let by_free = self.full.looked.and_then(|(_, bytes)| bytes);
        let limits = when_full.map(|(_, bytes)| bytes).into_iter().chain(by_free);
        limits
            .min()
            .map_or(capacity, |bytes| bytes.clamp(capacity / 16, capacity))
    }

    /// Asks the file system how much is free, if some is to be and it was not asked lately.
    pub(super) fn look_at_free_room(&mut self) {
        if !self.is_look_due() {
            return;
        }
        let min_free = self.store.options.min_free_bytes;
        let (capacity, used) = (self.store.options.capacity_bytes, self.store.used_bytes());
        let free = self.store.io().free_bytes(self.store.layout.root()).ok();
        let may_occupy = free.map(|free| used.saturating_add(free).saturating_sub(min_free));
        let for_bodies = may_occupy.unwrap_or(u64::MAX).max(capacity / 16);
        self.store.may_occupy_bytes.store(for_bodies, Ordering::Relaxed);
        // It comes down step by step: others wait meanwhile, and who has taken the room may give it back.
        let step = SEGMENTS_AT_ONCE * self.store.options.segment_bytes();
        let now = may_occupy.map(|bytes| bytes.max(used.saturating_sub(step)));
        let was_less = self.is_less(self.full.looked.and_then(|(_, bytes)| bytes));
        self.full.looked = Some((Instant::now(), now));
        if self.is_less(now) && !was_less {
            log::warn!(
                "the store in {} has less than its capacity of {} bytes, so that {min_free} bytes of its file system are \
                 left free: old entries make room",
                self.store.layout.root().display(),
                capacity
            );
        }
    }

    pub(super) fn is_look_due(&self) -> bool {
        let lately = || self.full.looked.is_some_and(|(at, _)| at.elapsed() < LOOK_EVERY);
        self.store.options.min_free_bytes > 0 && !lately()
    }

    fn is_less(&self, may_occupy: Option<u64>) -> bool {
        may_occupy.is_some_and(|bytes| bytes < self.store.options.capacity_bytes)
    }

    /// Whether the disk was full so short a time ago that it may not have more room yet.
    pub(super) fn was_full_lately(&self) -> bool {
        self.full.last.is_some_and(|(at, _)| at.elapsed() < GROW_AFTER)
    }

    /// Sees to what has made a write fail, if that is possible; whether it may be tried again.
    pub(super) fn see_to(&mut self, error: &io::Error) -> bool {
        is_full(error) && self.shrink() || error.kind() == io::ErrorKind::NotFound && self.refound()
    }

    /// Does what needs room on the disk; where there is none, evicts and tries again as long as that may help.
    pub(super) fn with_room<T>(&mut self, mut act: impl FnMut(&mut Self) -> io::Result<T>) -> io::Result<T> {
        loop {
            match act(self) {
                Err(error) if self.see_to(&error) => {}
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
    fn shrink(&mut self) -> bool {
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
