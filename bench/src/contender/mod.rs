//! Who is measured: one interface over storages, caches, stores and bare system calls.

pub mod files;
mod floor;
#[cfg(feature = "peers")]
pub mod foyer;
pub mod least;
pub mod memory;
pub mod native;
pub mod pingora;
#[cfg(feature = "peers")]
pub mod stores;
mod task;

use crate::Failure;
use crate::comparison::Entrant;
use bytes::Bytes;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
pub use task::{Operation, Pages, Task};

/// Something that keeps objects under ids. To add a contender, write this for it and name it in an area.
///
/// A method that a contender has not got fails with the reason, which the report then gives instead of a figure.
pub trait Subject: Send + Sync + 'static {
    /// The name in the report.
    fn name(&self) -> &str;

    /// What the reader must know beside its figures.
    fn note(&self, _operation: Operation) -> Option<&'static str> {
        None
    }

    /// Whether it makes room by itself. Others are measured on a fixed set of objects, written again and again.
    fn is_bounded(&self) -> bool {
        false
    }

    /// Finds an object and has its whole body, as buffers that a response could be sent from; its length in bytes.
    fn get(&self, id: u64) -> impl Future<Output = Result<Option<usize>, Failure>> + Send;

    /// As [`get`](Self::get), a part of the body.
    fn get_range(
        &self,
        _id: u64,
        _range: Range<usize>,
    ) -> impl Future<Output = Result<usize, Failure>> + Send {
        async { Err("no reading of a part".into()) }
    }

    /// Stores an object under an id, in place of what is there.
    fn put(&self, id: u64, body: &Bytes) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Removes an object.
    fn remove(&self, _id: u64) -> impl Future<Output = Result<(), Failure>> + Send {
        async { Err("no removal".into()) }
    }

    /// Gives an object another meta and leaves its body.
    fn update_meta(&self, _id: u64) -> impl Future<Output = Result<(), Failure>> + Send {
        async { Err("no update without the body".into()) }
    }

    /// Stores an object while so many readers read it, from the first byte on, to its end.
    fn follow(
        &self,
        _id: u64,
        _body: &Bytes,
        _followers: usize,
    ) -> impl Future<Output = Result<(), Failure>> + Send {
        async { Err("no reading of what is still written".into()) }
    }

    /// Waits until what was put is where it belongs, for those that answer before.
    fn settle(&self) -> impl Future<Output = Result<(), Failure>> + Send {
        async { Ok(()) }
    }
}

/// A [`Subject`] of any type.
pub trait Contender {
    /// The name in the report.
    fn name(&self) -> &str;

    /// Its part in a comparison.
    fn entrant(&self, task: &Task) -> Entrant;

    /// Stores objects of this body under the ids from 0 on.
    fn store(&self, count: u64, body: &Bytes) -> Result<(), Failure>;

    /// Makes it full: what is bounded gets objects until it evicts, what is not gets so many.
    fn store_full(&self, capacity_bytes: u64, objects: u64, body: &Bytes) -> Result<(), Failure>;

    /// Removes all that it was given, where it can.
    fn clear(&self);
}

/// A contender to be named in several comparisons.
pub type AnyContender = Arc<dyn Contender>;

/// A subject as a contender.
pub fn contender<S: Subject>(subject: S) -> AnyContender {
    Arc::new(Entered {
        subject: Arc::new(subject),
        ids: Arc::default(),
    })
}

struct Entered<S> {
    subject: Arc<S>,
    /// The least id that nothing was stored under.
    ids: Arc<AtomicU64>,
}

impl<S: Subject> Contender for Entered<S> {
    fn name(&self) -> &str {
        self.subject.name()
    }

    fn entrant(&self, task: &Task) -> Entrant {
        let keeps_all = task.operation == Operation::Mixed && !self.subject.is_bounded();
        let note = match keeps_all {
            true => Some("makes no room: sooner or later everything is a hit"),
            false => self.subject.note(task.operation),
        };
        Entrant {
            contender: self.subject.name().to_owned(),
            note: note.map(str::to_owned),
            work: task::work(&self.subject, task, &self.ids),
        }
    }

    fn store(&self, count: u64, body: &Bytes) -> Result<(), Failure> {
        self.ids.fetch_max(count, Ordering::Relaxed);
        task::block_on(async {
            for id in 0..count {
                self.subject.put(id, body).await?;
                // Who writes behind drops what comes faster than it can write.
                if id % 64 == 0 {
                    self.subject.settle().await?;
                }
            }
            self.subject.settle().await
        })
    }

    fn store_full(&self, capacity_bytes: u64, objects: u64, body: &Bytes) -> Result<(), Failure> {
        let until_full = capacity_bytes / body.len() as u64 + 8;
        self.store(
            if self.subject.is_bounded() {
                until_full
            } else {
                objects
            },
            body,
        )
    }

    fn clear(&self) {
        // Of those that cannot remove, nothing is left once they are dropped.
        let _: Result<(), Failure> = task::block_on(async {
            for id in 0..self.ids.load(Ordering::Relaxed) {
                self.subject.remove(id).await?;
            }
            Ok(())
        });
    }
}
