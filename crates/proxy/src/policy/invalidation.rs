//! Finds what an unsafe request makes void: its URL, and those in `Location` and `Content-Location` of the same host.

use http::header::{CONTENT_LOCATION, HeaderMap, LOCATION};
use http::{Method, StatusCode, Uri};

use super::target::Target;

/// Whether a method is known to change nothing. Methods that are unknown may change anything.
pub fn is_safe(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE
    )
}

/// The targets whose entries this exchange makes void (RFC 9111, section 4.4): none after an error, and none on other
/// hosts, which an origin could otherwise push out of the cache.
pub fn targets(method: &Method, target: &Target, status: StatusCode, response: &HeaderMap) -> Vec<Target> {
    if is_safe(method) || !(status.is_success() || status.is_redirection()) {
        return Vec::new();
    }
    let mut targets = vec![target.clone()];
    for name in [LOCATION, CONTENT_LOCATION] {
        let named = response
            .get(name)
            .and_then(|value| resolve(target, value.as_bytes()));
        targets.extend(named.filter(|named| named.host == target.host));
    }
    targets.dedup();
    targets
}

/// Resolves a URI reference against a target (RFC 3986, section 5.2), as far as http URLs go.
fn resolve(base: &Target, reference: &[u8]) -> Option<Target> {
    let reference = reference.trim_ascii();
    let reference = reference.split(|b| *b == b'#').next()?;
    if reference.starts_with(b"//") {
        return absolute(&[b"http:", reference].concat());
    }
    if has_scheme(reference) {
        return absolute(reference);
    }
    let path = match reference.first() {
        None => base.path_and_query.clone(),
        Some(b'/') => reference.to_vec(),
        Some(b'?') => [base.path(), reference].concat(),
        Some(_) => {
            let directory = base
                .path()
                .iter()
                .rposition(|b| *b == b'/')
                .map_or(0, |slash| slash + 1);
            [&base.path()[..directory], reference].concat()
        }
    };
    Some(Target {
        host: base.host.clone(),
        path_and_query: without_dots(&path),
    })
}

fn has_scheme(reference: &[u8]) -> bool {
    let stop = reference.iter().position(|b| b":/?".contains(b));
    stop.is_some_and(|at| at > 0 && reference[at] == b':')
}

fn absolute(reference: &[u8]) -> Option<Target> {
    let uri = Uri::try_from(reference).ok()?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return None;
    }
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    Some(Target::new(
        uri.authority()?.as_str(),
        &without_dots(path.as_bytes()),
    ))
}

/// Removes `.` and `..` segments from the path, and leaves the query alone.
fn without_dots(path_and_query: &[u8]) -> Vec<u8> {
    let query_at = path_and_query
        .iter()
        .position(|b| *b == b'?')
        .unwrap_or(path_and_query.len());
    let (path, query) = path_and_query.split_at(query_at);
    let mut kept: Vec<&[u8]> = Vec::new();
    let mut segments = path.split(|b| *b == b'/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            b"." | b".." => {
                if segment == b".." {
                    kept.pop();
                }
                if last {
                    kept.push(b"");
                }
            }
            _ => kept.push(segment),
        }
    }
    [b"/", &kept.join(&b'/')[..], query].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn void(method: Method, status: u16, location: Option<&str>) -> Vec<String> {
        let mut headers = HeaderMap::new();
        if let Some(location) = location {
            headers.insert(LOCATION, HeaderValue::from_str(location).unwrap());
        }
        let target = Target::new("a.example:80", b"/x/y?q");
        let status = StatusCode::from_u16(status).unwrap();
        let found = targets(&method, &target, status, &headers);
        found
            .iter()
            .map(|t| format!("{}{}", t.host, String::from_utf8_lossy(&t.path_and_query)))
            .collect()
    }

    #[test]
    fn an_unsafe_method_that_succeeds_voids_its_url() {
        let url = ["a.example/x/y?q"];
        for (method, status, expected) in [
            (Method::POST, 200, &url[..]),
            (Method::PUT, 204, &url),
            (Method::DELETE, 303, &url),
            (Method::from_bytes(b"FROB").unwrap(), 200, &url),
            (Method::POST, 404, &[]),
            (Method::POST, 500, &[]),
            (Method::GET, 200, &[]),
            (Method::HEAD, 200, &[]),
            (Method::OPTIONS, 200, &[]),
        ] {
            assert_eq!(void(method.clone(), status, None), expected, "{method} {status}");
        }
    }

    #[test]
    fn locations_of_the_same_host_are_resolved_and_voided_too() {
        for (location, expected) in [
            ("/new", Some("a.example/new")),
            ("new", Some("a.example/x/new")),
            ("../new", Some("a.example/new")),
            ("../../../new", Some("a.example/new")),
            ("./", Some("a.example/x/")),
            ("..", Some("a.example/")),
            ("?r", Some("a.example/x/y?r")),
            ("new?a=/../b", Some("a.example/x/new?a=/../b")),
            ("/new#part", Some("a.example/new")),
            ("http://a.example/new", Some("a.example/new")),
            ("HTTP://A.example:80/new", Some("a.example/new")),
            ("http://a.example", Some("a.example/")),
            ("//a.example/new", Some("a.example/new")),
            ("http://b.example/new", None),
            ("http://a.example:81/new", None),
            ("mailto:a@a.example", None),
            ("http://", None),
            ("", None),
        ] {
            let found = void(Method::POST, 201, Some(location));
            assert_eq!(found.get(1).map(String::as_str), expected, "{location}");
        }
    }
}
