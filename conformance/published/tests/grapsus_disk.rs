//! The disk storage of grapsus-proxy under the whole contract.

use forebay_conformance::{Capabilities, Harness, Opened, Site, async_trait};
use forebay_pingora::v0_8::FromPingora;
use grapsus_proxy::disk_cache::DiskCacheStorage;
use std::process::ExitCode;
use std::sync::Arc;

struct GrapsusDisk;

#[async_trait]
impl Harness for GrapsusDisk {
    fn name(&self) -> &str {
        "grapsus-disk"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new().persist()
    }

    async fn open(&self, site: &Site) -> Opened {
        let disk = DiskCacheStorage::new(&site.dir(), 1, 1 << 30);
        Ok(Arc::new(FromPingora::new(Box::leak(Box::new(disk)))))
    }
}

fn main() -> ExitCode {
    forebay_conformance::main(GrapsusDisk)
}
