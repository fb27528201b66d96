//! Buffers for reads that are used again: neither cleared nor given back to the system between two reads, which costs
//! more than reading does. Each thread has those that it took: two that share them would wait for one another at every read.

use bytes::Bytes;
use parking_lot::Mutex;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use thread_local::ThreadLocal;

/// Sizes of the buffers: a power of two, which bodies often are, with a quarter for the record around it.
const SIZES: [usize; 9] = [
    5 << 10,
    10 << 10,
    20 << 10,
    40 << 10,
    80 << 10,
    160 << 10,
    320 << 10,
    640 << 10,
    1280 << 10,
];
/// Buffers begin at a multiple of this, as do blocks and records in their files: where a copy's target lies less than this
/// beyond its source, counted within pages, some processors take several times as long.
const ALIGN_BYTES: usize = 64;
/// So much is kept for later at most, in bytes, by all threads; by each of them; and so many of each size.
const IDLE_BYTES_MAX: usize = 64 << 20;
const IDLE_BYTES_OF_THREAD_MAX: usize = 16 << 20;
const IDLE_BUFFERS_MAX: usize = 64;

/// The buffers that nobody uses at the moment, and how much is in use: of each thread that takes some.
#[derive(Default)]
pub(crate) struct Buffers {
    of_threads: ThreadLocal<Arc<OfThread>>,
    /// What each of them may keep, together.
    may_keep_bytes: Arc<AtomicUsize>,
}

/// Far from all else that threads write to.
#[repr(align(128))]
struct OfThread {
    /// By size; the one that came back last, which the processor's caches may still hold, goes out first.
    idle: [Mutex<Vec<Box<[u8]>>>; SIZES.len()],
    idle_bytes: AtomicUsize,
    used_bytes: AtomicUsize,
    /// As much as it once had to keep: so no two threads count at every read.
    may_keep_bytes: AtomicUsize,
    all_may_keep_bytes: Arc<AtomicUsize>,
}

impl fmt::Debug for Buffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffers")
            .field("used_bytes", &self.used_bytes())
            .finish_non_exhaustive()
    }
}

impl Buffers {
    /// A buffer of exactly this length, whose contents are anything.
    pub(crate) fn take(&self, len_bytes: usize) -> Buffer {
        match self.home(len_bytes) {
            Some((home, size)) => Buffer::of(home.clone(), size, len_bytes),
            None => Buffer::small(len_bytes),
        }
    }

    /// The same, to be taken later, perhaps by another thread; it is one of this thread's all the same.
    pub(crate) fn later(&self, len_bytes: usize) -> Later {
        let home = self.home(len_bytes);
        Later {
            len_bytes,
            home: home.map(|(home, size)| (home.clone(), size)),
        }
    }

    /// Whose such a buffer is, and of which size. Small ones the allocator has at hand; huge ones are too rare to keep.
    #[inline]
    fn home(&self, len_bytes: usize) -> Option<(&Arc<OfThread>, usize)> {
        let size = SIZES.iter().position(|size| len_bytes <= *size);
        let size = size.filter(|_| len_bytes > SIZES[0] / 2)?;
        let home = self
            .of_threads
            .get_or(|| Arc::new(OfThread::new(self.may_keep_bytes.clone())));
        Some((home, size))
    }

    /// What is in use, in bytes, but for small ones.
    pub(crate) fn used_bytes(&self) -> usize {
        let of_threads = self.of_threads.iter();
        of_threads
            .map(|thread| thread.used_bytes.load(Ordering::Relaxed))
            .sum()
    }
}

impl OfThread {
    fn new(all_may_keep_bytes: Arc<AtomicUsize>) -> Self {
        OfThread {
            idle: Default::default(),
            idle_bytes: AtomicUsize::new(0),
            used_bytes: AtomicUsize::new(0),
            may_keep_bytes: AtomicUsize::new(0),
            all_may_keep_bytes,
        }
    }

    fn take(&self, size: usize) -> Box<[u8]> {
        self.used_bytes.fetch_add(SIZES[size], Ordering::Relaxed);
        let Some(bytes) = self.idle[size].lock().pop() else {
            return vec![0; SIZES[size] + ALIGN_BYTES].into();
        };
        self.idle_bytes.fetch_sub(SIZES[size], Ordering::Relaxed);
        bytes
    }

    fn give_back(&self, bytes: Box<[u8]>, size: usize) {
        self.used_bytes.fetch_sub(SIZES[size], Ordering::Relaxed);
        let mut idle = self.idle[size].lock();
        if idle.len() < IDLE_BUFFERS_MAX && self.may_keep(SIZES[size]) {
            self.idle_bytes.fetch_add(SIZES[size], Ordering::Relaxed);
            idle.push(bytes);
        }
    }

    /// Whether it may keep so much more.
    fn may_keep(&self, bytes: usize) -> bool {
        let wanted = self.idle_bytes.load(Ordering::Relaxed) + bytes;
        let more = wanted.saturating_sub(self.may_keep_bytes.load(Ordering::Relaxed));
        if more == 0 {
            return true;
        }
        let add = |all: usize| Some(all + more).filter(|all| *all <= IDLE_BYTES_MAX);
        let all = &self.all_may_keep_bytes;
        let is_added = wanted <= IDLE_BYTES_OF_THREAD_MAX
            && all
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, add)
                .is_ok();
        if is_added {
            self.may_keep_bytes.fetch_add(more, Ordering::Relaxed);
        }
        is_added
    }
}

/// A buffer that is not taken yet.
pub(crate) struct Later {
    len_bytes: usize,
    home: Option<(Arc<OfThread>, usize)>,
}

