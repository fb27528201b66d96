//! What the flags say, checked, in the terms of the program.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use ipnet::IpNet;

use super::{Flags, IfInUse};
use crate::origin::Origin;
use crate::purge;

/// The flags after their checks, in the terms of the program.
#[derive(Clone, Debug)]
pub struct Config {
    /// The origin.
    pub origin: Origin,
    /// Where to listen.
    pub listen: SocketAddr,
    /// Where to serve metrics.
    pub admin: Option<SocketAddr>,
    /// Where entries are kept, and how many bytes of them.
    pub store: StoreConfig,
    /// The largest body that is stored, bytes.
    pub max_object_bytes: usize,
    /// Worker threads.
    pub threads: usize,
    /// From where PURGE is taken.
    pub purge_access: purge::Access,
    /// [`crate::policy::freshness::Settings::stale_if_unreachable_secs`]
    pub stale_if_unreachable_secs: u32,
    /// How often the origin's name is resolved again.
    pub resolve_interval: Option<Duration>,
    /// The limit for opening a connection to the origin.
    pub connect_timeout: Duration,
    /// The limit for the origin's silence.
    pub read_timeout: Duration,
    /// The limit for a client's silence, for the head of a request, and for taking nothing of a response.
    pub client_timeout: Duration,
    /// The limit for open requests after SIGTERM.
    pub grace: Duration,
    /// Print a line for each request.
    pub access_log: bool,
}

/// Where entries are kept.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// The directory; in memory without one.
    pub dir: Option<PathBuf>,
    /// How much may be stored, bytes.
    pub capacity_bytes: u64,
    /// How much of the directory's file system is left free, bytes.
    pub min_free_bytes: u64,
    /// The largest body that the store takes, bytes. It may be above [`Config::max_object_bytes`]: what is of unknown
    /// length can flow through the store up to here.
    pub body_bytes_max: usize,
    /// What to do where another process has the directory.
    pub if_in_use: IfInUse,
    /// For how long [`IfInUse::Wait`] waits.
    pub wait: Duration,
    /// What a directory's copies in memory may take, bytes.
    pub memory_tier_bytes: u64,
    /// From which size on bodies are stored on second sight, bytes.
    pub second_sight_bytes: Option<u64>,
    /// What may be written to the directory, bytes a second.
    pub write_bytes_per_second: Option<u64>,
}

/// The largest body in memory unless a flag says otherwise: larger ones would leave a store's threads few shards.
const MEMORY_OBJECT_BYTES_DEFAULT: u64 = 64 << 20;
/// How long to wait for the directory, unless a flag says otherwise.
const CACHE_WAIT_SECS: u64 = 60;
/// The smallest capacity that makes a cache.
const CAPACITY_BYTES_MIN: u64 = 1 << 20;

impl Flags {
    /// Checks everything that can be known before anything is opened.
    ///
    /// # Errors
    /// One line that says which flag cannot be used, and why.
    pub fn check(self) -> Result<Config, String> {
        let origin = Origin::resolve(&self.origin)?;
        let (capacity_bytes, largest_by_default) = match &self.cache_dir {
            Some(_) => (capacity("--disk-capacity", self.disk_capacity)?, u64::MAX),
            None => (
                capacity("--memory-capacity", self.memory_capacity)?,
                MEMORY_OBJECT_BYTES_DEFAULT,
            ),
        };
        let largest = capacity_bytes / 4;
        let max_object_bytes = self
            .max_object_size
            .map_or(largest.min(largest_by_default), |size| size.as_u64());
        if max_object_bytes == 0 || max_object_bytes > largest {
            return Err(format!(
                "--max-object-size {}: must be above 0 and at most a quarter of the capacity, {}",
                ByteSize::b(max_object_bytes),
                ByteSize::b(largest)
            ));
        }
        let store = StoreConfig {
            dir: self.cache_dir,
            capacity_bytes,
            min_free_bytes: self.disk_min_free.map_or(0, |size| size.as_u64()),
            body_bytes_max: as_size(max_object_bytes.max(largest.min(largest_by_default))),
            if_in_use: self.if_cache_in_use,
            wait: Duration::from_secs(self.cache_wait.unwrap_or(CACHE_WAIT_SECS)),
            memory_tier_bytes: self.memory_capacity.as_u64(),
            second_sight_bytes: self.second_sight.map(|size| size.as_u64()),
            write_bytes_per_second: self.disk_write_rate.map(|size| size.as_u64()),
        };
        if self.cache_wait.is_some() && self.if_cache_in_use != IfInUse::Wait {
            return Err("--cache-wait: is for --if-cache-in-use wait".into());
        }
        if self.disk_write_rate.is_some_and(|rate| rate.as_u64() == 0) {
            return Err("--disk-write-rate 0: must be above 0".into());
        }
        let threads = match self.threads {
            Some(0) => return Err("--threads 0: at least one is needed".into()),
            Some(threads) => threads,
            None => std::thread::available_parallelism().map_or(1, usize::from),
        };
        for (flag, seconds) in [
            ("--connect-timeout", self.connect_timeout),
            ("--read-timeout", self.read_timeout),
            ("--client-timeout", self.client_timeout),
        ] {
            if seconds == 0 {
                return Err(format!("{flag} 0: must be above 0"));
            }
        }
        Ok(Config {
            origin,
            listen: self.listen,
            admin: self.admin,
            store,
            max_object_bytes: as_size(max_object_bytes),
            threads,
            purge_access: purge_access(&self.allow_purge_from)?,
            stale_if_unreachable_secs: self.stale_if_unreachable,
            resolve_interval: (self.resolve_interval > 0).then(|| Duration::from_secs(self.resolve_interval)),
            connect_timeout: Duration::from_secs(self.connect_timeout),
            read_timeout: Duration::from_secs(self.read_timeout),
            client_timeout: Duration::from_secs(self.client_timeout),
            grace: Duration::from_secs(self.grace),
            access_log: self.access_log,
        })
    }
}

fn capacity(flag: &str, size: ByteSize) -> Result<u64, String> {
    if size.as_u64() < CAPACITY_BYTES_MIN {
        return Err(format!(
            "{flag} {size}: must be at least {}",
            ByteSize::b(CAPACITY_BYTES_MIN)
        ));
    }
    Ok(size.as_u64())
}

/// Sizes of bodies are `usize` to pingora.
fn as_size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

fn purge_access(list: &[String]) -> Result<purge::Access, String> {
    match list {
        [] => Ok(purge::Access::ThisMachine),
        [none] if none == "none" => Ok(purge::Access::Networks(Vec::new())),
        list => {
            let networks = list.iter().map(|text| network(text.trim()));
            networks.collect::<Result<_, _>>().map(purge::Access::Networks)
        }
    }
}

fn network(text: &str) -> Result<IpNet, String> {
    let host = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse().or_else(|_| host()).map_err(|_| {
        format!("--allow-purge-from {text}: neither an address nor a network such as 10.0.0.0/8")
    })
}
