//! Completes the heads that clients get: `Age`, `Cache-Status`, what only this client may see; and answers of our own.

use std::time::SystemTime;

use bytes::Bytes;
use http::header::{
    AGE, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, DATE, EXPIRES, RANGE, TRANSFER_ENCODING,
};
use http::{HeaderValue, Method, StatusCode, Version};
use pingora_cache::{CacheMeta, CachePhase, NoCacheReason};
use pingora_error::Result;
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::{RangeType, Session};

use super::exchange::{Exchange, Outcome};
use super::{age, revalidation};
use crate::policy::cache_status::{CACHE_STATUS, CacheStatus, Forward};
use crate::policy::{freshness, request};

/// With so many ranges or more, a request gets the whole: as pingora has it.
const RANGES_MAX: usize = 200;

/// Completes the head of a final response, wherever it came from.
pub(super) fn complete(
    session: &mut Session,
    response: &mut ResponseHeader,
    exchange: &mut Exchange,
) -> Result<()> {
    let phase = session.cache.phase();
    let (outcome, status) = describe(session, response, exchange, phase);
    exchange.outcome = Some(outcome);
    let now = SystemTime::now();
    if let (CachePhase::RevalidatedNoCache(_), Some(refreshed)) = (phase, &exchange.refreshed) {
        // pingora merged five fields of the 304 into this answer; here are all of them.
        for name in refreshed.names.iter().filter(|name| **name != AGE) {
            revalidation::replace(response, &refreshed.head, name)?;
        }
        // What may not be stored must not be found again either; but what a client gets for itself binds no others.
        if !request::says_who_asks(&session.req_header().headers) {
            session
                .cache
                .spawn_async_purge("a 304 made the entry uncacheable");
        }
    }
    age::set(session, response, exchange, now)?;
    if let Some((whole, names)) = exchange.withheld.take() {
        // pingora answers a miss with the stored head, which lacks these.
        for name in &names {
            revalidation::replace(response, &whole, name)?;
        }
    }
    if response.headers.contains_key(EXPIRES)
        && let Some(expires) = freshness::expires_with_date(&response.headers, now)
    {
        response.insert_header(EXPIRES, httpdate::fmt_http_date(expires))?;
    }
    if matches!(phase, CachePhase::Miss | CachePhase::Expired) && is_short(session, response.status) {
        // The client has it long before the fill ends, until which the connection serves nothing else. Its next request
        // is better off on another one.
        session.set_keepalive(None);
    }
    let knows_chunks = session.req_header().version >= Version::HTTP_11;
    if !knows_chunks && response.remove_header(&TRANSFER_ENCODING).is_some() {
        // pingora would send chunks; the body of an HTTP/1.0 response without a length ends with the connection.
        session.set_keepalive(None);
    }
    label(response, exchange.labelled(status))
}

/// Makes a response the part that the request asks for, if it may have one.
pub(super) fn part(request: &RequestHeader, response: &mut ResponseHeader) -> RangeType {
    if !request.headers.contains_key(RANGE) || request::may_have_part(&request.method, &request.headers) {
        return pingora_proxy::range_header_filter(request, response, Some(RANGES_MAX));
    }
    RangeType::None
}

/// Adds this cache's member to `Cache-Status`, after those of the caches behind it.
pub(super) fn label(response: &mut ResponseHeader, label: HeaderValue) -> Result<()> {
    response.append_header(CACHE_STATUS, label)?;
    Ok(())
}

/// Sends an answer of the proxy's own, with what there is to say beside the status, and ends the connection after it.
pub(super) async fn send(
    session: &mut Session,
    status: StatusCode,
    says: &str,
    cache_status: HeaderValue,
) -> Result<()> {
    let body = match says {
        "" => format!("{status}\n"),
        says => format!("{status}: {says}\n"),
    };
    let mut response = ResponseHeader::build(status, Some(5))?;
    response.insert_header(DATE, httpdate::fmt_http_date(SystemTime::now()))?;
    response.insert_header(CONTENT_TYPE, "text/plain; charset=utf-8")?;
    response.insert_header(CONTENT_LENGTH, body.len())?;
    response.insert_header(CACHE_CONTROL, "no-store")?;
    label(&mut response, cache_status)?;
    session
        .as_downstream_mut()
        .write_error_response(response, Bytes::from(body))
        .await
}

fn describe(
    session: &Session,
    response: &ResponseHeader,
    exchange: &Exchange,
    phase: CachePhase,
) -> (Outcome, CacheStatus) {
    let cache = &session.cache;
    let none = CacheStatus {
        ttl_secs: cache.maybe_cache_meta().map(ttl_secs),
        ..CacheStatus::default()
    };
    let hit = |detail| CacheStatus {
        hit: true,
        detail,
        ..none
    };
    let waited = cache.lock_duration().is_some();
    let forwarded = |forward, detail| CacheStatus {
        forward: Some(exchange.forward.unwrap_or(forward)),
        forward_status: exchange
            .forward_status
            .filter(|s| *s != response.status)
            .map(|s| s.as_u16()),
        detail,
        ..none
    };
    match phase {
        CachePhase::Hit => (Outcome::Hit, hit(waited.then_some("collapsed"))),
        CachePhase::StaleUpdating => (Outcome::Stale, hit(Some("stale-while-revalidate"))),
        CachePhase::Stale => (Outcome::Stale, forwarded(Forward::Stale, Some("stale-if-error"))),
        CachePhase::Miss => (
            Outcome::Miss,
            CacheStatus {
                stored: true,
                ..forwarded(Forward::Miss, None)
            },
        ),
        CachePhase::Expired => (
            Outcome::Replaced,
            CacheStatus {
                stored: true,
                ..forwarded(Forward::Stale, None)
            },
        ),
        CachePhase::Revalidated => (Outcome::Revalidated, forwarded(Forward::Stale, None)),
        CachePhase::RevalidatedNoCache(_) => {
            (Outcome::Revalidated, forwarded(Forward::Stale, exchange.refusal))
        }
        CachePhase::Disabled(reason) => {
            let detail = exchange.refusal.or(reason_detail(reason));
            let outcome = match exchange.forward {
                Some(Forward::Miss | Forward::Stale | Forward::Request) => Outcome::Miss,
                _ => Outcome::Passed,
            };
            (outcome, forwarded(Forward::Bypass, detail))
        }
        CachePhase::Bypass | CachePhase::Uninit | CachePhase::CacheKey => {
            (Outcome::Passed, forwarded(Forward::Bypass, exchange.refusal))
        }
    }
}

/// Whether the client gets less than is filled: a head, a part, or a 304.
fn is_short(session: &Session, status: StatusCode) -> bool {
    let is_part = matches!(
        status,
        StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED | StatusCode::RANGE_NOT_SATISFIABLE
    );
    is_part || session.req_header().method == Method::HEAD
}

fn reason_detail(reason: NoCacheReason) -> Option<&'static str> {
    match reason {
        NoCacheReason::NeverEnabled | NoCacheReason::Deferred => None,
        reason => Some(reason.as_str()),
    }
}

/// Remaining freshness, so that it makes up the lifetime together with the age, which is rounded down.
fn ttl_secs(meta: &CacheMeta) -> i64 {
    let now = SystemTime::now();
    let seconds = |whole: u64| i64::try_from(whole).unwrap_or(i64::MAX);
    match meta.fresh_until().duration_since(now) {
        Ok(left) => seconds(left.as_secs() + u64::from(left.subsec_nanos() > 0)),
        Err(past) => -seconds(past.duration().as_secs()),
    }
}
