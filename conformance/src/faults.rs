//! The switch by which the suite makes the I/O of a storage fail.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What happens instead of a call that changes the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IoFault {
    /// It fails with this number of the operating system: 5 is EIO, 28 is ENOSPC.
    Errno(i32),
    /// A write takes a part of its bytes only; any other call passes.
    Short,
}

/// A switch that the storage's I/O asks before each call that changes the disk: making, opening to write, writing,
/// extending, renaming, removing, syncing. Calls that only read do not ask. Clones are the same switch.
///
/// It counts the calls, and says which is to fail; until the suite arms it, none is.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    armed: Option<Plan>,
    fired: bool,
}

#[derive(Debug, Clone, Copy)]
struct Plan {
    /// How many calls pass before the one that fails.
    passes: u64,
    fault: IoFault,
    lasting: bool,
}

impl Faults {
    /// What is to happen to the call that is about to be made; `None`: it is made.
    pub fn next(&self) -> Option<IoFault> {
        let mut state = self.state();
        let plan = state.armed.as_mut()?;
        if let Some(passes) = plan.passes.checked_sub(1) {
            plan.passes = passes;
            return None;
        }
        let plan = *plan;
        if !plan.lasting {
            state.armed = None;
        }
        state.fired = true;
        Some(plan.fault)
    }

    /// The same for I/O that has no short writes.
    ///
    /// # Errors
    /// The one that the call is to end with.
    pub fn check(&self) -> io::Result<()> {
        match self.next() {
            Some(IoFault::Errno(errno)) => Err(io::Error::from_raw_os_error(errno)),
            Some(IoFault::Short) | None => Ok(()),
        }
    }

    /// The n-th call from now on fails, `n` from 1 on; and all after it, where the fault lasts.
    pub(crate) fn arm(&self, n: u64, fault: IoFault, lasting: bool) {
        *self.state() = State {
            armed: Some(Plan {
                passes: n.saturating_sub(1),
                fault,
                lasting,
            }),
            fired: false,
        };
    }

    /// Nothing fails any more; whether something did since it was armed.
    pub(crate) fn disarm(&self) -> bool {
        let mut state = self.state();
        state.armed = None;
        state.fired
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nth_call_fails_once_or_from_then_on() {
        let faults = Faults::default();
        assert_eq!(faults.next(), None);
        for (lasting, after) in [(false, None), (true, Some(IoFault::Errno(5)))] {
            faults.arm(3, IoFault::Errno(5), lasting);
            let calls = [(); 4].map(|()| faults.next());
            assert_eq!(calls, [None, None, Some(IoFault::Errno(5)), after]);
            assert!(faults.disarm());
            assert_eq!(faults.next(), None);
        }
        faults.arm(2, IoFault::Short, true);
        assert!(faults.check().is_ok() && !faults.disarm());
    }
}
