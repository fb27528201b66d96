//! Turns a response into what is stored of it, or into the reason why nothing is.

use http::StatusCode;
use http::header::{
    AUTHORIZATION, CONTENT_LENGTH, HeaderMap, IF_MATCH, IF_UNMODIFIED_SINCE, TRANSFER_ENCODING, UPGRADE,
};
use pingora_cache::key::HashBinary;
use pingora_cache::{CacheMeta, NoCacheReason, RespCacheable, VarianceBuilder};
use pingora_http::{RequestHeader, ResponseHeader};

use super::exchange::Exchange;
use crate::policy::cache_status::Forward;
use crate::policy::freshness::{self, Refusal, Terms};
use crate::policy::vary::{self, Vary};
use crate::policy::{fields, request, stale};

/// Requests that need the origin itself: upgrades, preconditions that only it can evaluate, and bodies, which are no
/// part of the key.
pub(super) fn is_not_for_cache(request: &RequestHeader) -> bool {
    let headers = &request.headers;
    let has_body = headers.contains_key(TRANSFER_ENCODING)
        || headers.get(CONTENT_LENGTH).is_some_and(|length| length != "0");
    has_body
        || [UPGRADE, IF_MATCH, IF_UNMODIFIED_SINCE]
            .iter()
            .any(|name| headers.contains_key(name))
}

/// What is stored of this response; after a 304, of the stored one as the 304 refreshed it.
pub(super) fn decide(
    request: &RequestHeader,
    response: &ResponseHeader,
    exchange: &mut Exchange,
    settings: &freshness::Settings,
    max_body_bytes: usize,
) -> RespCacheable {
    // After a 304 pingora hands over the stored head with five fields merged; all of them are in ours.
    let mut head = match &exchange.refreshed {
        Some(refreshed) if refreshed.is_of_another => return refuse(exchange, "validator-mismatch"),
        Some(refreshed) => refreshed.head.clone(),
        None => response.clone(),
    };
    if content_length(response).is_some_and(|length| length > max_body_bytes) {
        return RespCacheable::Uncacheable(NoCacheReason::ResponseTooLarge);
    }
    if exchange.refreshed.is_none() && ends_with_connection(response) {
        return refuse(exchange, "no-length");
    }
    let terms = match terms(request, head.status, &head.headers, exchange, settings) {
        Ok(terms) => terms,
        Err(refusal) => return refuse(exchange, refusal.as_str()),
    };
    for name in fields::unstorable(&head.headers) {
        head.remove_header(&name);
    }
    let now = exchange.response_time;
    let (fresh_until, epoch) = (terms.fresh_until(now), terms.epoch(now));
    let (revalidate_secs, error_secs) = (terms.stale_while_revalidate_secs, terms.stale_if_error_secs);
    exchange.withhold(&mut head, terms.withheld);
    let mut meta = CacheMeta::new(fresh_until, now, revalidate_secs, error_secs, head);
    // Where it is the time of the response, it is so without; and it would be read again for each hit.
    if epoch != now {
        meta.set_epoch_override(epoch);
    }
    RespCacheable::Cacheable(meta)
}

/// On which terms a response with this status and these fields is stored.
fn terms(
    request: &RequestHeader,
    status: StatusCode,
    headers: &HeaderMap,
    exchange: &Exchange,
    settings: &freshness::Settings,
) -> Result<Terms, Refusal> {
    let arrived = freshness::Exchange {
        status,
        headers,
        authorized: request.headers.contains_key(AUTHORIZATION),
        request_time: exchange.request_time,
        response_time: exchange.response_time,
    };
    freshness::decide(&arrived, settings)
}

