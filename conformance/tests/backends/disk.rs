//! The disk storage as a harness.

use forebay_conformance::{
    Capabilities, Durability, Gauges, Harness, IoFault, Opened, PowerRecord, Site, async_trait,
};
use forebay_core::Storage;
use forebay_disk::io::{CrashIo, Fault, FaultyIo, Names, Operation, PowerCut};
use forebay_disk::{DiskOptions, DiskStorage, Sync};
use std::path::Path;
use std::sync::Arc;

/// The disk storage; options are changed from the default ones.
pub(crate) struct Disk {
    pub(crate) options: fn(DiskOptions) -> DiskOptions,
    /// When to sync; `None`: by default, and always where the power is cut.
    pub(crate) sync: Option<Sync>,
}

impl Default for Disk {
    fn default() -> Self {
        Disk {
            options: |options| options,
            sync: None,
        }
    }
}

#[async_trait]
impl Harness for Disk {
    fn name(&self) -> &str {
        "disk"
    }

    fn capabilities(&self) -> Capabilities {
        let durability = match self.sync {
            None | Some(Sync::Always) => Durability::OnReturn,
            Some(Sync::Interval(_) | Sync::Never) => Durability::Later,
        };
        Capabilities::new()
            .persist()
            .bounded(16 << 20)
            .faults()
            .power(durability)
    }

    async fn open(&self, site: &Site) -> Opened {
        let capacity_bytes = site.capacity_bytes().unwrap_or(256 << 20);
        let options = DiskOptions::new(site.dir()).capacity_bytes(capacity_bytes);
        let options = (self.options)(options);
        let options = match (self.sync, site.asks_for_power()) {
            (Some(sync), _) => options.sync(sync),
            (None, true) => options.sync(Sync::Always),
            (None, false) => options,
        };
        let options = match site.asks_for_power() {
            true => options.io(recorded(site)?),
            false => options.io(faulty(site)),
        };
        Ok(Arc::new(options.open()?))
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

/// The real file system, with a record of what was synced.
fn recorded(site: &Site) -> std::io::Result<CrashIo> {
    let io = CrashIo::new(site.dir())?;
    site.record_power(Recorded(io.clone()));
    Ok(io)
}

pub(crate) struct Recorded(pub(crate) CrashIo);

impl PowerRecord for Recorded {
    fn steps(&self) -> usize {
        self.0.steps()
    }

    fn cut(&self, step: usize, seed: u64, into: &Path) -> std::io::Result<()> {
        let names = match seed % 2 {
            0 => Names::InOrder,
            _ => Names::AnyOrder,
        };
        self.0.cut(&PowerCut { step, seed, names }, into)
    }

    fn describe(&self, step: usize) -> Vec<String> {
        self.0.describe(step, 6)
    }
}
