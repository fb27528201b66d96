//! The storage of grapsus-proxy that puts pingora's `MemCache` before its disk storage, under the whole contract.

use forebay_conformance::{Capabilities, Harness, Opened, Site, async_trait};
use forebay_pingora::v0_8::FromPingora;
use grapsus_proxy::disk_cache::DiskCacheStorage;
use grapsus_proxy::hybrid_cache::HybridCacheStorage;
use pingora_cache_0_8::MemCache;
use std::process::ExitCode;
use std::sync::Arc;

struct GrapsusHybrid;

#[async_trait]
impl Harness for GrapsusHybrid {
    fn name(&self) -> &str {
        "grapsus-hybrid"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new().persist()
    }

    async fn open(&self, site: &Site) -> Opened {
        let memory = Box::leak(Box::new(MemCache::new()));
        let disk = Box::leak(Box::new(DiskCacheStorage::new(&site.dir(), 1, 1 << 30)));
        let hybrid = HybridCacheStorage::new(memory, disk);
        Ok(Arc::new(FromPingora::new(Box::leak(Box::new(hybrid)))))
    }
}

fn main() -> ExitCode {
    forebay_conformance::main(GrapsusHybrid)
}
