//! The bytes on disk, as FORMAT.md describes them: encoding and checked decoding, no I/O.

pub(crate) mod body;
pub(crate) mod fixed;
pub(crate) mod footer;
pub(crate) mod label;
pub(crate) mod record;
#[cfg(test)]
mod tests;

use twox_hash::XxHash3_64;

/// The version of the format that this code reads and writes.
pub(crate) const VERSION: u32 = 4;
/// Bodies are checked in blocks of this size, so that a range costs the blocks that it touches.
pub(crate) const BLOCK_BYTES: usize = 64 << 10;
/// Larger bodies lie in files of their own.
pub(crate) const INLINE_BYTES_MAX: usize = 256 << 10;

/// The random number of one store, from which the seeds of all its checksums derive: no bytes of another store, of
/// another segment or of a client's making pass for a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StoreId(pub(crate) u64);

impl StoreId {
    /// The seed of what belongs to one segment's log.
    pub(crate) fn segment_seed(self, segment: u32) -> u64 {
        checksum(&segment.to_le_bytes(), self.0)
    }

    /// The seed of the label and body of one generation, wherever they lie.
    pub(crate) fn generation_seed(self, generation: u64) -> u64 {
        checksum(&generation.to_le_bytes(), self.0)
    }
}

/// XXH3-64, the checksum of everything that is stored.
pub(crate) fn checksum(bytes: &[u8], seed: u64) -> u64 {
    XxHash3_64::oneshot_with_seed(seed, bytes)
}

/// How many blocks a body of this length has.
pub(crate) fn blocks(len_bytes: u64) -> u64 {
    len_bytes.div_ceil(BLOCK_BYTES as u64)
}

/// Whether these bytes are the blocks that the table speaks of, from its block `first` on.
pub(crate) fn blocks_match(bytes: &[u8], table: &[u64], first: usize, seed: u64) -> bool {
    bytes
        .chunks(BLOCK_BYTES)
        .enumerate()
        .all(|(i, block)| table.get(first + i) == Some(&checksum(block, seed)))
}

/// The little-endian integer at `at`, of bytes whose length was checked.
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

/// The little-endian integer at `at`, of bytes whose length was checked.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut le = [0; 4];
    le.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(le)
}

/// The little-endian integer at `at`, of bytes whose length was checked.
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut le = [0; 8];
    le.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(le)
}
