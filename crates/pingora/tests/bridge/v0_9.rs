//! The cases for pingora-cache 0.9.

use forebay_pingora::{FromPingora, leak};
use pingora_cache::MemCache;

const CAN_EXPIRE: bool = true;

#[path = "cases.rs"]
mod cases;
