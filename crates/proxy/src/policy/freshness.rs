//! Decides whether a shared cache may store a response, and on which terms: its lifetime, its age, its stale windows.

use std::time::{Duration, SystemTime};

use http::header::{AGE, CACHE_CONTROL, DATE, ETAG, EXPIRES, HeaderMap, HeaderName, LAST_MODIFIED};
use http::{HeaderValue, StatusCode};

use super::directives::{Directives, Reach, SECONDS_MAX};
use super::vary::Vary;

const MAX_AGE: &[u8] = b"max-age";
/// The last second that an HTTP date can tell, in the year 9999.
const LAST_DATE_SECS: u64 = 253_402_300_799;

/// What the operator may choose where the RFCs leave a choice.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The longest lifetime that is guessed from `Last-Modified`.
    pub heuristic_lifetime_max: Duration,
    /// For how many seconds an outdated entry may stand in for an origin that cannot be reached, where the response
    /// says nothing about it.
    pub stale_if_unreachable_secs: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            heuristic_lifetime_max: Duration::from_secs(24 * 3600),
            stale_if_unreachable_secs: 24 * 3600,
        }
    }
}

/// A response as it came from the origin, with what the decision needs to know of its request.
#[derive(Clone, Copy, Debug)]
pub struct Exchange<'a> {
    /// The status of the response, or of the stored one that a 304 confirms.
    pub status: StatusCode,
    /// The header fields of the response, or of the stored one with those of the 304 merged in.
    pub headers: &'a HeaderMap,
    /// The request carried `Authorization`.
    pub authorized: bool,
    /// When the request was sent to the origin.
    pub request_time: SystemTime,
    /// When the head of the response arrived.
    pub response_time: SystemTime,
}

/// Why a response is not stored. The text goes into `Cache-Status` as `detail`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// An interim, partial, not-modified or upgrade-required status, or `must-understand` with a status of unknown meaning.
    Status,
    /// `no-store`
    NoStore,
    /// `private`
    Private,
    /// `Vary: *`
    VaryAny,
    /// The request was authorized and the response does not allow it to be shared.
    Authorization,
    /// Nothing says how long it is fresh, and nothing allows to guess.
    NoLifetime,
    /// It is stale already and cannot be validated.
    Useless,
}

impl Refusal {
    /// A short token, as in `detail=no-store`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::NoStore => "no-store",
            Self::Private => "private",
            Self::VaryAny => "vary-any",
            Self::Authorization => "authorization",
            Self::NoLifetime => "no-lifetime",
            Self::Useless => "stale-on-arrival",
        }
    }
}

/// On which terms a response is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// How long it is fresh, counted from when it was generated.
    pub lifetime: Duration,
    /// How old it was when it arrived (RFC 9111, section 4.2.3).
    pub initial_age: Duration,
    /// For how long it may be served stale while it is being revalidated, seconds.
    pub stale_while_revalidate_secs: u32,
    /// For how long it may be served stale if the origin fails, seconds.
    pub stale_if_error_secs: u32,
    /// Fields that only the client of this exchange may see (`private="…"`, `no-cache="…"`).
    pub withheld: Vec<HeaderName>,
}

impl Terms {
    /// When the response was generated, as far as this cache can tell: its age counts from here.
    pub fn epoch(&self, response_time: SystemTime) -> SystemTime {
        before(response_time, self.initial_age)
    }

    /// Until when the response is fresh.
    pub fn fresh_until(&self, response_time: SystemTime) -> SystemTime {
        match self.lifetime.checked_sub(self.initial_age) {
            Some(left) => response_time.checked_add(left).unwrap_or(response_time),
            None => before(response_time, self.initial_age - self.lifetime),
        }
    }
}

/// So much earlier, but not before 1970: an `Age` of 68 years reaches beyond, where times cannot be stored.
fn before(time: SystemTime, span: Duration) -> SystemTime {
    time.checked_sub(span)
        .unwrap_or(SystemTime::UNIX_EPOCH)
        .max(SystemTime::UNIX_EPOCH)
}

