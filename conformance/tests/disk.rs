//! The disk storage under the whole contract.

use forebay_conformance::{Capabilities, Gauges, Harness, IoFault, Opened, Site, async_trait};
use forebay_core::Storage;
use forebay_disk::io::{Fault, FaultyIo, Operation};
use forebay_disk::{DiskOptions, DiskStorage};
use std::process::ExitCode;
use std::sync::Arc;

struct Disk;

#[async_trait]
impl Harness for Disk {
    fn name(&self) -> &str {
        "disk"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new().persist().bounded(16 << 20).faults()
    }

    async fn open(&self, site: &Site) -> Opened {
        let capacity_bytes = site.capacity_bytes().unwrap_or(256 << 20);
        Ok(Arc::new(
            DiskOptions::new(site.dir())
                .capacity_bytes(capacity_bytes)
                .io(faulty(site))
                .open()?,
        ))
    }

    async fn close(&self, storage: Arc<dyn Storage>) {
        if let Some(disk) = storage.as_any().downcast_ref::<DiskStorage>() {
            disk.close();
        }
    }

    fn gauges(&self, storage: &dyn Storage) -> Gauges {
        let Some(disk) = storage.as_any().downcast_ref::<DiskStorage>() else {
            return Gauges::default();
        };
        let stats = disk.stats();
        Gauges {
            live_writes: Some(stats.live_writes),
            live_bytes: Some(stats.held_bytes),
            entries: Some(stats.entries),
            // A log grows until its segment is evicted; BOUND-CAPACITY looks at the files.
            stored_bytes: None,
        }
    }
}

/// The real file system, with the faults of the site.
fn faulty(site: &Site) -> FaultyIo {
    let (io, faults) = (FaultyIo::new(), site.faults());
    io.set_plan(move |call| match call.operation {
        Operation::Look | Operation::Open | Operation::Read => None,
        _ => faults.next().map(|fault| match fault {
            IoFault::Errno(errno) => Fault::Errno(errno),
            IoFault::Short => Fault::Short,
        }),
    });
    io
}

fn main() -> ExitCode {
    forebay_conformance::main(Disk)
}
