//! The disk storage as a harness.

use forebay_conformance::{
    Capabilities, Durability, Gauges, Harness, IoFault, Opened, PowerRecord, Site, async_trait,
};
use forebay_core::Storage;
use forebay_disk::io::{CrashIo, Fault, FaultyIo, Names, Operation, PowerCut};
use forebay_disk::{DiskOptions, DiskStorage, Sync};
use std::path::Path;
use std::sync::Arc;
use twox_hash::XxHash3_64;

/// The disk storage; options are changed from the default ones.
pub(crate) struct Disk {
    pub(crate) options: fn(DiskOptions) -> DiskOptions,
    /// When to sync; `None`: always where the power is cut, else never, since nothing but time depends on it.
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
            (None, false) => options.sync(Sync::Never),
        };
        let options = match site.asks_for_power() {
            true => options.io(recorded(site)?),
            false => options.io(faulty(site)),
        };
        Ok(Arc::new(options.open()?))
    }

    fn boundaries(&self, file: &Path, content: &[u8]) -> Vec<usize> {
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("body") => (0..content.len()).step_by(64 << 10).collect(),
            Some("log") => of_records(content),
            _ => vec![8, 12, 16, 24, 56, 64],
        }
    }

    fn make_unknown_version(&self, site: &Site) -> std::io::Result<bool> {
        let path = site.dir().join("FORMAT");
        let mut format = std::fs::read(&path)?;
        format[8] += 1;
        let checksum = XxHash3_64::oneshot_with_seed(0, &format[..56]);
        format[56..].copy_from_slice(&checksum.to_le_bytes());
        std::fs::write(path, format).map(|()| true)
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
            live_bytes: Some(stats.in_flight_bytes),
            open_handlers: Some(stats.open_handlers),
            entries: Some(stats.entries),
            // A log grows until its segment is evicted; BOUND-CAPACITY looks at the files.
            stored_bytes: None,
        }
    }
}

/// Where the fields of a log begin and end: see FORMAT.md.
fn of_records(log: &[u8]) -> Vec<usize> {
    let number = |at: usize| {
        let bytes = log.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, u32::from_le_bytes) as usize
    };
    let short = |at: usize| number(at) & 0xffff;
    let mut all = vec![8, 12, 16, 24, 56, 64];
    for start in (64..log.len()).step_by(64) {
        if !log[start..].starts_with(b"FBR1") {
            continue;
        }
        let (kind, meta_len, body_len) = (log[start + 4], number(start + 32), number(start + 40));
        let (table, inline) = match kind {
            1 => (8 * body_len.div_ceil(64 << 10), body_len),
            2 => (8, 0),
            _ => (0, 0),
        };
        let fields = [0, 4, 5, 8, 24, 32, 36, 38, 40, 48, 56, 64, 64 + table];
        all.extend(fields.map(|field| start + field));
        let primary_at = start + 64 + table + short(start + 36);
        let meta_at = primary_at + short(start + 38);
        let body_at = meta_at + meta_len;
        let end = start + (body_at + inline + 32 - start).next_multiple_of(64);
        all.extend([
            primary_at,
            meta_at,
            body_at,
            body_at + inline,
            end - 32,
            end - 16,
            end - 8,
            end,
        ]);
    }
    all
}

/// The real file system, with the faults of the site.
fn faulty(site: &Site) -> FaultyIo {
    let (io, faults) = (FaultyIo::new(), site.faults());
    io.set_plan(move |call| match call.operation {
        Operation::Look | Operation::Open | Operation::Read => None,
        _ => faults.next().map(|fault| match fault {
            IoFault::Errno(errno) => Fault::Errno(errno),
            IoFault::Short => Fault::Short(1),
        }),
    });
    io
}

/// The real file system, with a record of what was synced.
pub(crate) fn recorded(site: &Site) -> std::io::Result<CrashIo> {
    let io = CrashIo::new(site.dir())?;
    site.record_power(Recorded(io.clone()));
    Ok(io)
}

struct Recorded(CrashIo);

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