/// Decides whether, and on which terms, a shared cache stores this response to a GET.
///
/// # Errors
/// The reason for which it is not stored.
pub fn decide(exchange: &Exchange<'_>, settings: &Settings) -> Result<Terms, Refusal> {
    let directives = Directives::of_response(exchange.headers);
    check_storable(exchange, &directives)?;

    let lifetime = if directives.no_cache == Reach::Whole {
        Duration::ZERO
    } else {
        explicit_lifetime(exchange, &directives)
            .or_else(|| heuristic_lifetime(exchange, &directives, settings))
            .ok_or(Refusal::NoLifetime)?
    };
    let initial_age = initial_age(exchange.headers, exchange.request_time, exchange.response_time);
    let stale_allowed = !directives.forbids_stale();
    let window = |seconds: Option<u32>| seconds.filter(|_| stale_allowed);
    let explicit_window = window(directives.stale_while_revalidate)
        .max(window(directives.stale_if_error))
        .unwrap_or(0);
    let has_validator = exchange.headers.contains_key(ETAG) || exchange.headers.contains_key(LAST_MODIFIED);
    if lifetime <= initial_age && !has_validator && explicit_window == 0 {
        return Err(Refusal::Useless);
    }
    let unreachable_secs = if stale_allowed {
        settings.stale_if_unreachable_secs
    } else {
        0
    };
    Ok(Terms {
        lifetime,
        initial_age,
        stale_while_revalidate_secs: window(directives.stale_while_revalidate).unwrap_or(0),
        stale_if_error_secs: window(directives.stale_if_error).unwrap_or(unreachable_secs),
        withheld: withheld(directives),
    })
}

fn check_storable(exchange: &Exchange<'_>, directives: &Directives) -> Result<(), Refusal> {
    let status = exchange.status;
    let understood = is_understood(status);
    // The last is of one connection, and nothing without the `Upgrade` that is not stored.
    let is_never_stored = matches!(
        status,
        StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED | StatusCode::UPGRADE_REQUIRED
    );
    if status.is_informational() || is_never_stored || (directives.must_understand && !understood) {
        return Err(Refusal::Status);
    }
    // `must-understand, no-store`: the no-store is for caches that do not know the status.
    if directives.no_store && !directives.must_understand {
        return Err(Refusal::NoStore);
    }
    if directives.private == Reach::Whole {
        return Err(Refusal::Private);
    }
    if Vary::of(exchange.headers) == Vary::Any {
        return Err(Refusal::VaryAny);
    }
    let shareable = directives.public || directives.must_revalidate || directives.s_maxage.is_some();
    if exchange.authorized && !shareable {
        return Err(Refusal::Authorization);
    }
    Ok(())
}

/// Final statuses whose caching this proxy knows; 206 and 304 are left out, since it stores neither.
fn is_understood(status: StatusCode) -> bool {
    matches!(
        status.as_u16(),
        200 | 203 | 204 | 300 | 301 | 302 | 303 | 307 | 308 | 404 | 405 | 410 | 414 | 421 | 451 | 501
    )
}

fn is_heuristically_cacheable(status: StatusCode) -> bool {
    matches!(
        status.as_u16(),
        200 | 203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501
    )
}

fn explicit_lifetime(exchange: &Exchange<'_>, directives: &Directives) -> Option<Duration> {
    if let Some(seconds) = directives.s_maxage.or(directives.max_age) {
        return Some(Duration::from_secs(seconds.into()));
    }
    // A targeted field replaces `Expires` as well as `Cache-Control` (RFC 9213, section 2.2).
    if directives.targeted || !exchange.headers.contains_key(EXPIRES) {
        return None;
    }
    // An invalid or repeated `Expires`, "0" above all, is a time in the past.
    let Some(expires) = single(exchange.headers, &EXPIRES).and_then(parse_date) else {
        return Some(Duration::ZERO);
    };
    Some(
        expires
            .duration_since(date(exchange.headers, exchange.response_time))
            .unwrap_or_default(),
    )
}

