//! The side of the origin: where requests go, what is added to them, and what a response loses on arrival.

use std::time::SystemTime;

use http::StatusCode;
use http::header::{DATE, HOST, MAX_FORWARDS, UPGRADE, VIA};
use pingora_core::upstreams::peer::HttpPeer;
use pingora_error::Result;
use pingora_http::{RequestHeader, ResponseHeader};

use super::exchange::Exchange;
use crate::flags::Config;
use crate::policy::target::Target;
use crate::policy::{fields, freshness, request};

/// The origin's address to try next.
pub(super) fn peer(config: &Config, exchange: &mut Exchange) -> HttpPeer {
    // Those of its first attempt, so that it tries each once.
    let addresses = exchange
        .addresses
        .get_or_insert_with(|| config.origin.addresses());
    let address = addresses[exchange.attempts % addresses.len()];
    let mut peer = HttpPeer::new(address, false, String::new());
    peer.options.connection_timeout = Some(config.connect_timeout);
    peer.options.total_connection_timeout = Some(config.connect_timeout);
    peer.options.read_timeout = Some(config.read_timeout);
    peer.options.write_timeout = Some(config.read_timeout);
    peer
}

/// Completes a request that is about to be sent. Its `Host` is the one that keys the answer, in that very form: an origin that
/// tells others apart would have one's answer given to another.
pub(super) fn prepare(request: &mut RequestHeader, exchange: &mut Exchange, target: &Target) -> Result<()> {
    exchange.request_time = SystemTime::now();
    request.insert_header(HOST, target.host.as_str())?;
    if let Some(left) = request::forwards_left(&request.method, &request.headers) {
        request.insert_header(MAX_FORWARDS, left.saturating_sub(1))?;
    }
    request.append_header(VIA, "1.1 forebay")?;
    Ok(())
}

/// Takes note of a final response and removes what concerned the origin's connection alone.
pub(super) fn receive(response: &mut ResponseHeader, exchange: &mut Exchange) -> Result<()> {
    exchange.response_time = SystemTime::now();
    exchange.forward_status = Some(response.status);
    if freshness::date_of(&response.headers).is_none() {
        response.insert_header(DATE, httpdate::fmt_http_date(exchange.response_time))?;
    }
    if response.status != StatusCode::SWITCHING_PROTOCOLS {
        // It says which upgrade is required (RFC 9110, 15.5.22).
        let needs_upgrade = response.status == StatusCode::UPGRADE_REQUIRED;
        for name in fields::unforwardable(&response.headers) {
            if name != UPGRADE || !needs_upgrade {
                response.remove_header(&name);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    /// One that nobody can read was kept, so that what `Expires` says was no distance from it, and lost the age of a hit twice.
    #[test]
    fn a_response_has_one_date_that_can_be_read() {
        let good = "Thu, 01 Jan 1970 00:00:00 GMT";
        for (dates, is_kept) in [
            (&[good][..], true),
            (&[], false),
            (&["x"], false),
            (&["0"], false),
            (&[good, good], false),
        ] {
            let mut response = ResponseHeader::build(200, None).unwrap();
            for date in dates {
                response.append_header(DATE, *date).unwrap();
            }
            let mut exchange = Exchange::new(Arc::default());
            receive(&mut response, &mut exchange).unwrap();
            let told: Vec<_> = response.headers.get_all(DATE).iter().collect();
            let now = httpdate::fmt_http_date(exchange.response_time);
            let expected = if is_kept { good } else { &now };
            assert_eq!(told, [expected], "{dates:?}");
        }
    }
}
