//! Making durable what was written, at the interval that was asked for, while the writer goes on.

use super::{Op, Writer};
use crate::io::OpenMode;
use crate::options::Sync;
use crate::ring::Ring;
use crate::store::Store;
use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::time::{Duration, Instant};

/// So much may wait for a sync before one is made early.
const BODIES_MAX: usize = 1024;

/// So long after one has failed, the interval of the next begins.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// What is not durable yet, the active log aside. It names files and holds none open: what is removed meanwhile is gone
/// at once.
#[derive(Debug, Clone, Default)]
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

    fn append(&mut self, mut other: Unsynced) {
        self.logs.append(&mut other.logs);
        self.bodies.append(&mut other.bodies);
        self.touch();
    }

    /// Leaves out what is of other segments.
    fn retain(&mut self, is_there: impl Fn(u32) -> bool) {
        self.logs.retain(|number| is_there(*number));
        self.bodies.retain(|(number, _)| is_there(*number));
    }

    pub(super) fn touch(&mut self) {
        self.since.get_or_insert_with(Instant::now);
    }
}

/// What is there on disk by name, at some moment.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Names {
    /// The newest segment, by ring.
    pub(super) newest: [Option<u32>; 2],
    /// How many segments had been removed.
    pub(super) removed: u64,
}

/// What a sync makes durable: all that was written until it began.
struct Snapshot {
    unsynced: Unsynced,
    /// The segments that were appended to.
    active: [Option<u32>; 2],
    names: Names,
}

/// A sync that a thread of the pool makes.
pub(super) struct Syncing {
    snapshot: Arc<Snapshot>,
    done: Receiver<io::Result<()>>,
}

impl Writer {
    /// When the next sync is to begin.
    pub(super) fn sync_due(&self) -> Option<Instant> {
        match self.store.options.sync {
            Sync::Interval(interval) if self.syncing.is_none() => {
                self.unsynced.since.and_then(|since| since.checked_add(interval))
            }
            _ => None,
        }
    }

    /// Ends the sync that was made meanwhile, and begins the next one when it is time.
    pub(super) fn sync_if_due(&mut self) {
        self.end_sync(|done| match done.try_recv() {
            Err(TryRecvError::Empty) => None,
            other => Some(other.ok()),
        });
        let now = Instant::now();
        let due = self.sync_due().is_some_and(|due| due <= now);
        let is_much = self.unsynced.bodies.len() > BODIES_MAX
            && self.unsynced.since.is_some_and(|since| since <= now)
            && self.syncing.is_none();
        if is_much && self.store.options.sync == Sync::Never {
            self.unsynced = self.unsynced.take_main(); // the rest is never synced
            self.retain_unsynced();
        } else if due || is_much {
            self.files_are_gone |= self.is_emptied();
            self.begin_sync();
        }
    }

    /// Has everything made durable that was written. Nobody waits for it: on a slow disk it takes seconds.
    fn begin_sync(&mut self) {
        let snapshot = Arc::new(self.snapshot());
        let (tell, done) = mpsc::channel();
        let (store, what) = (self.store.clone(), snapshot.clone());
        let job = move || {
            let _ = tell.send(what.make_durable(&store)); // to a writer that has ended nothing is to be told
            store.queue.add(Op::Due);
        };
        match self.store.pool.submit(job) {
            Ok(()) => self.syncing = Some(Syncing { snapshot, done }),
            Err(_) => self.synced(snapshot.make_durable(&self.store), &snapshot), // no thread to be had
        }
    }

    /// Makes everything durable that was written, before it returns.
    pub(super) fn sync(&mut self) {
        self.end_sync(|done| Some(done.recv().ok()));
        let snapshot = self.snapshot();
        if self.store.options.sync != Sync::Never {
            self.synced(snapshot.make_durable(&self.store), &snapshot);
        }
    }

    /// Makes the main ring durable, and what has gone from it.
    pub(super) fn sync_main(&mut self) -> io::Result<()> {
        let main = self.unsynced.take_main();
        let mut snapshot = Snapshot {
            unsynced: main,
            active: self.active_numbers(),
            names: self.names(),
        };
        for active in &mut snapshot.active {
            active.take_if(|number| Ring::of(*number) != Ring::Main);
        }
        if let Some(syncing) = &self.syncing {
            // It may not have come to these yet.
            snapshot
                .unsynced
                .append(syncing.snapshot.unsynced.clone().take_main());
        }
        let durable = snapshot.make_durable(&self.store);
        match &durable {
            Ok(()) => {
                self.main_overrules = false;
                self.names_are_durable(snapshot.names);
            }
            Err(error) => {
                self.unsynced.append(snapshot.unsynced);
                self.sync_failed(error);
            }
        }
        durable
    }

