//! The adapters of this repository as harnesses, in any configuration.

pub(crate) mod disk;
pub(crate) mod memory;
