//! The body of a stored entry: shared chunks, and where each of them ends.

use bytes::{Bytes, BytesMut};
use forebay_live::CHUNK_BYTES_MAX;
use std::sync::atomic::{AtomicU32, Ordering};

/// Chunks below this size are copied together when they are stored: each would cost as much beside its bytes.
const SMALL_CHUNK_BYTES: usize = 16 << 10;
/// How large the copied ones grow.
const COPIED_CHUNK_BYTES: usize = 64 << 10;
/// What an allocation costs beside its bytes: the reference count, the allocator's own header and its rounding.
const ALLOCATION_BYTES: usize = 48;

#[derive(Debug)]
pub(crate) struct Body {
    chunks: Box<[Chunk]>,
    /// How often, while it lies in several chunks.
    times_found: AtomicU32,
    /// What it occupied when it was stored, in bytes.
    weight_bytes: usize,
}

#[derive(Debug)]
struct Chunk {
    end: usize,
    bytes: Bytes,
}

impl Body {
    /// Takes over the chunks of a write.
    pub(crate) fn new(written: Vec<Bytes>) -> Self {
        let mut end = 0;
        let chunks = gather_small(written).into_iter().map(|bytes| {
            end += bytes.len();
            Chunk { end, bytes }
        });
        let chunks: Box<[Chunk]> = chunks.collect();
        Body {
            weight_bytes: end + chunks.len() * (size_of::<Chunk>() + ALLOCATION_BYTES),
            chunks,
            times_found: AtomicU32::new(0),
        }
    }

    /// To be called whenever it is found: what is found a second time, and could lie in one piece, is copied into one. Each
    /// piece is a call into the system for whoever sends it on; and what is found once only is not worth the copy. Of
    /// many who find it at a time, one copies.
    pub(crate) fn found(&self) -> Option<Body> {
        let is_scattered = self.chunks.len() > 1 && self.len() <= CHUNK_BYTES_MAX;
        if !is_scattered || self.times_found.fetch_add(1, Ordering::Relaxed) != 1 {
            return None;
        }
        let mut run = self.chunks.iter().map(|chunk| chunk.bytes.clone()).collect();
        let bytes = copy_together(&mut run, &mut self.len())?;
        let end = bytes.len();
        Some(Body {
            chunks: [Chunk { end, bytes }].into(),
            times_found: AtomicU32::new(0),
            weight_bytes: self.weight_bytes,
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.chunks.last().map_or(0, |chunk| chunk.end)
    }

    /// The bytes from `position` on that lie in one piece, none of them at or beyond `end`; `None` if there are none.
    pub(crate) fn read(&self, position: usize, end: usize) -> Option<Bytes> {
        let end = end.min(self.len());
        if position >= end {
            return None;
        }
        let chunk = &self.chunks[self.chunks.partition_point(|chunk| chunk.end <= position)];
        let start = chunk.end - chunk.bytes.len();
        let until = chunk.end.min(end).min(position + CHUNK_BYTES_MAX);
        Some(chunk.bytes.slice(position - start..until - start))
    }

    /// What the body occupied when it was stored, in bytes: in one piece it is a little less, but an eviction manager beside
    /// subtracts what it has added (`WRITE-SIZE`).
    pub(crate) fn weight_bytes(&self) -> usize {
        self.weight_bytes
    }
}

/// Copies runs of small chunks into buffers of their own size.
fn gather_small(written: Vec<Bytes>) -> Vec<Bytes> {
    let mut stored = Vec::with_capacity(written.len().min(64));
    let mut run = Vec::new();
    let mut run_bytes = 0;
    for chunk in written {
        let is_small = chunk.len() < SMALL_CHUNK_BYTES;
        if !is_small || run_bytes + chunk.len() > COPIED_CHUNK_BYTES {
            stored.extend(copy_together(&mut run, &mut run_bytes));
        }
        if is_small {
            run_bytes += chunk.len();
            run.push(chunk);
        } else {
            stored.push(chunk);
        }
    }
    stored.extend(copy_together(&mut run, &mut run_bytes));
    stored
}

fn copy_together(run: &mut Vec<Bytes>, run_bytes: &mut usize) -> Option<Bytes> {
    if run.len() < 2 {
        *run_bytes = 0;
        return run.pop();
    }
    let mut copy = BytesMut::with_capacity(*run_bytes);
    run.drain(..).for_each(|chunk| copy.extend_from_slice(&chunk));
    *run_bytes = 0;
    Some(copy.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(body: &Body, from: usize, end: usize) -> Vec<u8> {
        let mut read = Vec::new();
        while let Some(chunk) = body.read(from + read.len(), end) {
            assert!((1..=CHUNK_BYTES_MAX).contains(&chunk.len()));
            read.extend_from_slice(&chunk);
        }
        read
    }

    fn bytes(len: usize, seed: usize) -> Bytes {
        (0..len).map(|i| (i * 31 + seed) as u8).collect()
    }

    #[test]
    fn any_chunking_gives_the_same_bytes_back() {
        let sizes = [
            1,
            SMALL_CHUNK_BYTES - 1,
            SMALL_CHUNK_BYTES,
            3,
            COPIED_CHUNK_BYTES,
            5,
            CHUNK_BYTES_MAX + 7,
            2,
        ];
        for repeat in [1, 3, 40] {
            let written: Vec<Bytes> = (0..repeat)
                .flat_map(|r| sizes.map(|len| bytes(len, len + r)))
                .collect();
            let whole = written.concat();
            let body = Body::new(written);
            assert_eq!(body.len(), whole.len());
            assert_eq!(read_all(&body, 0, usize::MAX), whole);
            let (from, end) = (SMALL_CHUNK_BYTES / 2, whole.len() - 3);
            assert_eq!(read_all(&body, from, end), whole[from..end]);
        }
    }

    #[test]
    fn an_empty_body_has_nothing_to_read() {
        let body = Body::new(Vec::new());
        assert_eq!((body.len(), body.read(0, usize::MAX)), (0, None));
    }

    #[test]
    fn small_chunks_are_copied_together_up_to_a_limit_and_others_are_shared() {
        let sizes = |written: &[usize]| {
            let written = written.iter().map(|len| bytes(*len, 0)).collect();
            gather_small(written).iter().map(Bytes::len).collect::<Vec<_>>()
        };
        assert_eq!(sizes(&[1024; 65]), [COPIED_CHUNK_BYTES, 1024]);
        assert_eq!(sizes(&[1, 2, SMALL_CHUNK_BYTES, 3, 4]), [3, SMALL_CHUNK_BYTES, 7]);
    }

    #[test]
    fn every_stored_chunk_weighs_its_bookkeeping_too() {
        let body = Body::new(vec![bytes(SMALL_CHUNK_BYTES, 0); 100]);
        let each = SMALL_CHUNK_BYTES + size_of::<Chunk>() + ALLOCATION_BYTES;
        assert_eq!(body.weight_bytes(), 100 * each);
    }

    #[test]
    fn many_tiny_chunks_weigh_little_more_than_their_bytes() {
        let body = Body::new(vec![bytes(1, 0); 100_000]);
        assert!(body.weight_bytes() < 101_000, "{}", body.weight_bytes());
    }
}