/// Whether the whole, of which a response is a part or itself, would be stored; or why not. `None` where it tells nothing of the
/// whole.
pub(super) fn whole_is_stored(
    request: &RequestHeader,
    response: &ResponseHeader,
    exchange: &Exchange,
    settings: &freshness::Settings,
) -> Option<Result<(), Refusal>> {
    let judged = |status| terms(request, status, &response.headers, exchange, settings).map(drop);
    match response.status {
        _ if exchange.refreshed.is_some() => None,
        StatusCode::PARTIAL_CONTENT => Some(judged(StatusCode::OK)),
        // It may leave out what allows to store the whole, but what it says holds.
        StatusCode::NOT_MODIFIED => judged(StatusCode::OK).ok().map(Ok),
        status => status.is_success().then(|| judged(status)),
    }
}

/// Whether a response that is refused shows that what is stored is not what the origin has any more. A 304 does not, nor what a
/// client gets for itself. What is fresh stays: a client that asks anew must not be able to remove it from all others.
pub(super) fn supersedes(request: &RequestHeader, response: &ResponseHeader, exchange: &Exchange) -> bool {
    exchange.forward == Some(Forward::Stale)
        && exchange.refreshed.is_none()
        && !request::says_who_asks(&request.headers)
        && stale::is_superseded_by(response.status)
}

