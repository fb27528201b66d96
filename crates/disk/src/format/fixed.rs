//! The two fixed blocks of 64 bytes: the FORMAT file of a store, and the start of a segment's log.

use super::{StoreId, VERSION, checksum, u32_at, u64_at};

/// The length of either.
pub(crate) const FIXED_BYTES: usize = 64;

const FORMAT_MAGIC: [u8; 8] = *b"forebay\n";
const SEGMENT_MAGIC: [u8; 8] = *b"forebayS";
const CHECKSUM_AT: usize = 56;

/// What a FORMAT file turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// A store that this code can use.
    Known(StoreId),
    /// A store of a version that this code does not know.
    OtherVersion(u32),
    /// The same, or a damaged version: the checksum does not match. The segments tell which it is.
    MaybeOtherVersion(u32),
    /// Damaged, or no FORMAT file at all.
    Unreadable,
}

/// The FORMAT file of a store.
pub(crate) fn encode_format(store: StoreId) -> [u8; FIXED_BYTES] {
    encode(FORMAT_MAGIC, store, 0)
}

/// Reads a FORMAT file.
pub(crate) fn decode_format(bytes: &[u8]) -> Format {
    if bytes.len() < 12 || bytes[..8] != FORMAT_MAGIC {
        return Format::Unreadable;
    }
    let version = u32_at(bytes, 8);
    if version == VERSION {
        return decode(FORMAT_MAGIC, bytes).map_or(Format::Unreadable, |(store, _)| Format::Known(store));
    }
    match bytes.get(..FIXED_BYTES).is_some_and(checksum_matches) {
        true => Format::OtherVersion(version),
        false => Format::MaybeOtherVersion(version),
    }
}

/// The start of a segment's log.
pub(crate) fn encode_segment(store: StoreId, segment: u32) -> [u8; FIXED_BYTES] {
    encode(SEGMENT_MAGIC, store, segment)
}

/// The store and number that a segment says that it is of; `None` if damaged or of another version.
pub(crate) fn decode_segment(bytes: &[u8]) -> Option<(StoreId, u32)> {
    decode(SEGMENT_MAGIC, bytes)
}

fn encode(magic: [u8; 8], store: StoreId, number: u32) -> [u8; FIXED_BYTES] {
    let mut out = [0; FIXED_BYTES];
    out[..8].copy_from_slice(&magic);
    out[8..12].copy_from_slice(&VERSION.to_le_bytes());
    out[12..16].copy_from_slice(&number.to_le_bytes());
    out[16..24].copy_from_slice(&store.0.to_le_bytes());
    let checksum = checksum(&out[..CHECKSUM_AT], 0);
    out[CHECKSUM_AT..].copy_from_slice(&checksum.to_le_bytes());
    out
}

fn decode(magic: [u8; 8], bytes: &[u8]) -> Option<(StoreId, u32)> {
    let bytes = bytes.get(..FIXED_BYTES)?;
    let whole = bytes[..8] == magic && u32_at(bytes, 8) == VERSION && checksum_matches(bytes);
    whole.then(|| (StoreId(u64_at(bytes, 16)), u32_at(bytes, 12)))
}

fn checksum_matches(bytes: &[u8]) -> bool {
    u64_at(bytes, CHECKSUM_AT) == checksum(&bytes[..CHECKSUM_AT], 0)
}
