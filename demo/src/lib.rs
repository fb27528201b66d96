//! The demo's parts: an origin, a client and a proxy over real sockets, and the scenarios that say what they should show.
//!
//! `cargo xtask demo` runs [`scenarios::all`] and prints a table; the integration tests of the proxy run the same
//! functions, one test for each. Nothing in here depends on the proxy but its command line.

pub mod body;
pub mod cleanup;
pub mod client;
pub mod directory;
pub mod failure;
pub mod gate;
pub mod message;
pub mod metrics;
pub mod origin;
pub mod ports;
pub mod process;
pub mod proxy;
mod routes;
pub mod scenarios;
pub mod stage;
pub mod table;

pub use failure::Failure;
