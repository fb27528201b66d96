//! Made-up traces of accesses, the same in every run.

use crate::objects::next_random;

/// One request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// Which object.
    pub id: u64,
    /// The length of its body.
    pub bytes: u64,
}

/// The body of every object where sizes are no matter.
pub const EVEN_BYTES: u64 = 8 << 10;
/// The smallest and the largest body of mixed sizes, as powers of two.
const MIXED_LOG2: (u64, u64) = (9, 19);
/// Objects of a scan have ids of their own.
const SCAN_IDS: u64 = 1 << 40;
/// A scan comes in bursts of this length, as a crawler does.
const BURST: usize = 2_000;

/// Accesses to so many objects, the one of rank k in proportion to 1 / k^exponent.
pub fn zipf(objects: u64, length: usize, exponent: f64) -> Vec<Access> {
    let mut total = 0.0;
    let sums: Vec<f64> = (1..=objects)
        .map(|rank| {
            total += (rank as f64).powf(-exponent);
            total
        })
        .collect();
    let mut state = 42;
    (0..length)
        .map(|_| {
            let at = next_random(&mut state) as f64 / u64::MAX as f64 * total;
            let id = sums.partition_point(|sum| *sum < at).min(sums.len() - 1) as u64;
            Access {
                id,
                bytes: EVEN_BYTES,
            }
        })
        .collect()
}

/// A Zipf trace with bursts of objects that come once, as many as all else.
pub fn scan(objects: u64, length: usize, exponent: f64) -> Vec<Access> {
    let usual = zipf(objects, length / 2, exponent);
    let mut once = (SCAN_IDS..).map(|id| Access {
        id,
        bytes: EVEN_BYTES,
    });
    usual
        .chunks(BURST)
        .flat_map(|part| {
            let burst: Vec<_> = once.by_ref().take(part.len()).collect();
            [part.to_vec(), burst].concat()
        })
        .collect()
}

/// A Zipf trace; then, for most of the time, only so many other objects, one after the other, again and again.
pub fn change(objects: u64, length: usize, exponent: f64, others: u64) -> Vec<Access> {
    let mut trace = zipf(objects, length, exponent);
    for (at, access) in trace[length / 4..].iter_mut().enumerate() {
        access.id = SCAN_IDS + at as u64 % others;
    }
    trace
}

/// A Zipf trace whose objects have any size from 512 bytes to 512 KiB, each power of two as often as the others.
pub fn mixed_sizes(objects: u64, length: usize, exponent: f64) -> Vec<Access> {
    let (least, most) = MIXED_LOG2;
    let mut trace = zipf(objects, length, exponent);
    for access in &mut trace {
        let mut state = (access.id + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let power = least + next_random(&mut state) % (most - least);
        access.bytes = (1 << power) + next_random(&mut state) % (1 << power);
    }
    trace
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{HashMap, HashSet};

    #[test]
    fn a_low_rank_comes_more_often_by_the_exponent() {
        let mut counts = HashMap::new();
        for access in zipf(1000, 200_000, 1.0) {
            *counts.entry(access.id).or_insert(0_u32) += 1;
        }
        let ratio = f64::from(counts[&0]) / f64::from(counts[&9]);
        assert!(
            (8.0..12.0).contains(&ratio),
            "the first should come 10 times as often as the tenth: {ratio}"
        );
    }

    #[test]
    fn half_of_a_scan_comes_once() {
        let trace = scan(1000, 20_000, 0.9);
        let once: HashSet<_> = trace.iter().filter(|a| a.id >= SCAN_IDS).map(|a| a.id).collect();
        assert_eq!((trace.len(), once.len()), (20_000, 10_000));
    }

    #[test]
    fn after_a_change_the_others_come_in_turn() {
        let trace = change(1000, 20_000, 0.9, 30);
        let ids: HashSet<_> = trace[5_000..].iter().map(|access| access.id).collect();
        assert_eq!((trace.len(), ids.len()), (20_000, 30));
        assert!(ids.is_disjoint(&trace[..5_000].iter().map(|access| access.id).collect()));
        assert_eq!(trace[5_000], trace[5_030]);
    }

    #[test]
    fn an_object_of_mixed_sizes_has_one_size() {
        let mut sizes = HashMap::new();
        for access in mixed_sizes(1000, 20_000, 0.9) {
            assert!((512..=512 << 10).contains(&access.bytes));
            assert_eq!(*sizes.entry(access.id).or_insert(access.bytes), access.bytes);
        }
    }
}
