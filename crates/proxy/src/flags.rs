//! The command line: what can be set, and the checks that end the program before it serves anything.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use clap::Parser;
use ipnet::IpNet;

use crate::origin::Origin;
use crate::purge;

/// A caching reverse proxy: HTTP caching by RFC 9111 in front of one origin.
///
/// Entries live in the directory of --cache-dir and survive a restart; without it they live in memory. Logs go to
/// stderr, as RUST_LOG says (default: warn). SIGTERM drains open requests and closes the store.
#[derive(Clone, Debug, Parser)]
#[command(name = "forebay-proxy", version, max_term_width = 100)]
pub struct Flags {
    /// Where requests go that the cache cannot answer: http://HOST or http://HOST:PORT
    #[arg(long, value_name = "URL")]
    pub origin: String,

    /// Where clients connect; port 0 takes a free one and prints it
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,

    /// Keep entries in this directory, which is created if it is missing; its parent must be there
    #[arg(long, value_name = "DIR")]
    pub cache_dir: Option<PathBuf>,

    /// How much the directory may hold, as in 512MiB or 1GiB
    #[arg(long, value_name = "SIZE", default_value = "1GiB", requires = "cache_dir")]
    pub disk_capacity: ByteSize,

    /// What to do where another process has the directory: `refuse` to start, `wait` for it to end (see --cache-wait), or `bypass` it, which serves without storing until it has ended, and then takes over
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = IfInUse::Refuse, requires = "cache_dir")]
    pub if_cache_in_use: IfInUse,

    /// How long to wait for the directory with --if-cache-in-use wait (default: 60)
    #[arg(long, value_name = "SECONDS")]
    pub cache_wait: Option<u64>,

    /// Store bodies of this size or more in the directory only when they are asked for a second time soon after the first
    #[arg(long, value_name = "SIZE", requires = "cache_dir")]
    pub second_sight: Option<ByteSize>,

    /// Write no more than this to the directory each second, on average; what comes beyond is passed on and not stored
    #[arg(long, value_name = "SIZE", requires = "cache_dir")]
    pub disk_write_rate: Option<ByteSize>,

    /// How much memory entries may take without --cache-dir; with it, copies of what is asked for most, checked already,
    /// beside the system's page cache (0: none)
    #[arg(long, value_name = "SIZE", default_value = "64MiB")]
    pub memory_capacity: ByteSize,

    /// Bodies larger than this are passed on and not stored; at most a quarter of the capacity (default: that, and 64MiB
    /// in memory)
    #[arg(long, value_name = "SIZE")]
    pub max_object_size: Option<ByteSize>,

    /// Worker threads (default: one per processor)
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,

    /// Serve /healthz, /readyz and /metrics here; /readyz is 503 from SIGTERM on
    #[arg(long, value_name = "ADDR")]
    pub admin: Option<SocketAddr>,

    /// Take PURGE from these addresses and networks alone, or from `none`; may be repeated, or a list with commas (default:
    /// 127.0.0.0/8,::1, without what a proxy passes on: Forwarded, Via, X-Forwarded-* or X-Real-IP)
    #[arg(long, value_name = "CIDR", value_delimiter = ',')]
    pub allow_purge_from: Vec<String>,

    /// For how long an outdated entry may stand in for an origin that cannot be reached, unless its response said
    /// otherwise
    #[arg(long, value_name = "SECONDS", default_value_t = 86400)]
    pub stale_if_unreachable: u32,

    /// How often the origin's name is resolved again; where that fails, its old addresses stay (0: never)
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    pub resolve_interval: u64,

    /// How long a connection to the origin may take to open
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    pub connect_timeout: u64,

    /// How long the origin may be silent within a response
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub read_timeout: u64,

    /// How long a client may be silent within a request and between two, take to send a head once it has begun, and take
    /// nothing of a response. For its first head it has this long from the start, and may not be silent for more than 60
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub client_timeout: u64,

    /// How long open requests may go on after SIGTERM
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    pub grace: u64,

    /// Print a line for each request to stdout: time, client, method, URL, status, bytes of the body, seconds, Cache-Status.
    /// Lines that their reader does not take in time are left out
    #[arg(long)]
    pub access_log: bool,
}

/// What to do where another process has the directory of --cache-dir.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum IfInUse {
    /// Do not start.
    Refuse,
    /// Wait until it ends.
    Wait,
    /// Serve without storing until it ends.
    Bypass,
}

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

#[cfg(test)]
mod tests {
    use super::*;

    fn check(args: &[&str]) -> Result<Config, String> {
        let args = ["forebay-proxy", "--origin", "http://127.0.0.1:9000"]
            .iter()
            .chain(args);
        Flags::try_parse_from(args).map_err(|e| e.to_string())?.check()
    }

