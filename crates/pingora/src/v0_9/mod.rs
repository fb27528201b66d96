//! The bridge to pingora-cache 0.9.

mod purge;
#[path = "../shared/mod.rs"]
mod shared;
mod to_pingora;
mod version;

pub use shared::{FromPingora, ToPingora};
pub use to_pingora::leak;
