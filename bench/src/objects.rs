//! What is stored: bodies, heads and keys, the same for all contenders.

use crate::Failure;
use bytes::Bytes;
use forebay_core::{CacheKey, CacheMeta, ResponseHead};
use pingora_http::ResponseHeader;
use std::time::{Duration, SystemTime};

/// Bodies come in pieces of this size, as a proxy reads them from its upstream.
pub const CHUNK_BYTES: usize = 64 << 10;

/// The header lines of a usual response.
pub const HEADERS: [(&str, &str); 10] = [
    ("Content-Type", "text/html; charset=utf-8"),
    ("Date", "Sun, 22 Nov 2026 12:00:00 GMT"),
    ("Cache-Control", "public, max-age=3600, stale-while-revalidate=60"),
    ("ETag", "\"5f3c-61a8b2c4d5e6f\""),
    ("Last-Modified", "Sat, 21 Nov 2026 08:30:00 GMT"),
    ("Vary", "Accept-Encoding"),
    ("Server", "nginx"),
    ("X-Content-Type-Options", "nosniff"),
    ("Strict-Transport-Security", "max-age=31536000; includeSubDomains"),
    ("X-Request-Id", "7b7e3f0a-2f0c-4e0e-9d49-6f0a8c1f2b3d"),
];

const FRESH: Duration = Duration::from_secs(3600);

/// A body that no compression makes smaller.
pub fn body(size_bytes: usize) -> Bytes {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let words = std::iter::repeat_with(|| next_random(&mut state).to_le_bytes());
    words.flatten().take(size_bytes).collect::<Vec<u8>>().into()
}

/// The next number of a small generator (xorshift64*): the same sequence in every run.
pub fn next_random(state: &mut u64) -> u64 {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    state.wrapping_mul(0x2545_f491_4f6c_dd1d)
}

/// A key's text.
pub fn path(id: u64) -> String {
    format!("https://www.example.org/assets/{id}")
}

/// A key of ours.
pub fn key(id: u64) -> CacheKey {
    CacheKey::new("", path(id), "")
}

/// A key of pingora's.
pub fn pingora_key(id: u64) -> pingora_cache::CacheKey {
    pingora_cache::CacheKey::new(path(id), "")
}

/// A meta of ours.
pub fn meta() -> Result<CacheMeta, Failure> {
    let with_length = ResponseHead::builder(200);
    let head = HEADERS
        .iter()
        .fold(with_length, |head, (name, value)| head.header(name, value));
    let now = SystemTime::now();
    Ok(CacheMeta::new(now + FRESH, now, 60, 300, head.build()?))
}

/// The meta as bytes, for stores that know none.
pub fn encoded_meta() -> Result<Bytes, Failure> {
    Ok(meta()?.encode()?.into())
}

/// A meta of pingora's.
pub fn pingora_meta() -> Result<pingora_cache::CacheMeta, Failure> {
    let mut head = ResponseHeader::build(200, Some(HEADERS.len()))?;
    for (name, value) in HEADERS {
        head.append_header(name, value)?;
    }
    let now = SystemTime::now();
    Ok(pingora_cache::CacheMeta::new(now + FRESH, now, 60, 300, head))
}

/// The pieces in which a body comes: new buffers, as from a socket.
pub fn chunks(body: &Bytes) -> impl Iterator<Item = (Bytes, bool)> {
    let count = body.len().div_ceil(CHUNK_BYTES).max(1);
    (0..count).map(move |at| {
        let end = body.len().min((at + 1) * CHUNK_BYTES);
        (
            Bytes::copy_from_slice(&body[at * CHUNK_BYTES..end]),
            at + 1 == count,
        )
    })
}

/// Keys made before the clock runs; others are made when they are asked for.
pub struct Keys<K> {
    made: Vec<K>,
    make: fn(u64) -> K,
}

impl<K> Keys<K> {
    /// The keys of all ids below `count` are made now.
    pub fn new(count: u64, make: fn(u64) -> K) -> Self {
        let made = (0..count).map(make).collect();
        Keys { made, make }
    }

    /// The key of an id.
    pub fn get(&self, id: u64) -> KeyRef<'_, K> {
        match self.made.get(id as usize) {
            Some(key) => KeyRef::Made(key),
            None => KeyRef::New((self.make)(id)),
        }
    }
}

/// A key that was there, or one that was made for this.
pub enum KeyRef<'a, K> {
    /// One of those made before.
    Made(&'a K),
    /// Made just now.
    New(K),
}

impl<K> std::ops::Deref for KeyRef<'_, K> {
    type Target = K;

    fn deref(&self) -> &K {
        match self {
            KeyRef::Made(key) => key,
            KeyRef::New(key) => key,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_the_body_and_only_the_last_says_so() {
        for size in [0, 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES] {
            let body = body(size);
            let chunks: Vec<_> = chunks(&body).collect();
            assert_eq!(
                chunks
                    .iter()
                    .map(|(chunk, _)| &chunk[..])
                    .collect::<Vec<_>>()
                    .concat(),
                body
            );
            assert_eq!(chunks.iter().position(|(_, last)| *last), Some(chunks.len() - 1));
        }
    }

    #[test]
    fn both_metas_have_the_same_lines() {
        let ours = meta().unwrap();
        let theirs = pingora_meta().unwrap();
        assert_eq!(ours.head().headers().count(), HEADERS.len());
        assert_eq!(theirs.headers().len(), HEADERS.len());
    }

    #[test]
    fn keys_made_before_are_those_made_later() {
        let keys = Keys::new(2, path);
        assert_eq!((&*keys.get(1), &*keys.get(5)), (&path(1), &path(5)));
    }
}
