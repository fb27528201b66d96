//! The reference storage keeps every rule.

use forebay_conformance::reference::ReferenceStorage;
use forebay_conformance::{Capabilities, Gauges, Harness, Opened, Site, async_trait};
use forebay_core::Storage;
use std::process::ExitCode;
use std::sync::Arc;

struct Reference;

#[async_trait]
impl Harness for Reference {
    fn name(&self) -> &str {
        "reference"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new().bounded(1 << 20).without_background()
    }

    async fn open(&self, site: &Site) -> Opened {
        Ok(match site.capacity_bytes() {
            Some(capacity_bytes) => Arc::new(ReferenceStorage::with_capacity(capacity_bytes as usize)),
            None => Arc::new(ReferenceStorage::new()),
        })
    }

    fn gauges(&self, storage: &dyn Storage) -> Gauges {
        storage
            .as_any()
            .downcast_ref()
            .map(ReferenceStorage::gauges)
            .unwrap_or_default()
    }
}

fn main() -> ExitCode {
    forebay_conformance::main(Reference)
}
