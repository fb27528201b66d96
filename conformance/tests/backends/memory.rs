//! The memory storage as a harness.

use forebay_conformance::{Capabilities, Gauges, Harness, Opened, Site, async_trait};
use forebay_core::Storage;
use forebay_memory::{MemoryOptions, MemoryStorage};
use std::sync::Arc;

/// The memory storage; options are made from a capacity in bytes.
pub(crate) struct Memory {
    pub(crate) options: fn(u64) -> MemoryOptions,
}

impl Default for Memory {
    fn default() -> Self {
        Memory {
            options: MemoryOptions::new,
        }
    }
}

#[async_trait]
impl Harness for Memory {
    fn name(&self) -> &str {
        "memory"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new().bounded(4 << 20).without_background()
    }

    async fn open(&self, site: &Site) -> Opened {
        let capacity_bytes = site.capacity_bytes().unwrap_or(256 << 20);
        Ok(Arc::new((self.options)(capacity_bytes).build()?))
    }

    fn gauges(&self, storage: &dyn Storage) -> Gauges {
        let Some(memory) = storage.as_any().downcast_ref::<MemoryStorage>() else {
            return Gauges::default();
        };
        let stats = memory.stats();
        Gauges {
            stored_bytes: Some(stats.resident_bytes),
            entries: Some(stats.entries),
            live_writes: Some(stats.live_writes),
            live_bytes: Some(stats.in_flight_bytes),
            open_handlers: Some(stats.open_handlers),
        }
    }
}
