//! Keys of one side as keys of the other, with the same hashes.

use super::version::{self, pingora_cache};
use forebay_core::{CacheHashKey, CacheKey, CompactCacheKey};
use pingora_cache::key::{CacheHashKey as _, CacheKey as PingoraKey, CompactCacheKey as PingoraCompactKey};

/// The primary hash goes along as an override, so that the storage does not compute it again.
pub(crate) fn from_pingora(key: &PingoraKey) -> CacheKey {
    let mut ours = CacheKey::new(version::namespace(key), key.primary_key(), &*key.user_tag);
    ours.set_primary_bin_override(key.primary_bin());
    if let Some(variance) = key.get_variance_key() {
        ours.set_variance_key(*variance);
    }
    ours.extensions = key.extensions.clone();
    ours
}

/// The namespace is part of the hash that goes along, also where pingora has no field for it.
pub(crate) fn to_pingora(key: &CacheKey) -> PingoraKey {
    let mut theirs = version::new_key(key);
    theirs.set_primary_bin_override(key.primary_bin());
    if let Some(variance) = key.get_variance_key() {
        theirs.set_variance_key(*variance);
    }
    theirs.extensions = key.extensions.clone();
    theirs
}

pub(crate) fn compact_from_pingora(key: &PingoraCompactKey) -> CompactCacheKey {
    CompactCacheKey {
        primary: key.primary,
        variance: key.variance.clone(),
        user_tag: key.user_tag.clone(),
    }
}

pub(crate) fn compact_to_pingora(key: &CompactCacheKey) -> PingoraCompactKey {
    PingoraCompactKey {
        primary: key.primary,
        variance: key.variance.clone(),
        user_tag: key.user_tag.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pingora_keys() -> impl Strategy<Value = PingoraKey> {
        let hash = || proptest::option::of(any::<[u8; 16]>());
        (any::<Vec<u8>>(), hash(), hash(), ".{0,8}").prop_map(
            |(primary, primary_hash, variance, user_tag)| {
                let mut key = version::new_key(&CacheKey::new("", primary, user_tag));
                if let Some(hash) = primary_hash {
                    key.set_primary_bin_override(hash);
                }
                if let Some(variance) = variance {
                    key.set_variance_key(variance);
                }
                key
            },
        )
    }

    proptest! {
        #[test]
        fn a_key_has_the_same_hashes_on_both_sides(theirs in pingora_keys()) {
            let ours = from_pingora(&theirs);
            prop_assert_eq!(ours.primary_bin(), theirs.primary_bin());
            prop_assert_eq!(ours.variance_bin(), theirs.variance_bin());
            prop_assert_eq!(ours.combined_bin(), theirs.combined_bin());
            prop_assert_eq!(ours.user_tag(), &theirs.user_tag);
            prop_assert_eq!(ours.primary_key(), theirs.primary_key());
            prop_assert_eq!(ours.to_compact(), compact_from_pingora(&theirs.to_compact()));
            let back = to_pingora(&ours);
            prop_assert_eq!(back.combined_bin(), theirs.combined_bin());
            prop_assert_eq!(back.to_compact(), compact_to_pingora(&ours.to_compact()));
        }

        #[test]
        fn both_sides_hash_alike_without_the_bridge(
            primary in any::<Vec<u8>>(), variance in any::<[u8; 16]>()
        ) {
            let mut ours = CacheKey::new("", primary, "");
            let mut theirs = version::new_key(&ours);
            prop_assert_eq!(ours.combined_bin(), theirs.combined_bin());
            theirs.set_variance_key(variance);
            ours.set_variance_key(variance);
            prop_assert_eq!(ours.combined_bin(), theirs.combined_bin());
            prop_assert_eq!(ours.to_compact().combined(), theirs.to_compact().combined());
        }
    }

    #[test]
    fn a_known_key_has_its_known_hash() {
        let theirs = version::new_key(&CacheKey::new("", "aa", "1"));
        assert_eq!(
            from_pingora(&theirs).primary(),
            "ac10f2aef117729f8dad056b3059eb7e"
        );
        assert_eq!(
            to_pingora(&CacheKey::new("", "aa", "1")).primary(),
            "ac10f2aef117729f8dad056b3059eb7e"
        );
    }

    #[test]
    fn a_namespace_stays_part_of_the_hash() {
        let ours = CacheKey::new("tenant", "aa", "1");
        assert_eq!(to_pingora(&ours).combined_bin(), ours.combined_bin());
    }

    #[test]
    fn extensions_of_a_key_go_along() {
        let mut theirs = version::new_key(&CacheKey::new("", "aa", "1"));
        theirs.extensions.insert(7u32);
        let ours = from_pingora(&theirs);
        assert_eq!(ours.extensions.get::<u32>(), Some(&7));
        assert_eq!(to_pingora(&ours).extensions.get::<u32>(), Some(&7));
    }
}
