//! References to what many threads use at once.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use thread_local::ThreadLocal;

/// An `Arc` of which each thread has a count of its own.
///
/// To clone an `Arc`, and to drop the clone, writes to a count that all threads share: two threads that do so for each hit wait
/// for one another. A reference of this one is counted with those that the same thread has taken, and may be dropped
/// by any. The value lives until this and the last reference are gone.
///
/// ```
/// use forebay_live::ShardedArc;
///
/// let shared = ShardedArc::new("value".to_owned());
/// let reference = shared.get();
/// drop(shared);
/// assert_eq!(reference.len(), 5);
/// ```
#[derive(Debug)]
pub struct ShardedArc<T: Send + Sync> {
    value: Arc<T>,
    parts: ThreadLocal<Arc<Part<T>>>,
}

/// What one thread counts by, far from all else that threads write to.
#[derive(Debug)]
#[repr(align(128))]
struct Part<T>(Arc<T>);

/// A reference to the value of a [`ShardedArc`].
pub struct ShardedRef<T>(Arc<Part<T>>);

impl<T: Send + Sync> ShardedArc<T> {
    /// Shares this value.
    pub fn new(value: T) -> Self {
        ShardedArc {
            value: Arc::new(value),
            parts: ThreadLocal::new(),
        }
    }

    /// A reference, counted as one of this thread.
    pub fn get(&self) -> ShardedRef<T> {
        let part = self.parts.get_or(|| Arc::new(Part(self.value.clone())));
        ShardedRef(part.clone())
    }

    /// How many references there are. While threads take and drop some, it may be what it was or will be a moment before or
    /// after.
    pub fn references(&self) -> u64 {
        let parts = self.parts.iter();
        parts.map(|part| Arc::strong_count(part) as u64 - 1).sum()
    }
}

impl<T: Send + Sync + Default> Default for ShardedArc<T> {
    fn default() -> Self {
        ShardedArc::new(T::default())
    }
}

impl<T: Send + Sync> Deref for ShardedArc<T> {
    type Target = Arc<T>;

    fn deref(&self) -> &Arc<T> {
        &self.value
    }
}

impl<T> Deref for ShardedRef<T> {
    type Target = Arc<T>;

    fn deref(&self) -> &Arc<T> {
        let ShardedRef(part) = self;
        &part.0
    }
}

impl<T: fmt::Debug> fmt::Debug for ShardedRef<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.deref().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn the_value_lives_until_the_last_reference_of_any_thread_is_gone() {
        let value = Arc::new(());
        let shared = ShardedArc::new(value.clone());
        let here = shared.get();
        let elsewhere = thread::scope(|scope| scope.spawn(|| shared.get()).join().unwrap());
        assert_eq!(shared.references(), 2);
        thread::scope(|scope| scope.spawn(|| drop(here)).join().unwrap());
        assert_eq!(shared.references(), 1);
        drop(shared);
        assert!(Arc::strong_count(&value) > 1);
        drop(elsewhere);
        assert_eq!(Arc::strong_count(&value), 1);
    }
}
