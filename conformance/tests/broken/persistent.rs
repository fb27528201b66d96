//! Defects of storages that persist: the disk storage, opened or asked in a wrong way.

use crate::forgetful::{Forgetful, Forgets};
use crate::renumbered::Renumbered;
use async_trait::async_trait;
use forebay_conformance::{Area, Capabilities, Durability, Harness, Opened, Options, Site, judge};
use forebay_core::{
    CacheHashKey, CacheKey, CacheMeta, CompactCacheKey, ErrorKind, HashBinary, HitHandler, MissHandler,
    PurgeType, Result, SpanHandle, Storage,
};
use forebay_disk::DiskOptions;
use forebay_disk::io::{CrashIo, File, Io, OpenMode, PathKind};
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
    /// Where one file is damaged, everything is taken for lost.
    GivesUpAll,
    /// A storage of another version is replaced by an empty one.
    WipesOtherVersions,
    /// It is said that what has returned is durable, and nothing is synced.
    SyncsNothing,
    /// Files are synced, and the names in their directories are not.
    ForgetsDirectories,
    /// Ids of entries begin at 1 whenever it is opened.
    IdsStartAnew,
    /// Some of what was done is in memory alone.
    Forgets(Forgets),
}

const CATALOGUE: [(Mistake, &str); 16] = [
    (Mistake::WipesAtOpen, "PERSIST-CLEAN"),
    (Mistake::WipesAtOpen, "PERSIST-CRASH"),
    (Mistake::WipesAtOpen, "PERSIST-FOREIGN"),
    (Mistake::TrustsLengths, "PERSIST-CORRUPT"),
    (Mistake::ErrorForever, "LOOKUP-SELF-HEAL"),
    (Mistake::GivesUpAll, "PERSIST-CORRUPT"),
    (Mistake::WipesOtherVersions, "PERSIST-FOREIGN"),
    (Mistake::SyncsNothing, "PERSIST-POWER"),
    (Mistake::ForgetsDirectories, "PERSIST-POWER"),
    (Mistake::IdsStartAnew, "PURGE-ENTRY"),
    (Mistake::Forgets(Forgets::Variants), "PERSIST-CLEAN"),
    (Mistake::Forgets(Forgets::Stale), "PERSIST-CLEAN"),
    (Mistake::Forgets(Forgets::LargeHeads), "PERSIST-CLEAN"),
    (Mistake::Forgets(Forgets::LargeUpdates), "PERSIST-CLEAN"),
    (Mistake::Forgets(Forgets::WritesThatBeganFirst), "PERSIST-CLEAN"),
    (Mistake::Forgets(Forgets::PurgesUnderReaders), "PERSIST-CRASH"),
];

/// Each defect with its rule.
pub(crate) fn catalogue() -> impl Iterator<Item = (String, &'static str)> {
    CATALOGUE.iter().map(|(mistake, rule)| (mistake.name(), *rule))
}

impl Mistake {
    fn name(self) -> String {
        match self {
            Mistake::Forgets(what) => format!("Forgets{what:?}"),
            other => format!("{other:?}"),
        }
    }
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

    fn make_unknown_version(&self, site: &Site) -> std::io::Result<bool> {
        crate::disk::Disk::default().make_unknown_version(site)
    }

    async fn open(&self, site: &Site) -> Opened {
        match self.0 {
            Mistake::WipesAtOpen => wipe(site)?,
            Mistake::GivesUpAll if has_empty_body(&site.dir())? => wipe(site)?,
            Mistake::WipesOtherVersions if is_of_another_version(site) => wipe(site)?,
            Mistake::TrustsLengths => assert!(!has_empty_body(&site.dir())?, "there was a body"),
            _ => {}
        }
        let options = DiskOptions::new(site.dir()).capacity_bytes(256 << 20);
        let disk = match self.0 {
            Mistake::SyncsNothing if site.asks_for_power() => options
                .sync(forebay_disk::Sync::Never)
                .io(crate::disk::recorded(site)?)
                .open()?,
            Mistake::ForgetsDirectories if site.asks_for_power() => options
                .sync(forebay_disk::Sync::Always)
                .io(NoDirectorySync(crate::disk::recorded(site)?))
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
        if let Mistake::Forgets(what) = self.0 {
            return Ok(Arc::new(Forgetful::new(Box::new(disk), what)));
        }
        if self.0 == Mistake::IdsStartAnew {
            return Ok(Arc::new(Renumbered::new(Box::new(disk))));
        }
        Ok(Arc::new(disk))
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

    fn sync_dir(&self, _path: &Path) -> std::io::Result<()> {
        Ok(())
    }
}

fn wipe(site: &Site) -> std::io::Result<()> {
    std::fs::remove_dir_all(site.dir())?;
    std::fs::create_dir(site.dir())
}

fn is_of_another_version(site: &Site) -> bool {
    let is_another = |version: &u8| u32::from(*version) != forebay_disk::survey::FORMAT_VERSION;
    std::fs::read(site.dir().join("FORMAT")).is_ok_and(|format| format.get(8).is_some_and(is_another))
}

fn has_empty_body(dir: &Path) -> std::io::Result<bool> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let is_body = path.extension().is_some_and(|extension| extension == "body");
        let found = match path.is_dir() {
            true => has_empty_body(&path)?,
            false => is_body && path.metadata()?.len() == 0,
        };
        if found {
            return Ok(true);
        }
    }
    Ok(false)
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
        let options = Options {
            cases: 60,
            ..Options::default()
        };
        let report = judge(Persistent(mistake), options, |r| r.area == Area::Persistence);
        assert_eq!(report.broken(), ["PERSIST-POWER"], "{mistake:?}");
    }
}
