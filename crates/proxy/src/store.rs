//! Opens the storage that the flags ask for, reports on it, and closes it.

use std::path::Path;
use std::sync::Arc;

use forebay_disk::{DiskOptions, DiskStats, DiskStorage, OnLocked, WaitingStorage};
use forebay_memory::{MemoryOptions, MemoryStorage};
use log::warn;
use pingora_cache::Storage;
use pingora_error::Error;

use crate::flags::{IfInUse, StoreConfig};
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
    Waiting(WaitingStorage),
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
        let mut options = DiskOptions::new(dir)
            .capacity_bytes(config.capacity_bytes)
            .min_free_bytes(config.min_free_bytes)
            .max_object_bytes(config.body_bytes_max as u64)
            .memory_tier_bytes(config.memory_tier_bytes);
        if let Some(from_bytes) = config.second_sight_bytes {
            options = options.second_sight_bytes(from_bytes);
        }
        if let Some(rate) = config.write_bytes_per_second {
            options = options.write_bytes_per_second(rate);
        }
        let cannot = |e: Box<Error>| format!("--cache-dir {}: {}", dir.display(), in_words(&e));
        let on_locked = match config.if_in_use {
            IfInUse::Bypass => {
                let disk = options.open_when_free().map_err(cannot)?;
                return Ok(Self {
                    storage: forebay_pingora::leak(Arc::new(disk.clone())),
                    kind: Kind::Waiting(disk),
                });
            }
            IfInUse::Refuse => OnLocked::Refuse,
            IfInUse::Wait => OnLocked::Wait(config.wait),
        };
        let disk = options.on_locked(on_locked).open().map_err(cannot)?;
        Ok(Self {
            storage: forebay_pingora::leak(Arc::new(disk.clone())),
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
    pub(crate) fn stats(&self) -> StoreStats {
        match &self.kind {
            Kind::Other => StoreStats::default(),
            Kind::Memory(memory) => {
                let stats = memory.stats();
                StoreStats {
                    resident_bytes: stats.resident_bytes,
                    capacity_bytes: stats.capacity_bytes,
                    entries: stats.entries,
                    evictions: stats.evicted_entries,
                    refused: stats.refused,
                    open_handlers: stats.open_handlers + stats.live_writes,
                    ..StoreStats::default() // memory does not fail
                }
            }
            Kind::Disk(disk) => of_disk(&disk.stats()),
            Kind::Waiting(disk) => of_disk(&disk.stats()),
        }
    }

    /// Writes out what is still in memory and gives the directory free. Blocks for as long as the disk takes; what it
    /// refuses to take is logged.
    pub fn close(self) {
        let errors = |stats: DiskStats| stats.write_errors;
        let met = match self.kind {
            Kind::Memory(_) | Kind::Other => 0,
            Kind::Disk(disk) => {
                let before = errors(disk.stats());
                disk.close();
                errors(disk.stats()) - before
            }
            Kind::Waiting(disk) => {
                let before = errors(disk.stats());
                disk.close();
                errors(disk.stats()) - before
            }
        };
        if met > 0 {
            warn!("closing the cache directory met {met} write errors; its newest entries may be lost");
        }
    }
}

fn of_disk(stats: &DiskStats) -> StoreStats {
    StoreStats {
        resident_bytes: stats.resident_bytes,
        capacity_bytes: stats.capacity_bytes,
        entries: stats.entries,
        evictions: stats.evicted_entries,
        full_disk_evictions: stats.full_disk_evictions,
        refused: stats.refused,
        refused_first_sight: stats.refused_first_sight,
        refused_write_rate: stats.refused_write_rate,
        read_errors: stats.read_errors,
        write_errors: stats.write_errors,
        corrupt_entries: stats.corrupt_entries,
        is_paused: stats.is_paused,
        written_bytes: stats.written_bytes,
        open_handlers: stats.open_handlers + stats.live_writes,
        memory_tier_bytes: stats.memory_tier_bytes,
        memory_tier_reads: stats.memory_tier_reads,
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
    use std::time::Duration;

    #[test]
    fn a_directory_that_cannot_be_used_is_told_with_what_to_do() {
        let config = |dir: &Path| StoreConfig {
            dir: Some(dir.to_owned()),
            capacity_bytes: 16 << 20,
            body_bytes_max: 1 << 20,
            if_in_use: IfInUse::Refuse,
            wait: Duration::from_millis(1),
            memory_tier_bytes: 1 << 20,
            min_free_bytes: 0,
            second_sight_bytes: None,
            write_bytes_per_second: None,
        };
        let dir = tempfile::tempdir().unwrap();
        let says = |dir: &Path| Store::open(&config(dir)).err().unwrap();
        std::fs::write(dir.path().join("file"), "").unwrap();
        assert!(says(dir.path()).contains("is no store"), "{}", says(dir.path()));
        assert!(says(&dir.path().join("none/none")).contains("No such file"));
        let first = Store::open(&config(&dir.path().join("cache"))).unwrap();
        let refused = says(&dir.path().join("cache"));
        assert!(refused.contains("in use") && !refused.contains('\n'), "{refused}");
        let newcomer = |if_in_use| {
            Store::open(&StoreConfig {
                if_in_use,
                ..config(&dir.path().join("cache"))
            })
        };
        let waited = newcomer(IfInUse::Wait).err().unwrap();
        assert!(waited.contains("after 1ms"), "{waited}");
        let bypassing = newcomer(IfInUse::Bypass).unwrap();
        assert_eq!(bypassing.stats().capacity_bytes, 16 << 20);
        bypassing.close();
        first.close();
        Store::open(&config(&dir.path().join("cache"))).unwrap().close();
    }
}
