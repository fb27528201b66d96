//! What follows the body in a body file: the checksums of its blocks, and a footer that says whose they are.

use super::{blocks, checksum, u64_at};
use forebay_core::HashBinary;

/// The footer at the very end of the file.
pub(crate) const FOOTER_BYTES: usize = 64;

const MAGIC: [u8; 8] = *b"forebayB";
const CHECKSUM_AT: usize = 56;

/// The length of the file of a body of this length.
pub(crate) fn file_bytes(body_len: u64) -> u64 {
    body_len + 8 * blocks(body_len) + FOOTER_BYTES as u64
}

/// Table and footer as bytes, and the checksum of the table, which the record in the log repeats.
pub(crate) fn encode_end(
    key: &HashBinary,
    generation: u64,
    body_len: u64,
    table: &[u64],
    generation_seed: u64,
) -> (Vec<u8>, u64) {
    let mut out: Vec<u8> = table.iter().flat_map(|checksum| checksum.to_le_bytes()).collect();
    let table_checksum = checksum(&out, generation_seed);
    let mut footer = [0; FOOTER_BYTES];
    footer[..8].copy_from_slice(&MAGIC);
    footer[8..24].copy_from_slice(key);
    footer[24..32].copy_from_slice(&generation.to_le_bytes());
    footer[32..40].copy_from_slice(&body_len.to_le_bytes());
    footer[40..48].copy_from_slice(&table_checksum.to_le_bytes());
    let checksum = checksum(&footer[..CHECKSUM_AT], generation_seed);
    footer[CHECKSUM_AT..].copy_from_slice(&checksum.to_le_bytes());
    out.extend_from_slice(&footer);
    (out, table_checksum)
}

/// The table of a body file, of the bytes behind the body; `None` if table or footer are damaged or another's.
pub(crate) fn decode_end(
    bytes: &[u8],
    key: &HashBinary,
    generation: u64,
    body_len: u64,
    table_checksum: u64,
    generation_seed: u64,
) -> Option<Vec<u64>> {
    let (table, footer) = bytes.split_at_checked(8 * blocks(body_len) as usize)?;
    let valid = footer.len() == FOOTER_BYTES
        && footer[..8] == MAGIC
        && footer[8..24] == *key
        && u64_at(footer, 24) == generation
        && u64_at(footer, 32) == body_len
        && u64_at(footer, 40) == table_checksum
        && u64_at(footer, CHECKSUM_AT) == checksum(&footer[..CHECKSUM_AT], generation_seed)
        && checksum(table, generation_seed) == table_checksum;
    valid.then(|| table.chunks_exact(8).map(|chunk| u64_at(chunk, 0)).collect())
}
