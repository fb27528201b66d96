//! Which thread reads an entry by references.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The thread that was the first to read something.
#[derive(Debug, Default)]
pub(crate) struct FirstReader(AtomicUsize);

impl FirstReader {
    /// Whether it is this thread, which it is from now on where nobody has read yet.
    pub(crate) fn is_this_thread(&self) -> bool {
        let this = this_thread();
        match self.0.load(Ordering::Relaxed) {
            0 => {
                self.0.store(this, Ordering::Relaxed);
                true
            }
            first => first == this,
        }
    }
}

/// A number that no other living thread has: the place of something that each has to itself.
fn this_thread() -> usize {
    thread_local!(static PLACE: u8 = const { 0 });
    PLACE.with(|place| std::ptr::from_ref(place).addr())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn who_asks_first_is_the_first_reader_and_nobody_else() {
        let reader = FirstReader::default();
        let elsewhere = || thread::scope(|scope| scope.spawn(|| reader.is_this_thread()).join().unwrap());
        assert!(reader.is_this_thread());
        assert!(!elsewhere());
        assert!(reader.is_this_thread());
    }
}
