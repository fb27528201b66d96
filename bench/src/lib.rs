//! Ours and the peers, measured side by side: what `cargo xtask bench` runs.

pub mod area;
pub mod child;
pub mod comparison;
pub mod contender;
pub mod disk_at_rest;
pub mod folder;
pub mod measurement;
pub mod objects;
pub mod policy;
pub mod proxy;
pub mod report;
pub mod stats;
pub mod timing;
pub mod used_memory;

/// Why something could not be measured.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
