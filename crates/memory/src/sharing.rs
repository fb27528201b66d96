//! Which thread reads small entries by references.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A thread that has made so many copies takes its turn. Often enough that none copies for long what nobody else reads any more;
/// rare enough that references seldom pass from one processor to another.
const COPIES_A_TURN: u16 = 1 << 14;

/// Of all that read entries, the thread that shares their references; the others take copies.
static TURN: Turn = Turn::new();

/// Whether this thread may share a reference, or has to copy.
pub(crate) fn may_share() -> bool {
    TURN.is_this_threads()
}

/// Something that one thread has at a time. Each hit reads it, so nothing that is written lies on its line of the cache.
#[derive(Debug)]
#[repr(align(64))]
struct Turn(AtomicUsize);

impl Turn {
    const fn new() -> Self {
        Turn(AtomicUsize::new(0))
    }

    fn is_this_threads(&self) -> bool {
        let this = this_thread();
        match self.0.load(Ordering::Relaxed) {
            thread if thread == this => true,
            thread if thread == 0 || has_waited() => {
                self.0.store(this, Ordering::Relaxed);
                true
            }
            _ => false,
        }
    }
}

/// Counts one more copy of this thread's.
fn has_waited() -> bool {
    thread_local!(static COPIES: Cell<u16> = const { Cell::new(0) });
    let copies = COPIES.get() + 1;
    COPIES.set(copies % COPIES_A_TURN);
    copies == COPIES_A_TURN
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

    fn elsewhere(ask: impl FnOnce() + Send) {
        thread::scope(|scope| scope.spawn(ask).join().unwrap());
    }

    #[test]
    fn who_asks_first_has_it_and_nobody_else() {
        let turn = Turn::new();
        assert!(turn.is_this_threads());
        elsewhere(|| assert!(!turn.is_this_threads()));
        assert!(turn.is_this_threads());
    }

    #[test]
    fn who_has_waited_for_long_takes_it_from_whom_does_not_read_any_more() {
        let turn = Turn::new();
        assert!(turn.is_this_threads());
        elsewhere(|| {
            let turns = usize::from(COPIES_A_TURN);
            let waited = (0..turns).take_while(|_| !turn.is_this_threads()).count();
            assert_eq!(waited, turns - 1);
            assert!((0..10 * turns).all(|_| turn.is_this_threads()));
        });
        assert!(!turn.is_this_threads());
    }
}
