//! Remembers which URLs have bodies that are not stored, so that requests for less than the whole pass by the cache.

use http::header::{IF_MODIFIED_SINCE, IF_NONE_MATCH, RANGE};
use pingora_cache::key::CacheHashKey;
use pingora_cache::predictor::{CacheablePredictor, Predictor};
use pingora_cache::{CacheKey, NoCacheReason};
use pingora_http::RequestHeader;

use super::too_large::TooLarge;
use crate::policy::freshness::Refusal;
use crate::policy::request::says_who_asks;

/// How many URLs each of the sixteen shards remembers.
const SHARD_CAPACITY: usize = 1024;

/// On the way to a fill, pingora takes `Range` and conditions away, to get the whole. Where nothing is filled in the end, as of
/// what is private, each part of a long video would be fetched as the whole of it.
///
/// A request for the whole is never turned away by this, so that what is stored from some day on is found out. What those get who
/// say who they are says nothing of what others get, so each kind has its own memory.
pub(super) struct NeverStored {
    /// For requests that do not say who asks, and for those that do.
    refused: [Predictor<16>; 2],
    too_large: &'static TooLarge,
}

/// What pingora asks for one kind of request.
pub(super) struct Prediction {
    never_stored: &'static NeverStored,
    asks_for_less: bool,
    says_who_asks: bool,
}

impl NeverStored {
    /// Remembers nothing yet.
    pub(super) fn new(too_large: &'static TooLarge) -> Self {
        let refused = [(); 2].map(|()| Predictor::new(SHARD_CAPACITY, None));
        Self { refused, too_large }
    }

    /// Takes note of a whole response to this request that is not stored.
    ///
    /// Of a variant beside one that is stored nothing is remembered, since that may well be what is asked for next.
    pub(super) fn refused(&self, request: &RequestHeader, key: &CacheKey, why: Refusal) {
        if key.variance_bin().is_none() {
            self.refused_to(says_who_asks(&request.headers))
                .mark_uncacheable(key, NoCacheReason::Custom(why.as_str()));
        }
    }

    /// Takes note of one that is stored, or would be.
    pub(super) fn stored(&self, request: &RequestHeader, key: &CacheKey) {
        self.refused_to(says_who_asks(&request.headers))
            .mark_cacheable(key);
    }

    /// Forgets a URL.
    pub(super) fn forget(&self, key: &CacheKey) {
        for refused in &self.refused {
            refused.mark_cacheable(key);
        }
    }

    fn refused_to(&self, says_who_asks: bool) -> &Predictor<16> {
        &self.refused[usize::from(says_who_asks)]
    }
}

/// The predictions for all kinds of requests, by what they carry.
pub(super) struct Predictions([Prediction; 4]);

impl Predictions {
    pub(super) fn new(never_stored: &'static NeverStored) -> Self {
        let kinds = [(false, false), (false, true), (true, false), (true, true)];
        Self(kinds.map(|(asks_for_less, says_who_asks)| Prediction {
            never_stored,
            asks_for_less,
            says_who_asks,
        }))
    }

    pub(super) fn of(&'static self, request: &RequestHeader) -> &'static Prediction {
        let headers = &request.headers;
        let asks_for_less = [RANGE, IF_NONE_MATCH, IF_MODIFIED_SINCE]
            .iter()
            .any(|name| headers.contains_key(name));
        let says_who_asks = asks_for_less && says_who_asks(headers);
        &self.0[2 * usize::from(asks_for_less) + usize::from(says_who_asks)]
    }
}

impl CacheablePredictor for Prediction {
    fn cacheable_prediction(&self, key: &CacheKey) -> bool {
        self.predicted_uncacheable_reason(key).is_none()
    }

    fn predicted_uncacheable_reason(&self, key: &CacheKey) -> Option<NoCacheReason> {
        let too_large = self.never_stored.too_large.predicted_uncacheable_reason(key);
        if too_large.is_some() || !self.asks_for_less {
            return too_large;
        }
        self.never_stored
            .refused_to(self.says_who_asks)
            .predicted_uncacheable_reason(key)
    }

    fn mark_cacheable(&self, key: &CacheKey) -> bool {
        self.never_stored.too_large.mark_cacheable(key)
    }

    fn mark_uncacheable(&self, key: &CacheKey, reason: NoCacheReason) -> Option<bool> {
        self.never_stored.too_large.mark_uncacheable(key, reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn predictions() -> (&'static NeverStored, &'static Predictions) {
        let too_large = Box::leak(Box::new(TooLarge::new()));
        let never_stored: &NeverStored = Box::leak(Box::new(NeverStored::new(too_large)));
        (never_stored, Box::leak(Box::new(Predictions::new(never_stored))))
    }

    fn request(fields: &[&'static str]) -> RequestHeader {
        let mut request = RequestHeader::build("GET", b"/", None).unwrap();
        for name in fields {
            request.append_header(*name, "x").unwrap();
        }
        request
    }

    fn passes_by(predictions: &'static Predictions, key: &CacheKey, fields: &[&'static str]) -> bool {
        !predictions.of(&request(fields)).cacheable_prediction(key)
    }

    #[test]
    fn only_requests_for_less_than_the_whole_pass_by_what_is_not_stored() {
        let (never_stored, predictions) = predictions();
        let key = CacheKey::new("a", "");
        assert!(!passes_by(predictions, &key, &["range"]));
        never_stored.refused(&request(&[]), &key, Refusal::Private);
        for (fields, expected) in [
            (&["range"][..], true),
            (&["if-none-match"], true),
            (&["if-modified-since", "if-none-match"], true),
            (&["user-agent"], false),
            (&[], false),
        ] {
            assert_eq!(passes_by(predictions, &key, fields), expected, "{fields:?}");
        }
        never_stored.stored(&request(&["range"]), &key);
        assert!(!passes_by(predictions, &key, &["range"]));
    }

    #[test]
    fn what_is_refused_for_one_client_or_variant_is_not_for_all() {
        let (never_stored, predictions) = predictions();
        let mut key = CacheKey::new("a", "");
        never_stored.refused(&request(&["authorization"]), &key, Refusal::Private);
        never_stored.stored(&request(&[]), &key);
        assert!(!passes_by(predictions, &key, &["range"]));
        assert!(passes_by(predictions, &key, &["range", "authorization"]));
        assert!(passes_by(predictions, &key, &["range", "cookie"]));
        never_stored.forget(&key);
        assert!(!passes_by(predictions, &key, &["range", "cookie"]));
        key.set_variance_key([1; 16]);
        never_stored.refused(&request(&[]), &key, Refusal::Private);
        assert!(!passes_by(predictions, &key, &["range"]));
    }

    #[test]
    fn what_is_too_large_is_so_for_every_request() {
        let (_, predictions) = predictions();
        let key = CacheKey::new("a", "");
        predictions.0[3].mark_uncacheable(&key, NoCacheReason::ResponseTooLarge);
        assert!(passes_by(predictions, &key, &[]));
        assert!(passes_by(predictions, &key, &["range"]));
    }
}
