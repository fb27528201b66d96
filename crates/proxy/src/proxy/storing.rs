//! Turns a response into what is stored of it, or into the reason why nothing is.

use http::header::{
    AUTHORIZATION, CONTENT_LENGTH, IF_MATCH, IF_UNMODIFIED_SINCE, TRANSFER_ENCODING, UPGRADE,
};
use pingora_cache::key::HashBinary;
use pingora_cache::{CacheMeta, NoCacheReason, RespCacheable, VarianceBuilder};
use pingora_http::{RequestHeader, ResponseHeader};

use super::exchange::Exchange;
use crate::policy::vary::{self, Vary};
use crate::policy::{fields, freshness};

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
) -> RespCacheable {
    // After a 304 pingora hands over the stored head with five fields merged; all of them are in ours.
    let mut head = match &exchange.refreshed {
        Some(refreshed) if refreshed.is_of_another => return refuse(exchange, "validator-mismatch"),
        Some(refreshed) => refreshed.head.clone(),
        None => response.clone(),
    };
    let decision = freshness::decide(
        &freshness::Exchange {
            status: head.status,
            headers: &head.headers,
            authorized: request.headers.contains_key(AUTHORIZATION),
            request_time: exchange.request_time,
            response_time: exchange.response_time,
        },
        settings,
    );
    let terms = match decision {
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
    meta.set_epoch_override(epoch);
    RespCacheable::Cacheable(meta)
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
    for name in &names {
        variance.add_owned_value(name.as_str(), vary::selecting_value(&request.headers, name));
    }
    variance.finalize()
}
