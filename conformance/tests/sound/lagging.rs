//! A storage that counts a handler as open until a timer has seen that it is gone.

use crate::around::{Around, Way};
use forebay_conformance::reference::ReferenceStorage;
use forebay_conformance::{Gauges, Harness, Opened, Site, async_trait};
use forebay_core::Storage;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

const COUNTED_FOR: Duration = Duration::from_millis(30);

struct Lagging;

#[async_trait]
impl Harness for Lagging {
    fn name(&self) -> &str {
        "lagging"
    }

    async fn open(&self, _site: &Site) -> Opened {
        Ok(Arc::new(Around {
            inner: Arc::new(ReferenceStorage::new()),
            way: Calls::default(),
        }))
    }

    fn gauges(&self, storage: &dyn Storage) -> Gauges {
        let Some(around) = storage.as_any().downcast_ref::<Around<Calls>>() else {
            return Gauges::default();
        };
        let inner = around.inner.as_any().downcast_ref();
        let gauges = inner.map(ReferenceStorage::gauges).unwrap_or_default();
        let recent = around.way.recent();
        Gauges {
            open_handlers: gauges.open_handlers.map(|open| open + recent),
            ..gauges
        }
    }
}

#[derive(Default)]
struct Calls(Mutex<Vec<Instant>>);

impl Calls {
    fn recent(&self) -> u64 {
        let calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        calls.iter().filter(|at| at.elapsed() < COUNTED_FOR).count() as u64
    }
}

#[async_trait]
impl Way for Calls {
    async fn enter(&self) {
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        calls.push(Instant::now());
    }
}

/// Gauges had to be at once what they had been, in three checks of four.
#[test]
fn gauges_that_come_late_are_waited_for() {
    crate::expect_kept(
        Lagging,
        &["LOOKUP-UNUSED", "LOOKUP-CANCEL", "PURGE-NO-LEAK", "BOUND-LEAK"],
    );
}
