//! The command line: what can be set, and the checks that end the program before it serves anything.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use clap::Parser;
use http::Uri;
use ipnet::IpNet;

/// A caching reverse proxy: HTTP caching by RFC 9111 in front of one origin.
///
/// Entries live in the directory of --cache-dir and survive a restart; without it they live in memory. Logs go to
/// stderr, as RUST_LOG says (default: warn). SIGTERM drains open requests and closes the store.
#[derive(Clone, Debug, Parser)]
#[command(name = "forebay-proxy", version, max_term_width = 100)]
pub struct Flags {
    /// Where requests go that the cache cannot answer: http://HOST[:PORT]. Its name is resolved once, at start
    #[arg(long, value_name = "URL")]
    pub origin: String,

    /// Where clients connect; port 0 takes a free one and prints it
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,

    /// Keep entries in this directory, which is created if it is missing
    #[arg(long, value_name = "DIR")]
    pub cache_dir: Option<PathBuf>,

    /// How much the directory may hold, as in 512MiB or 1GiB
    #[arg(long, value_name = "SIZE", default_value = "1GiB")]
    pub disk_capacity: ByteSize,

    /// How much memory entries may take without --cache-dir
    #[arg(long, value_name = "SIZE", default_value = "64MiB")]
    pub memory_capacity: ByteSize,

    /// Bodies larger than this are passed on and not stored [default: half of the capacity]
    #[arg(long, value_name = "SIZE")]
    pub max_object_size: Option<ByteSize>,

    /// Worker threads [default: one per processor]
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,

    /// Serve /healthz and /metrics here
    #[arg(long, value_name = "ADDR")]
    pub admin: Option<SocketAddr>,

    /// Take PURGE from this address or network too, not from loopback alone; may be repeated
    #[arg(long, value_name = "CIDR", value_parser = network)]
    pub allow_purge_from: Vec<IpNet>,

    /// For how long an outdated entry may stand in for an origin that cannot be reached, unless its response said
    /// otherwise
    #[arg(long, value_name = "SECONDS", default_value_t = 86400)]
    pub stale_if_unreachable: u32,

    /// How long a connection to the origin may take to open
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    pub connect_timeout: u64,

    /// How long the origin may be silent within a response
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub read_timeout: u64,

    /// How long open requests may go on after SIGTERM
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    pub grace_seconds: u64,

    /// Print a line for each request to stdout
    #[arg(long)]
    pub access_log: bool,
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
    /// From where PURGE is taken besides loopback.
    pub purge_networks: Vec<IpNet>,
    /// [`crate::policy::freshness::Settings::stale_if_unreachable_secs`]
    pub stale_if_unreachable_secs: u32,
    /// The limit for opening a connection to the origin.
    pub connect_timeout: Duration,
    /// The limit for the origin's silence.
    pub read_timeout: Duration,
    /// The limit for open requests after SIGTERM.
    pub grace: Duration,
    /// Print a line for each request.
    pub access_log: bool,
}

/// The origin and its addresses.
#[derive(Clone, Debug)]
pub struct Origin {
    /// Host and port as in the flag; what an HTTP/1.0 request without `Host` is sent to.
    pub authority: String,
    /// What the host resolved to; never empty.
    pub addresses: Vec<SocketAddr>,
}

/// Where entries are kept.
#[derive(Clone, Debug)]
pub enum StoreConfig {
    /// In memory, up to so many bytes.
    Memory {
        /// The capacity in bytes.
        capacity_bytes: u64,
    },
    /// In a directory, up to so many bytes.
    Disk {
        /// The directory.
        dir: PathBuf,
        /// The capacity in bytes.
        capacity_bytes: u64,
    },
}

/// The smallest capacity that makes a cache.
const CAPACITY_BYTES_MIN: u64 = 1 << 20;

