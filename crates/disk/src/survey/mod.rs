//! A look at a store from outside: it takes no lock, changes nothing, and works beside the process that has the store.
//!
//! ```no_run
//! use forebay_disk::survey::Survey;
//!
//! let survey = Survey::of("/var/cache/proxy")?;
//! for segment in survey.segments() {
//!     println!("{}: {} entries", segment.name, segment.entries.len());
//! }
//! for damage in survey.verify(&mut |_| {})? {
//!     println!("{damage}");
//! }
//! # Ok::<(), Box<forebay_core::Error>>(())
//! ```

mod check;
mod entry;

pub use check::Damage;
pub use entry::{Description, Entry};

use crate::format::StoreId;
use crate::format::body::file_bytes;
use crate::format::footer::Item;
use crate::format::record::{ALIGN, Kind};
use crate::io::{Io, OpenMode, PathKind, RealIo, read_full};
use crate::recovery::{self, Identity, load_items};
use crate::ring::Ring;
use crate::segment::{Layout, log_name};
use forebay_core::{ErrorKind, HashBinary, Result};
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The version of the format that a survey reads, and a store writes.
pub const FORMAT_VERSION: u32 = crate::format::VERSION;

/// What the logs of a store said at one moment.
///
/// Beside a process that writes, a survey sees what was there when it came by: segments that were evicted meanwhile are
/// left out, and an entry that was moved meanwhile may be. It holds some 50 bytes of memory for each entry.
#[derive(Debug)]
pub struct Survey {
    io: Arc<dyn Io>,
    layout: Layout,
    id: StoreId,
    format_is_damaged: bool,
    /// In the order of replay: those of the main ring, oldest first, then those on probation.
    numbers: Vec<u32>,
    /// The last record of every key that has an entry or a damaged one: the segment, and where in its log.
    last: HashMap<HashBinary, (u32, u32)>,
}

/// What one segment holds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SegmentSurvey {
    /// The name of its log, without the ending `.log`.
    pub name: String,
    /// Whether it is of the ring of what is new; else of the main ring, of what was asked for again.
    pub on_probation: bool,
    /// Whether its log has its footer: it is the last thing that is written.
    pub sealed: bool,
    /// Records in the log, dead ones included.
    pub records: u64,
    /// The length of its log, in bytes.
    pub log_bytes: u64,
    /// The length that the body files of its stored entries have together, by their records, in bytes.
    pub body_files_bytes: u64,
    /// The entries of it that are stored: no later record says otherwise.
    pub entries: Vec<Entry>,
    /// Damaged records, of which only the key is known. Their keys have no entry.
    pub damaged: Vec<Damage>,
}

impl SegmentSurvey {
    /// What log and body files take, in bytes.
    pub fn bytes(&self) -> u64 {
        self.log_bytes.saturating_add(self.body_files_bytes)
    }

    /// What the stored entries take of it, in bytes.
    pub fn live_bytes(&self) -> u64 {
        self.entries.iter().map(Entry::bytes).fold(0, u64::saturating_add)
    }

    /// What goes when the segment is evicted, and is of no use until then, in bytes.
    pub fn dead_bytes(&self) -> u64 {
        self.bytes().saturating_sub(self.live_bytes())
    }
}

impl Survey {
    /// Reads the logs of the store in a directory.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`] if there is no store, or one of another format version; [`ErrorKind::StorageFailed`] if the
    /// disk fails.
    pub fn of(dir: impl Into<PathBuf>) -> Result<Self> {
        Survey::through(dir, Arc::new(RealIo))
    }

    /// As [`of`](Survey::of), by another way to the files.
    ///
    /// # Errors
    /// As [`of`](Survey::of).
    pub fn through(dir: impl Into<PathBuf>, io: Arc<dyn Io>) -> Result<Self> {
        let layout = Layout::new(dir.into());
        let root = layout.root();
        match io.kind(root).map_err(|error| failed("look at", root, error))? {
            None => return Err(no_store(root)),
            Some(PathKind::File) => return Err(recovery::not_ours(root, "a directory")),
            Some(PathKind::Directory | PathKind::Other) => {}
        }
        let (id, format_is_damaged) = match recovery::identify(&*io, &layout)? {
            Identity::Known(id) => (id, false),
            Identity::Told(id) => (id, true),
            Identity::New => return Err(no_store(root)),
        };
        let mut survey = Survey {
            io,
            layout,
            id,
            format_is_damaged,
            numbers: Vec::new(),
            last: HashMap::new(),
        };
        survey.replay()?;
        Ok(survey)
    }

