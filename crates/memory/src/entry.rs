//! One stored entry, and what it weighs.

use crate::body::Body;
use crate::sharing;
use bytes::Bytes;
use forebay_core::{CacheEntryId, CacheMeta, HashBinary};
use quick_cache::Weighter;
use std::hint::black_box;
use std::sync::Arc;

/// What the cache holds per entry beside the entry's own bytes: its slot, its place in the table with the table's slack,
/// the key, its share of the ghost queue, the allocation and, from the first hit on, its count. Measured with many small
/// entries, rounded up.
const BOOKKEEPING_BYTES: usize = 134;
/// Bodies up to this size lie in one buffer with the meta: for small entries, allocations of their own cost more than
/// what is in them.
const SMALL_BODY_BYTES: usize = 4 << 10;

/// Entries up to this size, meta included, are copied for all threads but one.
const COPIED_BYTES_MAX: usize = 8 << 10;

/// What a processor fetches from memory at a time, and what a meta of some ten header lines takes.
const LINE_BYTES: usize = 64;
const FETCHED_BYTES: usize = 640;

/// A stored entry.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Id (8 bytes), length of the encoded meta (4), the meta, and a small body.
    packed: Bytes,
    beside: Option<Arc<Beside>>,
}

/// A large entry is shared, by a count of references. A small one is shared with one thread, and the others get a copy: that
/// takes less time than two processors need to pass the count to and fro.
impl Clone for Entry {
    fn clone(&self) -> Self {
        let is_small = self.beside.is_none() && self.packed.len() <= COPIED_BYTES_MAX;
        match is_small && !sharing::may_share() {
            true => self.copy(),
            false => self.share(),
        }
    }
}

const ID_BYTES: usize = 8;
const META_AT: usize = ID_BYTES + 4;

/// What does not go into the buffer.
#[derive(Debug)]
struct Beside {
    /// A meta with extensions, which have no encoding.
    meta: Option<CacheMeta>,
    /// A body that is not small. Shared with the entry of the same write that has another meta.
    body: Option<Arc<Body>>,
}

impl Entry {
    /// The entry of a write. `encoded_meta` is that of `meta`.
    pub(crate) fn new(id: CacheEntryId, meta: &CacheMeta, encoded_meta: &[u8], chunks: Vec<Bytes>) -> Self {
        let body_len: usize = chunks.iter().map(Bytes::len).sum();
        match body_len <= SMALL_BODY_BYTES {
            true => Entry::pack(
                id,
                meta,
                encoded_meta,
                chunks.iter().map(|chunk| &chunk[..]),
                None,
            ),
            false => Entry::pack(
                id,
                meta,
                encoded_meta,
                [].into_iter(),
                Some(Arc::new(Body::new(chunks))),
            ),
        }
    }

