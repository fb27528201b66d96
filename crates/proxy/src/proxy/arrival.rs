//! Brings a request, as it arrives, into the form in which it is keyed and forwarded, or refuses it.

use http::header::{HOST, HeaderValue};
use http::{Method, StatusCode, Version};
use pingora_error::Result;
use pingora_http::RequestHeader;
use pingora_http::authority::{RawTargetAuthority, raw_target_authority};
use pingora_proxy::Session;

use crate::flags::Config;
use crate::policy::{fields, request, target};
use crate::purge;

/// An answer of the proxy's own, instead of the origin's.
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    /// For `Cache-Status`.
    pub(super) detail: &'static str,
    /// For whoever reads the answer; may be empty.
    pub(super) says: &'static str,
}

impl Refusal {
    fn new(status: StatusCode, detail: &'static str) -> Self {
        Self {
            status,
            detail,
            says: "",
        }
    }
}

/// Sets what holds for the client's connection from this request on.
pub(super) fn set_limits(session: &mut Session, config: &Config) {
    let version = session.req_header().version;
    let downstream = session.as_downstream_mut();
    downstream.set_read_timeout(Some(config.client_timeout));
    downstream.set_write_timeout(Some(config.client_timeout));
    if downstream.get_keepalive().is_some() {
        // Without it, for ever.
        downstream.set_keepalive(Some(config.client_timeout.as_secs()));
    }
    // Without it, pingora resets the connection of a client that has its whole response and sends its next request while
    // the fill behind that response is still being finished.
    downstream.set_pipelining_enabled(true);
    if version < Version::HTTP_11 {
        downstream.set_ignore_info_resp(true); // HTTP/1.0 knows no interim responses
    }
}

/// What is answered before anything is looked up or forwarded.
pub(super) fn refusal(session: &Session, config: &Config) -> Option<Refusal> {
    let request = session.req_header();
    if !names_one_host(request) {
        return Some(Refusal::new(StatusCode::BAD_REQUEST, "no-single-host"));
    }
    if request.method == Method::CONNECT {
        return Some(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "no-tunnels"));
    }
    if request::forwards_left(&request.method, &request.headers) == Some(0) {
        // Who asks for this is on the way; a TRACE would give away what others on it have added.
        let is_trace = request.method == Method::TRACE;
        let status = if is_trace {
            StatusCode::NOT_IMPLEMENTED
        } else {
            StatusCode::OK
        };
        return Some(Refusal::new(status, "max-forwards"));
    }
    if !purge::is_purge(&request.method) {
        return None;
    }
    let client = session.client_addr().and_then(|address| address.as_inet());
    let judged = config
        .purge_access
        .judge(client.map(|address| address.ip()), &request.headers);
    judged.err().map(|denied| Refusal {
        status: StatusCode::FORBIDDEN,
        detail: denied.as_str(),
        says: denied.advice(),
    })
}

/// Takes away what the origin will not see either, so that nothing is decided by it.
pub(super) fn strip(request: &mut RequestHeader) {
    for name in fields::nominated(&request.headers) {
        request.remove_header(&name);
    }
}

/// Has a request that names its host in its target ask for a path of that host, as most do (RFC 9112, 3.2.2): one key, and one
/// form to forward.
pub(super) fn aim(request: &mut RequestHeader) -> Result<Option<Refusal>> {
    let target = request.raw_path();
    let is_options = request.method == Method::OPTIONS;
    if target.first() == Some(&b'/') || (is_options && target == b"*") {
        return Ok(None);
    }
    let RawTargetAuthority::Absolute {
        scheme,
        authority,
        path_and_query,
    } = raw_target_authority(target)
    else {
        return Ok(Some(Refusal::new(StatusCode::BAD_REQUEST, "no-target")));
    };
    // Whether TLS was spoken on the way to this proxy, it does not know, as with a mere path.
    if !scheme.eq_ignore_ascii_case(b"http") && !scheme.eq_ignore_ascii_case(b"https") {
        return Ok(Some(Refusal::new(StatusCode::MISDIRECTED_REQUEST, "not-http")));
    }
    let path = match path_and_query.first() {
        None if is_options => b"*".to_vec(),
        Some(b'/') => path_and_query.to_vec(),
        None | Some(_) => [b"/", path_and_query].concat(),
    };
    // One that is there is the same: pingora refuses any other.
    if !request.headers.contains_key(HOST) {
        let Ok(host) = HeaderValue::from_bytes(authority) else {
            return Ok(Some(Refusal::new(StatusCode::BAD_REQUEST, "no-single-host")));
        };
        request.insert_header(HOST, host)?;
    }
    request.set_raw_path(&path).map_err(|e| e.into_down())?;
    Ok(None)
}

/// RFC 9112, 3.2: exactly one, except that HTTP/1.0 may have none.
fn names_one_host(request: &RequestHeader) -> bool {
    let mut hosts = request.headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => request.version < Version::HTTP_11,
        (Some(host), None) => target::is_host(host.as_bytes()),
        (Some(_), Some(_)) => false,
    }
}
