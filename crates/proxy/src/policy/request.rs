//! Decides what a request allows: a stored entry as it is, given what the client asks of freshness, a part, one more forward.

use std::time::Duration;

use http::Method;
use http::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderValue, IF_RANGE, MAX_FORWARDS};

use super::directives::{Directives, Reach, SECONDS_MAX};

/// A stored entry, as far as a client's demands concern it.
#[derive(Clone, Copy, Debug)]
pub struct Stored {
    /// Its current age.
    pub age: Duration,
    /// For how long it will be fresh; zero once it is stale.
    pub fresh_for: Duration,
    /// For how long it has been stale; zero while it is fresh.
    pub stale_for: Duration,
    /// It is fresh.
    pub fresh: bool,
    /// The origin forbids to serve it stale ([`Directives::forbids_stale`]); only looked at where it is stale.
    pub forbids_stale: bool,
    /// It was fetched or validated after this request had arrived, as when the request waited for another one's fill.
    pub validated_since_request: bool,
}

/// How a stored entry may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// By its own freshness: served if fresh, else validated.
    ByFreshness,
    /// Served although it is stale, since the client accepts that.
    AlthoughStale,
    /// Validated, whatever its freshness.
    Revalidate,
}

/// Judges a stored entry by the directives of a request (RFC 9111, section 5.2.1).
pub fn judge(request: &Directives, stored: &Stored) -> Use {
    if stored.validated_since_request {
        // What could be newer than this? Asking again would let requests that wait for each other go round in circles.
        return Use::ByFreshness;
    }
    let older_than = |seconds: u32| stored.age.as_secs() > seconds.into();
    if request.no_cache != Reach::Nothing || request.max_age.is_some_and(older_than) {
        return Use::Revalidate;
    }
    if !stored.fresh {
        return match request.max_stale {
            Some(limit) if !stored.forbids_stale && within(stored.stale_for, limit) => Use::AlthoughStale,
            _ => Use::ByFreshness,
        };
    }
    let too_short = |seconds: u32| stored.fresh_for < Duration::from_secs(seconds.into());
    if request.min_fresh.is_some_and(too_short) {
        return Use::Revalidate;
    }
    Use::ByFreshness
}

/// Whether the client would rather have no answer than a stale one.
pub fn refuses_stale(request: &Directives) -> bool {
    let limits_age = request.max_age.is_some() && request.max_stale.is_none();
    request.no_cache != Reach::Nothing || request.min_fresh.is_some() || limits_age
}

/// Whether a request says who asks, so that what it is refused, or given and not to be stored, says nothing of what others get.
pub fn says_who_asks(headers: &HeaderMap) -> bool {
    headers.contains_key(AUTHORIZATION) || headers.contains_key(COOKIE)
}

/// Whether a request may be answered with the part that it asks for, where there is a `Range`: not to any other method than GET
/// (RFC 9110, section 14.2), and not where its condition is a tag that does not tell bytes apart (section 13.1.5).
pub fn may_have_part(method: &Method, headers: &HeaderMap) -> bool {
    let is_weak = |tag: &HeaderValue| tag.as_bytes().starts_with(b"W/");
    *method == Method::GET && !headers.get_all(IF_RANGE).iter().any(is_weak)
}

/// How often a request that asks who is on its way may still be forwarded (RFC 9110, section 7.6.2).
pub fn forwards_left(method: &Method, headers: &HeaderMap) -> Option<u64> {
    if !matches!(*method, Method::OPTIONS | Method::TRACE) {
        return None;
    }
    headers.get(MAX_FORWARDS)?.to_str().ok()?.trim().parse().ok()
}

