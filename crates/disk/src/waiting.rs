//! A store that may still be another process's: nothing is found and nothing is stored until that one lets go of it.

use crate::options::{LOOK_AGAIN, OnLocked};
use crate::stats::DiskStats;
use crate::{DiskOptions, DiskStorage};
use async_trait::async_trait;
use forebay_core::{
    CacheKey, CacheMeta, CompactCacheKey, ErrorKind, HitHandler, MissHandler, PurgeOutcome, PurgeTarget,
    PurgeType, Result, SpanHandle, Storage,
};
use parking_lot::{Condvar, Mutex};
use std::any::Any;
use std::sync::{Arc, OnceLock, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

/// So long after an open has failed, it is tried again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// A storage that begins without its directory where another process has it, made by
/// [`DiskOptions::open_when_free`](crate::DiskOptions::open_when_free).
///
/// Until the other process lets go of the directory, every lookup is a miss, no write is admitted, and purges, expiries
/// and updates are errors: what they are for is the other one's to change. From then on it is a [`DiskStorage`]. Where the disk
/// fails when that is to be opened, it is tried again every second.
///
/// Clones are the same storage. The thread that waits starts with the first lookup, so that a daemon may fork before.
#[derive(Debug, Clone)]
pub struct WaitingStorage {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    store: OnceLock<DiskStorage>,
    options: DiskOptions,
    state: Mutex<State>,
    /// Why the last attempt to open it has failed, if one has.
    failed: Mutex<Option<String>>,
    closed: Condvar,
    /// The one that waits, from when it has begun until a close has seen it end. Locked after the state, or without it.
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Idle,
    Waiting,
    Closed,
}

impl WaitingStorage {
    pub(crate) fn new(options: DiskOptions, open: Option<DiskStorage>) -> Self {
        let store = open.map(OnceLock::from).unwrap_or_default();
        WaitingStorage {
            shared: Arc::new(Shared {
                store,
                options,
                state: Mutex::default(),
                failed: Mutex::default(),
                closed: Condvar::new(),
                thread: Mutex::default(),
            }),
        }
    }

    /// The store, once this process has it.
    pub fn store(&self) -> Option<&DiskStorage> {
        let store = self.shared.store.get();
        if store.is_none() {
            self.wait();
        }
        store
    }

    /// What the store has counted; nothing, before there is one.
    pub fn stats(&self) -> DiskStats {
        self.store().map_or_else(
            || DiskStats {
                capacity_bytes: self.shared.options.capacity_bytes,
                ..DiskStats::default()
            },
            DiskStorage::stats,
        )
    }

    /// Closes the store, or no longer waits for it. Others may have the directory then. Blocks for as long as the disk takes, also
    /// where the store is just being opened.
    pub fn close(&self) {
        *self.shared.state.lock() = State::Closed;
        self.shared.closed.notify_all();
        let mut thread = self.shared.thread.lock(); // a second close waits for the first
        if let Some(ended) = thread.take().map(JoinHandle::join)
            && ended.is_err()
        {
            log::error!("the thread that waits for the directory of a store has panicked");
        }
        drop(thread);
        if let Some(store) = self.shared.store.get() {
            store.close();
        }
    }

    /// Starts the thread that waits, unless it runs.
    fn wait(&self) {
        let mut state = self.shared.state.lock();
        if *state != State::Idle {
            return;
        }
        let shared = Arc::downgrade(&self.shared);
        let started = std::thread::Builder::new()
            .name("forebay-wait".into())
            .spawn(move || wait(&shared));
        match started {
            Ok(thread) => {
                *state = State::Waiting;
                *self.shared.thread.lock() = Some(thread);
            }
            Err(error) => log::warn!("cannot start a thread, which the next lookup tries again: {error}"),
        }
    }

    fn expect_store(&self) -> Result<&DiskStorage> {
        self.store().ok_or_else(|| {
            let dir = self.shared.options.dir.display();
            ErrorKind::Refused.error(match &*self.shared.failed.lock() {
                None => {
                    format!("the store in {dir} is another process's still; ask that one, or again later")
                }
                Some(error) => format!("the store in {dir} cannot be used now: {error}"),
            })
        })
    }
}

/// Opens the store as soon as nobody else has it, or ends where nobody waits for it any more.
fn wait(shared: &Weak<Shared>) {
    let options = shared.upgrade().map(|shared| shared.options.clone());
    let Some(options) = options.map(|options| options.on_locked(OnLocked::Refuse)) else {
        return;
    };
    loop {
        let opened = options.try_open();
        let Some(shared) = shared.upgrade() else { return };
        let mut state = shared.state.lock();
        match opened {
            _ if *state == State::Closed => return, // and what was opened is closed
            Ok(None) => {
                *shared.failed.lock() = None;
                shared.closed.wait_for(&mut state, LOOK_AGAIN);
            }
            Ok(Some(store)) => {
                log::info!("the store in {} is this process's now", options.dir.display());
                // It is empty: this thread alone fills it, and there is one.
                let _ = shared.store.set(store);
                return;
            }
            Err(error) => {
                // It may be the disk's fault for a while, or somebody puts it right.
                let error = error.to_string();
                let mut failed = shared.failed.lock();
                if failed.as_ref() != Some(&error) {
                    log::error!("the store cannot be used, and nothing is stored until it can: {error}");
                    *failed = Some(error);
                }
                drop(failed);
                shared.closed.wait_for(&mut state, AGAIN_AFTER);
            }
        }
        if *state == State::Closed {
            return;
        }
    }
}

#[async_trait]
impl Storage for WaitingStorage {
    async fn lookup(&self, key: &CacheKey, trace: &SpanHandle) -> Result<Option<(CacheMeta, HitHandler)>> {
        match self.store() {
            Some(store) => store.lookup(key, trace).await,
            None => Ok(None),
        }
    }

    async fn lookup_streaming_write(
        &self,
        key: &CacheKey,
        streaming_write_tag: Option<&[u8]>,
        trace: &SpanHandle,
    ) -> Result<Option<(CacheMeta, HitHandler)>> {
        match self.store() {
            Some(store) => {
                store
                    .lookup_streaming_write(key, streaming_write_tag, trace)
                    .await
            }
            None => Ok(None),
        }
    }

    async fn get_miss_handler(
        &self,
        key: &CacheKey,
        meta: &CacheMeta,
        trace: &SpanHandle,
    ) -> Result<MissHandler> {
        self.expect_store()?.get_miss_handler(key, meta, trace).await
    }

    async fn purge(&self, key: &CompactCacheKey, purge_type: PurgeType, trace: &SpanHandle) -> Result<bool> {
        self.expect_store()?.purge(key, purge_type, trace).await
    }

    async fn purge_target(
        &self,
        target: PurgeTarget<'_>,
        purge_type: PurgeType,
        trace: &SpanHandle,
    ) -> Result<PurgeOutcome> {
        self.expect_store()?.purge_target(target, purge_type, trace).await
    }

    async fn expire(&self, target: PurgeTarget<'_>, trace: &SpanHandle) -> Result<PurgeOutcome> {
        self.expect_store()?.expire(target, trace).await
    }

    async fn update_meta(&self, key: &CacheKey, meta: &CacheMeta, trace: &SpanHandle) -> Result<bool> {
        self.expect_store()?.update_meta(key, meta, trace).await
    }

    fn support_streaming_partial_write(&self) -> bool {
        true
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync + 'static) {
        self
    }
}
