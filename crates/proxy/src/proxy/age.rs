//! Says in `Age` how old a response is, from the cache or from the origin.

use std::time::SystemTime;

use http::header::AGE;
use pingora_cache::{CacheMeta, CachePhase};
use pingora_error::Result;
use pingora_http::ResponseHeader;
use pingora_proxy::Session;

use super::exchange::Exchange;
use super::revalidation;
use crate::policy::freshness;

/// Has a response say how old it is.
pub(super) fn set(
    session: &Session,
    response: &mut ResponseHeader,
    exchange: &Exchange,
    now: SystemTime,
) -> Result<()> {
    let stored = session.cache.maybe_cache_meta();
    match (session.cache.phase(), stored, &exchange.refreshed) {
        // Confirmed just now, though what is stored of it does not say so.
        (CachePhase::RevalidatedNoCache(_), _, Some(refreshed)) if !refreshed.is_of_another => {
            revalidation::replace(response, &refreshed.head, &AGE)?;
            keep(response, exchange)
        }
        (
            CachePhase::Hit
            | CachePhase::Stale
            | CachePhase::StaleUpdating
            | CachePhase::Revalidated
            | CachePhase::RevalidatedNoCache(_),
            Some(meta),
            _,
        ) => {
            response.insert_header(AGE, age_secs(meta, now))?;
            Ok(())
        }
        _ if exchange.forward_status.is_some() => keep(response, exchange),
        _ => Ok(()),
    }
}

/// Has a response from the origin say how old it was when it came: pingora gives it a `Date` of now, which would make it new. The
/// time since the request was sent does not count: it may have been an upload, and what was made after it is new.
fn keep(response: &mut ResponseHeader, exchange: &Exchange) -> Result<()> {
    let came = exchange.response_time;
    let age = freshness::initial_age(&response.headers, came, came).as_secs();
    if age > 0 {
        response.insert_header(AGE, age)?;
    }
    Ok(())
}

fn age_secs(meta: &CacheMeta, now: SystemTime) -> u64 {
    now.duration_since(meta.epoch()).map_or(0, |age| age.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::DATE;
    use std::sync::Arc;
    use std::time::Duration;

    /// A `Date` of now tells that the origin made it just now, however long the upload before it took.
    #[test]
    fn the_time_that_a_request_took_to_be_sent_is_no_age_of_its_response() {
        let mut exchange = Exchange::new(Arc::default());
        exchange.request_time = exchange.response_time - Duration::from_secs(90);
        let date = |age| httpdate::fmt_http_date(exchange.response_time - Duration::from_secs(age));
        for (date, age, expected) in [
            (date(0), None, None),
            (date(0), Some("7"), Some("7")),
            (date(30), None, Some("30")),
            (date(30), Some("7"), Some("30")),
        ] {
            let mut response = ResponseHeader::build(200, None).unwrap();
            response.insert_header(DATE, &date).unwrap();
            if let Some(age) = age {
                response.insert_header(AGE, age).unwrap();
            }
            keep(&mut response, &exchange).unwrap();
            let told = response.headers.get(AGE).map(|age| age.to_str().unwrap());
            assert_eq!(told, expected, "{date}, {age:?}");
        }
    }
}
