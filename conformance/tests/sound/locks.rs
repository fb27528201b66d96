//! Storages that hold a lock while they wait for a disk, which is how many are written.

use crate::around::{Around, Way};
use forebay_conformance::reference::ReferenceStorage;
use forebay_conformance::{Capabilities, Harness, Opened, Site, async_trait};
use forebay_core::{
    CacheKey, CacheMeta, MissHandler, PurgeOutcome, PurgeTarget, PurgeType, Result, SpanHandle, Storage,
};
use std::sync::Arc;
use tokio::sync::Mutex;

/// What the lock is held across.
#[derive(Clone, Copy)]
enum Disk {
    /// A thread of its own.
    Thread,
    /// Some turns of the task, as of a storage without threads.
    Turns,
}

struct Locked(Disk);

#[async_trait]
impl Harness for Locked {
    fn name(&self) -> &str {
        "locked"
    }

    fn capabilities(&self) -> Capabilities {
        match self.0 {
            Disk::Thread => Capabilities::new(),
            Disk::Turns => Capabilities::new().without_background(),
        }
    }

    async fn open(&self, _site: &Site) -> Opened {
        let (lock, disk) = (Mutex::new(()), self.0);
        Ok(Arc::new(Around {
            inner: Arc::new(ReferenceStorage::new()),
            way: Held { lock, disk },
        }))
    }
}

struct Held {
    lock: Mutex<()>,
    disk: Disk,
}

impl Held {
    async fn wait_for_the_disk(&self) {
        match self.disk {
            Disk::Thread => tokio::task::spawn_blocking(|| ()).await.unwrap_or_default(),
            Disk::Turns => {
                for _ in 0..3 {
                    tokio::task::yield_now().await;
                }
            }
        }
    }
}

#[async_trait]
impl Way for Held {
    async fn start(
        &self,
        inner: &Arc<dyn Storage>,
        key: &CacheKey,
        meta: &CacheMeta,
        trace: &SpanHandle,
    ) -> Result<MissHandler> {
        let _held = self.lock.lock().await;
        inner.get_miss_handler(key, meta, trace).await
    }

    async fn purge(
        &self,
        inner: &Arc<dyn Storage>,
        target: PurgeTarget<'_>,
        purge_type: PurgeType,
        trace: &SpanHandle,
    ) -> Result<PurgeOutcome> {
        let _held = self.lock.lock().await;
        inner.purge_target(target, purge_type, trace).await
    }

    async fn update(
        &self,
        inner: &Arc<dyn Storage>,
        key: &CacheKey,
        meta: &CacheMeta,
        trace: &SpanHandle,
    ) -> Result<bool> {
        let _held = self.lock.lock().await;
        self.wait_for_the_disk().await;
        inner.update_meta(key, meta, trace).await
    }
}

/// The check left an update that held the lock where it was, and waited for a purge that waited for the lock.
#[test]
fn an_update_that_holds_a_lock_gets_its_turn_while_others_wait_for_the_lock() {
    for disk in [Disk::Thread, Disk::Turns] {
        crate::expect_kept(Locked(disk), &["UPDATE-RACE", "PURGE-CANCEL", "MODEL-SCHEDULE"]);
    }
}
