//! A storage backend under the whole contract; each rule is a test.

use forebay_conformance::{Harness, Opened, Site, async_trait, reference::ReferenceStorage};
use std::{process::ExitCode, sync::Arc};

struct Backend;

#[async_trait]
impl Harness for Backend {
    fn name(&self) -> &str {
        "{{project-name}}"
    }

    async fn open(&self, _site: &Site) -> Opened {
        // For any pingora_cache::Storage, by the bridge (pingora-cache 0.8: forebay_pingora::v0_8::FromPingora):
        // Ok(Arc::new(forebay_pingora::FromPingora::new(Box::leak(Box::new(MyStorage::new())))))
        // For a forebay_core::Storage, as it is. This one keeps every rule; put yours in its place:
        Ok(Arc::new(ReferenceStorage::new()))
    }
}

fn main() -> ExitCode {
    forebay_conformance::main(Backend)
}
