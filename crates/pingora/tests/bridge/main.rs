//! Both bridges over a storage of pingora's: what goes in comes out, streams, and can be given up.

#![cfg_attr(
    feature = "pingora-0-8",
    expect(
        clippy::duplicate_mod,
        reason = "what does not depend on pingora's version is written once, and compiled for each"
    )
)]

#[cfg(feature = "pingora-0-8")]
mod v0_8;
mod v0_9;
