//! Remembers which URLs had bodies beyond the size limit, so that their next requests pass by the cache.

use pingora_cache::predictor::{CacheablePredictor, Predictor};
use pingora_cache::{CacheKey, NoCacheReason};

/// How many URLs each of the sixteen shards remembers.
const SHARD_CAPACITY: usize = 1024;

/// A body of unknown length that outgrows the limit is carried through the store for nothing. That must not happen to the same
/// URL again and again.
///
/// Other reasons are not remembered, unlike in pingora's [`Predictor`]: it knows no variants, and one private variant
/// would keep all of them out.
pub(super) struct TooLarge(Predictor<16>);

impl TooLarge {
    /// Remembers nothing yet.
    pub(super) fn new() -> Self {
        Self(Predictor::new(SHARD_CAPACITY, None))
    }
}

impl CacheablePredictor for TooLarge {
    fn cacheable_prediction(&self, key: &CacheKey) -> bool {
        self.0.cacheable_prediction(key)
    }

    fn predicted_uncacheable_reason(&self, key: &CacheKey) -> Option<NoCacheReason> {
        self.0.predicted_uncacheable_reason(key)
    }

    fn mark_cacheable(&self, key: &CacheKey) -> bool {
        self.0.mark_cacheable(key)
    }

    fn mark_uncacheable(&self, key: &CacheKey, reason: NoCacheReason) -> Option<bool> {
        match reason {
            NoCacheReason::ResponseTooLarge => self.0.mark_uncacheable(key, reason),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_size_is_remembered() {
        let too_large = TooLarge::new();
        let key = CacheKey::new("a", "");
        too_large.mark_uncacheable(&key, NoCacheReason::OriginNotCache);
        too_large.mark_uncacheable(&key, NoCacheReason::Custom("private"));
        assert!(too_large.cacheable_prediction(&key));
        too_large.mark_uncacheable(&key, NoCacheReason::ResponseTooLarge);
        assert!(!too_large.cacheable_prediction(&key));
        too_large.mark_cacheable(&key);
        assert!(too_large.cacheable_prediction(&key));
    }
}
