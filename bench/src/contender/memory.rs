//! Limits and peers in memory.

use super::Subject;
use crate::Failure;
use crate::objects::{chunks, encoded_meta};
use bytes::{Bytes, BytesMut};
use quick_cache::Weighter;

/// What a response needs: meta and body.
type Object = (Bytes, Bytes);

/// What the table of a cache holds beside the bytes of an object, so that its bound means about the same as ours.
const OVERHEAD_BYTES: usize = 64;

fn assembled(body: &Bytes) -> Bytes {
    let mut whole = BytesMut::with_capacity(body.len());
    chunks(body).for_each(|(chunk, _)| whole.extend_from_slice(&chunk));
    whole.freeze()
}

/// The limit of any hit that shares its body: `Bytes::clone` of a body in a list, without looking for it.
pub struct CloneLimit {
    bodies: Vec<Bytes>,
}

impl CloneLimit {
    /// So many bodies of this length.
    pub fn new(count: u64, body: &Bytes) -> Self {
        CloneLimit {
            bodies: (0..count).map(|_| assembled(body)).collect(),
        }
    }
}

impl Subject for CloneLimit {
    fn name(&self) -> &str {
        "Bytes::clone"
    }

    async fn get(&self, id: u64) -> Result<Option<usize>, Failure> {
        Ok(self
            .bodies
            .get(id as usize)
            .map(|body| std::hint::black_box(body.clone()).len()))
    }

    async fn put(&self, _id: u64, _body: &Bytes) -> Result<(), Failure> {
        Ok(())
    }
}

/// The limit of any hit that copies its body: memcpy into a new buffer.
pub struct CopyLimit {
    bodies: Vec<Bytes>,
}

impl CopyLimit {
    /// So many bodies of this length.
    pub fn new(count: u64, body: &Bytes) -> Self {
        let CloneLimit { bodies } = CloneLimit::new(count, body);
        CopyLimit { bodies }
    }
}

impl Subject for CopyLimit {
    fn name(&self) -> &str {
        "memcpy"
    }

    async fn get(&self, id: u64) -> Result<Option<usize>, Failure> {
        Ok(self
            .bodies
            .get(id as usize)
            .map(|body| std::hint::black_box(body.to_vec()).len()))
    }

    async fn put(&self, _id: u64, body: &Bytes) -> Result<(), Failure> {
        std::hint::black_box(assembled(body));
        Ok(())
    }
}

#[derive(Clone)]
struct ByLength;

impl Weighter<u64, Object> for ByLength {
    fn weight(&self, _id: &u64, (meta, body): &Object) -> u64 {
        (meta.len() + body.len() + OVERHEAD_BYTES) as u64
    }
}

/// `quick_cache` of `Bytes`.
pub struct QuickCache {
    cache: quick_cache::sync::Cache<u64, Object, ByLength>,
    meta: Bytes,
}

impl QuickCache {
    /// Bounded in bytes; the table is made for objects of this size.
    pub fn new(capacity_bytes: u64, typical_bytes: usize) -> Result<Self, Failure> {
        let typical = (capacity_bytes as usize / (typical_bytes + 512)).clamp(64, 1 << 20);
        Ok(QuickCache {
            cache: quick_cache::sync::Cache::with_weighter(typical, capacity_bytes, ByLength),
            meta: encoded_meta()?,
        })
    }
}

impl Subject for QuickCache {
    fn name(&self) -> &str {
        "quick_cache"
    }

    fn note(&self, _operation: super::Operation) -> Option<&'static str> {
        Some("meta as undecoded bytes, key an integer, body in one piece")
    }

    fn is_bounded(&self) -> bool {
        true
    }

    async fn get(&self, id: u64) -> Result<Option<usize>, Failure> {
        Ok(self
            .cache
            .get(&id)
            .map(|object| std::hint::black_box(object).1.len()))
    }

    async fn get_range(&self, id: u64, range: std::ops::Range<usize>) -> Result<usize, Failure> {
        let (_, body) = self.cache.get(&id).ok_or("a stored object was not found")?;
        Ok(std::hint::black_box(body.slice(range)).len())
    }

    async fn put(&self, id: u64, body: &Bytes) -> Result<(), Failure> {
        self.cache.insert(id, (self.meta.clone(), assembled(body)));
        Ok(())
    }

    async fn remove(&self, id: u64) -> Result<(), Failure> {
        self.cache.remove(&id);
        Ok(())
    }
}

/// `moka` of `Bytes`.
#[cfg(feature = "peers")]
pub struct Moka {
    cache: moka::sync::Cache<u64, Object>,
    meta: Bytes,
}

#[cfg(feature = "peers")]
impl Moka {
    /// Bounded in bytes.
    pub fn new(capacity_bytes: u64) -> Result<Self, Failure> {
        let weigh = |_: &u64, (meta, body): &Object| (meta.len() + body.len() + OVERHEAD_BYTES) as u32;
        Ok(Moka {
            cache: moka::sync::Cache::builder()
                .max_capacity(capacity_bytes)
                .weigher(weigh)
                .build(),
            meta: encoded_meta()?,
        })
    }
}

#[cfg(feature = "peers")]
impl Subject for Moka {
    fn name(&self) -> &str {
        "moka"
    }

    fn note(&self, _operation: super::Operation) -> Option<&'static str> {
        Some("meta as undecoded bytes, key an integer, body in one piece")
    }

    fn is_bounded(&self) -> bool {
        true
    }

    async fn get(&self, id: u64) -> Result<Option<usize>, Failure> {
        Ok(self
            .cache
            .get(&id)
            .map(|object| std::hint::black_box(object).1.len()))
    }

    async fn get_range(&self, id: u64, range: std::ops::Range<usize>) -> Result<usize, Failure> {
        let (_, body) = self.cache.get(&id).ok_or("a stored object was not found")?;
        Ok(std::hint::black_box(body.slice(range)).len())
    }

    async fn put(&self, id: u64, body: &Bytes) -> Result<(), Failure> {
        self.cache.insert(id, (self.meta.clone(), assembled(body)));
        Ok(())
    }

    async fn remove(&self, id: u64) -> Result<(), Failure> {
        self.cache.invalidate(&id);
        Ok(())
    }
}
