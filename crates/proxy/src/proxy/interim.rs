//! Passes interim responses (1xx) on to the client.

use http::{StatusCode, Version};
use pingora_http::ResponseHeader;
use pingora_proxy::Session;

/// Whether this head is followed by another one; 101 is not.
pub(super) fn is_interim(response: &ResponseHeader) -> bool {
    response.status.is_informational() && response.status != StatusCode::SWITCHING_PROTOCOLS
}

/// Passes an interim response on at once.
///
/// pingora gathers what has arrived from the origin, and where a cacheable head is among it, drops the whole gathering
/// in favour of the stored head: an interim response ahead of it would be lost. So it is written here, and pingora's
/// own attempt, should it come, is told to be ignored. A 100 belongs to requests with bodies, which are not cached.
pub(super) async fn pass_on(session: &mut Session, response: &ResponseHeader) {
    let is_http_11 = session.req_header().version >= Version::HTTP_11;
    if response.status == StatusCode::CONTINUE || !is_http_11 || session.as_downstream().is_subrequest() {
        return;
    }
    let downstream = session.as_downstream_mut();
    downstream.set_ignore_info_resp(false);
    if let Err(e) = downstream.write_response_header(Box::new(response.clone())).await {
        log::debug!("the client did not take the interim response: {e}");
    }
    downstream.set_ignore_info_resp(true);
}
