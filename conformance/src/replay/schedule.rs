//! Several clients and the order in which they are polled, for MODEL-SCHEDULE.

pub use forebay_core::PurgeType::{self, Eviction, Invalidation};

use crate::checks::run_schedule;
use crate::harness::Harness;
use crate::schedule::Case;
use std::fmt::Write as _;

pub use Call::*;

/// A call of a client. A client has at most one writer and one hit; without one, a call of it is left out, so every
/// subsequence is valid. Keys are 0 and 1; sizes are in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// Starts a write; drops the one that the client has.
    Start {
        /// What is written.
        key: u8,
    },
    /// Writes the next bytes of the body.
    Write {
        /// How many.
        size: usize,
        /// Whether they are the last.
        eof: bool,
    },
    /// Finishes the write.
    Finish,
    /// Drops the writer.
    Drop,
    /// Looks a key up.
    Lookup {
        /// Which key.
        key: u8,
    },
    /// A lookup by the tag of one of the writes so far.
    Follow {
        /// Which of them, modulo how many there are.
        write: u8,
    },
    /// Reads a chunk.
    Read,
    /// Reads to the end.
    ReadAll,
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

/// A call, and after how many polls it is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    pub(crate) call: Call,
    pub(crate) polls_max: Option<u8>,
}

/// A call that is awaited.
pub fn whole(call: Call) -> Step {
    Step {
        call,
        polls_max: None,
    }
}

/// A call that is dropped unless it is done after so many polls.
pub fn dropped_after(polls_max: u8, call: Call) -> Step {
    Step {
        call,
        polls_max: Some(polls_max),
    }
}

/// Stores entries of these sizes, lets the clients run, each turn a poll of one of those that can go on (modulo their
/// count; the first of them when the turns are over), and looks for an order of the calls that explains what they gave.
///
/// # Panics
/// If there is none, or a body is not what was written, with the failure in words; and with more than four clients.
pub fn replay(harness: impl Harness, stored: [Option<usize>; 2], clients: &[&[Step]], turns: &[u8]) {
    assert!(clients.len() <= 4, "a case has at most four clients");
    let case = Case {
        stored,
        clients: clients.iter().map(|steps| steps.to_vec()).collect(),
        turns: turns.to_vec(),
    };
    super::assert_case(harness, "MODEL-SCHEDULE", move |cx| run_schedule(cx, &case));
}

/// The lines of a test that replays the case.
pub(crate) fn pasted(case: &Case) -> String {
    let mut out = format!(
        "    use forebay_conformance::replay::schedule::*;\n    replay(\n        HARNESS,\n        {:?},\n        &[\n",
        case.stored
    );
    for steps in &case.clients {
        out.push_str("            &[\n");
        for Step { call, polls_max } in steps {
            // Writing to a String does not fail.
            let _ = match polls_max {
                None => writeln!(out, "                whole({call:?}),"),
                Some(polls_max) => writeln!(out, "                dropped_after({polls_max}, {call:?}),"),
            };
        }
        out.push_str("            ],\n");
    }
    let _ = write!(out, "        ],\n        &{:?},\n    );\n", case.turns);
    out
}
