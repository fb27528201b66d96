//! Remembers which URLs have bodies that are not stored, so that requests for less than the whole pass by the cache.

use http::header::{AUTHORIZATION, IF_MODIFIED_SINCE, IF_NONE_MATCH, RANGE};
use pingora_cache::key::CacheHashKey;
use pingora_cache::predictor::{CacheablePredictor, Predictor};
use pingora_cache::{CacheKey, NoCacheReason};
use pingora_http::RequestHeader;

use super::too_large::TooLarge;
use crate::policy::freshness::Refusal;

/// How many URLs each of the sixteen shards remembers.
const SHARD_CAPACITY: usize = 1024;

/// On the way to a fill, pingora takes `Range` and conditions away, to get the whole. Where nothing is filled in the end, as of
/// what is private, each part of a long video would be fetched as the whole of it.
///
/// A request for the whole is never turned away by this, so that what is stored from some day on is found out.
pub(super) struct NeverStored {
    refused: Predictor<16>,
    too_large: &'static TooLarge,
}

/// What pingora asks for one kind of request.
pub(super) struct Prediction {
    never_stored: &'static NeverStored,
    asks_for_less: bool,
    is_authorized: bool,
}

impl NeverStored {
    /// Remembers nothing yet.
    pub(super) fn new(too_large: &'static TooLarge) -> Self {
        let refused = Predictor::new(SHARD_CAPACITY, None);
        Self { refused, too_large }
    }

    /// Takes note of a whole response that is not stored.
    ///
    /// Of a variant beside one that is stored nothing is remembered, since that may well be what is asked for next.
    pub(super) fn refused(&self, key: &CacheKey, why: Refusal) {
        if key.variance_bin().is_none() {
            self.refused
                .mark_uncacheable(key, NoCacheReason::Custom(why.as_str()));
        }
    }

    /// Takes note of one that is stored, or would be.
    pub(super) fn stored(&self, key: &CacheKey) {
        self.refused.mark_cacheable(key);
    }
}

/// The predictions for all kinds of requests, by what they carry.
pub(super) struct Predictions([Prediction; 4]);

impl Predictions {
    pub(super) fn new(never_stored: &'static NeverStored) -> Self {
        let kinds = [(false, false), (false, true), (true, false), (true, true)];
        Self(kinds.map(|(asks_for_less, is_authorized)| Prediction {
            never_stored,
            asks_for_less,
            is_authorized,
        }))
    }

    pub(super) fn of(&'static self, request: &RequestHeader) -> &'static Prediction {
        let headers = &request.headers;
        let asks_for_less = [RANGE, IF_NONE_MATCH, IF_MODIFIED_SINCE]
            .iter()
            .any(|name| headers.contains_key(name));
        let is_authorized = asks_for_less && headers.contains_key(AUTHORIZATION);
        &self.0[2 * usize::from(asks_for_less) + usize::from(is_authorized)]
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
        let refused = self.never_stored.refused.predicted_uncacheable_reason(key);
        // What an authorized client got says nothing of what others get.
        let is_for_authorized = NoCacheReason::Custom(Refusal::Authorization.as_str());
        refused.filter(|reason| self.is_authorized || *reason != is_for_authorized)
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

    fn passes_by(predictions: &'static Predictions, key: &CacheKey, fields: &[&'static str]) -> bool {
        let mut request = RequestHeader::build("GET", b"/", None).unwrap();
        for name in fields {
            request.append_header(*name, "x").unwrap();
        }
        !predictions.of(&request).cacheable_prediction(key)
    }

    #[test]
    fn only_requests_for_less_than_the_whole_pass_by_what_is_not_stored() {
        let (never_stored, predictions) = predictions();
        let key = CacheKey::new("a", "");
        assert!(!passes_by(predictions, &key, &["range"]));
        never_stored.refused(&key, Refusal::Private);
        for (fields, expected) in [
            (&["range"][..], true),
            (&["if-none-match"], true),
            (&["if-modified-since", "authorization"], true),
            (&["authorization"], false),
            (&[], false),
        ] {
            assert_eq!(passes_by(predictions, &key, fields), expected, "{fields:?}");
        }
        never_stored.stored(&key);
        assert!(!passes_by(predictions, &key, &["range"]));
    }

    #[test]
    fn what_is_refused_for_one_client_or_variant_is_not_for_all() {
        let (never_stored, predictions) = predictions();
        let mut key = CacheKey::new("a", "");
        never_stored.refused(&key, Refusal::Authorization);
        assert!(!passes_by(predictions, &key, &["range"]));
        assert!(passes_by(predictions, &key, &["range", "authorization"]));
        never_stored.stored(&key);
        key.set_variance_key([1; 16]);
        never_stored.refused(&key, Refusal::Private);
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
