//! Keys as people write them, and as they read them.

use forebay_core::{CacheHashKey, CacheKey, HashBinary};

/// A key that was given in hex, which is a hash already.
pub(crate) fn as_hash(text: &str) -> Option<HashBinary> {
    let mut hash = HashBinary::default();
    hex::decode_to_slice(text, &mut hash).is_ok().then_some(hash)
}

/// The primary keys that a text can stand for: the one that it is, and that of the URL that it is.
pub(crate) fn primaries(text: &str) -> Vec<String> {
    std::iter::once(text.to_owned()).chain(proxy_key(text)).collect()
}

/// The hash of a primary key without namespace or variance.
pub(crate) fn hash_of(primary: &str) -> HashBinary {
    CacheKey::new("", primary, "").primary_bin()
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
    let root = if path.starts_with('/') { "" } else { "/" };
    Some(format!("http\n{host}\n{root}{path}"))
}

/// The URL that a primary key of forebay-proxy's is of.
pub(crate) fn url_of(primary: &[u8]) -> Option<String> {
    let mut lines = std::str::from_utf8(primary).ok()?.split('\n');
    let (scheme, host, path) = (lines.next()?, lines.next()?, lines.next()?);
    let is_url = scheme == "http" && !host.is_empty() && path.starts_with('/') && lines.next().is_none();
    is_url.then(|| format!("{scheme}://{host}{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_hash_or_a_text_or_a_url() {
        let hash = as_hash("ac10f2aef117729f8dad056b3059eb7e").expect("32 hex digits");
        assert_eq!(hash, hash_of("aa"));
        assert_eq!(as_hash("ac10"), None);
        assert_eq!(primaries("ac10"), ["ac10"]);
        for (url, key) in [
            ("http://Example.org:80/a?b", "http\nexample.org\n/a?b"),
            ("http://example.org", "http\nexample.org\n/"),
            ("http://example.org?q", "http\nexample.org\n/?q"),
            ("http://example.org:", "http\nexample.org\n/"),
            ("http://example.org:/a", "http\nexample.org\n/a"),
            ("http://example.org:8080/a", "http\nexample.org:8080\n/a"),
            ("http://me:secret@example.org/a@b", "http\nexample.org\n/a@b"),
        ] {
            assert_eq!(primaries(url), [url, key]);
        }
    }

    #[test]
    fn a_key_of_the_proxy_reads_as_its_url() {
        let url = "http://example.org:8080/a?b";
        assert_eq!(url_of(primaries(url)[1].as_bytes()).as_deref(), Some(url));
        for other in [
            "",
            "aa",
            "http\nexample.org",
            "http\nexample.org\n",
            "http\n\n/",
            "http\nexample.org\n/a\n",
            "GET\nexample.org\n/a",
        ] {
            assert_eq!(url_of(other.as_bytes()), None, "{other:?}");
        }
        assert_eq!(url_of(b"http\nexample.org\n/\xff"), None);
    }
}