impl Later {
    pub(crate) fn take(self) -> Buffer {
        match self.home {
            Some((home, size)) => Buffer::of(home, size, self.len_bytes),
            None => Buffer::small(self.len_bytes),
        }
    }
}

/// One buffer; it goes back when the last `Bytes` of it is dropped.
pub(crate) struct Buffer {
    bytes: Box<[u8]>,
    start: usize,
    len_bytes: usize,
    /// Where it goes, and under which size.
    home: Option<(Arc<OfThread>, usize)>,
}

impl Buffer {
    #[inline]
    fn of(home: Arc<OfThread>, size: usize, len_bytes: usize) -> Self {
        let bytes = home.take(size);
        Buffer {
            start: bytes.as_ptr().align_offset(ALIGN_BYTES),
            bytes,
            len_bytes,
            home: Some((home, size)),
        }
    }

    fn small(len_bytes: usize) -> Self {
        Buffer {
            bytes: vec![0; len_bytes].into(),
            start: 0,
            len_bytes,
            home: None,
        }
    }

    /// Fills the whole buffer; what of it is not filled must not be read.
    pub(crate) fn fill(
        self,
        read: impl FnOnce(&mut [u8]) -> io::Result<()>,
    ) -> Result<Bytes, (Buffer, io::Error)> {
        self.fill_part(|bytes| read(bytes).map(|()| bytes.len()))
    }

    /// Fills the beginning of the buffer, as far as `read` says; the rest is cut off.
    pub(crate) fn fill_part(
        mut self,
        read: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> Result<Bytes, (Buffer, io::Error)> {
        match read(&mut self.bytes[self.start..self.start + self.len_bytes]) {
            Ok(filled) => {
                self.len_bytes = filled.min(self.len_bytes);
                Ok(self.into_bytes())
            }
            Err(error) => Err((self, error)),
        }
    }

    fn into_bytes(mut self) -> Bytes {
        match self.home {
            Some(_) => Bytes::from_owner(self),
            None => Bytes::from(std::mem::take(&mut self.bytes)).slice(..self.len_bytes),
        }
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[self.start..self.start + self.len_bytes]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some((home, size)) = &self.home {
            home.give_back(std::mem::take(&mut self.bytes), *size);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(buffers: &Buffers, len_bytes: usize, byte: u8) -> Bytes {
        let fill = |bytes: &mut [u8]| {
            bytes.fill(byte);
            Ok(())
        };
        buffers.take(len_bytes).fill(fill).ok().unwrap()
    }

    #[test]
    fn a_buffer_has_the_length_that_was_asked_for_and_what_was_read() {
        let buffers = Buffers::default();
        for len_bytes in [0, 1, 4096, 5120, 5121, 20_480, 320 << 10, (320 << 10) + 1] {
            for byte in [1, 2] {
                assert_eq!(filled(&buffers, len_bytes, byte), vec![byte; len_bytes]);
            }
        }
    }

    #[test]
    fn all_but_small_buffers_are_aligned_whatever_the_allocator_gives() {
        let buffers = Buffers::default();
        let lengths = SIZES.into_iter().flat_map(|size| [size / 2 + 1, size]);
        let held: Vec<Bytes> = lengths.map(|length| filled(&buffers, length, 1)).collect();
        for bytes in &held {
            assert_eq!(bytes.as_ptr().align_offset(ALIGN_BYTES), 0, "{}", bytes.len());
        }
    }

    #[test]
    fn a_buffer_is_used_again_only_when_nothing_of_it_is_left() {
        let buffers = Buffers::default();
        let first = filled(&buffers, 16 << 10, 1);
        let part = first.slice(100..200);
        let address = first.as_ptr();
        drop(first);
        assert_ne!(filled(&buffers, 16 << 10, 2).as_ptr(), address);
        assert_eq!(part, [1; 100][..]);
        drop(part);
        assert_eq!(filled(&buffers, 16 << 10, 3).as_ptr(), address);
    }

    #[test]
    fn threads_keep_no_more_than_is_meant_for_all_of_them() {
        let buffers = Buffers::default();
        let size = SIZES[SIZES.len() - 1];
        std::thread::scope(|scope| {
            for _ in 0..2 * IDLE_BYTES_MAX / IDLE_BYTES_OF_THREAD_MAX {
                scope.spawn(|| {
                    let taken = 2 * IDLE_BYTES_OF_THREAD_MAX / size;
                    let held: Vec<Bytes> = (0..taken).map(|_| filled(&buffers, size, 1)).collect();
                    assert!(buffers.used_bytes() >= taken * size);
                    drop(held);
                });
            }
        });
        let of_threads = buffers.of_threads.iter();
        let idle: Vec<usize> = of_threads
            .map(|thread| thread.idle_bytes.load(Ordering::Relaxed))
            .collect();
        assert!(
            idle.iter().all(|bytes| *bytes <= IDLE_BYTES_OF_THREAD_MAX),
            "{idle:?}"
        );
        let sum: usize = idle.iter().sum();
        assert!((1..=IDLE_BYTES_MAX).contains(&sum), "{idle:?}");
        assert_eq!(buffers.used_bytes(), 0);
    }

    #[test]
    fn a_read_that_fails_gives_the_buffer_for_another_try() {
        let buffers = Buffers::default();
        let failing = buffers.take(9000).fill(|_| Err(io::ErrorKind::WouldBlock.into()));
        let (buffer, error) = failing.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        assert_eq!(
            buffer
                .fill(|bytes| {
                    bytes.fill(7);
                    Ok(())
                })
                .ok()
                .unwrap(),
            vec![7; 9000]
        );
    }
}
