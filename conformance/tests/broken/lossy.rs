//! What is lost of keys on their way into the storage.

use crate::defect::Defect;
use forebay_core::{CacheHashKey, CacheKey, CompactCacheKey, HashBinary};

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
