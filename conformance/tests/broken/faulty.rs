//! Defects of storages whose disk fails: a storage in memory that asks for a fault at every call of a write.

use async_trait::async_trait;
use bytes::Bytes;
use forebay_conformance::reference::ReferenceStorage;
use forebay_conformance::{Capabilities, Faults, Gauges, Harness, IoFault, Opened, Options, Site, judge};
use forebay_core::{
    CacheEntryId, CacheKey, CacheMeta, CompactCacheKey, ErrorKind, HandleMiss, HitHandler, MissFinishType,
    MissHandler, PurgeType, Result, SpanHandle, Storage,
};
use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const RULE: &str = "WRITE-ERR-USABLE";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mistake {
    None,
    /// A failed `finish` has admitted the entry.
    PublishesAllTheSame,
    /// What failed once is an error for good.
    PoisonedForever,
    /// No write is taken any more after one that failed.
    StaysReadOnly,
    /// A write that failed is counted as live for ever.
    ForgetsFailedWrites,
    /// A short write is taken for a whole one.
    IgnoresShortWrites,
    /// The harness says that it injects faults, and does not.
    NeverAsks,
}

const MISTAKES: [Mistake; 5] = [
    Mistake::PublishesAllTheSame,
    Mistake::PoisonedForever,
    Mistake::StaysReadOnly,
    Mistake::ForgetsFailedWrites,
    Mistake::IgnoresShortWrites,
];

/// Each defect with its rule.
pub(crate) fn catalogue() -> impl Iterator<Item = (String, &'static str)> {
    MISTAKES.iter().map(|mistake| (format!("{mistake:?}"), RULE))
}

struct Faulty(Mistake);

#[async_trait]
impl Harness for Faulty {
    fn name(&self) -> &str {
        "faulty"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new().faults()
    }

    async fn open(&self, site: &Site) -> Opened {
        let faults = match self.0 {
            Mistake::NeverAsks => Faults::default(),
            _ => site.faults(),
        };
        Ok(Arc::new(FaultyStorage {
            inner: ReferenceStorage::new(),
            disk: Arc::new(Disk {
                faults,
                mistake: self.0,
                failed: AtomicBool::new(false),
                forgotten: AtomicU64::new(0),
            }),
        }))
    }

    fn gauges(&self, storage: &dyn Storage) -> Gauges {
        let Some(storage) = storage.as_any().downcast_ref::<FaultyStorage>() else {
            return Gauges::default();
        };
        let gauges = storage.inner.gauges();
        let forgotten = storage.disk.forgotten.load(Ordering::SeqCst);
        Gauges {
            live_writes: gauges.live_writes.map(|live| live + forgotten),
            ..gauges
        }
    }
}

/// What is written to, as far as the defects need one.
struct Disk {
    faults: Faults,
    mistake: Mistake,
    failed: AtomicBool,
    forgotten: AtomicU64,
}

impl Disk {
    /// One call; how much of the data it took.
    fn write(&self, data: &Bytes) -> Result<usize> {
        match self.faults.next() {
            None => Ok(data.len()),
            Some(IoFault::Short) => Ok(data.len().min(1)),
            Some(IoFault::Errno(errno)) => {
                self.failed.store(true, Ordering::SeqCst);
                if self.mistake == Mistake::ForgetsFailedWrites {
                    self.forgotten.fetch_add(1, Ordering::SeqCst);
                }
                let error = std::io::Error::from_raw_os_error(errno);
                Err(ErrorKind::StorageFailed.because("write", error))
            }
        }
    }

    fn usable(&self, mistake: Mistake) -> Result<()> {
        match self.mistake == mistake && self.failed.load(Ordering::SeqCst) {
            true => Err(ErrorKind::StorageFailed.error("poisoned")),
            false => Ok(()),
        }
    }
}

struct FaultyStorage {
    inner: ReferenceStorage,
    disk: Arc<Disk>,
}

#[async_trait]
impl Storage for FaultyStorage {
    async fn lookup(&self, key: &CacheKey, trace: &SpanHandle) -> Result<Option<(CacheMeta, HitHandler)>> {
        self.disk.usable(Mistake::PoisonedForever)?;
        self.inner.lookup(key, trace).await
    }

    async fn get_miss_handler(
        &self,
        key: &CacheKey,
        meta: &CacheMeta,
        trace: &SpanHandle,
    ) -> Result<MissHandler> {
        self.disk.usable(Mistake::StaysReadOnly)?;
        let inner = self.inner.get_miss_handler(key, meta, trace).await?;
        let disk = self.disk.clone();
        Ok(Box::new(FaultyWrite { inner, disk }))
    }

    async fn purge(&self, key: &CompactCacheKey, purge_type: PurgeType, trace: &SpanHandle) -> Result<bool> {
        self.inner.purge(key, purge_type, trace).await
    }

    async fn update_meta(&self, key: &CacheKey, meta: &CacheMeta, trace: &SpanHandle) -> Result<bool> {
        self.inner.update_meta(key, meta, trace).await
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync + 'static) {
        self
    }
}

struct FaultyWrite {
    inner: MissHandler,
    disk: Arc<Disk>,
}

#[async_trait]
impl HandleMiss for FaultyWrite {
    async fn write_body(&mut self, mut data: Bytes, eof: bool) -> Result<()> {
        loop {
            let written = self.disk.write(&data)?;
            let now = data.split_to(written);
            if data.is_empty() || self.disk.mistake == Mistake::IgnoresShortWrites {
                return self.inner.write_body(now, eof).await;
            }
            self.inner.write_body(now, false).await?;
        }
    }

    async fn finish(self: Box<Self>) -> Result<MissFinishType> {
        match self.disk.write(&Bytes::new()) {
            Ok(_) => self.inner.finish().await,
            Err(error) => {
                if self.disk.mistake == Mistake::PublishesAllTheSame {
                    self.inner.finish().await?;
                }
                Err(error)
            }
        }
    }

    fn entry_id(&self) -> Option<CacheEntryId> {
        self.inner.entry_id()
    }
}

fn judged(mistake: Mistake) -> forebay_conformance::Report {
    let options = Options {
        hang_after: std::time::Duration::from_millis(300),
        ..Options::default()
    };
    judge(Faulty(mistake), options, |rule| rule.id == RULE)
}

#[test]
fn every_mistake_fails_the_rule_and_without_one_it_holds() {
    for mistake in MISTAKES {
        let report = judged(mistake);
        assert_eq!(report.broken(), [RULE], "{mistake:?}: {:?}", report.verdicts);
    }
    let report = judged(Mistake::None);
    assert_eq!(report.broken(), Vec::<&str>::new(), "{:?}", report.verdicts);
}

#[test]
fn a_harness_that_never_asks_for_a_fault_is_told_so_and_does_not_pass() {
    let verdict = judged(Mistake::NeverAsks).verdicts.remove(0);
    let is_harness_error = matches!(verdict.status, forebay_conformance::Status::HarnessError { .. });
    assert!(is_harness_error, "{verdict:?}");
}
