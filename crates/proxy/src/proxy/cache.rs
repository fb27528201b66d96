//! What one process has for its cache: the storage, the lock, and what is remembered of URLs.

use std::time::Duration;

use pingora_cache::lock::{CacheKeyLockImpl, CacheLock};
use pingora_cache::predictor::CacheablePredictor;
use pingora_cache::{CacheKey, CacheOptionOverrides, Storage};
use pingora_proxy::Session;

use super::limited::Limited;
use super::never_stored::{NeverStored, Predictions};
use super::too_large::TooLarge;
use crate::policy::freshness::Refusal;

/// How long requests wait for the head of another one's response to the same URL before they ask the origin too.
const LOCK_WAIT: Duration = Duration::from_secs(30);

/// Pingora takes all of it as `'static`; there is one proxy in a process.
pub(super) struct Cache {
    pub(super) storage: &'static Limited,
    lock: &'static CacheKeyLockImpl,
    too_large: &'static TooLarge,
    never_stored: &'static NeverStored,
    predictions: &'static Predictions,
}

impl Cache {
    /// A cache over a storage, for bodies up to this limit.
    pub(super) fn new(storage: &'static (dyn Storage + Sync), max_body_bytes: usize) -> Self {
        let too_large: &TooLarge = Box::leak(Box::new(TooLarge::new()));
        let never_stored: &NeverStored = Box::leak(Box::new(NeverStored::new(too_large)));
        Self {
            storage: Box::leak(Box::new(Limited::new(storage, max_body_bytes, too_large))),
            lock: Box::leak(CacheLock::new_boxed(LOCK_WAIT)),
            too_large,
            never_stored,
            predictions: Box::leak(Box::new(Predictions::new(never_stored))),
        }
    }

    /// Has a request answered from the cache, or fill it.
    pub(super) fn enable(&self, session: &mut Session) {
        let mut overrides = CacheOptionOverrides::default();
        overrides.wait_timeout = Some(LOCK_WAIT);
        let prediction = self.predictions.of(session.req_header());
        let (storage, lock) = (self.storage, self.lock);
        // No eviction manager: the storage keeps its capacity itself.
        session
            .cache
            .enable(storage, None, Some(prediction), Some(lock), Some(overrides));
    }

    /// Has a request remove what is stored under this key, and what is remembered of it.
    pub(super) fn enable_to_purge(&self, session: &mut Session, key: &CacheKey) {
        self.never_stored.forget(key);
        session.cache.enable(self.storage, None, None, None, None);
    }

    /// Whether this URL's bodies are known to be too large.
    pub(super) fn is_too_large(&self, key: &CacheKey) -> bool {
        !self.too_large.cacheable_prediction(key)
    }

    /// Takes note of whether what a URL gives is stored.
    pub(super) fn remember(&self, session: &Session, whole_is_stored: Result<(), Refusal>) {
        let (request, key) = (session.req_header(), session.cache.cache_key());
        match whole_is_stored {
            Ok(()) => self.never_stored.stored(request, key),
            Err(why) => self.never_stored.refused(request, key, why),
        }
    }
}
