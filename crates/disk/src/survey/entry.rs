//! One stored entry as a survey sees it, and reading what its record says.

use super::Survey;
use crate::format::body;
use crate::format::footer::Item;
use crate::format::label::Label;
use crate::format::record::{ALIGN, Header, Kind};
use crate::io::{File, OpenMode, read_full};
use crate::read::{Failure, Stored};
use crate::writer::slot_of;
use bytes::Bytes;
use forebay_core::{CacheMeta, ErrorKind, HashBinary, Result};
use std::sync::Arc;

/// Enough for header, table and most labels.
const HEAD_BYTES: usize = 4 << 10;

/// What a record tells of its entry.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Description {
    /// The namespace of the key that the entry was stored under, [`CacheKey::namespace`](forebay_core::CacheKey::namespace).
    pub namespace: Bytes,
    /// Its primary, [`CacheKey::primary_key`](forebay_core::CacheKey::primary_key). Both are empty where it had nothing but
    /// hashes, or is longer than 4 KiB.
    pub primary: Bytes,
    /// The meta.
    pub meta: CacheMeta,
}

/// A stored entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub(super) item: Item,
    pub(super) segment: u32,
}

impl Entry {
    pub(super) fn new(item: &Item, segment: u32) -> Self {
        Entry { item: *item, segment }
    }

    /// The combined hash of its key.
    pub fn key(&self) -> HashBinary {
        self.item.key
    }

    /// Its number, which no other write of the store has.
    pub fn generation(&self) -> u64 {
        self.item.generation
    }

    /// The name of its segment.
    pub fn segment(&self) -> String {
        format!("{:08x}", self.segment)
    }

    /// The length of its body.
    pub fn body_bytes(&self) -> u64 {
        self.item.body_len
    }

    /// Whether its body lies in a file of its own.
    pub fn body_in_file(&self) -> bool {
        self.item.kind == Some(Kind::FileEntry)
    }

    /// What it takes on disk: its record, and its body file where it has one.
    pub fn bytes(&self) -> u64 {
        let file = match self.body_in_file() {
            true => body::file_bytes(self.item.body_len),
            false => 0,
        };
        self.record_bytes().saturating_add(file)
    }

    fn at(&self) -> u64 {
        u64::from(self.item.offset_units) * ALIGN as u64
    }

    fn record_bytes(&self) -> u64 {
        u64::from(self.item.record_units) * ALIGN as u64
    }
}

impl Survey {
    /// What the record of an entry tells of it, checked; `None` if its segment was evicted meanwhile.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] if it is damaged; [`ErrorKind::StorageFailed`] if the disk fails.
    pub fn describe(&self, entry: &Entry) -> Result<Option<Description>> {
        match self.read_label(entry) {
            Ok(description) => Ok(Some(description)),
            Err(_) if matches!(self.io.kind(&self.layout.log(entry.segment)), Ok(None)) => Ok(None),
            Err(failure) => {
                let kind = match failure {
                    Failure::Damaged(_) => ErrorKind::Corrupt,
                    Failure::Io(_) => ErrorKind::StorageFailed,
                };
                Err(kind.error(format!("entry {}: {failure}", entry.generation())))
            }
        }
    }

    fn read_label(&self, entry: &Entry) -> std::result::Result<Description, Failure> {
        let log = self.log_of(entry)?;
        let mut bytes = vec![0; HEAD_BYTES.min(entry.record_bytes() as usize)];
        read_full(&*log, &mut bytes, entry.at())?;
        let header = self.header(entry, &bytes)?;
        if header.body_at() > bytes.len() {
            bytes.resize(header.body_at(), 0);
            read_full(&*log, &mut bytes, entry.at())?;
        }
        let label = Bytes::from(bytes).slice(header.label_at()..header.body_at());
        let label = Label::of(label, header.label);
        if label.checksum(self.id.generation_seed(header.generation)) != header.label_checksum {
            return Err(Failure::Damaged("its key text or its meta is damaged"));
        }
        let meta =
            CacheMeta::decode(label.meta()).map_err(|_| Failure::Damaged("its meta cannot be read"))?;
        Ok(Description {
            namespace: label.namespace(),
            primary: label.primary(),
            meta,
        })
    }

    fn header(&self, entry: &Entry, bytes: &[u8]) -> std::result::Result<Header, Failure> {
        let decoded = Header::decode(bytes, self.id.segment_seed(entry.segment));
        let (header, _) = decoded.ok_or(Failure::Damaged("its record has a damaged head"))?;
        let same = header.key == entry.key()
            && header.generation == entry.generation()
            && header.record_bytes() as u64 == entry.record_bytes();
        same.then_some(header)
            .ok_or(Failure::Damaged("its record is another's"))
    }

    /// The whole record of an entry, checked.
    pub(super) fn stored(&self, entry: &Entry) -> std::result::Result<Stored, Failure> {
        let log = self.log_of(entry)?;
        let mut bytes = vec![0; entry.record_bytes() as usize];
        read_full(&*log, &mut bytes, entry.at())?;
        let slot = slot_of(&entry.item, entry.segment);
        Stored::parse(&bytes.into(), self.id, &entry.key(), slot)
    }

    /// The log of an entry, which is long enough for its record.
    fn log_of(&self, entry: &Entry) -> std::result::Result<Arc<dyn File>, Failure> {
        let log = self.io.open(&self.layout.log(entry.segment), OpenMode::Read)?;
        let end = entry.at() + entry.record_bytes();
        if end > log.len_bytes()? {
            return Err(Failure::Damaged("its record would end behind its log"));
        }
        Ok(log)
    }
}
