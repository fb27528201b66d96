//! What a request is aimed at, in the form in which it keys the cache.

use std::fmt;

use http::header::{HOST, HeaderMap};

/// The scheme of every target: the proxy listens without TLS.
const SCHEME: &str = "http";

/// Host and path of a request, normalised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The host in lower case, with its port unless it is the default one.
    pub host: String,
    /// The path with the query, byte for byte as the client sent it.
    pub path_and_query: Vec<u8>,
}

impl Target {
    /// A target from an authority and a path with its query.
    pub fn new(authority: &str, path_and_query: &[u8]) -> Self {
        let host = authority
            .rsplit('@')
            .next()
            .unwrap_or(authority)
            .to_ascii_lowercase();
        let host = host
            .strip_suffix(":80")
            .or(host.strip_suffix(':'))
            .unwrap_or(&host)
            .to_owned();
        let path_and_query = if path_and_query.is_empty() {
            b"/".to_vec()
        } else {
            path_and_query.to_vec()
        };
        Self { host, path_and_query }
    }

    /// The target of a request; `default_host` stands in where an HTTP/1.0 client names none. `path_and_query` is as it came,
    /// and may hold bytes that a [`http::Uri`] cannot. One that names its host itself (RFC 9112, section 3.2.2) has to be taken
    /// apart before.
    pub fn of(path_and_query: &[u8], headers: &HeaderMap, default_host: &str) -> Self {
        let host = headers
            .get(HOST)
            .map(|host| String::from_utf8_lossy(host.as_bytes()));
        Self::new(host.as_deref().unwrap_or(default_host), path_and_query)
    }

    /// The bytes that key this target's entries. Its parts are divided by line feeds, which none of them can contain,
    /// so that no two targets share a key.
    pub fn key(&self) -> Vec<u8> {
        let parts: [&[u8]; 5] = [
            SCHEME.as_bytes(),
            b"\n",
            self.host.as_bytes(),
            b"\n",
            &self.path_and_query,
        ];
        parts.concat()
    }

    /// The path without the query.
    pub fn path(&self) -> &[u8] {
        self.path_and_query
            .split(|b| *b == b'?')
            .next()
            .unwrap_or_default()
    }
}

/// Whether this is what a `Host` may say (RFC 3986, section 3.2): an IP address or a name, and a port. One that says nothing is
/// for targets without an authority (RFC 9112, section 3.2), and what this proxy asks for always has one.
pub fn is_host(value: &[u8]) -> bool {
    let position = |byte| value.iter().position(|b| *b == byte);
    let host_len = match value.first() {
        Some(b'[') => position(b']').map_or(0, |end| end + 1),
        _ => position(b':').unwrap_or(value.len()),
    };
    let (host, port) = value.split_at(host_len);
    let fits = |b: &u8| {
        b.is_ascii_alphanumeric()
            || matches!(b, b'.' | b'-' | b':' | b'_' | b'~' | b'%' | b'[' | b']')
            || matches!(b, b'!' | b'$' | b'&'..=b',' | b';' | b'=')
    };
    let is_port = match port.split_first() {
        None => true,
        Some((first, digits)) => *first == b':' && digits.iter().all(u8::is_ascii_digit),
    };
    !host.is_empty() && host.iter().all(fits) && is_port
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Escaped, since it goes into logs and comes from clients.
        write!(
            f,
            "{SCHEME}://{}{}",
            self.host.escape_default(),
            self.path_and_query.escape_ascii()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(path: &'static str, host: Option<&str>) -> Target {
        let mut headers = HeaderMap::new();
        if let Some(host) = host {
            headers.insert(HOST, host.parse().unwrap());
        }
        Target::of(path.as_bytes(), &headers, "origin:9000")
    }

    #[test]
    fn hosts_are_compared_without_case_and_default_port() {
        let plain = target("/a?b", Some("example.com"));
        assert_eq!(target("/a?b", Some("EXAMPLE.com:80")), plain);
        assert_ne!(target("/a?b", Some("example.com:8080")), plain);
        assert_ne!(target("/a?B", Some("example.com")), plain);
        assert_eq!(target("/a", None).host, "origin:9000");
    }

    #[test]
    fn bytes_that_are_no_text_make_different_keys() {
        let key = |raw| Target::of(raw, &HeaderMap::new(), "origin").key();
        assert_ne!(key(b"/\xfe"), key(b"/\xff"));
    }

    #[test]
    fn a_host_is_a_name_or_an_address_with_a_port() {
        for (host, expected) in [
            ("example.com", true),
            ("EXAMPLE.com:80", true),
            ("a_b", true),
            ("a!$&'()*+,;=~%b", true),
            ("a#b", false),
            ("[::1]:8080", true),
            ("[::1]", true),
            ("127.0.0.1", true),
            ("a:", true),
            ("a:80:80", false),
            ("a:x", false),
            ("::1", false),
            ("[::1", false),
            ("[::1]80", false),
            ("[::1]:80:80", false),
            ("", false),
            (":80", false),
            ("a b", false),
            ("a/b", false),
            ("user@a", false),
            ("a?", false),
            ("\u{e4}", false),
        ] {
            assert_eq!(is_host(host.as_bytes()), expected, "{host}");
        }
    }

    #[test]
    fn logs_get_no_control_characters() {
        let target = Target::new("a\u{1b}", b"/\x1b[2J");
        assert_eq!(target.to_string(), "http://a\\u{1b}/\\x1b[2J");
    }

    #[test]
    fn a_byte_moved_from_host_to_path_is_another_key() {
        let keys = [("a.b", "c/d"), ("a.bc", "/d"), ("a.b", "/c/d")]
            .map(|(host, path)| Target::new(host, path.as_bytes()).key());
        assert!(keys[0] != keys[1] && keys[1] != keys[2] && keys[0] != keys[2]);
    }
}
