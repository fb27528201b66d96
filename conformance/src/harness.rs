//! What a backend author writes: how to open the storage, and what it can do.

use crate::faults::Faults;
use crate::power::{Durability, PowerRecord, PowerSlot};
use crate::rules::RuleId;
use crate::tree;
use async_trait::async_trait;
use forebay_core::Storage;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

/// What [`Harness::open`] gives.
pub type Opened = Result<Arc<dyn Storage>, Box<dyn Error + Send + Sync>>;

/// A backend under test.
///
/// ```no_run
/// use forebay_conformance::{Harness, Opened, Site, async_trait, reference::ReferenceStorage};
/// use std::sync::Arc;
///
/// struct Mine;
///
/// #[async_trait]
/// impl Harness for Mine {
///     fn name(&self) -> &str {
///         "mine"
///     }
///     async fn open(&self, _site: &Site) -> Opened {
///         Ok(Arc::new(ReferenceStorage::new()))
///     }
/// }
///
/// // In a test target of its own, with `harness = false`:
/// fn main() -> std::process::ExitCode {
///     forebay_conformance::main(Mine)
/// }
/// ```
#[async_trait]
pub trait Harness: Send + Sync + 'static {
    /// What the backend is called in reports.
    fn name(&self) -> &str;

    /// What the backend can do and cannot say of itself.
    fn capabilities(&self) -> Capabilities {
        Capabilities::new()
    }

    /// Opens the storage of a site: an empty one where the site is new, what was there where it was used before.
    ///
    /// It runs on a tokio runtime of one thread, with time, and with I/O where tokio is built with it.
    ///
    /// # Errors
    /// What the storage says. The suite opens damaged sites too, and expects an error or a storage, never a panic; and one
    /// that is open, which has to be an error where the storage persists.
    async fn open(&self, site: &Site) -> Opened;

    /// Closes a storage cleanly. By default that is dropping it.
    async fn close(&self, storage: Arc<dyn Storage>) {
        drop(storage);
    }

    /// What the storage counts of itself.
    fn gauges(&self, storage: &dyn Storage) -> Gauges {
        let _ = storage;
        Gauges::default()
    }

    /// Where parts of a stored file begin and end: offsets in bytes, in any order. The suite damages the file there, beside
    /// the places that it finds by itself (where what it wrote begins and ends) and some by chance.
    fn boundaries(&self, file: &Path, content: &[u8]) -> Vec<usize> {
        let _ = (file, content);
        Vec::new()
    }

    /// Turns the site of a storage that was closed into one of a format version that the storage does not know, where
    /// there is such a thing; `false`: there is none.
    ///
    /// # Errors
    /// What writing there fails with.
    fn make_unknown_version(&self, site: &Site) -> std::io::Result<bool> {
        let _ = site;
        Ok(false)
    }

    /// The rules that the backend is known to break. A known failure that passes fails the run.
    fn known_failures(&self) -> &[KnownFailure] {
        &[]
    }

    /// The rules that the backend is known to break at times, by a race of its own threads, which the suite cannot steer.
    /// Where one fails, it counts as a known failure; where it passes, it passes, which says nothing.
    fn known_races(&self) -> &[KnownFailure] {
        &[]
    }
}

/// A rule that a backend is known to break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownFailure {
    /// The rule.
    pub rule: RuleId,
    /// Why, with a link where there is one.
    pub reason: &'static str,
}

impl KnownFailure {
    /// With a reason.
    pub const fn new(rule: RuleId, reason: &'static str) -> Self {
        KnownFailure { rule, reason }
    }
}

/// What a backend declares. All else is read from the storage itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    pub(crate) persist: bool,
    pub(crate) bounded_bytes: Option<u64>,
    pub(crate) background: bool,
    pub(crate) faults: bool,
    pub(crate) power: Option<Durability>,
}

impl Default for Capabilities {
    fn default() -> Self {
        Self::new()
    }
}

impl Capabilities {
    /// Nothing but the minimum.
    pub fn new() -> Self {
        Capabilities {
            persist: false,
            bounded_bytes: None,
            background: true,
            faults: false,
            power: None,
        }
    }

    /// What was stored is found again when the same [`Site`] is opened again.
    pub fn persist(mut self) -> Self {
        self.persist = true;
        self
    }

    /// The storage keeps to [`Site::capacity_bytes`]. `small_bytes` is a capacity at which it still works as it should,
    /// small enough to be filled several times in a second.
    pub fn bounded(mut self, small_bytes: u64) -> Self {
        self.bounded_bytes = Some(small_bytes);
        self
    }

