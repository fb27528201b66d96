//! Defects of storages that persist: the disk storage, opened or asked in a wrong way.

use async_trait::async_trait;
use forebay_conformance::{Capabilities, Harness, Opened, Options, Site, judge};
use forebay_core::{
    CacheHashKey, CacheKey, CacheMeta, CompactCacheKey, ErrorKind, HashBinary, HitHandler, MissHandler,
    PurgeType, Result, SpanHandle, Storage,
};
use forebay_disk::DiskOptions;
use std::any::Any;
use std::collections::HashSet;
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
}

const CATALOGUE: [(Mistake, &str); 5] = [
    (Mistake::WipesAtOpen, "PERSIST-CLEAN"),
    (Mistake::WipesAtOpen, "PERSIST-CRASH"),
    (Mistake::WipesAtOpen, "PERSIST-FOREIGN"),
    (Mistake::TrustsLengths, "PERSIST-CORRUPT"),
    (Mistake::ErrorForever, "LOOKUP-SELF-HEAL"),
];

/// Each defect with its rule.
pub(crate) fn catalogue() -> impl Iterator<Item = (String, &'static str)> {
    CATALOGUE
        .iter()
        .map(|(mistake, rule)| (format!("{mistake:?}"), *rule))
}

struct Persistent(Mistake);

#[async_trait]
impl Harness for Persistent {
    fn name(&self) -> &str {
        "persistent"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new().persist()
    }

    async fn open(&self, site: &Site) -> Opened {
        match self.0 {
            Mistake::WipesAtOpen => {
                std::fs::remove_dir_all(site.dir())?;
                std::fs::create_dir(site.dir())?;
            }
            Mistake::TrustsLengths => expect_no_empty_file(&site.dir())?,
            Mistake::ErrorForever => {}
        }
        let disk = DiskOptions::new(site.dir()).capacity_bytes(256 << 20).open()?;
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
