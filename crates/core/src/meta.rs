//! What is known of a stored response beside its body.

mod encoding;

use crate::{HashBinary, ResponseHead};
use bytes::Bytes;
use http::Extensions;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime};

/// Freshness, variance, response head and the caller's own bytes of one entry.
///
/// Cloning it counts references; nothing large is copied.
///
/// ```
/// use forebay_core::{CacheMeta, ResponseHead};
/// use std::time::{Duration, SystemTime};
///
/// let now = SystemTime::now();
/// let head = ResponseHead::builder(200).header("content-type", "text/plain").build()?;
/// let mut meta = CacheMeta::new(now + Duration::from_secs(60), now, 0, 0, head);
/// assert!(meta.is_fresh(now));
/// meta.expire_at(now);
/// assert!(!meta.is_fresh(now));
/// # Ok::<(), Box<forebay_core::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct CacheMeta {
    fresh_until: SystemTime,
    created: SystemTime,
    updated: SystemTime,
    stale_while_revalidate_sec: u32,
    stale_if_error_sec: u32,
    variance: Option<HashBinary>,
    head: ResponseHead,
    opaque: Bytes,
    /// Shared, so that a clone costs a count; copied when it is changed.
    extensions: Option<Arc<Extensions>>,
    extensions_weight_bytes: usize,
}

impl CacheMeta {
    /// The largest encoding that storages have to take: a head of a megabyte is an attack, not a response.
    pub const ENCODED_BYTES_MAX: usize = 1 << 20;

    /// The meta of a response admitted at `created`.
    pub fn new(
        fresh_until: SystemTime,
        created: SystemTime,
        stale_while_revalidate_sec: u32,
        stale_if_error_sec: u32,
        head: ResponseHead,
    ) -> Self {
        CacheMeta {
            fresh_until,
            created,
            updated: created,
            stale_while_revalidate_sec,
            stale_if_error_sec,
            variance: None,
            head,
            opaque: Bytes::new(),
            extensions: None,
            extensions_weight_bytes: 0,
        }
    }

    /// Until when the entry may be served without asking the origin.
    pub fn fresh_until(&self) -> SystemTime {
        self.fresh_until
    }

    /// Whether the entry is fresh at `time`. A storage never decides by it (`LOOKUP-STALE`).
    pub fn is_fresh(&self, time: SystemTime) -> bool {
        self.fresh_until >= time
    }

    /// When the entry was admitted.
    pub fn created(&self) -> SystemTime {
        self.created
    }

    /// When the entry was last revalidated; [`created`](Self::created) where it never was.
    pub fn updated(&self) -> SystemTime {
        self.updated
    }

    /// Says when the entry was last revalidated.
    pub fn set_updated(&mut self, updated: SystemTime) {
        self.updated = updated;
    }

    /// For how many seconds beyond freshness the entry may be served while it is revalidated.
    pub fn stale_while_revalidate_sec(&self) -> u32 {
        self.stale_while_revalidate_sec
    }

    /// For how many seconds beyond freshness the entry may be served where the origin fails.
    pub fn stale_if_error_sec(&self) -> u32 {
        self.stale_if_error_sec
    }

    /// What a revalidation changes: freshness, the stale windows (seconds) and the time of it.
    pub fn update_freshness(
        &mut self,
        fresh_until: SystemTime,
        stale_while_revalidate_sec: u32,
        stale_if_error_sec: u32,
        updated: SystemTime,
    ) {
        self.fresh_until = fresh_until;
        self.stale_while_revalidate_sec = stale_while_revalidate_sec;
        self.stale_if_error_sec = stale_if_error_sec;
        self.updated = updated;
    }

    /// Ends freshness: at `instant` the entry is no longer fresh. Never makes it longer. The stale windows count from
    /// there (`EXPIRE-STALE`).
    pub fn expire_at(&mut self, instant: SystemTime) {
        // `fresh_until` is the last instant of freshness.
        let before = instant.checked_sub(Duration::from_nanos(1)).unwrap_or(instant);
        self.fresh_until = self.fresh_until.min(before);
    }

    /// The variance of the response; on the entry of a primary key it leads to the variant's key.
    pub fn variance(&self) -> Option<HashBinary> {
        self.variance
    }

    /// Sets or removes the variance.
    pub fn set_variance(&mut self, variance: Option<HashBinary>) {
        self.variance = variance;
    }

    /// The response head.
    pub fn head(&self) -> &ResponseHead {
        &self.head
    }

    /// Replaces the response head.
    pub fn set_head(&mut self, head: ResponseHead) {
        self.head = head;
    }

    /// Bytes of the caller that every storage keeps verbatim and none reads.
    pub fn opaque(&self) -> &Bytes {
        &self.opaque
    }

    /// Sets the caller's own bytes.
    pub fn set_opaque(&mut self, opaque: Bytes) {
        self.opaque = opaque;
    }

    /// Values of the caller that a storage in memory may keep and that others lose.
    pub fn extensions(&self) -> &Extensions {
        static NONE: LazyLock<Extensions> = LazyLock::new(Extensions::new);
        self.extensions.as_deref().unwrap_or_else(|| &NONE)
    }

    /// The extensions, to change them. `weight_bytes` is what all of them occupy then: a bounded storage that keeps
    /// them counts it.
    pub fn extensions_mut(&mut self, weight_bytes: usize) -> &mut Extensions {
        self.extensions_weight_bytes = weight_bytes;
        Arc::make_mut(self.extensions.get_or_insert_default())
    }

    /// Drops the extensions, as a storage does that cannot keep them.
    pub fn clear_extensions(&mut self) {
        self.extensions = None;
        self.extensions_weight_bytes = 0;
    }

    /// What the meta occupies in memory, in bytes, extensions included.
    pub fn weight_bytes(&self) -> usize {
        size_of::<Self>() + self.head.len_bytes() + self.opaque.len() + self.extensions_weight_bytes
    }
}

/// Everything that is persisted is compared; extensions are not.
impl PartialEq for CacheMeta {
    fn eq(&self, other: &Self) -> bool {
        let fields = |m: &Self| {
            let windows = (m.stale_while_revalidate_sec, m.stale_if_error_sec);
            (m.fresh_until, m.created, m.updated, windows, m.variance)
        };
        fields(self) == fields(other) && self.head == other.head && self.opaque == other.opaque
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    #[test]
    fn expiring_only_shortens() {
        let (until, head) = (
            UNIX_EPOCH + Duration::from_secs(60),
            ResponseHead::builder(200).build().unwrap(),
        );
        let mut meta = CacheMeta::new(until, UNIX_EPOCH, 7, u32::MAX, head);
        meta.expire_at(until + Duration::from_secs(1));
        assert_eq!(meta.fresh_until(), until);
        meta.expire_at(until - Duration::from_secs(1));
        assert!(!meta.is_fresh(until - Duration::from_secs(1)));
        assert!(meta.is_fresh(until - Duration::from_millis(1001)));
        assert_eq!(
            (meta.stale_while_revalidate_sec(), meta.stale_if_error_sec()),
            (7, u32::MAX)
        );
    }
}
