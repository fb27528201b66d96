//! The origin: a plain http host, and the addresses that its name has.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use http::Uri;
use log::{info, warn};

/// The origin and its addresses. Clones are of the same one.
#[derive(Clone, Debug)]
pub struct Origin {
    /// Host and port as in the flag; what an HTTP/1.0 request without `Host` is sent to.
    pub authority: String,
    host: String,
    port: u16,
    /// What the host resolved to last; never empty.
    addresses: Arc<RwLock<Arc<[SocketAddr]>>>,
}

impl Origin {
    /// Reads the URL of an origin and resolves its host.
    ///
    /// # Errors
    /// One line that says what is wrong with the URL. An origin that is down is none: it may come back.
    pub fn resolve(url: &str) -> Result<Self, String> {
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
        Ok(Self {
            authority: authority.as_str().to_owned(),
            host: host.to_owned(),
            port,
            addresses: Arc::new(RwLock::new(addresses.into())),
        })
    }

    /// The addresses that it has now.
    pub(crate) fn addresses(&self) -> Arc<[SocketAddr]> {
        self.addresses
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Resolves its name again and again, without end; returns at once where it has none.
    pub(crate) async fn follow(self, interval: Duration) {
        if self.host.parse::<IpAddr>().is_ok() {
            return;
        }
        loop {
            tokio::time::sleep(interval).await;
            let found = tokio::net::lookup_host((self.host.as_str(), self.port)).await;
            self.take(found.map(Iterator::collect));
        }
    }

    /// Takes the addresses that were found, if there are any: an origin that has moved is better looked for at its old place than
    /// not at all.
    fn take(&self, found: io::Result<Vec<SocketAddr>>) {
        let host = &self.host;
        let found = match found {
            Ok(found) if !found.is_empty() => found,
            Ok(_) => return warn!("{host} has no address any more, its old ones stay"),
            Err(e) => return warn!("cannot resolve {host} ({e}), its old addresses stay"),
        };
        let known = self.addresses();
        let is_known = found.len() == known.len() && found.iter().all(|address| known.contains(address));
        // Many a resolver gives them in another order each time.
        if !is_known {
            info!("{host} has new addresses: {found:?}");
            *self.addresses.write().unwrap_or_else(PoisonError::into_inner) = found.into();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let error = Origin::resolve(origin).unwrap_err();
            assert!(error.contains(says), "{origin}: {error}");
        }
        assert_eq!(
            Origin::resolve("http://127.0.0.1").unwrap().addresses()[0].port(),
            80
        );
        assert_eq!(
            Origin::resolve("http://[::1]:9000/").unwrap().addresses()[0].port(),
            9000
        );
    }

    #[test]
    fn an_origin_that_moves_is_followed_and_one_that_is_lost_stays_where_it_was() {
        let origin = Origin::resolve("http://127.0.0.1:9000").unwrap();
        let seen_by_requests = origin.clone();
        let at = |hosts: &[u8]| -> Vec<SocketAddr> {
            let address = |host: &u8| SocketAddr::from(([127, 0, 0, *host], 9000));
            hosts.iter().map(address).collect()
        };
        for (found, expected) in [
            (Ok(at(&[2, 3])), at(&[2, 3])),
            (Err(io::ErrorKind::NotFound.into()), at(&[2, 3])),
            (Ok(at(&[])), at(&[2, 3])),
            (Ok(at(&[3, 2])), at(&[2, 3])),
            (Ok(at(&[3])), at(&[3])),
        ] {
            origin.take(found);
            assert_eq!(*seen_by_requests.addresses(), expected);
        }
    }

    #[tokio::test]
    async fn an_address_is_not_looked_up_again() {
        for url in ["http://127.0.0.1:9000", "http://[::1]:9000"] {
            Origin::resolve(url).unwrap().follow(Duration::MAX).await;
        }
    }
}
