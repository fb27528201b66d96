//! Making durable what was written, at the interval that was asked for.

use super::Writer;
use crate::io::OpenMode;
use crate::options::Sync;
use std::collections::BTreeSet;
use std::io;
use std::time::Instant;

/// So much may wait for a sync before one is made early.
const BODIES_MAX: usize = 1024;

/// What is not durable yet, the active log aside. It names files and holds none open: what is removed meanwhile is gone
/// at once.
#[derive(Debug, Default)]
pub(super) struct Unsynced {
    since: Option<Instant>,
    /// Sealed logs, by their segment.
    logs: BTreeSet<u32>,
    /// Body files, by segment and generation.
    bodies: BTreeSet<(u32, u64)>,
}

impl Unsynced {
    pub(super) fn add_log(&mut self, segment: u32) {
        self.logs.insert(segment);
        self.touch();
    }

    pub(super) fn add_body(&mut self, segment: u32, generation: u64) {
        self.bodies.insert((segment, generation));
        self.touch();
    }

    pub(super) fn touch(&mut self) {
        self.since.get_or_insert_with(Instant::now);
    }
}

impl Writer {
    /// When the next sync is to be made.
    pub(super) fn sync_due(&self) -> Option<Instant> {
        match self.store.options.sync {
            Sync::Interval(interval) => self.unsynced.since.and_then(|since| since.checked_add(interval)),
            Sync::Never | Sync::Always => None,
        }
    }

    pub(super) fn sync_if_due(&mut self) {
        let due = self.sync_due().is_some_and(|due| due <= Instant::now());
        if due || self.unsynced.bodies.len() > BODIES_MAX {
            self.sync();
        }
    }

    /// Makes everything durable that was written. A failure is counted; nobody waits for this to be told.
    pub(super) fn sync(&mut self) {
        let unsynced = std::mem::take(&mut self.unsynced);
        if self.store.options.sync == Sync::Never {
            return;
        }
        let _span = tracing::debug_span!("sync").entered();
        let (io, layout) = (self.store.io(), &self.store.layout);
        let mut failed = None;
        let mut attempt = |result: io::Result<()>| match result {
            Err(error) if error.kind() != io::ErrorKind::NotFound => failed = Some(error), // else removed meanwhile
            _ => {}
        };
        let mut segments = unsynced.logs;
        for (segment, generation) in unsynced.bodies {
            let file = io.open(&layout.body(segment, generation), OpenMode::Read);
            attempt(file.and_then(|file| file.sync()));
            segments.insert(segment);
        }
        segments.extend(self.active_number());
        for number in segments {
            if let Some(segment) = self.store.segments.get(number) {
                attempt(segment.log.sync());
                attempt(io.sync_dir(&layout.segment(number)));
            }
        }
        attempt(io.sync_dir(&layout.segments()));
        if let Some(error) = failed {
            self.store.counters.write_errors.add(1);
            log::warn!("cannot sync the store in {}: {error}", layout.root().display());
        }
    }
}
