//! How much memory an entry takes beyond its body.

use super::resident_bytes;
use crate::Failure;
use crate::contender::memory::QuickCache;
use crate::contender::native::Native;
use crate::contender::pingora::Pingora;
use crate::contender::{AnyContender, contender};
use crate::objects;
use forebay_memory::MemoryOptions;
use serde_json::{Value, json};
use std::sync::Arc;

/// Who can be asked for.
pub const CONTENDERS: [&str; 5] = [
    "forebay-memory",
    "forebay-memory, bridge",
    "MemCache",
    "quick_cache",
    "moka",
];

const BODY_BYTES: usize = 1024;
const CAPACITY_BYTES: u64 = 4 << 30;

pub(super) fn measure(name: &str, entries: u64) -> Result<Value, Failure> {
    // The first entries bring up what is there once: threads, allocator arenas, tables.
    let body = objects::body(BODY_BYTES);
    let contender = make(name)?;
    contender.store(1000, &body)?;
    let before = resident_bytes()?;
    contender.store(entries + 1000, &body)?;
    let growth = resident_bytes()?.saturating_sub(before);
    Ok(json!({ "bytes_per_entry": growth as f64 / entries as f64 - BODY_BYTES as f64 }))
}

fn make(name: &str) -> Result<AnyContender, Failure> {
    let ours = || MemoryOptions::new(CAPACITY_BYTES).build();
    Ok(match name {
        "forebay-memory" => contender(Native::new(name, Arc::new(ours()?), 0)?),
        "forebay-memory, bridge" => contender(Pingora::bridged(
            name,
            forebay_pingora::leak(Arc::new(ours()?)),
            0,
        )?),
        "MemCache" => contender(Pingora::mem_cache(0)?),
        "quick_cache" => contender(QuickCache::new(CAPACITY_BYTES, 16 << 10)?),
        #[cfg(feature = "peers")]
        "moka" => contender(crate::contender::memory::Moka::new(CAPACITY_BYTES)?),
        _ => return Err(format!("no contender {name} in this build").into()),
    })
}
