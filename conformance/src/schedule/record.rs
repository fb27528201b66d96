//! What happened in a case so far: the writes, what each completed call came to, and the lanes to draw.

use super::lanes::Row;
use super::linearize::{Did, Event};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Shared by the clients of a case, and read when it is over, however it ended.
#[derive(Default)]
pub(crate) struct Record(Mutex<Inner>);

#[derive(Default)]
pub(super) struct Inner {
    /// How many polls there were.
    pub(super) now: u32,
    pub(super) rows: Vec<Row>,
    pub(super) events: Vec<Event>,
    pub(super) writes: Vec<Write>,
    /// For each key, when it was last touched by what may make its readers fail.
    pub(super) disturbed: [u32; super::case::KEYS],
    /// What each lane's call under way waits for.
    pub(super) waiting: [Option<Waiting>; super::LANES],
    numbers: u32,
}

/// A write, by the number that its meta has.
pub(super) struct Write {
    pub(super) number: u32,
    pub(super) key: u8,
    pub(super) tag: Option<Vec<u8>>,
    /// The bytes that completed calls wrote, and those that a call under way or dropped may have written as well.
    pub(super) written: usize,
    pub(super) given: usize,
    /// Whether eof or `finish` was called.
    pub(super) ended: bool,
    /// Whether it was given up, at whatever point.
    pub(super) dropped: bool,
}

pub(super) struct Waiting {
    pub(super) what: String,
    /// For a read: the writes whose bytes it may be reading, and how far it is.
    pub(super) read: Option<(Vec<u32>, usize)>,
    /// The call is to be dropped: it waits for what this client itself would have to do, or another that waits too.
    pub(super) hopeless: bool,
}

impl Record {
    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// A poll of that lane begins.
    pub(super) fn tick(&mut self, lane: usize) {
        self.now += 1;
        self.rows.push(Row {
            lane,
            ..Row::default()
        });
    }

    /// The poll goes on with a call that was pending.
    pub(super) fn resume(&mut self, lane: usize) {
        let resumes = self.waiting[lane].is_some();
        if let Some(row) = self.rows.last_mut() {
            row.resumes = resumes;
        }
    }

    /// The poll is over, and a call may be pending.
    pub(super) fn pend(&mut self, lane: usize) {
        let pends = self.waiting[lane].is_some();
        if let Some(row) = self.rows.last_mut() {
            row.pends = pends;
        }
    }

    pub(super) fn say(&mut self, text: &str) {
        if let Some(row) = self.rows.last_mut() {
            row.text.push_str(text);
        }
    }

    pub(super) fn number(&mut self) -> u32 {
        self.numbers += 1;
        self.numbers
    }

    pub(super) fn write(&mut self, number: u32) -> Option<&mut Write> {
        self.writes.iter_mut().find(|write| write.number == number)
    }

    /// Readers of the key may fail from now on; for ever where what was called may still be applied.
    pub(super) fn disturb(&mut self, key: u8, dropped: bool) {
        let until = if dropped { u32::MAX } else { self.now };
        let disturbed = &mut self.disturbed[key as usize];
        *disturbed = until.max(*disturbed);
    }

    /// Records a call that is over: completed in this poll, or dropped.
    pub(super) fn event(&mut self, key: u8, invoked: u32, completed: bool, did: Did) -> usize {
        let lane = self.rows.last().map_or(0, |row| row.lane);
        let returned = completed.then_some(self.now);
        self.events.push(Event {
            lane,
            key,
            invoked,
            returned,
            did,
        });
        self.events.len() - 1
    }

    /// Whether what the lane waits for is a byte that nobody has written yet.
    pub(super) fn waits_for_a_writer(&self, lane: usize) -> bool {
        let Some(Waiting {
            read: Some((writes, position)),
            ..
        }) = &self.waiting[lane]
        else {
            return false;
        };
        let open = |write: &Write| !write.ended && !write.dropped && write.written <= *position;
        self.writes
            .iter()
            .any(|write| writes.contains(&write.number) && open(write))
    }
}
