//! Defects of storages that persist: the disk storage, opened or asked in a wrong way.

use async_trait::async_trait;
use forebay_conformance::{
    Area, Capabilities, Durability, Harness, Opened, Options, PowerRecord, Site, judge,
};
use forebay_core::{
    CacheHashKey, CacheKey, CacheMeta, CompactCacheKey, ErrorKind, HashBinary, HitHandler, MissHandler,
    PurgeType, Result, SpanHandle, Storage,
};
use forebay_disk::DiskOptions;
use forebay_disk::io::{CrashIo, File, Io, Names, OpenMode, PathKind, PowerCut};
use std::any::Any;
use std::collections::HashSet;
use std::ffi::OsString;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mistake {
    /// What is there is removed at open.
    WipesAtOpen,
    /// Whoever opens trusts that a file is as long as it was.
    TrustsLengths,
    /// An entry that was there once and is damaged is an error for good.
    ErrorForever,
    /// It is said that what has returned is durable, and nothing is synced.
    SyncsNothing,
    /// Files are synced, and the names in their directories are not.
    ForgetsDirectories,
}

const CATALOGUE: [(Mistake, &str); 7] = [
    (Mistake::WipesAtOpen, "PERSIST-CLEAN"),
    (Mistake::WipesAtOpen, "PERSIST-CRASH"),
    (Mistake::WipesAtOpen, "PERSIST-FOREIGN"),
    (Mistake::TrustsLengths, "PERSIST-CORRUPT"),
    (Mistake::ErrorForever, "LOOKUP-SELF-HEAL"),
    (Mistake::SyncsNothing, "PERSIST-POWER"),
    (Mistake::ForgetsDirectories, "PERSIST-POWER"),
];

/// The rules that these defects prove.
pub(crate) fn proven() -> impl Iterator<Item = &'static str> {
    CATALOGUE.iter().map(|(_, rule)| *rule)
}

struct Persistent(Mistake);

#[async_trait]
impl Harness for Persistent {
    fn name(&self) -> &str {
        "persistent"
    }

    fn capabilities(&self) -> Capabilities {
        match self.0 {
            Mistake::SyncsNothing | Mistake::ForgetsDirectories => {
                Capabilities::new().persist().power(Durability::OnReturn)
            }
            _ => Capabilities::new().persist(),
        }
    }

    async fn open(&self, site: &Site) -> Opened {
        match self.0 {
            Mistake::WipesAtOpen => {
                std::fs::remove_dir_all(site.dir())?;
                std::fs::create_dir(site.dir())?;
            }
            Mistake::TrustsLengths => expect_no_empty_file(&site.dir())?,
            Mistake::ErrorForever | Mistake::SyncsNothing | Mistake::ForgetsDirectories => {}
        }
        let options = DiskOptions::new(site.dir()).capacity_bytes(256 << 20);
        let disk = match self.0 {
            Mistake::SyncsNothing if site.asks_for_power() => options
                .sync(forebay_disk::Sync::Never)
                .io(recorded(site)?)
                .open()?,
            Mistake::ForgetsDirectories if site.asks_for_power() => options
                .sync(forebay_disk::Sync::Always)
                .io(NoDirectorySync(recorded(site)?))
                .open()?,
            _ => options.open()?,
        };
        if self.0 == Mistake::ErrorForever {
            let known = Mutex::default();
            return Ok(Arc::new(ErrorForever {
                disk: Box::new(disk),
                known,
            }));
        }
        Ok(Arc::new(disk))
    }
}

fn recorded(site: &Site) -> std::io::Result<CrashIo> {
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
        let names = Names::AnyOrder;
        self.0.cut(&PowerCut { step, seed, names }, into)
    }
}

#[derive(Debug)]
struct NoDirectorySync(CrashIo);

impl Io for NoDirectorySync {
    fn list(&self, dir: &Path) -> std::io::Result<Vec<(OsString, PathKind)>> {
        self.0.list(dir)
    }

    fn kind(&self, path: &Path) -> std::io::Result<Option<PathKind>> {
        self.0.kind(path)
    }

    fn create_dir(&self, path: &Path) -> std::io::Result<()> {
        self.0.create_dir(path)
    }

    fn open(&self, path: &Path, mode: OpenMode) -> std::io::Result<Arc<dyn File>> {
        self.0.open(path, mode)
    }

    fn rename(&self, from: &Path, to: &Path) -> std::io::Result<()> {
        self.0.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> std::io::Result<()> {
        self.0.remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> std::io::Result<()> {
        self.0.remove_dir(path)
    }

    fn sync_dir(&self, _path: &Path) -> std::io::Result<()> {
        Ok(())
    }
}

fn expect_no_empty_file(dir: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            expect_no_empty_file(&path)?;
        } else if path.extension().is_some_and(|extension| extension == "body") {
            assert_ne!(
                path.metadata()?.len(),
                0,
                "there was a body in {}",
                path.display()
            );
        }
    }
    Ok(())
}

struct ErrorForever {
    disk: Box<dyn Storage>,
    known: Mutex<HashSet<HashBinary>>,
}

impl ErrorForever {
    fn known(&self) -> std::sync::MutexGuard<'_, HashSet<HashBinary>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Storage for ErrorForever {
    async fn lookup(&self, key: &CacheKey, trace: &SpanHandle) -> Result<Option<(CacheMeta, HitHandler)>> {
        match self.disk.lookup(key, trace).await? {
            None if self.known().contains(&key.combined_bin()) => {
                Err(ErrorKind::Corrupt.error("a damaged entry"))
            }
            found => {
                if found.is_some() {
                    self.known().insert(key.combined_bin());
                }
                Ok(found)
            }
        }
    }

    async fn get_miss_handler(
        &self,
        key: &CacheKey,
        meta: &CacheMeta,
        trace: &SpanHandle,
    ) -> Result<MissHandler> {
        self.disk.get_miss_handler(key, meta, trace).await
    }

    async fn purge(&self, key: &CompactCacheKey, purge_type: PurgeType, trace: &SpanHandle) -> Result<bool> {
        self.disk.purge(key, purge_type, trace).await
    }

    async fn update_meta(&self, key: &CacheKey, meta: &CacheMeta, trace: &SpanHandle) -> Result<bool> {
        self.disk.update_meta(key, meta, trace).await
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync + 'static) {
        self
    }
}

#[test]
fn every_mistake_fails_the_rule_that_it_breaks() {
    for (mistake, rule) in CATALOGUE {
        let report = judge(Persistent(mistake), Options::default(), |r| r.id == rule);
        assert_eq!(report.broken(), [rule], "{mistake:?}: {:?}", report.verdicts);
    }
}

#[test]
fn a_storage_that_does_not_sync_keeps_every_other_rule_of_persistence() {
    for mistake in [Mistake::SyncsNothing, Mistake::ForgetsDirectories] {
        let report = judge(Persistent(mistake), Options::default(), |r| {
            r.area == Area::Persistence
        });
        assert_eq!(report.broken(), ["PERSIST-POWER"], "{mistake:?}");
    }
}