    /// The I/O of a storage that is opened asks [`Site::faults`] before each call that changes the disk, and does as it
    /// says.
    pub fn faults(mut self) -> Self {
        self.faults = true;
        self
    }

    /// The I/O of a storage that is opened on a site that [asks for it](Site::asks_for_power) is recorded, and the harness
    /// leaves the record there by [`Site::record_power`]. `durability` is what such a storage is opened with.
    pub fn power(mut self, durability: Durability) -> Self {
        self.power = Some(durability);
        self
    }

    /// The storage does all its work within calls: it has no threads, tasks or timers. The suite then knows a lost
    /// wakeup at once: nothing that is pending and was not woken ever goes on by itself.
    pub fn without_background(mut self) -> Self {
        self.background = false;
        self
    }
}

/// What a storage counts of itself; `None` is what it does not count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Bytes of stored entries, meta and bookkeeping counted.
    pub stored_bytes: Option<u64>,
    /// Stored entries.
    pub entries: Option<u64>,
    /// Writes in progress.
    pub live_writes: Option<u64>,
    /// Bytes that writes in progress hold.
    pub live_bytes: Option<u64>,
    /// Hit handlers that are open. Open files below the storage's directory the suite counts itself.
    pub open_handlers: Option<u64>,
}

impl Gauges {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Gauges::default()
    }
}

/// The place of one storage: a directory of its own, and the capacity to open it with.
#[derive(Debug)]
pub struct Site {
    root: TempDir,
    capacity_bytes: Option<u64>,
    faults: Faults,
    asks_for_power: bool,
    power: PowerSlot,
}

impl Site {
    pub(crate) fn new(capacity_bytes: Option<u64>) -> std::io::Result<Self> {
        let site = Site::without_dir(capacity_bytes)?;
        std::fs::create_dir(site.dir())?;
        Ok(site)
    }

    fn without_dir(capacity_bytes: Option<u64>) -> std::io::Result<Self> {
        Ok(Site {
            root: TempDir::with_prefix("forebay-conformance-")?,
            capacity_bytes,
            faults: Faults::default(),
            asks_for_power: false,
            power: PowerSlot::default(),
        })
    }

    /// A new site whose storage's I/O is to be recorded.
    pub(crate) fn recorded() -> std::io::Result<Self> {
        let mut site = Site::new(None)?;
        site.asks_for_power = true;
        Ok(site)
    }

    /// A site with a directory that is made by `make`.
    pub(crate) fn left_by(make: impl FnOnce(&Path) -> std::io::Result<()>) -> std::io::Result<Self> {
        let site = Site::without_dir(None)?;
        make(&site.dir())?;
        Ok(site)
    }

    /// An empty directory for the storage, or the one that it left. It vanishes after the check.
    pub fn dir(&self) -> PathBuf {
        self.root.path().join("storage")
    }

    /// The capacity to open the storage with; `None`: one that the suite does not fill, 64 MiB or more.
    pub fn capacity_bytes(&self) -> Option<u64> {
        self.capacity_bytes
    }

    /// The switch that the storage's I/O is to ask, where the harness declares [`Capabilities::faults`].
    pub fn faults(&self) -> Faults {
        self.faults.clone()
    }

    /// Whether the harness is to record the I/O of the storage that it opens here, where it declares
    /// [`Capabilities::power`].
    pub fn asks_for_power(&self) -> bool {
        self.asks_for_power
    }

    /// Leaves the record of the storage that is being opened here.
    pub fn record_power(&self, record: impl PowerRecord) {
        self.power.put(Arc::new(record));
    }

    pub(crate) fn power(&self) -> &PowerSlot {
        &self.power
    }

    /// Another site with a copy of what is in this one, where nobody is at work.
    pub(crate) fn copy(&self) -> std::io::Result<Self> {
        let copy = Site::new(self.capacity_bytes)?;
        tree::copy(&self.dir(), &copy.dir())?;
        Ok(copy)
    }

    /// The same where a storage is open; `None` where it was at work meanwhile.
    pub(crate) fn copy_running(&self) -> std::io::Result<Option<Self>> {
        let copy = Site::new(self.capacity_bytes)?;
        let is_sound = tree::copy_of_one_moment(&self.dir(), &copy.dir())?;
        Ok(is_sound.then_some(copy))
    }
}
