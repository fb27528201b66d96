//! Making the pages of a log before its records need them.
//!
//! A file system that has large folios makes them for large writes, and small ones for the appends of records. To write
//! into a large one, and to read from it, takes less than the same bytes take in small ones.

use super::Writer;
use crate::io::{File, write_full};
use crate::options::Sync;
use std::io;

/// So much is made at a time, and there is as much ahead.
const AHEAD_BYTES: u64 = 256 << 10;
/// A log with less in it may never get to the pages ahead: the records of body files are short.
const RECORDS_BYTES_MIN: u64 = 64 << 10;
static ZEROS: [u8; AHEAD_BYTES as usize] = [0; AHEAD_BYTES as usize];

impl Writer {
    /// Whether the pages for so much more are made, or are not to be made ahead.
    pub(super) fn has_pages(&self, bytes: u64) -> bool {
        self.active.as_ref().is_some_and(|active| {
            let end = active.end + self.batch.len_bytes;
            !active.takes_pages || end < RECORDS_BYTES_MIN || end + bytes <= active.file_bytes
        })
    }

    /// Makes the next pages of the log where few are left. Where it is not possible, records do without.
    pub(super) fn make_pages_ahead(&mut self) {
        let Some(active) = &self.active else { return };
        let ahead = active.end + AHEAD_BYTES;
        let until = ahead
            .next_multiple_of(AHEAD_BYTES)
            .min(self.store.options.segment_bytes());
        let start = active.end.max(active.file_bytes);
        let is_due = active.takes_pages
            && active.end >= RECORDS_BYTES_MIN
            && active.file_bytes < ahead
            && start < until;
        // What is synced at once would be written twice.
        let is_wanted = self.store.options.sync != Sync::Always;
        if !is_due || !is_wanted || !self.fits(0, until - start) {
            return;
        }
        let made = write_zeros(&*active.segment.log, start, until);
        let Some(active) = &mut self.active else { return };
        match made {
            Ok(()) => {
                active.file_bytes = until;
                active.segment.set_allocated(until);
            }
            Err(_) => {
                active.takes_pages = false; // not after each record anew
                self.cut_active();
            }
        }
    }
}

fn write_zeros(log: &dyn File, start: u64, until: u64) -> io::Result<()> {
    let mut at = start;
    while at < until {
        let len_bytes = (until - at).min(AHEAD_BYTES - at % AHEAD_BYTES);
        write_full(log, &[&ZEROS[..len_bytes as usize]], at)?;
        at += len_bytes;
    }
    Ok(())
}