fn within(stale_for: Duration, limit: u32) -> bool {
    limit == SECONDS_MAX || stale_for <= Duration::from_secs(limit.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::CACHE_CONTROL;

    fn request(cache_control: &str) -> Directives {
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_CONTROL, cache_control.parse().unwrap());
        Directives::of_request(&headers)
    }

    fn fresh(age: u64, fresh_for: u64) -> Stored {
        Stored {
            age: Duration::from_secs(age),
            fresh_for: Duration::from_secs(fresh_for),
            stale_for: Duration::ZERO,
            fresh: true,
            forbids_stale: false,
            validated_since_request: false,
        }
    }

    fn stale(age: u64, stale_for: u64) -> Stored {
        Stored {
            stale_for: Duration::from_secs(stale_for),
            fresh: false,
            ..fresh(age, 0)
        }
    }

    #[test]
    fn the_client_decides_within_what_the_origin_allows() {
        let strict = Stored {
            forbids_stale: true,
            ..stale(100, 10)
        };
        for (directives, stored, expected) in [
            ("", fresh(10, 50), Use::ByFreshness),
            ("", stale(100, 10), Use::ByFreshness),
            ("no-cache", fresh(0, 50), Use::Revalidate),
            ("max-age=0", fresh(1, 50), Use::Revalidate),
            ("max-age=0", fresh(0, 50), Use::ByFreshness),
            ("max-age=10", fresh(10, 50), Use::ByFreshness),
            ("max-age=10", fresh(11, 50), Use::Revalidate),
            ("min-fresh=50", fresh(10, 50), Use::ByFreshness),
            ("min-fresh=51", fresh(10, 50), Use::Revalidate),
            ("max-stale", stale(100, 10), Use::AlthoughStale),
            ("max-stale=10", stale(100, 10), Use::AlthoughStale),
            ("max-stale=9", stale(100, 10), Use::ByFreshness),
            ("max-stale", strict, Use::ByFreshness),
            ("max-age=99, max-stale", stale(100, 10), Use::Revalidate),
            ("max-age=100, max-stale", stale(100, 10), Use::AlthoughStale),
        ] {
            assert_eq!(
                judge(&request(directives), &stored),
                expected,
                "{directives:?} on {stored:?}"
            );
        }
    }

    #[test]
    fn an_entry_validated_since_the_request_arrived_satisfies_every_demand() {
        let stored = Stored {
            validated_since_request: true,
            ..fresh(30, 5)
        };
        for directives in ["no-cache", "max-age=0", "min-fresh=60"] {
            assert_eq!(
                judge(&request(directives), &stored),
                Use::ByFreshness,
                "{directives}"
            );
        }
    }

    #[test]
    fn only_clients_that_demand_freshness_refuse_stale_answers() {
        for (directives, refuses) in [
            ("", false),
            ("no-cache", true),
            ("min-fresh=1", true),
            ("max-age=5", true),
            ("max-age=5, max-stale", false),
            ("max-stale=5", false),
        ] {
            assert_eq!(refuses_stale(&request(directives)), refuses, "{directives}");
        }
    }

    fn with(field: &'static str, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(field, value.parse().unwrap());
        headers
    }

    #[test]
    fn credentials_and_cookies_say_who_asks() {
        for (field, expected) in [
            ("authorization", true),
            ("cookie", true),
            ("user-agent", false),
            ("set-cookie", false),
        ] {
            assert_eq!(says_who_asks(&with(field, "x")), expected, "{field}");
        }
    }

    #[test]
    fn a_part_is_for_get_without_a_weak_condition() {
        for (method, if_range, expected) in [
            (Method::GET, None, true),
            (Method::GET, Some("\"a\""), true),
            (Method::GET, Some("Thu, 01 Jan 1970 00:00:00 GMT"), true),
            (Method::GET, Some("W/\"a\""), false),
            (Method::HEAD, None, false),
            (Method::HEAD, Some("\"a\""), false),
        ] {
            let headers = if_range.map_or_else(HeaderMap::new, |value| with("if-range", value));
            assert_eq!(
                may_have_part(&method, &headers),
                expected,
                "{method} {if_range:?}"
            );
        }
    }

    #[test]
    fn only_options_and_trace_count_their_forwards() {
        for (method, value, expected) in [
            (Method::OPTIONS, "0", Some(0)),
            (Method::TRACE, " 7 ", Some(7)),
            (Method::GET, "0", None),
            (Method::OPTIONS, "x", None),
            (Method::OPTIONS, "-1", None),
        ] {
            assert_eq!(
                forwards_left(&method, &with("max-forwards", value)),
                expected,
                "{method} {value}"
            );
        }
    }
}
