//! pingora's own `MemCache`, in pingora-cache 0.9, under the whole contract, through the bridge: what it breaks is known.

mod memcache_failures;

use forebay_conformance::{Capabilities, Harness, KnownFailure, Opened, Site, async_trait};
use forebay_pingora::FromPingora;
use pingora_cache::MemCache;
use std::process::ExitCode;
use std::sync::Arc;

struct PingoraMemCache;

#[async_trait]
impl Harness for PingoraMemCache {
    fn name(&self) -> &str {
        "pingora-memcache"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new().without_background()
    }

    async fn open(&self, _site: &Site) -> Opened {
        // pingora wants its storages for ever.
        Ok(Arc::new(FromPingora::new(Box::leak(Box::new(MemCache::new())))))
    }

    fn known_failures(&self) -> &[KnownFailure] {
        memcache_failures::KNOWN_FAILURES
    }
}

fn main() -> ExitCode {
    forebay_conformance::main(PingoraMemCache)
}
