//! What the proxy remembers of one request between pingora's filters.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::StatusCode;
use http::header::{HeaderName, HeaderValue};
use pingora_cache::{CacheKey, CacheMeta};
use pingora_error::{Error, ErrorSource};
use pingora_http::ResponseHeader;

use super::revalidation::Refreshed;
use crate::metrics::Metrics;
use crate::policy::cache_status::{CacheStatus, Forward};
use crate::policy::directives::Directives;
use crate::policy::request::Stored;

/// How a request was answered, for the counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Out of the cache, fresh.
    Hit,
    /// Out of the cache, stale.
    Stale,
    /// From the origin, and cacheable.
    Miss,
    /// Out of the cache after the origin confirmed it.
    Revalidated,
    /// From the origin, in place of a stale entry.
    Replaced,
    /// By the origin, without the cache; or by the proxy itself.
    Passed,
}

/// One request, from its arrival to its log line.
pub(crate) struct Exchange {
    /// When the request arrived.
    pub received_at: SystemTime,
    /// It is a background revalidation, without a client.
    pub is_background: bool,
    /// What the client asks of the cache.
    pub demands: Directives,
    /// The key of the cache, between the filter that first needs it and pingora's question for it.
    pub key: Option<CacheKey>,
    /// Why the request goes to the origin, as far as is known.
    pub forward: Option<Forward>,
    /// When it was sent to the origin.
    pub request_time: SystemTime,
    /// When the origin's final head arrived.
    pub response_time: SystemTime,
    /// The status that the origin answered with.
    pub forward_status: Option<StatusCode>,
    /// The stored head with the fields of a 304.
    pub refreshed: Option<Refreshed>,
    /// Fields that this client may see, but that are not stored: the head that has them, and their names.
    pub withheld: Option<(ResponseHeader, Vec<HeaderName>)>,
    /// Why the response is not stored.
    pub refusal: Option<&'static str>,
    /// Where the origin is, once it was asked.
    pub addresses: Option<Arc<[SocketAddr]>>,
    /// Failed connections.
    pub attempts: usize,
    /// How it was answered.
    pub outcome: Option<Outcome>,
    /// The `Cache-Status` that the client got.
    pub label: Option<HeaderValue>,
    metrics: Arc<Metrics>,
}

impl Exchange {
    /// A request that just arrived; it counts as open until it is dropped.
    pub(crate) fn new(metrics: Arc<Metrics>) -> Self {
        metrics.open_requests.add(1);
        let now = SystemTime::now();
        Self {
            received_at: now,
            is_background: false,
            demands: Directives::default(),
            key: None,
            forward: None,
            request_time: now,
            response_time: now,
            forward_status: None,
            refreshed: None,
            withheld: None,
            refusal: None,
            addresses: None,
            attempts: 0,
            outcome: None,
            label: None,
            metrics,
        }
    }

    /// A stored entry, as the policy looks at it.
    pub(crate) fn stored(&self, meta: &CacheMeta, fresh: bool, now: SystemTime) -> Stored {
        Stored {
            age: now.duration_since(meta.epoch()).unwrap_or_default(),
            fresh_for: meta.fresh_until().duration_since(now).unwrap_or_default(),
            stale_for: now.duration_since(meta.fresh_until()).unwrap_or_default(),
            fresh,
            // Of no concern while it is fresh, and most entries are.
            forbids_stale: !fresh && Directives::of_response(meta.headers()).forbids_stale(),
            validated_since_request: meta.updated() >= self.received_at,
        }
    }

    /// Takes fields out of a head that is to be stored, and keeps them for this client.
    pub(crate) fn withhold(&mut self, head: &mut ResponseHeader, mut names: Vec<HeaderName>) {
        names.retain(|name| head.headers.contains_key(name));
        if names.is_empty() {
            return;
        }
        let whole = head.clone();
        for name in &names {
            head.remove_header(name);
        }
        self.withheld = Some((whole, names));
    }

    /// The label of an answer that the proxy makes up itself.
    pub(crate) fn own_answer(&mut self, detail: &'static str) -> HeaderValue {
        self.outcome = Some(Outcome::Passed);
        self.labelled(CacheStatus {
            detail: Some(detail),
            ..CacheStatus::default()
        })
    }

    /// The label of an error that the proxy answers with.
    pub(crate) fn failed_answer(&mut self) -> HeaderValue {
        let forward_status = self.forward_status.map(|status| status.as_u16());
        self.labelled(CacheStatus {
            forward: self.forward,
            forward_status,
            ..CacheStatus::default()
        })
    }

    /// Remembers a label for the log; as the value that the client gets.
    pub(crate) fn labelled(&mut self, status: CacheStatus) -> HeaderValue {
        self.label.insert(status.to_value()).clone()
    }

    /// How long it has taken so far.
    pub(crate) fn taken(&self) -> Duration {
        self.received_at.elapsed().unwrap_or_default()
    }

    /// Counts the request once it has ended.
    pub(crate) fn count(&self, metrics: &Metrics, error: Option<&Error>, bytes: u64) {
        // A client that leaves is no error.
        if error.is_some_and(|e| *e.esource() != ErrorSource::Downstream) {
            metrics.errors.add(1);
        }
        if self.is_background {
            return;
        }
        let (counter, out_of_cache) = match self.outcome {
            Some(Outcome::Hit) => (&metrics.hits, true),
            Some(Outcome::Stale) => (&metrics.stale, true),
            Some(Outcome::Miss) => (&metrics.misses, false),
            Some(Outcome::Revalidated) => (&metrics.revalidations, true),
            Some(Outcome::Replaced) => (&metrics.revalidations, false),
            Some(Outcome::Passed) | None => (&metrics.passed, false),
        };
        counter.add(1);
        metrics.durations.add(self.taken());
        if out_of_cache {
            metrics.hit_bytes.add(bytes);
        } else if self.forward_status.is_some() {
            // Otherwise they are the proxy's own.
            metrics.origin_bytes.add(bytes);
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.metrics.open_requests.sub(1);
    }
}
