//! The line of the access log for a request.

use std::time::SystemTime;

use jiff::Timestamp;
use pingora_proxy::Session;

use super::exchange::Exchange;
use crate::policy::target::Target;

/// The line of a request that has just ended.
pub(super) fn of(session: &Session, exchange: &Exchange, target: &Target, body_bytes: u64) -> String {
    let time = Timestamp::try_from(SystemTime::now()).unwrap_or_default();
    let client = session
        .client_addr()
        .map_or_else(|| "-".to_owned(), ToString::to_string);
    let method = &session.req_header().method;
    let status = session
        .response_written()
        .map_or(0, |response| response.status.as_u16());
    let seconds = exchange.taken().as_secs_f64();
    let label = exchange.label.as_ref().and_then(|label| label.to_str().ok());
    let label = label.unwrap_or("-");
    format!("{time:.3} {client} {method} {target} {status} {body_bytes} {seconds:.6} {label}\n")
}
