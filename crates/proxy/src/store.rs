//! Opens the storage that the flags ask for, reports on it, and closes it.

use std::path::Path;
use std::sync::Arc;

use forebay_disk::{DiskOptions, DiskStorage};
use forebay_memory::{MemoryOptions, MemoryStorage};
use log::warn;
use pingora_cache::Storage;
use pingora_error::Error;

use crate::flags::StoreConfig;
use crate::metrics::StoreStats;

/// What an entry may take beside its body: the storage counts it in.
const HEAD_BYTES_MAX: u64 = 64 << 10;

/// The storage of this process.
#[derive(Clone)]
pub struct Store {
    /// What pingora is given.
    pub storage: &'static (dyn Storage + Sync),
    kind: Kind,
}

#[derive(Clone)]
enum Kind {
    Memory(MemoryStorage),
    Disk(DiskStorage),
    Other,
}

impl Store {
    /// Opens the store.
    ///
    /// # Errors
    /// One line that says what is wrong with the directory or the capacity.
    pub fn open(config: &StoreConfig) -> Result<Self, String> {
        match &config.dir {
            None => Self::open_memory(config),
            Some(dir) => Self::open_disk(dir, config),
        }
    }

    /// A store over any other storage. Nothing is known of it: its figures are all 0, and closing it does nothing.
    pub fn over(storage: &'static (dyn Storage + Sync)) -> Self {
        Self {
            storage,
            kind: Kind::Other,
        }
    }

    fn open_disk(dir: &Path, config: &StoreConfig) -> Result<Self, String> {
        let disk = DiskOptions::new(dir)
            .capacity_bytes(config.capacity_bytes)
            .max_object_bytes(config.body_bytes_max as u64)
            .open()
            .map_err(|e| format!("--cache-dir {}: {}", dir.display(), in_words(&e)))?;
        let storage = forebay_pingora::leak(Arc::new(disk.clone()));
        Ok(Self {
            storage,
            kind: Kind::Disk(disk),
        })
    }

    fn open_memory(config: &StoreConfig) -> Result<Self, String> {
        let memory = MemoryOptions::new(config.capacity_bytes)
            .max_object_bytes(config.body_bytes_max as u64 + HEAD_BYTES_MAX)
            .build()
            .map_err(|e| format!("--memory-capacity: {}", in_words(&e)))?;
        let storage = forebay_pingora::leak(Arc::new(memory.clone()));
        Ok(Self {
            storage,
            kind: Kind::Memory(memory),
        })
    }

    /// What the store tells of itself.
    pub fn stats(&self) -> StoreStats {
        match &self.kind {
            Kind::Other => StoreStats::default(),
            Kind::Memory(memory) => {
                let stats = memory.stats();
                StoreStats {
                    resident_bytes: stats.resident_bytes,
                    capacity_bytes: stats.capacity_bytes,
                    entries: stats.entries,
                    evictions: stats.evicted,
                    refused: stats.refused,
                    errors: 0, // memory does not fail
                    open_handlers: stats.open_handlers + stats.live_writes,
                }
            }
            Kind::Disk(disk) => {
                let stats = disk.stats();
                StoreStats {
                    resident_bytes: stats.resident_bytes,
                    capacity_bytes: stats.capacity_bytes,
                    entries: stats.entries,
                    evictions: stats.evicted_entries,
                    refused: stats.refused,
                    errors: stats.read_errors + stats.write_errors + stats.corrupt_entries,
                    open_handlers: stats.open_handlers + stats.live_writes,
                }
            }
        }
    }

    /// Writes out what is still in memory and gives the directory free. Blocks for as long as the disk takes; what it
    /// refuses to take is logged.
    pub fn close(self) {
        if let Kind::Disk(disk) = self.kind {
            let errors_before = disk.stats().write_errors;
            disk.close();
            let errors = disk.stats().write_errors - errors_before;
            if errors > 0 {
                warn!(
                    "closing the cache directory met {errors} write errors; its newest entries may be lost"
                );
            }
        }
    }
}

/// What an error says, without pingora's classification of it.
fn in_words(error: &Error) -> String {
    let what = error
        .context
        .as_ref()
        .map_or_else(|| error.etype().as_str(), |context| context.as_str());
    match &error.cause {
        Some(cause) => format!("{what} ({cause})"),
        None => what.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_cannot_be_used_is_told_with_what_to_do() {
        let config = |dir: &Path| StoreConfig {
            dir: Some(dir.to_owned()),
            capacity_bytes: 16 << 20,
            body_bytes_max: 1 << 20,
        };
        let dir = tempfile::tempdir().unwrap();
        let says = |dir: &Path| Store::open(&config(dir)).err().unwrap();
        std::fs::write(dir.path().join("file"), "").unwrap();
        assert!(says(dir.path()).contains("is no store"), "{}", says(dir.path()));
        assert!(says(&dir.path().join("none/none")).contains("No such file"));
        let first = Store::open(&config(&dir.path().join("cache"))).unwrap();
        let refused = says(&dir.path().join("cache"));
        assert!(refused.contains("in use") && !refused.contains('\n'), "{refused}");
        first.close();
        Store::open(&config(&dir.path().join("cache"))).unwrap().close();
    }
}
