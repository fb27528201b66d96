//! Making durable what was written, at the interval that was asked for.

use super::Writer;
use crate::io::OpenMode;
use crate::options::Sync;
use crate::ring::Ring;
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

    /// Leaves what is of the ring on probation.
    fn take_main(&mut self) -> Unsynced {
        let first = *Ring::Probation.numbers().start();
        let (logs, bodies) = (self.logs.split_off(&first), self.bodies.split_off(&(first, 0)));
        Unsynced {
            since: self.since,
            logs: std::mem::replace(&mut self.logs, logs),
            bodies: std::mem::replace(&mut self.bodies, bodies),
        }
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
        let active = [&self.active, &self.idle];
        let active = active.map(|active| active.as_ref().map(|active| active.segment.number));
        match self.make_durable(&unsynced, active) {
            Ok(()) => self.names_are_durable(),
            Err(error) => self.sync_failed(&error),
        }
    }

    /// Makes the main ring durable while it is appended to, and what has gone from it.
    pub(super) fn sync_main(&mut self) -> io::Result<()> {
        let mut main = self.unsynced.take_main();
        let synced = self.make_durable(&main, [self.active_number(), None]);
        match &synced {
            Ok(()) => self.names_are_durable(),
            Err(error) => {
                self.unsynced.logs.append(&mut main.logs);
                self.unsynced.bodies.append(&mut main.bodies);
                self.sync_failed(error);
            }
        }
        synced
    }

    /// Bodies, logs and names; an error, after all was tried.
    fn make_durable(&self, unsynced: &Unsynced, active: [Option<u32>; 2]) -> io::Result<()> {
        let _span = tracing::debug_span!("sync").entered();
        let (io, layout) = (self.store.io(), &self.store.layout);
        let mut all = Ok(());
        let mut attempt = |result: io::Result<()>| match result {
            Err(error) if error.kind() != io::ErrorKind::NotFound => all = Err(error), // else removed meanwhile
            _ => {}
        };
        let mut segments = unsynced.logs.clone();
        for (segment, generation) in &unsynced.bodies {
            let file = io.open(&layout.body(*segment, *generation), OpenMode::Read);
            attempt(file.and_then(|file| file.sync()));
            segments.insert(*segment);
        }
        segments.extend(active.into_iter().flatten());
        for number in segments {
            if let Some(segment) = self.store.segments.get(number) {
                attempt(segment.log.sync());
                attempt(io.sync_dir(&layout.segment(number)));
            }
        }
        attempt(io.sync_dir(&layout.segments()));
        all
    }

    fn sync_failed(&self, error: &io::Error) {
        self.store.counters.write_errors.add(1);
        log::warn!(
            "cannot sync the store in {}: {error}",
            self.store.layout.root().display()
        );
    }
}
