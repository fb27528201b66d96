//! The cases for pingora-cache 0.8.

use forebay_pingora::v0_8::{FromPingora, leak};
use pingora_cache_0_8::MemCache;

const CAN_EXPIRE: bool = false;

#[path = "cases.rs"]
mod cases;