/// A tenth of the time since the last change, as RFC 9111, section 4.2.2 suggests.
fn heuristic_lifetime(
    exchange: &Exchange<'_>,
    directives: &Directives,
    settings: &Settings,
) -> Option<Duration> {
    if !is_heuristically_cacheable(exchange.status) && !directives.public {
        return None;
    }
    let modified = single(exchange.headers, &LAST_MODIFIED).and_then(parse_date)?;
    let unchanged_for = date(exchange.headers, exchange.response_time)
        .duration_since(modified)
        .ok()?;
    Some((unchanged_for / 10).min(settings.heuristic_lifetime_max))
}

/// How old a response was when it arrived (RFC 9111, section 4.2.3).
pub fn initial_age(headers: &HeaderMap, request_time: SystemTime, response_time: SystemTime) -> Duration {
    let seconds_since = |later: SystemTime, earlier: SystemTime| {
        later
            .duration_since(earlier)
            .map_or(0, |elapsed| elapsed.as_secs())
    };
    let apparent = seconds_since(response_time, date(headers, response_time));
    let delay = seconds_since(response_time, request_time);
    let corrected = age_value(headers) + delay;
    Duration::from_secs(apparent.max(corrected))
}

/// The `Expires` of a response that is sent with another `Date` than it came with, at its old distance from that: the
/// difference is its lifetime (RFC 9111, section 4.2.1), from which whoever gets it takes its `Age`. `None` where there is
/// nothing to change, or `max-age` outweighs it.
pub fn expires_with_date(headers: &HeaderMap, sent: SystemTime) -> Option<SystemTime> {
    let expires = single(headers, &EXPIRES).and_then(parse_date)?;
    let says_max_age = |line: &HeaderValue| {
        let mut windows = line.as_bytes().windows(MAX_AGE.len());
        windows.any(|window| window.eq_ignore_ascii_case(MAX_AGE))
    };
    if headers.get_all(CACHE_CONTROL).iter().any(says_max_age) {
        return None;
    }
    let date = date_of(headers)?;
    match expires.duration_since(date) {
        Ok(lifetime) => sent
            .checked_add(lifetime)
            .map(|at| at.min(SystemTime::UNIX_EPOCH + Duration::from_secs(LAST_DATE_SECS))),
        Err(past) => Some(before(sent, past.duration())),
    }
}

/// The `Age` field in seconds: the first member counts, an invalid one is ignored (RFC 9111, section 5.1).
fn age_value(headers: &HeaderMap) -> u64 {
    let first = headers
        .get(AGE)
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.split(',').next());
    match first.map(str::trim) {
        Some(digits) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => digits
            .parse()
            .unwrap_or(u64::from(SECONDS_MAX))
            .min(u64::from(SECONDS_MAX)),
        _ => 0,
    }
}

/// What `Date` says, unless it is not there, not alone, or not to be read.
pub fn date_of(headers: &HeaderMap) -> Option<SystemTime> {
    single(headers, &DATE).and_then(parse_date)
}

fn date(headers: &HeaderMap, response_time: SystemTime) -> SystemTime {
    date_of(headers).unwrap_or(response_time)
}

fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

fn parse_date(value: &HeaderValue) -> Option<SystemTime> {
    httpdate::parse_http_date(value.to_str().ok()?.trim()).ok()
}

fn withheld(directives: Directives) -> Vec<HeaderName> {
    let mut names = Vec::new();
    for reach in [directives.private, directives.no_cache] {
        if let Reach::Fields(fields) = reach {
            names.extend(fields);
        }
    }
    names
}

#[cfg(test)]
mod tests;