/// Whether the body ends where the origin closes the connection, as it also does when the origin dies: a whole body and
/// a truncated one look the same, so neither is stored.
///
/// Any other `Transfer-Encoding` than chunks ends there too, and outweighs a length (RFC 9112, section 6.3).
fn ends_with_connection(response: &ResponseHeader) -> bool {
    let mut codings = response.headers.get_all(TRANSFER_ENCODING).iter();
    let framed = match (codings.next(), codings.next()) {
        (None, _) => response.headers.contains_key(CONTENT_LENGTH),
        (Some(coding), None) => coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked"),
        (Some(_), Some(_)) => false,
    };
    let has_body = !matches!(response.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    !framed && has_body
}

fn content_length(response: &ResponseHeader) -> Option<usize> {
    response
        .headers
        .get(CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()
}

fn refuse(exchange: &mut Exchange, why: &'static str) -> RespCacheable {
    exchange.refusal = Some(why);
    RespCacheable::Uncacheable(NoCacheReason::Custom(why))
}

/// The variant of a stored response that this request selects; `None` where there is but one.
pub(super) fn variance(meta: &CacheMeta, request: &RequestHeader) -> Option<HashBinary> {
    let Vary::Fields(names) = Vary::of(meta.headers()) else {
        return None;
    };
    let mut variance = VarianceBuilder::new();
    // The origin does not see the others, so that they selected nothing.
    for name in names.iter().filter(|name| !fields::is_hop_by_hop(name)) {
        variance.add_owned_value(name.as_str(), vary::selecting_value(&request.headers, name));
    }
    variance.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn response(status: u16, lines: &[(&'static str, &'static str)]) -> ResponseHeader {
        let mut response = ResponseHeader::build(status, None).unwrap();
        for (name, value) in lines {
            response.append_header(*name, *value).unwrap();
        }
        response
    }

    fn get(lines: &[(&'static str, &'static str)]) -> RequestHeader {
        let mut request = RequestHeader::build("GET", b"/", None).unwrap();
        for (name, value) in lines {
            request.append_header(*name, *value).unwrap();
        }
        request
    }

    fn stored(response: &ResponseHeader, exchange: &mut Exchange) -> Result<CacheMeta, &'static str> {
        match decide(
            &get(&[]),
            response,
            exchange,
            &freshness::Settings::default(),
            100,
        ) {
            RespCacheable::Cacheable(meta) => Ok(meta),
            RespCacheable::Uncacheable(reason) => Err(reason.as_str()),
        }
    }

    #[test]
    fn a_body_whose_end_cannot_be_told_from_an_abort_is_not_stored() {
        let fresh = ("Cache-Control", "max-age=60");
        let length = ("Content-Length", "5");
        let encoded = |coding| ("Transfer-Encoding", coding);
        for (status, framing, expected) in [
            (200, &[length][..], None),
            (200, &[encoded("chunked")], None),
            (200, &[encoded("Chunked")], None),
            (200, &[encoded("identity"), length], Some("no-length")),
            (200, &[encoded("gzip")], Some("no-length")),
            (200, &[encoded("gzip, chunked")], Some("no-length")),
            (200, &[encoded("chunked"), encoded("identity")], Some("no-length")),
            (200, &[], Some("no-length")),
            (204, &[], None),
            (304, &[], Some("status")),
        ] {
            let lines: Vec<_> = [fresh].iter().chain(framing).copied().collect();
            let decision = stored(&response(status, &lines), &mut Exchange::new(Arc::default()));
            assert_eq!(decision.err(), expected, "{status} {framing:?}");
        }
    }

    #[test]
    fn a_body_beyond_the_limit_is_not_stored() {
        let with_length = |length: &'static str| {
            let lines = [("Cache-Control", "max-age=60"), ("Content-Length", length)];
            stored(&response(200, &lines), &mut Exchange::new(Arc::default())).err()
        };
        assert_eq!(with_length("100"), None);
        assert_eq!(with_length("101"), Some("ResponseTooLarge"));
    }

    #[test]
    fn what_only_this_client_may_see_is_kept_out_of_the_store() {
        let response = response(
            200,
            &[
                ("Cache-Control", "max-age=60, private=\"set-cookie\""),
                ("Content-Length", "5"),
                ("Set-Cookie", "a=b"),
                ("Connection", "x-hop"),
                ("X-Hop", "1"),
                ("X-Kept", "1"),
            ],
        );
        let mut exchange = Exchange::new(Arc::default());
        let meta = stored(&response, &mut exchange).unwrap();
        let names: Vec<&str> = meta.headers().keys().map(|name| name.as_str()).collect();
        assert_eq!(names, ["cache-control", "content-length", "x-kept"]);
        let (head, withheld) = exchange.withheld.as_ref().unwrap();
        assert_eq!(withheld, &["set-cookie"]);
        assert_eq!(head.headers["set-cookie"], "a=b");
        assert!(!head.headers.contains_key("x-hop"));
    }

    #[test]
    fn requests_that_mean_the_same_select_the_same_variant() {
        let exchange = &mut Exchange::new(Arc::default());
        let lines = [
            ("Cache-Control", "max-age=60"),
            ("Content-Length", "5"),
            ("Vary", "Accept-Encoding"),
        ];
        let meta = stored(&response(200, &lines), exchange).unwrap();
        let of = |lines: &[(&'static str, &'static str)]| variance(&meta, &get(lines)).unwrap();
        assert_eq!(
            of(&[("Accept-Encoding", "gzip, br")]),
            of(&[("accept-encoding", "BR,gzip;q=1")])
        );
        assert_ne!(
            of(&[("Accept-Encoding", "gzip")]),
            of(&[("Accept-Encoding", "br")])
        );
        assert_ne!(of(&[("Accept-Encoding", "")]), of(&[]));
        let of_one_hop = [lines[0], lines[1], ("Vary", "TE")];
        let meta = stored(&response(200, &of_one_hop), exchange).unwrap();
        assert_eq!(variance(&meta, &get(&[("TE", "a")])), variance(&meta, &get(&[])));
        let plain = stored(&response(200, &lines[..2]), exchange).unwrap();
        assert_eq!(variance(&plain, &get(&[])), None);
    }

    #[test]
    fn upgrades_bodies_and_origin_preconditions_pass_by_the_cache() {
        for (line, passes) in [
            (("Upgrade", "websocket"), true),
            (("If-Match", "*"), true),
            (("If-Unmodified-Since", "Thu, 01 Jan 1970 00:00:00 GMT"), true),
            (("Transfer-Encoding", "chunked"), true),
            (("Content-Length", "5"), true),
            (("Content-Length", "0"), false),
            (("If-None-Match", "*"), false),
            (("Range", "bytes=0-1"), false),
        ] {
            assert_eq!(is_not_for_cache(&get(&[line])), passes, "{line:?}");
        }
    }
}
