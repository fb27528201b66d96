//! Sequences of operations on one task, for MODEL-SEQUENCE.

pub use forebay_core::PurgeType::{self, Eviction, Invalidation};

use crate::checks::run_sequence;
use crate::harness::Harness;
use std::fmt::Write as _;

pub use Op::*;

/// An operation as plain data. Handles are indices modulo those that are open, so that every subsequence is valid; without
/// any, the operation is left out. Keys are 0, 1 and 2; sizes and positions are in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// Starts a write; its meta has the operation's place in the sequence for its number, from 1 on.
    Start {
        /// What is written.
        key: u8,
    },
    /// Writes the next bytes of a body.
    Write {
        /// Which writer.
        writer: u8,
        /// How many bytes.
        size: usize,
        /// Whether they are the last.
        eof: bool,
    },
    /// Finishes a write.
    Finish {
        /// Which writer.
        writer: u8,
    },
    /// Drops a writer.
    Abort {
        /// Which writer.
        writer: u8,
    },
    /// Looks a key up; what is found stays open.
    Lookup {
        /// Which key.
        key: u8,
    },
    /// Reads a chunk.
    Read {
        /// Of which hit.
        hit: u8,
    },
    /// Seeks, where the hit can.
    Seek {
        /// Which hit.
        hit: u8,
        /// Where the range starts.
        start: usize,
        /// How long it is; `None`: to the end of the body.
        len: Option<usize>,
    },
    /// Finishes a hit.
    Close {
        /// Which hit.
        hit: u8,
    },
    /// Purges a key.
    Purge {
        /// Which key.
        key: u8,
        /// How.
        purge_type: PurgeType,
    },
    /// Expires a key.
    Expire {
        /// Which key.
        key: u8,
    },
    /// Updates the meta of a key.
    Update {
        /// Which key.
        key: u8,
    },
}

/// Runs the operations on a new storage, and compares what they give with what the reference model allows.
///
/// # Panics
/// If the model does not allow it, with the failure in words.
pub fn replay(harness: impl Harness, ops: &[Op]) {
    let ops = ops.to_vec();
    super::assert_case(harness, "MODEL-SEQUENCE", move |cx| run_sequence(cx, &ops));
}

/// The lines of a test that replays the operations.
pub(crate) fn pasted(ops: &[Op]) -> String {
    let mut out =
        "    use forebay_conformance::replay::sequence::*;\n    replay(\n        HARNESS,\n        &[\n"
            .to_owned();
    for op in ops {
        // Writing to a String does not fail.
        let _ = writeln!(out, "            {op:?},");
    }
    out.push_str("        ],\n    );\n");
    out
}
