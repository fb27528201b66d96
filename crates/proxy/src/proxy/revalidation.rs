//! Merges a 304 into the stored head that it confirms.

use http::header::{AGE, ETAG, HeaderName};
use pingora_cache::CacheMeta;
use pingora_error::Result;
use pingora_http::ResponseHeader;

use crate::policy::fields;

/// What a 304 makes of a stored head.
pub(crate) struct Refreshed {
    /// The stored head with the fields of the 304; without them, where that is of another representation.
    pub head: ResponseHeader,
    /// The fields that came from the 304.
    pub names: Vec<HeaderName>,
    /// The 304 names another representation than the stored one, so that it confirms nothing.
    pub is_of_another: bool,
}

/// Merges every field of a 304 that describes the resource (RFC 9111, section 3.2); pingora merges five. `None` where
/// nothing is stored, as when the client's own condition was passed on.
pub(super) fn merge(stored: Option<&CacheMeta>, not_modified: &ResponseHeader) -> Result<Option<Refreshed>> {
    let Some(stored) = stored else { return Ok(None) };
    let is_of_another = is_of_another(stored, not_modified);
    let mut head = stored.response_header_copy();
    let names = fields::refreshing(&not_modified.headers);
    if !is_of_another {
        // How old the stored response was on arrival says nothing of one that was confirmed just now.
        head.remove_header(&AGE);
        for name in &names {
            replace(&mut head, not_modified, name)?;
        }
    }
    Ok(Some(Refreshed {
        head,
        names,
        is_of_another,
    }))
}

/// Gives `head` the values that `source` has under this name, all of them, spelled as they are there.
pub(super) fn replace(head: &mut ResponseHeader, source: &ResponseHeader, name: &HeaderName) -> Result<()> {
    head.remove_header(name);
    for (spelled, value) in source.case_header_iter() {
        if spelled.as_slice().eq_ignore_ascii_case(name.as_str().as_bytes()) {
            head.append_header(spelled.clone(), value)?;
        }
    }
    Ok(())
}

/// A strong validator in the 304 must be that of the stored response (RFC 9111, section 4.3.4).
fn is_of_another(stored: &CacheMeta, not_modified: &ResponseHeader) -> bool {
    let (Some(old), Some(new)) = (stored.headers().get(ETAG), not_modified.headers.get(ETAG)) else {
        return false;
    };
    let opaque = |tag: &http::HeaderValue| {
        let tag = tag.as_bytes();
        tag.strip_prefix(b"W/").unwrap_or(tag).to_vec()
    };
    opaque(old) != opaque(new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::SystemTime;

    fn head(status: u16, lines: &[(&'static str, &str)]) -> ResponseHeader {
        let mut head = ResponseHeader::build(status, None).unwrap();
        for (name, value) in lines {
            head.append_header(*name, *value).unwrap();
        }
        head
    }

    fn stored(lines: &[(&'static str, &str)]) -> CacheMeta {
        let now = SystemTime::now();
        CacheMeta::new(now, now, 0, 0, head(200, lines))
    }

    #[test]
    fn every_field_of_the_304_replaces_all_lines_of_its_namesake() {
        let stored = stored(&[
            ("ETag", "\"1\""),
            ("X-A", "1"),
            ("X-A", "2"),
            ("Content-Length", "5"),
            ("X-B", "b"),
        ]);
        let confirmed = head(
            304,
            &[
                ("ETag", "\"1\""),
                ("x-a", "3"),
                ("Content-Length", "0"),
                ("X-New", "n"),
            ],
        );
        let refreshed = merge(Some(&stored), &confirmed).unwrap().unwrap();
        let values = |name: &str| -> Vec<&str> {
            refreshed
                .head
                .headers
                .get_all(name)
                .iter()
                .map(|v| v.to_str().unwrap())
                .collect()
        };
        assert_eq!(refreshed.head.status, 200);
        assert_eq!(values("x-a"), ["3"]);
        assert_eq!(values("x-b"), ["b"]);
        assert_eq!(values("x-new"), ["n"]);
        assert_eq!(values("content-length"), ["5"]);
        assert!(!refreshed.is_of_another);
    }

    #[test]
    fn a_confirmed_response_is_not_as_old_as_it_once_arrived() {
        let stored = stored(&[("Age", "100")]);
        let age = |lines: &[(&'static str, &str)]| {
            let refreshed = merge(Some(&stored), &head(304, lines)).unwrap().unwrap();
            refreshed.head.headers.get(AGE).cloned()
        };
        assert_eq!(age(&[]), None);
        assert_eq!(age(&[("Age", "5")]).unwrap(), "5");
    }

    #[test]
    fn a_304_with_another_tag_confirms_nothing() {
        let stored = stored(&[("ETag", "\"1\"")]);
        let refreshed = |tag| {
            merge(Some(&stored), &head(304, &[("ETag", tag)]))
                .unwrap()
                .unwrap()
        };
        let of_another = refreshed("\"2\"");
        assert!(of_another.is_of_another);
        assert_eq!(of_another.head.headers["etag"], "\"1\"");
        assert!(!refreshed("W/\"1\"").is_of_another);
    }
}
