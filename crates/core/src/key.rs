//! Keys: what names an entry, and the 128-bit hashes under which storages keep it.

use blake2::digest::consts::U16;
use blake2::digest::{FixedOutput, KeyInit, Update};
use blake2::{Blake2b, Blake2bMac, Digest};
use http::Extensions;
use std::fmt;

/// A 128-bit hash: wide enough that two keys never meet by chance.
pub type HashBinary = [u8; 16];

type Blake2b128 = Blake2b<U16>;

/// What every form of a key can tell: its hashes.
///
/// Entries are told apart by [`combined_bin`](CacheHashKey::combined_bin) (`LOOKUP-VARIANCE`).
pub trait CacheHashKey {
    /// The hash of the resource, variants aside.
    fn primary_bin(&self) -> HashBinary;

    /// The hash of what makes this variant, or `None` where there is only one.
    fn variance_bin(&self) -> Option<HashBinary>;

    /// Whom the entry belongs to, for storages with quotas. Not part of any hash.
    fn user_tag(&self) -> &str;

    /// The hash of resource and variant; equal to the primary hash where there is no variance.
    fn combined_bin(&self) -> HashBinary {
        let primary = self.primary_bin();
        match self.variance_bin() {
            None => primary,
            Some(variance) => Blake2b128::new()
                .chain_update(primary)
                .chain_update(variance)
                .finalize()
                .into(),
        }
    }

    /// [`primary_bin`](CacheHashKey::primary_bin) in lower-case hex.
    fn primary(&self) -> String {
        hex::encode(self.primary_bin())
    }

    /// [`variance_bin`](CacheHashKey::variance_bin) in lower-case hex.
    fn variance(&self) -> Option<String> {
        self.variance_bin().map(hex::encode)
    }

    /// [`combined_bin`](CacheHashKey::combined_bin) in lower-case hex.
    fn combined(&self) -> String {
        hex::encode(self.combined_bin())
    }
}

/// The key of a request: the bytes that name the resource, and the variance once it is known.
///
/// ```
/// use forebay_core::{CacheHashKey, CacheKey};
///
/// let key = CacheKey::new("", "aa", "1");
/// assert_eq!(key.primary(), "ac10f2aef117729f8dad056b3059eb7e");
/// ```
#[derive(Debug, Clone)]
pub struct CacheKey {
    namespace: Vec<u8>,
    primary: Vec<u8>,
    primary_bin_override: Option<HashBinary>,
    variance: Option<HashBinary>,
    user_tag: String,
    /// The caller's own data. Storages neither read nor keep it.
    pub extensions: Extensions,
}

impl CacheKey {
    /// A key without variance.
    ///
    /// An empty `namespace` leaves the primary hash that of `primary` alone, which is pingora's. Any other is framed:
    /// two pairs of namespace and primary have one hash only if they are the same pair.
    pub fn new(
        namespace: impl Into<Vec<u8>>,
        primary: impl Into<Vec<u8>>,
        user_tag: impl Into<String>,
    ) -> Self {
        CacheKey {
            namespace: namespace.into(),
            primary: primary.into(),
            primary_bin_override: None,
            variance: None,
            user_tag: user_tag.into(),
            extensions: Extensions::new(),
        }
    }

    /// The key of an entry of which only the hashes are known.
    pub fn from_compact(key: &CompactCacheKey) -> Self {
        CacheKey {
            primary_bin_override: Some(key.primary),
            variance: key.variance_bin(),
            ..CacheKey::new("", "", &*key.user_tag)
        }
    }

    /// The bytes that set this key's primary apart from equal ones of other namespaces.
    pub fn namespace(&self) -> &[u8] {
        &self.namespace
    }

    /// The bytes that name the resource.
    pub fn primary_key(&self) -> &[u8] {
        &self.primary
    }

    /// The bytes that name the resource, where they are text.
    pub fn primary_key_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.primary).ok()
    }

    /// Replaces the primary hash, whatever namespace and primary are.
    pub fn set_primary_bin_override(&mut self, hash: HashBinary) {
        self.primary_bin_override = Some(hash);
    }

    /// Names the variant.
    pub fn set_variance_key(&mut self, variance: HashBinary) {
        self.variance = Some(variance);
    }

    /// What names the variant.
    pub fn get_variance_key(&self) -> Option<&HashBinary> {
        self.variance.as_ref()
    }

    /// Goes back to the key without variance.
    pub fn remove_variance_key(&mut self) {
        self.variance = None;
    }

    /// The form that purges and eviction use: hashes alone.
    pub fn to_compact(&self) -> CompactCacheKey {
        CompactCacheKey {
            primary: self.primary_bin(),
            variance: self.variance.map(Box::new),
            user_tag: self.user_tag.as_str().into(),
        }
    }
}

