//! PURGE: who may ask for it, and what it removes.
//!
//! One key stands for a URL with all its variants. pingora keeps the variant that came first under the URL's own key,
//! and each other one under a key of its own, valid only while it is younger than the entry under the URL's key. So
//! removing the entry under the URL's key removes every variant: no lookup finds the way to the others without it, and
//! the next fill under that key is younger than all of them, which makes them void for good. Their bytes stay until
//! the storage evicts them.

use std::net::IpAddr;

use http::Method;
use ipnet::IpNet;
use log::warn;
use pingora_cache::key::{CacheHashKey, CacheKey};
use pingora_cache::trace::Span;
use pingora_cache::{PurgeOutcome, PurgeTarget, PurgeType, Storage};

use crate::policy::target::Target;

/// Whether this method asks for a purge.
pub fn is_purge(method: &Method) -> bool {
    method.as_str() == "PURGE"
}

/// Whether a client at this address may purge: from loopback, and from the networks that a flag named.
pub fn is_allowed(client: Option<IpAddr>, networks: &[IpNet]) -> bool {
    // An IPv4 client of an IPv6 socket has a mapped address.
    let Some(client) = client.map(|address| address.to_canonical()) else {
        return false;
    };
    client.is_loopback() || networks.iter().any(|network| network.contains(&client))
}

/// The key of all entries of a target. Its hash is computed here, once: pingora would do it again for each of several
/// questions that one request asks.
pub fn key(target: &Target) -> CacheKey {
    let mut key = CacheKey::new(target.key(), "");
    key.set_primary_bin_override(key.primary_bin());
    key
}

/// Removes what is stored for a target, in all variants. Says whether something was there; a failing storage is logged,
/// since the exchange that made the entries void has happened already.
pub async fn invalidate(storage: &'static (dyn Storage + Sync), target: &Target) -> bool {
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

    #[test]
    fn only_loopback_and_named_networks_may_purge() {
        let networks = ["10.0.0.0/8".parse().unwrap()];
        for (client, allowed) in [
            ("127.0.0.1", true),
            ("127.9.9.9", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("10.1.2.3", true),
            ("::ffff:10.1.2.3", true),
            ("11.0.0.1", false),
            ("192.168.0.1", false),
            ("fe80::1", false),
        ] {
            assert_eq!(
                is_allowed(Some(client.parse().unwrap()), &networks),
                allowed,
                "{client}"
            );
        }
        assert!(!is_allowed(None, &networks));
        assert!(!is_allowed(Some("10.1.2.3".parse().unwrap()), &[]));
    }
}
