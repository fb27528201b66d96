//! One record of a log: fixed header, checksum table, label, body, and a trailer that names the key once more.

use super::label::{LabelLens, NAME_BYTES_MAX};
use super::{BLOCK_BYTES, INLINE_BYTES_MAX, blocks, body, checksum, u16_at, u32_at, u64_at};
use forebay_core::{CacheMeta, HashBinary};
use smallvec::SmallVec;

/// Records begin at multiples of this, so that an index entry stays small and a scan can find its way again.
pub(crate) const ALIGN: usize = 64;
/// The fixed header.
pub(crate) const HEADER_BYTES: usize = 64;
/// The trailer at the end of the record.
pub(crate) const TRAILER_BYTES: usize = 32;
/// The header with the longest table that can follow it.
pub(crate) const HEAD_BYTES_MAX: usize = HEADER_BYTES + 8 * INLINE_BYTES_MAX.div_ceil(BLOCK_BYTES);
/// No record is longer: head, label, inline body and trailer have their limits.
pub(crate) const RECORD_BYTES_MAX: u64 = (HEAD_BYTES_MAX
    + NAME_BYTES_MAX
    + CacheMeta::ENCODED_BYTES_MAX
    + INLINE_BYTES_MAX
    + TRAILER_BYTES
    + ALIGN) as u64;

/// The checksums that follow a header. None has more than four, so that none is allocated.
pub(crate) type Table = SmallVec<[u64; INLINE_BYTES_MAX.div_ceil(BLOCK_BYTES)]>;

const MAGIC: [u8; 4] = *b"FBR1";
const CHECKSUM_AT: usize = 56;
const BODY_BYTES_MAX: u64 = 1 << 48;

/// What a record says of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An entry, body included.
    Entry,
    /// An entry whose body lies in a file beside the log.
    FileEntry,
    /// The key has no entry.
    Tombstone,
}

impl Kind {
    pub(crate) fn to_u8(self) -> u8 {
        match self {
            Kind::Entry => 1,
            Kind::FileEntry => 2,
            Kind::Tombstone => 3,
        }
    }

    /// The longest body of such a record.
    pub(crate) fn body_bytes_max(self) -> u64 {
        match self {
            Kind::Entry => INLINE_BYTES_MAX as u64,
            Kind::FileEntry => BODY_BYTES_MAX,
            Kind::Tombstone => 0,
        }
    }

    pub(crate) fn from_u8(byte: u8) -> Option<Self> {
        [Kind::Entry, Kind::FileEntry, Kind::Tombstone]
            .into_iter()
            .find(|kind| kind.to_u8() == byte)
    }
}

/// The fixed part of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    pub(crate) key: HashBinary,
    pub(crate) generation: u64,
    pub(crate) label: LabelLens,
    pub(crate) body_len: u64,
    /// Of the label, seeded by the generation.
    pub(crate) label_checksum: u64,
}

impl Header {
    /// How many checksums follow the header: one per block of an inline body, one of the table of a body file.
    pub(crate) fn table_len(&self) -> usize {
        match self.kind {
            Kind::Entry => blocks(self.body_len) as usize,
            Kind::FileEntry => 1,
            Kind::Tombstone => 0,
        }
    }

    fn inline_len(&self) -> usize {
        match self.kind {
            Kind::Entry => self.body_len as usize,
            Kind::FileEntry | Kind::Tombstone => 0,
        }
    }

    /// Where the label begins in the record.
    pub(crate) fn label_at(&self) -> usize {
        HEADER_BYTES + 8 * self.table_len()
    }

    /// Where an inline body begins in the record.
    pub(crate) fn body_at(&self) -> usize {
        self.label_at() + self.label.all()
    }

    /// The whole record, padding and trailer included.
    pub(crate) fn record_bytes(&self) -> usize {
        (self.body_at() + self.inline_len() + TRAILER_BYTES).next_multiple_of(ALIGN)
    }