    fn pack<'a>(
        id: CacheEntryId,
        meta: &CacheMeta,
        encoded_meta: &[u8],
        small_body: impl Iterator<Item = &'a [u8]> + Clone,
        body: Option<Arc<Body>>,
    ) -> Self {
        let meta = Some(meta).filter(|meta| !meta.extensions().is_empty()).cloned();
        let encoded_meta = if meta.is_some() { &[] } else { encoded_meta };
        let body_len: usize = small_body.clone().map(<[u8]>::len).sum();
        let mut packed = Vec::with_capacity(META_AT + encoded_meta.len() + body_len);
        packed.extend_from_slice(&id.get().to_le_bytes());
        packed.extend_from_slice(&(encoded_meta.len() as u32).to_le_bytes()); // fits: at most ENCODED_BYTES_MAX
        packed.extend_from_slice(encoded_meta);
        small_body.for_each(|chunk| packed.extend_from_slice(chunk));
        let beside = (meta.is_some() || body.is_some()).then(|| Arc::new(Beside { meta, body }));
        Entry {
            packed: packed.into(),
            beside,
        }
    }

    fn copy(&self) -> Self {
        Entry {
            packed: Bytes::copy_from_slice(&self.packed),
            beside: self.beside.clone(),
        }
    }

    fn share(&self) -> Self {
        self.fetch();
        Entry {
            packed: self.packed.clone(),
            beside: self.beside.clone(),
        }
    }

    /// Fetches the meta that is about to be decoded together with the count of references that is about to rise: a processor looks
    /// no further ahead than such a count.
    fn fetch(&self) {
        let lines = self.packed.iter().take(FETCHED_BYTES).step_by(LINE_BYTES);
        black_box(lines.fold(0, |read, byte| read ^ byte));
    }

    /// The same body with another meta.
    pub(crate) fn with_meta(&self, meta: &CacheMeta, encoded_meta: &[u8]) -> Self {
        let small_body = [&self.packed[self.body_at()..]].into_iter();
        Entry::pack(self.id(), meta, encoded_meta, small_body, self.body().cloned())
    }

    /// To be called whenever it is found: the same entry with its body in one piece, where that is due.
    pub(crate) fn found(&self) -> Option<Self> {
        let beside = self.beside.as_ref()?;
        let body = beside.body.as_ref()?.found()?;
        let in_one_piece = Arc::new(Beside {
            meta: beside.meta.clone(),
            body: Some(Arc::new(body)),
        });
        Some(Entry {
            packed: self.packed.clone(),
            beside: Some(in_one_piece),
        })
    }

    /// Whether it is the other's clone, and not the entry after an update, or another write's. For bodies that are not
    /// small, which clones share.
    pub(crate) fn is_clone_of(&self, other: &Self) -> bool {
        self.packed.as_ptr() == other.packed.as_ptr()
            && self.beside.as_ref().map(Arc::as_ptr) == other.beside.as_ref().map(Arc::as_ptr)
    }

    pub(crate) fn id(&self) -> CacheEntryId {
        let mut id = [0; ID_BYTES];
        id.copy_from_slice(&self.packed[..ID_BYTES]);
        CacheEntryId::new(u64::from_le_bytes(id))
    }

    pub(crate) fn meta(&self) -> CacheMeta {
        match self.beside.as_ref().and_then(|beside| beside.meta.as_ref()) {
            Some(meta) => meta.clone(),
            None => CacheMeta::decode(self.packed.slice(META_AT..self.body_at()))
                .expect("`encode` made these bytes, and nobody can write to them"),
        }
    }

    pub(crate) fn body_len(&self) -> usize {
        self.body()
            .map_or(self.packed.len() - self.body_at(), |body| body.len())
    }

    /// The bytes of the body from `position` on that lie in one piece, none of them at or beyond `end`; `None` if there
    /// are none.
    pub(crate) fn read(&self, position: usize, end: usize) -> Option<Bytes> {
        if let Some(body) = self.body() {
            return body.read(position, end);
        }
        let at = self.body_at();
        let end = end.min(self.packed.len() - at);
        (position < end).then(|| self.packed.slice(at + position..at + end))
    }

    pub(crate) fn weight_bytes(&self) -> usize {
        let beside = self.beside.as_ref().map_or(0, |beside| {
            let meta = beside.meta.as_ref().map_or(0, CacheMeta::weight_bytes);
            let body = beside.body.as_ref().map_or(0, |body| body.weight_bytes());
            size_of::<Beside>() + meta + body
        });
        self.packed.len() + beside + BOOKKEEPING_BYTES
    }

    fn body(&self) -> Option<&Arc<Body>> {
        self.beside.as_ref()?.body.as_ref()
    }

    /// Where the meta ends, and a small body begins.
    fn body_at(&self) -> usize {
        let mut meta_len = [0; 4];
        meta_len.copy_from_slice(&self.packed[ID_BYTES..META_AT]);
        META_AT + u32::from_le_bytes(meta_len) as usize
    }
}

#[derive(Debug, Clone)]
pub(crate) struct ByWeight;

impl Weighter<HashBinary, Entry> for ByWeight {
    fn weight(&self, _key: &HashBinary, entry: &Entry) -> u64 {
        entry.weight_bytes() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_core::ResponseHead;
    use std::time::SystemTime;

    fn entry(body_len: usize) -> Entry {
        let (now, head) = (SystemTime::now(), ResponseHead::builder(200).build().unwrap());
        let meta = CacheMeta::new(now, now, 0, 0, head);
        let body = Bytes::from(vec![7; body_len]);
        Entry::new(CacheEntryId::new(1), &meta, &meta.encode().unwrap(), vec![body])
    }

    fn clone_of_another_thread(entry: &Entry) -> Entry {
        std::thread::scope(|scope| scope.spawn(|| entry.clone()).join().unwrap())
    }

    #[test]
    fn a_small_entry_is_not_shared_with_two_threads() {
        let entry = entry(SMALL_BODY_BYTES);
        let clones = [entry.clone(), clone_of_another_thread(&entry)];
        let shared = clones
            .iter()
            .filter(|clone| clone.packed.as_ptr() == entry.packed.as_ptr());
        assert!(shared.count() <= 1);
        assert!(clones.iter().all(|clone| clone.packed == entry.packed));
    }

    #[test]
    fn who_goes_on_reading_small_entries_shares_them_sooner_or_later() {
        let entry = entry(1);
        let is_shared = |clone: Entry| clone.packed.as_ptr() == entry.packed.as_ptr();
        let elsewhere = || (0..1 << 14).any(|_| is_shared(entry.clone()));
        assert!(std::thread::scope(|scope| scope.spawn(elsewhere).join().unwrap()));
    }

    #[test]
    fn a_large_entry_is_shared_with_all_threads() {
        let entry = entry(SMALL_BODY_BYTES + 1);
        assert!(entry.clone().is_clone_of(&entry));
        assert!(clone_of_another_thread(&entry).is_clone_of(&entry));
    }
}
