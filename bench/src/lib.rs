//! Ours and the peers, measured side by side: what `cargo xtask bench` runs.

pub mod measurement;
pub mod proxy;