impl Flags {
    /// Checks everything that can be known before anything is opened.
    ///
    /// # Errors
    /// One line that says which flag cannot be used, and why.
    pub fn check(self) -> Result<Config, String> {
        let origin = resolve_origin(&self.origin)?;
        let store = match self.cache_dir {
            Some(dir) => {
                let capacity_bytes = capacity("--disk-capacity", self.disk_capacity)?;
                StoreConfig::Disk { dir, capacity_bytes }
            }
            None => {
                let capacity_bytes = capacity("--memory-capacity", self.memory_capacity)?;
                StoreConfig::Memory { capacity_bytes }
            }
        };
        let (StoreConfig::Memory { capacity_bytes } | StoreConfig::Disk { capacity_bytes, .. }) = store;
        let max_object_bytes = self
            .max_object_size
            .map_or(capacity_bytes / 2, |size| size.as_u64());
        if max_object_bytes == 0 || max_object_bytes > capacity_bytes {
            return Err(format!(
                "--max-object-size {}: must be above 0 and at most the capacity, {}",
                ByteSize::b(max_object_bytes),
                ByteSize::b(capacity_bytes)
            ));
        }
        let threads = match self.threads {
            Some(0) => return Err("--threads 0: at least one is needed".into()),
            Some(threads) => threads,
            None => std::thread::available_parallelism().map_or(1, usize::from),
        };
        for (flag, seconds) in [
            ("--connect-timeout", self.connect_timeout),
            ("--read-timeout", self.read_timeout),
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
            max_object_bytes: usize::try_from(max_object_bytes).unwrap_or(usize::MAX),
            threads,
            purge_networks: self.allow_purge_from,
            stale_if_unreachable_secs: self.stale_if_unreachable,
            connect_timeout: Duration::from_secs(self.connect_timeout),
            read_timeout: Duration::from_secs(self.read_timeout),
            grace: Duration::from_secs(self.grace_seconds),
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

fn resolve_origin(url: &str) -> Result<Origin, String> {
    let unusable = |why: String| format!("--origin {url}: {why}");
    let uri: Uri = url.parse().map_err(|e| unusable(format!("not a URL ({e})")))?;
    match uri.scheme_str() {
        Some("http") => {}
        Some("https") => return Err(unusable("https is not supported, use an http origin".into())),
        _ => return Err(unusable("must begin with http://".into())),
    }
    if uri.path() != "/" || uri.query().is_some() {
        return Err(unusable(
            "must end after the host and port, paths come from requests".into(),
        ));
    }
    let authority = uri.authority().ok_or_else(|| unusable("names no host".into()))?;
    let host = authority.host();
    if authority.as_str().contains('@') || host.is_empty() {
        return Err(unusable("must name a host, and no user".into()));
    }
    // `port_u16` is also `None` for a port that is no number below 65536.
    let explicit_port = authority.as_str().len() > host.len();
    let port = match authority.port_u16() {
        Some(0) => return Err(unusable("port 0 is none".into())),
        Some(port) => port,
        None if explicit_port => return Err(unusable("the port is not a number up to 65535".into())),
        None => 80,
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let addresses: Vec<SocketAddr> = (host, port)
        .to_socket_addrs()
        .map_err(|e| unusable(format!("cannot resolve {host} ({e})")))?
        .collect();
    if addresses.is_empty() {
        return Err(unusable(format!("{host} has no address")));
    }
    Ok(Origin {
        authority: authority.as_str().to_owned(),
        addresses,
    })
}

fn network(text: &str) -> Result<IpNet, String> {
    let host = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse()
        .or_else(|_| host())
        .map_err(|_| "neither an address nor a network such as 10.0.0.0/8".into())
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
        assert!(matches!(config.store, StoreConfig::Memory { capacity_bytes } if capacity_bytes == 64 << 20));
        assert_eq!(config.max_object_bytes, 32 << 20);
    }

    #[test]
    fn sizes_and_networks_are_read_as_people_write_them() {
        let config = check(&["--memory-capacity", "2GiB", "--max-object-size", "1MiB"]).unwrap();
        assert!(matches!(config.store, StoreConfig::Memory { capacity_bytes } if capacity_bytes == 2 << 30));
        assert_eq!(config.max_object_bytes, 1 << 20);
        let config = check(&["--allow-purge-from", "10.0.0.0/8", "--allow-purge-from", "::1"]).unwrap();
        assert_eq!(config.purge_networks.len(), 2);
        let config = check(&["--cache-dir", "/tmp/x", "--disk-capacity", "500MB"]).unwrap();
        assert!(
            matches!(config.store, StoreConfig::Disk { capacity_bytes, .. } if capacity_bytes == 500_000_000)
        );
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
            (&["--max-object-size", "0"], "--max-object-size"),
            (&["--max-object-size", "65MiB"], "--max-object-size"),
            (&["--threads", "0"], "--threads"),
            (&["--read-timeout", "0"], "--read-timeout"),
            (&["--listen", "nowhere"], "--listen"),
            (&["--allow-purge-from", "here"], "--allow-purge-from"),
        ] {
            let error = check(args).unwrap_err();
            assert!(error.contains(named), "{args:?}: {error}");
        }
    }

    #[test]
    fn an_origin_is_a_plain_http_host_that_resolves() {
        for (origin, says) in [
            ("https://127.0.0.1", "https is not supported"),
            ("ftp://127.0.0.1", "must begin with http://"),
            ("127.0.0.1:9000", "must begin with http://"),
            ("http://", "not a URL"),
            ("http://127.0.0.1/path", "paths come from requests"),
            ("http://user@127.0.0.1", "no user"),
            ("http://127.0.0.1:99999", "port"),
            ("http://127.0.0.1:0", "port 0"),
            ("http://no-such-host.invalid", "cannot resolve"),
        ] {
            let error = resolve_origin(origin).unwrap_err();
            assert!(error.contains(says), "{origin}: {error}");
        }
        assert_eq!(
            resolve_origin("http://127.0.0.1").unwrap().addresses[0].port(),
            80
        );
        assert_eq!(
            resolve_origin("http://[::1]:9000/").unwrap().addresses[0].port(),
            9000
        );
    }
}
