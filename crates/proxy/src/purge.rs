//! PURGE: who may ask for it, and what it removes.
//!
//! One key stands for a URL with all its variants. pingora keeps the variant that came first under the URL's own key,
//! and each other one under a key of its own, valid only while it is younger than the entry under the URL's key. So
//! removing the entry under the URL's key removes every variant: no lookup finds the way to the others without it, and
//! the next fill under that key is younger than all of them, which makes them void for good. Their bytes stay until
//! the storage evicts them.

use std::net::IpAddr;

use http::Method;
use http::header::{HeaderMap, HeaderName};
use ipnet::IpNet;
use log::warn;
use pingora_cache::key::{CacheHashKey, CacheKey};
use pingora_cache::trace::Span;
use pingora_cache::{PurgeOutcome, PurgeTarget, PurgeType, Storage};

use crate::policy::target::Target;

/// Whether this method asks for a purge.
pub(crate) fn is_purge(method: &Method) -> bool {
    method.as_str() == "PURGE"
}

/// From where PURGE is taken.
#[derive(Clone, Debug)]
pub enum Access {
    /// From this machine, as long as nothing says that the request came through a proxy on it.
    ThisMachine,
    /// From these networks alone; from nowhere where there are none.
    Networks(Vec<IpNet>),
}

/// Why a PURGE is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// Nobody at this address may purge.
    Address,
    /// A proxy on this machine passed it on, for whomever.
    Forwarded,
}

impl Denied {
    /// A token for `Cache-Status`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Address => "purge-not-allowed",
            Self::Forwarded => "purge-forwarded",
        }
    }

    /// What to do about it, if there is something.
    pub fn advice(self) -> &'static str {
        match self {
            Self::Address => "",
            Self::Forwarded => {
                "this PURGE came through another proxy (Forwarded, Via, X-Forwarded-* or X-Real-IP), which cannot be told from \
                 this machine; --allow-purge-from says whom to take it from"
            }
        }
    }
}

impl Access {
    /// Whether a client at this address may purge by a request with these fields.
    ///
    /// # Errors
    /// Why it may not.
    pub fn judge(&self, client: Option<IpAddr>, headers: &HeaderMap) -> Result<(), Denied> {
        // An IPv4 client of an IPv6 socket has a mapped address.
        let client = client.ok_or(Denied::Address)?.to_canonical();
        match self {
            Self::ThisMachine if !client.is_loopback() => Err(Denied::Address),
            Self::ThisMachine if headers.keys().any(is_of_a_proxy) => Err(Denied::Forwarded),
            Self::Networks(networks) if !networks.iter().any(|network| network.contains(&client)) => {
                Err(Denied::Address)
            }
            Self::ThisMachine | Self::Networks(_) => Ok(()),
        }
    }
}

/// Whether this is a field that proxies add.
fn is_of_a_proxy(name: &HeaderName) -> bool {
    let name = name.as_str();
    matches!(name, "forwarded" | "via" | "x-real-ip") || name.starts_with("x-forwarded-")
}

/// The key of all entries of a target. Its hash is computed here, once: pingora would do it again for each of several
/// questions that one request asks.
pub(crate) fn key(target: &Target) -> CacheKey {
    let mut key = CacheKey::new(target.key(), "");
    key.set_primary_bin_override(key.primary_bin());
    key
}

/// Removes what is stored for a target, in all variants. Says whether something was there; a failing storage is logged,
/// since the exchange that made the entries void has happened already.
pub(crate) async fn invalidate(storage: &'static (dyn Storage + Sync), target: &Target) -> bool {
    let compact = key(target).to_compact();
    let span = Span::inactive();
    let removed = storage
        .purge(
            PurgeTarget::Active(&compact),
            PurgeType::Invalidation,
            &span.handle(),
        )
        .await;
    match removed {
        Ok(outcome) => !matches!(outcome, PurgeOutcome::NotFound),
        Err(e) => {
            warn!("cannot invalidate {target}: {e}");
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(access: &Access, client: &str, field: &'static str) -> Result<(), Denied> {
        let mut headers = HeaderMap::new();
        headers.insert(field, "x".parse().unwrap());
        access.judge(Some(client.parse().unwrap()), &headers)
    }

    #[test]
    fn by_default_this_machine_may_purge_and_no_proxy_on_it() {
        for (client, field, expected) in [
            ("127.0.0.1", "host", Ok(())),
            ("127.9.9.9", "host", Ok(())),
            ("::1", "host", Ok(())),
            ("::ffff:127.0.0.1", "host", Ok(())),
            ("10.1.2.3", "host", Err(Denied::Address)),
            ("fe80::1", "host", Err(Denied::Address)),
            ("127.0.0.1", "forwarded", Err(Denied::Forwarded)),
            ("127.0.0.1", "x-forwarded-for", Err(Denied::Forwarded)),
            ("127.0.0.1", "x-real-ip", Err(Denied::Forwarded)),
            ("::1", "via", Err(Denied::Forwarded)),
            ("10.1.2.3", "via", Err(Denied::Address)),
        ] {
            assert_eq!(
                judged(&Access::ThisMachine, client, field),
                expected,
                "{client} {field}"
            );
        }
        let nobody_knows_who = Access::ThisMachine.judge(None, &HeaderMap::new());
        assert_eq!(nobody_knows_who, Err(Denied::Address));
    }

    #[test]
    fn networks_that_are_named_are_the_whole_list() {
        let access = Access::Networks(vec!["10.0.0.0/8".parse().unwrap()]);
        for (client, expected) in [
            ("10.1.2.3", Ok(())),
            ("::ffff:10.1.2.3", Ok(())),
            ("11.0.0.1", Err(Denied::Address)),
            ("127.0.0.1", Err(Denied::Address)),
            ("::1", Err(Denied::Address)),
        ] {
            // Whoever names networks may have a proxy there.
            assert_eq!(judged(&access, client, "via"), expected, "{client}");
        }
        assert!(judged(&Access::Networks(Vec::new()), "127.0.0.1", "host").is_err());
    }
}
