//! The origin: a plain http host, and the addresses that its name has.

use std::net::{SocketAddr, ToSocketAddrs};

use http::Uri;

/// The origin and its addresses.
#[derive(Clone, Debug)]
pub struct Origin {
    /// Host and port as in the flag; what an HTTP/1.0 request without `Host` is sent to.
    pub authority: String,
    /// What the host resolved to; never empty.
    pub addresses: Vec<SocketAddr>,
}

impl Origin {
    /// Reads the URL of an origin and resolves its host, once.
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
            addresses,
        })
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
            Origin::resolve("http://127.0.0.1").unwrap().addresses[0].port(),
            80
        );
        assert_eq!(
            Origin::resolve("http://[::1]:9000/").unwrap().addresses[0].port(),
            9000
        );
    }
}