    #[test]
    fn the_defaults_are_usable() {
        let config = check(&[]).unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
        assert_eq!((config.store.dir, config.store.capacity_bytes), (None, 64 << 20));
        assert_eq!(config.max_object_bytes, 16 << 20);
    }

    #[test]
    fn sizes_and_networks_are_read_as_people_write_them() {
        let config = check(&["--memory-capacity", "2GiB", "--max-object-size", "1MiB"]).unwrap();
        assert_eq!((config.store.dir, config.store.capacity_bytes), (None, 2 << 30));
        assert_eq!(config.max_object_bytes, 1 << 20);
        let on_disk = ["--cache-dir", "/tmp/x", "--disk-capacity", "500MB"];
        let config = check(&on_disk).unwrap();
        assert_eq!(
            (config.store.dir, config.store.capacity_bytes),
            (Some("/tmp/x".into()), 500_000_000)
        );
        assert_eq!(config.store.memory_tier_bytes, 64 << 20);
        let config = check(&[&on_disk[..], &["--memory-capacity", "0"]].concat()).unwrap();
        assert_eq!(config.store.memory_tier_bytes, 0);
    }

    #[test]
    fn networks_that_may_purge_replace_the_default() {
        let networks = |args: &[&str]| match check(args).unwrap().purge_access {
            purge::Access::ThisMachine => None,
            purge::Access::Networks(networks) => Some(networks.len()),
        };
        assert_eq!(networks(&[]), None);
        assert_eq!(networks(&["--allow-purge-from", "none"]), Some(0));
        assert_eq!(networks(&["--allow-purge-from", "127.0.0.0/8,::1"]), Some(2));
        let repeated = ["--allow-purge-from", "10.0.0.0/8", "--allow-purge-from", "::1"];
        assert_eq!(networks(&repeated), Some(2));
        assert!(check(&["--allow-purge-from", "none,::1"]).is_err());
    }

    #[test]
    fn what_concerns_the_directory_alone_asks_for_one() {
        let policy = [
            "--second-sight",
            "1MiB",
            "--disk-write-rate",
            "20MiB",
            "--if-cache-in-use",
            "bypass",
        ];
        for args in [&policy[..], &["--disk-capacity", "1GiB"]] {
            let error = check(args).unwrap_err();
            assert!(error.contains("--cache-dir"), "{error}");
        }
        let store = check(&[&policy[..], &["--cache-dir", "/tmp/x"]].concat())
            .unwrap()
            .store;
        assert_eq!(store.if_in_use, IfInUse::Bypass);
        assert_eq!(
            (store.second_sight_bytes, store.write_bytes_per_second),
            (Some(1 << 20), Some(20 << 20))
        );
        let store = check(&["--cache-dir", "/tmp/x"]).unwrap().store;
        assert_eq!(
            (store.if_in_use, store.second_sight_bytes),
            (IfInUse::Refuse, None)
        );
        let waiting = ["--cache-dir", "/tmp/x", "--if-cache-in-use", "wait"];
        let wait = |more: &[&str]| {
            check(&[&waiting[..], more].concat())
                .unwrap()
                .store
                .wait
                .as_secs()
        };
        assert_eq!((wait(&[]), wait(&["--cache-wait", "5"])), (60, 5));
    }

    #[test]
    fn what_cannot_be_used_is_refused_by_its_name() {
        for (args, named) in [
            (&["--memory-capacity", "0"][..], "--memory-capacity"),
            (&["--memory-capacity", "many"], "--memory-capacity"),
            (
                &["--cache-dir", "/tmp/x", "--disk-capacity", "1KiB"],
                "--disk-capacity",
            ),
            (
                &["--cache-dir", "/tmp/x", "--disk-write-rate", "0"],
                "--disk-write-rate",
            ),
            (
                &["--cache-dir", "/tmp/x", "--if-cache-in-use", "hope"],
                "--if-cache-in-use",
            ),
            (
                &["--cache-dir", "/tmp/x", "--cache-wait", "5"],
                "--if-cache-in-use wait",
            ),
            (&["--max-object-size", "0"], "--max-object-size"),
            (&["--max-object-size", "17MiB"], "--max-object-size"),
            (&["--threads", "0"], "--threads"),
            (&["--read-timeout", "0"], "--read-timeout"),
            (&["--client-timeout", "0"], "--client-timeout"),
            (&["--listen", "nowhere"], "--listen"),
            (&["--allow-purge-from", "here"], "--allow-purge-from"),
        ] {
            let error = check(args).unwrap_err();
            assert!(error.contains(named), "{args:?}: {error}");
        }
    }
}