impl CacheHashKey for CacheKey {
    fn primary_bin(&self) -> HashBinary {
        if let Some(hash) = self.primary_bin_override {
            hash
        } else if self.namespace.is_empty() {
            Blake2b128::digest(&self.primary).into()
        } else {
            namespaced(&self.namespace, &self.primary)
        }
    }

    fn variance_bin(&self) -> Option<HashBinary> {
        self.variance
    }

    fn user_tag(&self) -> &str {
        &self.user_tag
    }
}

/// A keyed hash, so that no primary without a namespace can spell out the frame of one that has it.
fn namespaced(namespace: &[u8], primary: &[u8]) -> HashBinary {
    let mut hasher = Blake2bMac::<U16>::new_from_slice(b"forebay namespace v1")
        .expect("a key of 20 bytes is within BLAKE2b's limit of 64");
    hasher.update(&(namespace.len() as u64).to_le_bytes());
    hasher.update(namespace);
    hasher.update(primary);
    hasher.finalize_fixed().into()
}

/// The key of a stored entry: hashes alone, to keep many of them.
#[derive(Debug, Default, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CompactCacheKey {
    /// The hash of the resource.
    pub primary: HashBinary,
    /// The hash of the variant; boxed, since most keys have none.
    pub variance: Option<Box<HashBinary>>,
    /// Whom the entry belongs to.
    pub user_tag: Box<str>,
}

impl CacheHashKey for CompactCacheKey {
    fn primary_bin(&self) -> HashBinary {
        self.primary
    }

    fn variance_bin(&self) -> Option<HashBinary> {
        self.variance.as_deref().copied()
    }

    fn user_tag(&self) -> &str {
        &self.user_tag
    }
}

/// Primary hash, then the variance behind a `+`, then the user tag behind a `@`, where there are any.
impl fmt::Display for CompactCacheKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.primary())?;
        if let Some(variance) = self.variance() {
            write!(f, "+{variance}")?;
        }
        if !self.user_tag.is_empty() {
            write!(f, "@{}", self.user_tag)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_equal_pingoras() {
        // Vectors computed with pingora-cache 0.9.1; the bridge's tests compare against the library itself.
        assert_eq!(
            CacheKey::new("", "aa", "1").primary(),
            "ac10f2aef117729f8dad056b3059eb7e"
        );
        assert_eq!(
            CacheKey::new("", "tenant_a/path", "").primary(),
            "6c79e74e88bacb8eb370adb7617068c8"
        );
    }

    #[test]
    fn without_a_variance_the_combined_hash_is_the_primary_one() {
        let mut key = CacheKey::new("", "aa", "1");
        assert_eq!(key.combined_bin(), key.primary_bin());
        key.set_variance_key([7; 16]);
        assert_ne!(key.combined_bin(), key.primary_bin());
        assert_eq!(key.combined_bin(), key.to_compact().combined_bin());
        key.remove_variance_key();
        assert_eq!(key.combined_bin(), key.primary_bin());
    }

    #[test]
    fn namespaces_are_framed() {
        let hash = |namespace: &str, primary: &str| CacheKey::new(namespace, primary, "").primary_bin();
        assert_ne!(hash("a", "bc"), hash("ab", "c"));
        assert_ne!(hash("a", "bc"), hash("", "abc"));
        assert_ne!(hash("a", ""), hash("", "a"));
        assert_eq!(hash("a", "bc"), hash("a", "bc"));
    }

    #[test]
    fn the_user_tag_is_no_part_of_the_hash() {
        assert_eq!(
            CacheKey::new("", "aa", "1").combined_bin(),
            CacheKey::new("", "aa", "2").combined_bin()
        );
    }

    #[test]
    fn a_key_made_from_hashes_has_those_hashes() {
        let mut key = CacheKey::new("ns", "aa", "1");
        key.set_variance_key([7; 16]);
        let compact = key.to_compact();
        let back = CacheKey::from_compact(&compact);
        assert_eq!(back.combined_bin(), key.combined_bin());
        assert_eq!(back.to_compact(), compact);
        assert_eq!(
            compact.to_string(),
            format!("{}+{}@1", key.primary(), "07".repeat(16))
        );
    }
}
