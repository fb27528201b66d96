//! Tells the author of a storage backend which rules of the storage contract the backend breaks.
//!
//! The contract is data (`rules.toml`); `SPEC.md` is the same for people. One call puts a backend under the whole of it:
//! write a [`Harness`], hand it to [`main`] in a test target with `harness = false`, and run `cargo test`. There is one
//! trial per rule. A rule that does not concern the backend, or that has no check, is *ignored* with its reason and
//! never counts as passed. [`tests!`] makes plain `#[test]`s of the same rules.
//!
//! A crate that does nothing else is made by `cargo generate --git https://github.com/forebay/forebay conformance/template`.
//!
//! A run tells what it found as JSON (`--json FILE`), which [`report`](mod@report) reads and renders for people and CI, and
//! as a badge for a README (`--badge FILE`).

mod checks;
mod cli;
mod content;
mod context;
mod faults;
mod harness;
mod hit;
mod log;
mod model;
mod ops;
mod outcome;
mod panics;
mod plain;
mod poll;
mod power;
mod probe;
mod reading;
pub mod reference;
pub mod replay;
pub mod report;
mod rules;
mod runner;
mod schedule;
pub mod spec;
mod tree;
mod writer;
mod yielded;

pub use async_trait::async_trait;
pub use cli::{judge, main};
pub use context::Options;
pub use faults::{Faults, IoFault};
pub use harness::{Capabilities, Gauges, Harness, KnownFailure, Opened, Site};
pub use outcome::{Failure, LaneCall, Lanes, Status, Verdict};
pub use plain::{assert_rule, assert_rule_with};
pub use power::{Durability, PowerRecord};
pub use report::Report;
pub use rules::{Area, Capability, Class, Level, Rule, RuleId, rules};
