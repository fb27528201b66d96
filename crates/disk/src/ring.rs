//! The two rings of segments: what is new is on probation, and what was read there moves to the main ring.

use std::ops::RangeInclusive;

/// The first number of the ring on probation. Numbers of the main ring are smaller, so that the order of the numbers is
/// the order of replay: a record on probation is newer than any in the main ring.
const PROBATION: u32 = 1 << 31;

/// The share of the capacity that is left to those on probation where the main ring has a use for the rest: a tenth, as
/// in S3-FIFO.
const PROBATION_SHARE: u64 = 10;

/// Which of the two rings a segment belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ring {
    /// Of entries that were read on probation, or came back soon after they had left it.
    Main,
    /// Of everything that is written, tombstones included.
    Probation,
}

impl Ring {
    /// Both, in the order of replay.
    pub(crate) const ALL: [Ring; 2] = [Ring::Main, Ring::Probation];

    /// The ring of the segment with this number.
    pub(crate) fn of(segment: u32) -> Ring {
        match segment < PROBATION {
            true => Ring::Main,
            false => Ring::Probation,
        }
    }

    /// The numbers of its segments.
    pub(crate) fn numbers(self) -> RangeInclusive<u32> {
        match self {
            Ring::Main => 0..=PROBATION - 1,
            Ring::Probation => PROBATION..=u32::MAX,
        }
    }

    pub(crate) fn other(self) -> Ring {
        match self {
            Ring::Main => Ring::Probation,
            Ring::Probation => Ring::Main,
        }
    }
}

/// What is left to those on probation at least, of so many bytes.
pub(crate) fn probation_bytes(capacity_bytes: u64) -> u64 {
    capacity_bytes / PROBATION_SHARE
}
