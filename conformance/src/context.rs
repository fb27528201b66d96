//! What a check works with: fresh storages, and what is known of the backend.

use crate::checks::CheckFn;
use crate::harness::{Gauges, Harness, Site};
use crate::log::Log;
use crate::ops::{Caller, Store, harness};
use crate::outcome::{Checked, Stop};
use crate::panics;
use crate::poll::Patience;
use crate::rules::Capability;
use forebay_core::Storage;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How a run goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// How many random sequences the model runs, and how many random schedules; not 0.
    pub cases: u32,
    /// What is random is made from this.
    pub seed: u64,
    /// Whether a SHOULD fails the run.
    pub strict: bool,
    /// How long a call may take before it counts as hanging: long enough for a busy machine and a disk that syncs. A
    /// backend without threads is known to hang at once.
    pub hang_after: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            cases: 200,
            seed: 1,
            strict: false,
            hang_after: Duration::from_secs(20),
        }
    }
}

/// What the backend can do: declared, or found out.
#[derive(Debug, Clone, Default)]
pub(crate) struct Able {
    pub(crate) all: Vec<Capability>,
    /// What it turned out to do though it is declared that it cannot, or the storage says so itself.
    pub(crate) undeclared: Vec<Capability>,
}

impl Able {
    pub(crate) fn to(&self, capability: Capability) -> bool {
        self.all.contains(&capability)
    }
}

pub(crate) struct Context {
    pub(crate) harness: Arc<dyn Harness>,
    pub(crate) options: Options,
    pub(crate) able: Able,
    pub(crate) log: Log,
    remarks: Mutex<Remarks>,
    runtime: tokio::runtime::Runtime,
}

/// What a check has to say beside its result.
#[derive(Debug, Default)]
pub(crate) struct Remarks {
    /// The SHOULDs that do not hold: what was expected, and what was seen.
    pub(crate) unmet: Vec<(String, String)>,
    pub(crate) notes: Vec<String>,
}

/// A storage with its site, which lives as long.
pub(crate) struct Opened {
    pub(crate) store: Store,
    pub(crate) site: Site,
}

impl std::ops::Deref for Opened {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

impl Context {
    pub(crate) fn new(
        harness: Arc<dyn Harness>,
        options: Options,
        able: Able,
        log: Log,
    ) -> std::io::Result<Self> {
        Ok(Context {
            harness,
            options,
            able,
            log,
            remarks: Mutex::default(),
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?,
        })
    }

    /// Runs a check to its end.
    pub(crate) fn run(&self, check: CheckFn) -> Checked<()> {
        match check {
            CheckFn::Async(check) => self.block_on(check(self)),
            CheckFn::Sync(check) => check(self),
        }
    }

    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        match self.caller().patience {
            Patience::Clock(_) => self.runtime.block_on(future),
            // tokio would make the hundredth lock or so that a task takes pending, though it is free; and a check is one task.
            Patience::WhileWoken => self.runtime.block_on(tokio::task::coop::unconstrained(future)),
        }
    }

    /// Ends the runtime without waiting for what a hanging backend left on it.
    pub(crate) fn shut_down(self) -> Remarks {
        self.runtime.shutdown_background();
        self.remarks.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn caller(&self) -> Caller {
        Caller {
            log: self.log.clone(),
            patience: match self.harness.capabilities().background {
                true => Patience::Clock(self.options.hang_after),
                false => Patience::WhileWoken,
            },
        }
    }

    /// A new, empty storage, large enough for anything.
    pub(crate) async fn fresh(&self) -> Checked<Opened> {
        self.open_new(None).await
    }

    /// A new, empty storage of the small capacity that the harness declared.
    pub(crate) async fn fresh_small(&self) -> Checked<(Opened, u64)> {
        match self.harness.capabilities().bounded_bytes {
            Some(capacity) => Ok((self.open_new(Some(capacity)).await?, capacity)),
            None => Err(Stop::Skip("it is not declared to be bounded".to_owned())),
        }
    }

    /// A new, empty storage whose I/O is recorded.
    pub(crate) async fn fresh_recorded(&self) -> Checked<Opened> {
        self.open_at(Site::recorded()).await
    }

    async fn open_new(&self, capacity_bytes: Option<u64>) -> Checked<Opened> {
        self.open_at(Site::new(capacity_bytes)).await
    }

    async fn open_at(&self, site: std::io::Result<Site>) -> Checked<Opened> {
        let site = site.map_err(|e| harness("a directory for the storage", e))?;
        // Nothing can be wrong with what is empty: here it is the harness that fails, also by a panic.
        let why = match panics::caught(self.try_open(site)).await {
            Ok(opened) => match opened? {
                (site, Ok(store)) => return Ok(Opened { store, site }),
                (_, Err(error)) => error,
            },
            Err(panic) => format!("a panic: {panic}"),
        };
        Err(Stop::Harness(format!("open of a new storage: {why}")))
    }

    /// Opens whatever is on the site.
    pub(crate) async fn try_open(&self, site: Site) -> Checked<(Site, Result<Store, String>)> {
        let caller = self.caller();
        let opened = caller
            .call(
                "open".to_owned(),
                self.harness.open(&site),
                |opened| match opened {
                    Ok(_) => "Ok".to_owned(),
                    Err(error) => format!("Err({error})"),
                },
            )
            .await?;
        let store = opened
            .map(|storage| Store { storage, caller })
            .map_err(|error| error.to_string());
        Ok((site, store))
    }

    /// Closes the storage cleanly; what is left is its site.
    pub(crate) async fn close(&self, opened: Opened) -> Checked<Site> {
        let Opened { store, site } = opened;
        let Store { storage, caller } = store;
        caller
            .call("close".to_owned(), self.harness.close(storage), |()| {
                "done".to_owned()
            })
            .await?;
        Ok(site)
    }

    pub(crate) fn gauges(&self, store: &Store) -> Gauges {
        let storage: &dyn Storage = &*store.storage;
        self.harness.gauges(storage)
    }

    /// Notes that a SHOULD does not hold.
    pub(crate) fn should(&self, holds: bool, expected: impl Into<String>, actual: impl Into<String>) {
        if !holds {
            self.remarks().unmet.push((expected.into(), actual.into()));
        }
    }

    /// Notes what limits the word of the check; the same is noted once.
    pub(crate) fn note(&self, text: &str) {
        let notes = &mut self.remarks().notes;
        if !notes.iter().any(|note| note == text) {
            notes.push(text.to_owned());
        }
    }

    fn remarks(&self) -> MutexGuard<'_, Remarks> {
        self.remarks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
