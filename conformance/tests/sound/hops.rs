//! Storages without threads whose every call goes through tokio, and is never kept waiting there.

use crate::around::{Around, Way};
use forebay_conformance::reference::ReferenceStorage;
use forebay_conformance::{Capabilities, Harness, Opened, Site, async_trait};
use std::sync::Arc;
use tokio::sync::Mutex;

#[derive(Clone, Copy)]
enum Hop {
    /// A lock that is free.
    Lock,
    /// A turn for others, of which there are none.
    Yield,
}

struct Hopping(Hop);

#[async_trait]
impl Harness for Hopping {
    fn name(&self) -> &str {
        "hopping"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new().without_background()
    }

    async fn open(&self, _site: &Site) -> Opened {
        let (lock, hop) = (Mutex::new(()), self.0);
        Ok(Arc::new(Around {
            inner: Arc::new(ReferenceStorage::new()),
            way: Hops { lock, hop },
        }))
    }
}

struct Hops {
    lock: Mutex<()>,
    hop: Hop,
}

#[async_trait]
impl Way for Hops {
    async fn enter(&self) {
        match self.hop {
            Hop::Lock => drop(self.lock.lock().await),
            Hop::Yield => tokio::task::yield_now().await,
        }
    }
}

const RULES: [&str; 6] = [
    "LOOKUP-ROUNDTRIP",
    "READ-NONEMPTY",
    "PURGE-CANCEL",
    "UPDATE-RACE",
    "MODEL-SEQUENCE",
    "MODEL-SCHEDULE",
];

/// A task of tokio's may take some hundred locks, then it has to yield; a check was one task, the lock that was one too many
/// was pending without a wake, and the storage was said to hang.
#[test]
fn locks_that_are_free_are_no_hang_however_many_are_taken() {
    crate::expect_kept(Hopping(Hop::Lock), &RULES);
}

/// tokio wakes a task that yields when it comes round, which was too late for the check.
#[test]
fn a_call_that_yields_is_no_hang() {
    crate::expect_kept(Hopping(Hop::Yield), &RULES);
}
