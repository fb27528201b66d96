//! Bodies that both ends can compute: any range of any length, from a seed, without storing them.

use twox_hash::XxHash3_64;

/// The bytes `[start, end)` of the endless body that belongs to `seed`.
pub fn bytes(seed: &str, start: u64, end: u64) -> Vec<u8> {
    let seed = XxHash3_64::oneshot(seed.as_bytes());
    let mut out = Vec::with_capacity((end - start + 16) as usize);
    let first_word = start / 8;
    for word in first_word..end.div_ceil(8) {
        out.extend_from_slice(&mix(seed.wrapping_add(word)).to_le_bytes());
    }
    out.drain(..(start - first_word * 8) as usize);
    out.truncate((end - start) as usize);
    out
}

/// A fingerprint of a body, to compare and to print.
pub fn hash(body: &[u8]) -> u64 {
    XxHash3_64::oneshot(body)
}

/// The finalizer of SplitMix64: neighbouring inputs give unrelated words, so that a shifted body never looks right.
fn mix(input: u64) -> u64 {
    let mut z = input.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_range_equals_the_slice_of_the_whole() {
        let whole = bytes("a", 0, 1000);
        for (start, end) in [(0, 0), (0, 1), (7, 9), (8, 16), (13, 1000), (1000, 1000)] {
            assert_eq!(
                bytes("a", start, end),
                whole[start as usize..end as usize],
                "{start}..{end}"
            );
        }
        assert_ne!(bytes("b", 0, 1000), whole);
    }
}
