//! Keys as people write them.

use forebay_core::{CacheHashKey, CacheKey, HashBinary};

/// The hashes that a text can stand for: a hash in hex, else the primary key that it is, else that of the URL that it is.
pub(crate) fn hashes(text: &str) -> Vec<HashBinary> {
    let mut hash = HashBinary::default();
    if hex::decode_to_slice(text, &mut hash).is_ok() {
        return vec![hash];
    }
    let primary = |key: &str| CacheKey::new("", key, "").primary_bin();
    std::iter::once(primary(text))
        .chain(proxy_key(text).map(|key| primary(&key)))
        .collect()
}

/// The primary key that forebay-proxy gives to a URL: scheme, host and path, each on a line.
fn proxy_key(url: &str) -> Option<String> {
    let rest = url.strip_prefix("http://")?;
    let (host, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let host = host.rsplit('@').next().unwrap_or(host).to_ascii_lowercase();
    let host = host
        .strip_suffix(":80")
        .or(host.strip_suffix(':'))
        .unwrap_or(&host);
    let path = if path.is_empty() { "/" } else { path };
    Some(format!("http\n{host}\n{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_hash_or_a_text_or_a_url() {
        assert_eq!(hashes("ac10f2aef117729f8dad056b3059eb7e"), hashes("aa"));
        assert_eq!(hashes("ac10").len(), 1);
        for (url, key) in [
            ("http://Example.org:80/a?b", "http\nexample.org\n/a?b"),
            ("http://example.org", "http\nexample.org\n/"),
            ("http://example.org:", "http\nexample.org\n/"),
            ("http://example.org:/a", "http\nexample.org\n/a"),
            ("http://example.org:8080/a", "http\nexample.org:8080\n/a"),
            ("http://me:secret@example.org/a@b", "http\nexample.org\n/a@b"),
        ] {
            assert_eq!(hashes(url)[1..], hashes(key)[..]);
        }
    }
}
