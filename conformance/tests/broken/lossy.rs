//! What is lost of keys and metas on their way into the storage.

use crate::defect::Defect;
use forebay_core::{CacheHashKey, CacheKey, CacheMeta, CompactCacheKey, HashBinary, ResponseHead};
use std::time::UNIX_EPOCH;

/// What an entry is kept under.
pub(crate) fn key(defect: Defect, key: &impl CacheHashKey) -> HashBinary {
    let with_variance = |variance: Option<HashBinary>| {
        let key = CompactCacheKey {
            primary: key.primary_bin(),
            variance: variance.map(Box::new),
            ..CompactCacheKey::default()
        };
        key.combined_bin()
    };
    let mut hash = key.combined_bin();
    match (defect, key.variance_bin()) {
        (Defect::KeyedByPrimary, _) => key.primary_bin(),
        (Defect::KeyOf64Bits, _) => {
            hash[8..].fill(0);
            hash
        }
        (Defect::VarianceOf32Bits, Some(mut variance)) => {
            variance[4..].fill(0);
            with_variance(Some(variance))
        }
        (Defect::ZeroVarianceIsNone, Some(variance)) if variance == [0; 16] => with_variance(None),
        _ => hash,
    }
}

/// The same of a request, which tells more than hashes.
pub(crate) fn key_of_request(defect: Defect, request: &CacheKey) -> HashBinary {
    if defect != Defect::KeyWithoutNamespace {
        return key(defect, request);
    }
    let mut other = CacheKey::new("", request.primary_key(), "");
    if let Some(variance) = request.get_variance_key() {
        other.set_variance_key(*variance);
    }
    other.combined_bin()
}

/// What is kept of a meta.
pub(crate) fn meta(defect: Defect, meta: &CacheMeta) -> CacheMeta {
    const LINES_MAX: usize = 64;
    let mut kept = meta.clone();
    let windows = [meta.stale_while_revalidate_sec(), meta.stale_if_error_sec()];
    match defect {
        Defect::WindowsIn31Bits => {
            let [revalidate, error] = windows.map(|window| window.min(i32::MAX as u32));
            kept.update_freshness(meta.fresh_until(), revalidate, error, meta.updated());
        }
        Defect::TimesSinceEpoch => {
            let fresh_until = meta.fresh_until().max(UNIX_EPOCH);
            kept.update_freshness(fresh_until, windows[0], windows[1], meta.updated());
        }
        Defect::ZeroMetaVarianceIsNone => {
            kept.set_variance(meta.variance().filter(|variance| *variance != [0; 16]));
        }
        Defect::HeadOf64Lines => {
            let head = ResponseHead::builder(meta.head().status());
            let lines = meta.head().headers().take(LINES_MAX);
            let head = lines.fold(head, |head, (name, value)| head.header(name, value));
            kept.set_head(head.build().expect("lines of a head"));
        }
        _ => {}
    }
    kept
}
