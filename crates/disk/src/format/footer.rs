//! The footer of a sealed log: one item per record, so that opening a store reads no records.

use super::record::{ALIGN, Kind, RECORD_BYTES_MAX};
use super::{checksum, u32_at, u64_at};
use forebay_core::HashBinary;

/// One item.
pub(crate) const ITEM_BYTES: usize = 48;
/// What follows the items, at the very end of the log.
pub(crate) const TAIL_BYTES: usize = 64;

const MAGIC: [u8; 8] = *b"forebayF";
const CHECKSUM_AT: usize = 56;
const LOST: u8 = 0xff;

/// What one record of a log does to its key. Offset and length are in units of 64 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Item {
    /// `None` for a damaged record of which only the trailer is left: its key has no entry.
    pub(crate) kind: Option<Kind>,
    pub(crate) key: HashBinary,
    pub(crate) generation: u64,
    pub(crate) offset_units: u32,
    pub(crate) record_units: u32,
    pub(crate) body_len: u64,
}

/// What the tail says of the items before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tail {
    count: u32,
    /// Where the items begin in the log, in bytes.
    pub(crate) items_at: u64,
    items_checksum: u64,
}

impl Tail {
    pub(crate) fn items_bytes(&self) -> u64 {
        u64::from(self.count) * ITEM_BYTES as u64
    }
}

/// Items and tail, for a log whose records end at `items_at`.
pub(crate) fn encode(items: &[Item], items_at: u64, segment_seed: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(items.len() * ITEM_BYTES + TAIL_BYTES);
    for item in items {
        out.extend_from_slice(&item.key);
        out.extend_from_slice(&item.generation.to_le_bytes());
        out.extend_from_slice(&item.offset_units.to_le_bytes());
        out.extend_from_slice(&item.record_units.to_le_bytes());
        out.extend_from_slice(&item.body_len.to_le_bytes());
        let kind = item.kind.map_or(LOST, Kind::to_u8);
        out.extend_from_slice(&[kind, 0, 0, 0, 0, 0, 0, 0]);
    }
    let mut tail = [0; TAIL_BYTES];
    tail[..8].copy_from_slice(&MAGIC);
    tail[8..12].copy_from_slice(&(items.len() as u32).to_le_bytes());
    tail[16..24].copy_from_slice(&items_at.to_le_bytes());
    tail[24..32].copy_from_slice(&checksum(&out, segment_seed).to_le_bytes());
    let checksum = checksum(&tail[..CHECKSUM_AT], segment_seed);
    tail[CHECKSUM_AT..].copy_from_slice(&checksum.to_le_bytes());
    out.extend_from_slice(&tail);
    out
}

/// The tail of a log of `log_len` bytes; `None` if there is none, or a damaged one, or one that lies.
pub(crate) fn decode_tail(bytes: &[u8], log_len: u64, segment_seed: u64) -> Option<Tail> {
    let valid = bytes.len() == TAIL_BYTES
        && bytes[..8] == MAGIC
        && u64_at(bytes, CHECKSUM_AT) == checksum(&bytes[..CHECKSUM_AT], segment_seed);
    let tail = valid.then(|| Tail {
        count: u32_at(bytes, 8),
        items_at: u64_at(bytes, 16),
        items_checksum: u64_at(bytes, 24),
    })?;
    let end = tail
        .items_at
        .checked_add(tail.items_bytes())?
        .checked_add(TAIL_BYTES as u64)?;
    (end == log_len).then_some(tail)
}

/// The items before this tail; `None` if damaged, or if one speaks of a record that cannot be there.
pub(crate) fn decode_items(bytes: &[u8], tail: &Tail, segment_seed: u64) -> Option<Vec<Item>> {
    if bytes.len() as u64 != tail.items_bytes() || checksum(bytes, segment_seed) != tail.items_checksum {
        return None;
    }
    let items: Option<Vec<Item>> = bytes.chunks_exact(ITEM_BYTES).map(decode_item).collect();
    items.filter(|items| items.iter().all(|item| item.is_within(tail.items_at)))
}

impl Item {
    /// Whether it speaks of a record that can be there: a slot of the index, and what is read by it, rely on that.
    fn is_within(&self, items_at: u64) -> bool {
        let [at, len_bytes] =
            [self.offset_units, self.record_units].map(|units| u64::from(units) * ALIGN as u64);
        let body_max = self.kind.map_or(0, Kind::body_bytes_max);
        at + len_bytes <= items_at && len_bytes <= RECORD_BYTES_MAX && self.body_len <= body_max
    }
}

fn decode_item(bytes: &[u8]) -> Option<Item> {
    let kind = match bytes[40] {
        LOST => None,
        byte => Some(Kind::from_u8(byte)?),
    };
    Some(Item {
        kind,
        key: bytes[..16].try_into().ok()?,
        generation: u64_at(bytes, 16),
        offset_units: u32_at(bytes, 24),
        record_units: u32_at(bytes, 28),
        body_len: u64_at(bytes, 32),
    })
}
