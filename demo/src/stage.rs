//! What a scenario plays on: an origin, a proxy in front of it, and how large things are.

use std::path::Path;

use crate::Failure;
use crate::message::Fields;
use crate::origin::Origin;
use crate::proxy::{Proxy, Settings, Store};

const MIB: u64 = 1024 * 1024;
/// Room for everything that the scenarios store, but for the one about eviction.
const CAPACITY_MIB: u64 = 512;

/// How much the scenarios move: the demo shows the real thing, tests must be quick.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    /// The capacity that the eviction must hold.
    pub eviction_capacity_mib: u64,
    /// What is filled into it.
    pub eviction_volume_mib: u64,
}

impl Scale {
    /// 500 MiB into 64 MiB.
    pub const DEMO: Self = Self {
        eviction_capacity_mib: 64,
        eviction_volume_mib: 500,
    };
    /// Enough to go round several times.
    pub const TEST: Self = Self {
        eviction_capacity_mib: 16,
        eviction_volume_mib: 50,
    };
}

/// An origin with a proxy in front of it.
#[derive(Debug)]
pub struct Stage {
    /// Counts what the proxy asks.
    pub origin: Origin,
    /// Has stored nothing when the first scenario begins.
    pub proxy: Proxy,
    /// How much the scenarios move.
    pub scale: Scale,
    /// Is told how far a long scenario is.
    pub progress: fn(&str),
}

impl Stage {
    /// Starts both. `binary` is the `forebay-proxy` executable.
    ///
    /// # Errors
    /// If either does not start.
    pub fn set(binary: &Path, store: Store, scale: Scale, progress: fn(&str)) -> Result<Self, Failure> {
        let origin = Origin::start()?;
        let (binary, addr) = (binary.to_owned(), origin.addr());
        let proxy = Proxy::start(Settings {
            binary,
            origin: addr,
            store,
            capacity_mib: CAPACITY_MIB,
            flags: Vec::new(),
        })?;
        Ok(Self {
            origin,
            proxy,
            scale,
            progress,
        })
    }

    /// GET `path` from the proxy, to the clean end of the body.
    ///
    /// # Errors
    /// As those of [`crate::client::Client::send`] and [`crate::client::Response::rest`].
    pub fn get(&self, path: &str) -> Result<Fetched, Failure> {
        self.fetch("GET", path, &[])
    }

    /// Sends a request to the proxy and reads the response to its clean end.
    ///
    /// # Errors
    /// As for [`Self::get`].
    pub fn fetch(&self, method: &str, path: &str, fields: &[(&str, &str)]) -> Result<Fetched, Failure> {
        fetch(&self.proxy, method, path, fields)
    }
}

/// Sends a request to `proxy` and reads the response to its clean end.
///
/// # Errors
/// As for [`Stage::get`].
pub fn fetch(proxy: &Proxy, method: &str, path: &str, fields: &[(&str, &str)]) -> Result<Fetched, Failure> {
    let mut response = proxy.client().send(method, path, fields)?;
    let body = response
        .rest()
        .map_err(|failure| failure.during(format_args!("{method} {path}")))?;
    Ok(Fetched {
        status: response.status,
        fields: response.fields,
        interim: response.interim,
        body,
    })
}

/// A whole response.
#[derive(Debug)]
pub struct Fetched {
    /// The three digits.
    pub status: u16,
    /// The header lines.
    pub fields: Fields,
    /// The status codes of the 1xx responses that came before.
    pub interim: Vec<u16>,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Fetched {
    /// What `Cache-Status` says, in short: `hit`, `miss`, `stale` and so on.
    pub fn verdict(&self) -> &str {
        verdict(&self.fields)
    }

    /// The value of the field `name`, or the empty string.
    pub fn field(&self, name: &str) -> &str {
        self.fields.get(name).unwrap_or_default()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// The first of `hit` and the value of `fwd` among the parameters of `forebay` in `Cache-Status`.
pub(crate) fn verdict(fields: &Fields) -> &str {
    let Some(value) = fields.get("cache-status") else {
        return "(no Cache-Status)";
    };
    let mut parameters = value.split(';').map(str::trim);
    if parameters.next() != Some("forebay") {
        return "(Cache-Status of another cache)";
    }
    let said = parameters.find_map(|parameter| match parameter {
        "hit" => Some("hit"),
        _ => parameter.strip_prefix("fwd="),
    });
    said.unwrap_or("(neither hit nor fwd)")
}

/// Bytes in MiB.
pub(crate) const fn mib(count: u64) -> u64 {
    count * MIB
}