    /// What the entry weighs: its bytes on disk, whatever they are rounded up to.
    pub(crate) fn weight_bytes(&self) -> u64 {
        let body_file = match self.kind {
            Kind::FileEntry => body::file_bytes(self.body_len),
            Kind::Entry | Kind::Tombstone => 0,
        };
        self.record_bytes() as u64 + body_file
    }

    /// Header and table as bytes.
    pub(crate) fn encode(&self, table: &[u64], segment_seed: u64) -> Vec<u8> {
        debug_assert_eq!(table.len(), self.table_len());
        let mut out = vec![0; HEADER_BYTES];
        out[..4].copy_from_slice(&MAGIC);
        out[4] = self.kind.to_u8();
        out[8..24].copy_from_slice(&self.key);
        out[24..32].copy_from_slice(&self.generation.to_le_bytes());
        out[32..36].copy_from_slice(&self.label.meta.to_le_bytes());
        out[36..38].copy_from_slice(&self.label.namespace.to_le_bytes());
        out[38..40].copy_from_slice(&self.label.primary.to_le_bytes());
        out[40..48].copy_from_slice(&self.body_len.to_le_bytes());
        out[48..56].copy_from_slice(&self.label_checksum.to_le_bytes());
        for checksum in table {
            out.extend_from_slice(&checksum.to_le_bytes());
        }
        let checksum = head_checksum(&out, segment_seed);
        out[CHECKSUM_AT..HEADER_BYTES].copy_from_slice(&checksum.to_le_bytes());
        out
    }

    /// Padding and trailer as bytes: what follows the body.
    pub(crate) fn encode_end(&self, segment_seed: u64) -> Vec<u8> {
        let padding = self.record_bytes() - self.body_at() - self.inline_len() - TRAILER_BYTES;
        let mut out = vec![0; padding];
        out.extend_from_slice(&self.key);
        out.extend_from_slice(&self.generation.to_le_bytes());
        let checksum = checksum(&out[padding..], segment_seed);
        out.extend_from_slice(&checksum.to_le_bytes());
        out
    }

    /// Header and table at the start of `bytes`; `None` unless they are whole and undamaged.
    pub(crate) fn decode(bytes: &[u8], segment_seed: u64) -> Option<(Header, Table)> {
        if bytes.len() < HEADER_BYTES || bytes[..4] != MAGIC {
            return None;
        }
        let header = Header {
            kind: Kind::from_u8(bytes[4])?,
            key: bytes[8..24].try_into().ok()?,
            generation: u64_at(bytes, 24),
            label: LabelLens {
                meta: u32_at(bytes, 32),
                namespace: u16_at(bytes, 36),
                primary: u16_at(bytes, 38),
            },
            body_len: u64_at(bytes, 40),
            label_checksum: u64_at(bytes, 48),
        };
        if header.label.meta as usize > CacheMeta::ENCODED_BYTES_MAX
            || header.label.name() > NAME_BYTES_MAX
            || header.body_len > header.kind.body_bytes_max()
        {
            return None;
        }
        let head = bytes.get(..header.label_at())?;
        if u64_at(head, CHECKSUM_AT) != head_checksum(head, segment_seed) {
            return None;
        }
        let table = head[HEADER_BYTES..]
            .chunks_exact(8)
            .map(|chunk| u64_at(chunk, 0))
            .collect();
        Some((header, table))
    }
}

/// Key and generation that the trailer at the end of `bytes` names; `None` if there is none.
pub(crate) fn decode_trailer(bytes: &[u8], segment_seed: u64) -> Option<(HashBinary, u64)> {
    let trailer = &bytes[bytes.len().checked_sub(TRAILER_BYTES)?..];
    let valid = u64_at(trailer, 24) == checksum(&trailer[..24], segment_seed);
    valid.then(|| {
        trailer[..16]
            .try_into()
            .ok()
            .map(|key| (key, u64_at(trailer, 16)))
    })?
}

/// Everything before the checksum and everything after it.
fn head_checksum(head: &[u8], segment_seed: u64) -> u64 {
    let fixed = checksum(&head[..CHECKSUM_AT], segment_seed);
    match &head[HEADER_BYTES..] {
        [] => fixed,
        table => checksum(table, fixed),
    }
}
