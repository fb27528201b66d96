//! The command line: what can be set.

mod config;

use std::net::SocketAddr;
use std::path::PathBuf;

use bytesize::ByteSize;
use clap::Parser;

pub use self::config::{Config, StoreConfig};

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
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,

    /// Keep entries in this directory, which is created if it is missing; its parent must be there
    #[arg(long, value_name = "DIR")]
    pub cache_dir: Option<PathBuf>,

    /// How much the directory may hold, as in 512MiB or 1GiB
    #[arg(long, value_name = "SIZE", default_value = "1GiB", requires = "cache_dir")]
    pub disk_capacity: ByteSize,

    /// How much of the directory's file system to leave free for others, as in 5GiB: old entries make room (default: none)
    #[arg(long, value_name = "SIZE", requires = "cache_dir")]
    pub disk_min_free: Option<ByteSize>,

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
    #[arg(long, value_name = "IP:PORT")]
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

#[cfg(test)]
mod tests;