    fn snapshot(&mut self) -> Snapshot {
        Snapshot {
            unsynced: std::mem::take(&mut self.unsynced),
            active: self.active_numbers(),
            names: self.names(),
        }
    }

    fn active_numbers(&self) -> [Option<u32>; 2] {
        let active = [&self.active, &self.idle];
        active.map(|active| active.as_ref().map(|active| active.segment.number))
    }

    /// Ends the sync that is being made, if `wait` has its result; `Some(None)` is that of a thread which was lost.
    fn end_sync(&mut self, wait: impl FnOnce(&Receiver<io::Result<()>>) -> Option<Option<io::Result<()>>>) {
        let Some(syncing) = &self.syncing else { return };
        let Some(result) = wait(&syncing.done) else { return };
        let snapshot = syncing.snapshot.clone();
        self.syncing = None;
        let lost = || Err(io::Error::other("the thread that made it was lost"));
        self.synced(result.unwrap_or_else(lost), &snapshot);
    }

    /// A failure is counted, since nobody waits for this to be told, and the next sync is to make it good.
    fn synced(&mut self, result: io::Result<()>, snapshot: &Snapshot) {
        match result {
            Ok(()) => self.names_are_durable(snapshot.names),
            Err(error) => {
                self.unsynced.append(snapshot.unsynced.clone());
                self.unsynced.logs.extend(snapshot.active.iter().flatten());
                self.retain_unsynced();
                self.unsynced.since = Instant::now().checked_add(AGAIN_AFTER);
                self.files_are_gone |= error.kind() == io::ErrorKind::NotFound;
                self.sync_failed(&error);
            }
        }
    }

    /// Forgets what is of segments that have gone.
    fn retain_unsynced(&mut self) {
        let segments = &self.store.segments;
        self.unsynced.retain(|number| segments.get(number).is_some());
    }

    fn sync_failed(&self, error: &io::Error) {
        self.store.counters.write_errors.add(1);
        log::warn!(
            "cannot sync the store in {}: {error}",
            self.store.layout.root().display()
        );
    }

    /// What is there now.
    pub(super) fn names(&self) -> Names {
        Names {
            newest: Ring::ALL.map(|ring| self.store.segments.newest_number(ring)),
            removed: self.removed,
        }
    }

    /// Makes the names of all segments durable that are there, and the removal of those that are not.
    pub(super) fn sync_names(&mut self) -> io::Result<()> {
        let names = self.names();
        self.store.io().sync_dir(&self.store.layout.segments())?;
        self.names_are_durable(names);
        Ok(())
    }

    /// After `segments/` was synced.
    fn names_are_durable(&mut self, names: Names) {
        // Numbers only grow, and the oldest goes first: one that was there once tells as much as one that still is.
        for (durable, newest) in self.durable.newest.iter_mut().zip(names.newest) {
            *durable = newest.max(*durable);
        }
        self.durable.removed = names.removed.max(self.durable.removed);
        self.spare_retired_bodies(self.durable.removed);
    }
}

impl Snapshot {
    /// Bodies, logs and names; an error, after all was tried, `NotFound` if a directory is gone. Blocks on the disk.
    fn make_durable(&self, store: &Store) -> io::Result<()> {
        let _span = tracing::debug_span!("sync").entered();
        let (io, layout) = (store.io(), &store.layout);
        let mut all = Ok(());
        let mut attempt = |result: io::Result<()>| {
            if let Err(error) = result {
                all = Err(error);
            }
        };
        for (segment, generation) in &self.unsynced.bodies {
            let is_there = store.segments.get(*segment);
            if is_there.is_none_or(|segment| segment.body_bytes(*generation).is_none()) {
                continue; // it was evicted, or moved, after which it is to be synced again
            }
            let file = io.open(&layout.body(*generation), OpenMode::Read);
            match file {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {} // removed meanwhile
                file => attempt(file.and_then(|file| file.sync())),
            }
        }
        if !self.unsynced.bodies.is_empty() {
            attempt(io.sync_dir(&layout.bodies()));
        }
        let mut logs = self.unsynced.logs.clone();
        logs.extend(self.active.into_iter().flatten());
        for number in logs {
            if let Some(segment) = store.segments.get(number) {
                attempt(segment.log.sync());
            }
        }
        attempt(io.sync_dir(&layout.segments()));
        all
    }
}
