//! The access log: a line for each request, on stdout.

use std::io::Write as _;

use pingora_proxy::Session;

use super::exchange::Exchange;
use crate::policy::target::Target;

/// Writes the line of a request that has ended. A log that cannot be written must not end anything else.
pub(super) fn write(session: &Session, exchange: &Exchange, target: &Target, body_bytes: u64) {
    let client = session
        .client_addr()
        .map_or_else(|| "-".to_owned(), ToString::to_string);
    let method = &session.req_header().method;
    let status = session
        .response_written()
        .map_or(0, |response| response.status.as_u16());
    let label = exchange.label.as_ref().and_then(|label| label.to_str().ok());
    let label = label.unwrap_or("-");
    let _ = writeln!(
        std::io::stdout(),
        "{client} {method} {target} {status} {body_bytes} {label}"
    );
}
