//! Sorts header fields: which belong to one connection, which are stored, and which a 304 brings up to date.

use http::header::{
    CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, HOST, HeaderMap, HeaderName, HeaderValue,
    PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};

use super::list::members;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const PROXY_AUTHENTICATION_INFO: HeaderName = HeaderName::from_static("proxy-authentication-info");

/// Fields that bind one connection and are never stored (RFC 9111, section 3.1).
const HOP_BY_HOP: [HeaderName; 10] = [
    CONNECTION,
    KEEP_ALIVE,
    PROXY_AUTHENTICATE,
    PROXY_AUTHENTICATION_INFO,
    PROXY_AUTHORIZATION,
    PROXY_CONNECTION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Whether a field with this name binds one connection, and is not forwarded.
pub fn is_hop_by_hop(name: &HeaderName) -> bool {
    HOP_BY_HOP.contains(name)
}

/// The fields of this head that must not be stored: hop-by-hop ones and those that `Connection` names.
pub fn unstorable(headers: &HeaderMap) -> Vec<HeaderName> {
    let mut names = connection_named(headers);
    names.extend(HOP_BY_HOP.into_iter().filter(|name| headers.contains_key(name)));
    names
}

/// The fields of this head, which upgrades nothing, that must not be forwarded to the other side, apart from those that frame the
/// body, which the proxy core sets anew.
pub fn unforwardable(headers: &HeaderMap) -> Vec<HeaderName> {
    let mut names = connection_named(headers);
    names.extend(
        [KEEP_ALIVE, PROXY_CONNECTION, TRAILER, UPGRADE]
            .into_iter()
            .filter(|name| headers.contains_key(name)),
    );
    names
}

/// The fields of a 304 that replace their namesakes in the stored head (RFC 9111, section 3.2): all but those that
/// describe the message or the stored body rather than the resource.
pub fn refreshing(not_modified: &HeaderMap) -> Vec<HeaderName> {
    let excepted = unstorable(not_modified);
    not_modified
        .keys()
        .filter(|name| ![CONTENT_LENGTH, CONTENT_ENCODING, CONTENT_RANGE].contains(name))
        .filter(|name| !excepted.contains(name))
        .cloned()
        .collect()
}

/// The fields of a request that its `Connection` names, so that they concern nobody but this proxy. `Host` and `X-Forwarded-*`
/// stay: a request that names those is to be refused, and would mean something else without them.
pub fn nominated(request: &HeaderMap) -> Vec<HeaderName> {
    let is_usual = |value: &HeaderValue| {
        let value = value.as_bytes();
        value.eq_ignore_ascii_case(b"keep-alive") || value.eq_ignore_ascii_case(b"close")
    };
    // Most requests name nothing.
    if request.get_all(CONNECTION).iter().all(is_usual) {
        return Vec::new();
    }
    let mut names = connection_named(request);
    names.retain(|name| *name != HOST && !name.as_str().starts_with("x-forwarded-"));
    names
}

/// What `Connection` names, but for the fields that frame the body: no sender can mean those, and losing one would
/// corrupt the message.
fn connection_named(headers: &HeaderMap) -> Vec<HeaderName> {
    headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|line| members(line.as_bytes()))
        .filter_map(|member| HeaderName::from_bytes(member).ok())
        .filter(|name| ![CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE].contains(name))
        .filter(|name| headers.contains_key(name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(n, v)| (HeaderName::from_static(n), v.parse().unwrap()))
            .collect()
    }

    fn names(list: Vec<HeaderName>) -> Vec<String> {
        let mut names: Vec<String> = list.iter().map(ToString::to_string).collect();
        names.sort();
        names
    }

    #[test]
    fn hop_by_hop_fields_and_those_that_connection_names_are_not_stored() {
        let head = headers(&[
            (
                "connection",
                "close, X-Secret , keep-alive, content-length, x-absent",
            ),
            ("x-secret", "1"),
            ("keep-alive", "timeout=5"),
            ("upgrade", "h2c"),
            ("transfer-encoding", "chunked"),
            ("proxy-authenticate", "Basic"),
            ("content-length", "5"),
            ("set-cookie", "a=b"),
            ("cache-control", "max-age=1"),
        ]);
        let mut unstorable = names(unstorable(&head));
        unstorable.dedup();
        assert_eq!(
            unstorable,
            [
                "connection",
                "keep-alive",
                "proxy-authenticate",
                "transfer-encoding",
                "upgrade",
                "x-secret"
            ]
        );
        let mut unforwardable = names(unforwardable(&head));
        unforwardable.dedup();
        assert_eq!(unforwardable, ["keep-alive", "upgrade", "x-secret"]);
    }

    #[test]
    fn a_request_loses_what_its_connection_names_but_not_its_host() {
        for (connection, expected) in [
            ("keep-alive", &[][..]),
            ("Close", &[]),
            ("close, Accept-Language", &["accept-language"]),
            ("x-absent, ACCEPT-LANGUAGE", &["accept-language"]),
            (
                "host, x-forwarded-for, content-length, connection",
                &["connection"],
            ),
        ] {
            let head = headers(&[
                ("connection", connection),
                ("accept-language", "de"),
                ("host", "a"),
                ("x-forwarded-for", "b"),
                ("content-length", "5"),
            ]);
            assert_eq!(names(nominated(&head)), expected, "{connection}");
        }
        assert!(nominated(&headers(&[("accept-language", "de")])).is_empty());
    }

    #[test]
    fn a_304_refreshes_every_field_that_describes_the_resource() {
        let head = headers(&[
            ("etag", "\"2\""),
            ("cache-control", "max-age=1"),
            ("x-anything", "new"),
            ("set-cookie", "a=b"),
            ("content-type", "text/html"),
            ("date", "Thu, 01 Jan 1970 00:00:00 GMT"),
            ("content-length", "0"),
            ("content-encoding", "gzip"),
            ("content-range", "bytes 0-1/2"),
            ("connection", "close, x-hop"),
            ("x-hop", "1"),
        ]);
        assert_eq!(
            names(refreshing(&head)),
            [
                "cache-control",
                "content-type",
                "date",
                "etag",
                "set-cookie",
                "x-anything"
            ]
        );
    }
}
