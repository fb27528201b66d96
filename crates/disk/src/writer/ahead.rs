//! Making the pages of a log before its records need them.
//!
//! A file system that has large folios makes them for large writes, and small ones for the appends of records. To write
//! into a large one, and to read from it, takes less than the same bytes take in small ones.

use super::Writer;
use crate::io::{File, write_full};
use crate::options::Sync;
use std::io;
use std::ops::Range;

/// So much is made at a time, and there is as much ahead.
const AHEAD_BYTES: u64 = 256 << 10;
/// A log with less in it may never get to the pages ahead: the records of body files are short.
const RECORDS_BYTES_MIN: u64 = 64 << 10;
static ZEROS: [u8; AHEAD_BYTES as usize] = [0; AHEAD_BYTES as usize];

impl Writer {
    /// Whether the pages for so much more are made, or are not to be made ahead.
    pub(super) fn has_pages(&self, bytes: u64) -> bool {
        let are_made = self
            .active
            .as_ref()
            .is_some_and(|active| active.end + self.batch.len_bytes + bytes <= active.file_bytes);
        are_made || self.pages_to_make().is_none()
    }

    /// Makes the next pages of the log where few are left. Where it is not possible, records do without.
    pub(super) fn make_pages_ahead(&mut self) {
        let (Some(pages), Some(active)) = (self.pages_to_make(), &mut self.active) else {
            return;
        };
        match write_zeros(&*active.segment.log, &pages) {
            Ok(()) => {
                active.file_bytes = pages.end;
                active.segment.set_allocated(pages.end);
            }
            Err(_) => {
                active.takes_pages = false; // not after each record anew
                self.cut_active();
            }
        }
    }

    /// Where the next pages of the log are to be, if few are left and there is room for them.
    fn pages_to_make(&self) -> Option<Range<u64>> {
        let active = self.active.as_ref()?;
        let end = active.end + self.batch.len_bytes;
        let ahead = end + AHEAD_BYTES;
        let until = ahead
            .next_multiple_of(AHEAD_BYTES)
            .min(self.store.options.segment_bytes());
        let start = end.max(active.file_bytes);
        let is_due =
            active.takes_pages && end >= RECORDS_BYTES_MIN && active.file_bytes < ahead && start < until;
        // What is synced at once would be written twice.
        let is_wanted = self.store.options.sync != Sync::Always;
        (is_due && is_wanted && self.fits(0, until - start)).then_some(start..until)
    }
}

fn write_zeros(log: &dyn File, pages: &Range<u64>) -> io::Result<()> {
    let mut at = pages.start;
    while at < pages.end {
        let len_bytes = (pages.end - at).min(AHEAD_BYTES - at % AHEAD_BYTES);
        write_full(log, &[&ZEROS[..len_bytes as usize]], at)?;
        at += len_bytes;
    }
    Ok(())
}