    /// Finds the last record of every key, as an open does.
    fn replay(&mut self) -> Result<()> {
        if self.io.kind(&self.layout.segments()).ok().flatten().is_none() {
            return Ok(()); // made, and never used
        }
        let mut numbers = recovery::segment_numbers(&*self.io, &self.layout)?;
        // What an open would remove is no part of the store.
        recovery::take_evicted(&*self.io, &self.layout, self.id, &mut numbers)?;
        for number in &numbers {
            for item in self.items(*number)?.unwrap_or_default().items {
                match item.kind {
                    Some(Kind::Tombstone) => self.last.remove(&item.key),
                    _ => self.last.insert(item.key, (*number, item.offset_units)),
                };
            }
        }
        self.numbers = numbers;
        Ok(())
    }

    /// What the log of a segment says; `None` if the segment has gone.
    fn items(&self, number: u32) -> Result<Option<Log>> {
        let path = self.layout.log(number);
        let read = || {
            let log = self.io.open(&path, OpenMode::Read)?;
            // A log that is cut while it is read (a write has failed) ends earlier at the next attempt.
            let items = match load_items(&*log, number, self.id) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    load_items(&*log, number, self.id)?
                }
                other => other?,
            };
            let len_bytes = log.len_bytes()?;
            let sealed = recovery::is_sealed(&*log, number, self.id)?;
            io::Result::Ok(Log {
                items,
                len_bytes,
                sealed,
            })
        };
        match read() {
            Ok(log) => Ok(Some(log)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("read", &path, error)),
        }
    }

    /// How many entries are stored, damaged ones included.
    pub fn len(&self) -> usize {
        self.last.len()
    }

    /// Whether nothing is stored.
    pub fn is_empty(&self) -> bool {
        self.last.is_empty()
    }

    /// How many segments there are.
    pub fn segments_len(&self) -> usize {
        self.numbers.len()
    }

    /// The process that had the store last, and may have it still, as the LOCK file has it.
    pub fn last_owner(&self) -> Option<u32> {
        let read = || {
            let file = self.io.open(&self.layout.lock(), OpenMode::Read)?;
            let mut text = vec![0; file.len_bytes()?.min(16) as usize];
            read_full(&*file, &mut text, 0)?;
            io::Result::Ok(text)
        };
        std::str::from_utf8(&read().ok()?).ok()?.trim().parse().ok()
    }

    /// The segments: those of the main ring, oldest first, then those on probation. One that is evicted meanwhile, or cannot be read, is left out; what cannot be read is
    /// logged, and found by [`verify`](Survey::verify).
    pub fn segments(&self) -> impl Iterator<Item = SegmentSurvey> + '_ {
        self.numbers.iter().filter_map(|number| {
            self.segment(*number)
                .inspect_err(|error| log::warn!("{error}"))
                .ok()
                .flatten()
        })
    }

    fn segment(&self, number: u32) -> Result<Option<SegmentSurvey>> {
        let Some(log) = self.items(number)? else {
            return Ok(None);
        };
        let mut segment = SegmentSurvey {
            name: format!("{number:08x}"),
            on_probation: Ring::of(number) == Ring::Probation,
            sealed: log.sealed,
            records: log.items.len() as u64,
            log_bytes: log.len_bytes,
            body_files_bytes: 0,
            entries: Vec::new(),
            damaged: Vec::new(),
        };
        for item in &log.items {
            if self.last.get(&item.key) != Some(&(number, item.offset_units)) {
                continue;
            }
            match item.kind {
                Some(Kind::Entry) => segment.entries.push(Entry::new(item, number)),
                Some(Kind::FileEntry) => {
                    let bytes = segment.body_files_bytes;
                    segment.body_files_bytes = bytes.saturating_add(file_bytes(item.body_len));
                    segment.entries.push(Entry::new(item, number));
                }
                Some(Kind::Tombstone) => {}
                None => segment.damaged.push(self.damaged(item, number)),
            }
        }
        Ok(Some(segment))
    }

    fn damaged(&self, item: &Item, number: u32) -> Damage {
        let at = u64::from(item.offset_units) * ALIGN as u64;
        Damage {
            place: self.place(number),
            key: Some(item.key),
            entry: None,
            what: format!("a record at or before byte {at} is damaged; its key has no entry"),
        }
    }

    /// Where its log is, below the directory of the store.
    fn place(&self, number: u32) -> String {
        format!("segments/{}", log_name(number))
    }
}

/// What a log holds.
#[derive(Default)]
struct Log {
    items: Vec<Item>,
    len_bytes: u64,
    sealed: bool,
}

fn failed(what: &str, path: &Path, error: io::Error) -> Box<forebay_core::Error> {
    ErrorKind::StorageFailed.because(format!("look into a store: {what} {}", path.display()), error)
}

fn no_store(root: &Path) -> Box<forebay_core::Error> {
    ErrorKind::Refused.error(format!("there is no store in {}", root.display()))
}
