//! What contenders are asked to do, and doing it many times.

use super::Subject;
use crate::Failure;
use crate::comparison::Work;
use crate::timing::{self, Concurrency};
use bytes::Bytes;
use std::hint::black_box;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// One kind of operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Find an object and read it.
    Hit,
    /// Look for one that is not there.
    Miss,
    /// Find an object and read a part from its middle.
    Range,
    /// Store one.
    Fill(Pages),
    /// Store one while so many read it.
    Follow(usize),
    /// Remove one that is there.
    Purge,
    /// Give one another meta.
    UpdateMeta,
    /// Hits by a Zipf distribution, and a fill after each miss.
    Mixed,
}

/// What a write finds where it writes: on some machines the first touch of a page costs more than all else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pages {
    /// An empty store that grows: memory and files that nobody has touched.
    Fresh,
    /// A full store: what is bounded evicts as it goes, what is not writes over the same objects.
    Warm,
}

impl Operation {
    /// The name in the report.
    pub fn name(self) -> String {
        match self {
            Operation::Hit => "hit".to_owned(),
            Operation::Miss => "miss".to_owned(),
            Operation::Range => "range".to_owned(),
            Operation::Fill(Pages::Fresh) => "fill, fresh".to_owned(),
            Operation::Fill(Pages::Warm) => "fill, warm".to_owned(),
            Operation::Follow(followers) => format!("follow {followers}"),
            Operation::Purge => "purge".to_owned(),
            Operation::UpdateMeta => "update_meta".to_owned(),
            Operation::Mixed => "mixed Zipf".to_owned(),
        }
    }
}

/// An operation with all that it needs.
#[derive(Debug, Clone)]
pub struct Task {
    /// What is done.
    pub operation: Operation,
    /// By how many at a time.
    pub concurrency: Concurrency,
    /// Objects that are stored, with the ids from 0 on; those not stored begin at this id.
    pub objects: u64,
    /// The body of every object.
    pub body: Bytes,
    /// Ids in the order of their accesses; only [`Operation::Mixed`] has one.
    pub trace: Arc<[u64]>,
}

/// The range that is read: an eighth of the body from its middle on, as a player that seeks asks for.
pub(super) fn middle(size_bytes: usize) -> Range<usize> {
    let start = size_bytes / 2;
    start..start + (size_bytes / 8).max(1).min(size_bytes - start)
}

/// The loop that a round runs.
pub(super) fn work<S: Subject>(subject: &Arc<S>, task: &Task, ids: &Arc<AtomicU64>) -> Result<Work, Failure> {
    probe(subject, task)?;
    let ids = ids.clone();
    let (subject, task) = (subject.clone(), task.clone());
    let next = Arc::new(AtomicU64::new(0));
    Ok(Box::new(move |count| {
        let first = next.fetch_add(count, Ordering::Relaxed);
        if let Operation::Fill(_) | Operation::Mixed = task.operation {
            ids.fetch_max((first + count).max(task.objects), Ordering::Relaxed);
        }
        if task.operation == Operation::Purge {
            let subject = subject.clone();
            let ids = task.objects..task.objects + count; // those below stay for others
            let body = task.body.clone();
            block_on(async move {
                for id in ids {
                    subject.put(id, &body).await?;
                }
                subject.settle().await
            })?;
        }
        let shared = (subject.clone(), Arc::new(task.clone()));
        timing::run(task.concurrency, count, move |part| {
            let (subject, task) = shared.clone();
            async move { batch(&*subject, &task, first, part).await }
        })
    }))
}

/// Tries the operation once, so that who cannot do it says so before the clock runs.
fn probe<S: Subject>(subject: &Arc<S>, task: &Task) -> Result<(), Failure> {
    let (subject, task) = (subject.clone(), task.clone());
    let absent = task.objects; // an id of its own
    match task.operation {
        Operation::Purge => block_on(async move {
            subject.put(absent, &task.body).await?;
            subject.remove(absent).await
        }),
        Operation::UpdateMeta => block_on(async move { subject.update_meta(0).await }),
        Operation::Range => block_on(async move {
            let range = middle(task.body.len());
            subject.get_range(0, range).await.map(|_| ())
        }),
        Operation::Follow(followers) => {
            block_on(async move { subject.follow(0, &task.body, followers.min(1)).await })
        }
        _ => Ok(()),
    }
}

async fn batch<S: Subject>(subject: &S, task: &Task, first: u64, part: Range<u64>) -> Result<(), Failure> {
    let objects = task.objects;
    // A stride that shares no factor with usual counts: neighbours in time are not neighbours in memory.
    let spread = |i: u64| (i * 7919) % objects;
    match task.operation {
        Operation::Hit => {
            for i in part {
                let found = subject.get(spread(i)).await?;
                if black_box(found) != Some(task.body.len()) {
                    return Err(format!("object {} came back as {found:?}", spread(i)).into());
                }
            }
        }
        Operation::Miss => {
            for i in part {
                if black_box(subject.get(objects + spread(i)).await?).is_some() {
                    return Err("found what was never stored".into());
                }
            }
        }
        Operation::Range => {
            for i in part {
                black_box(subject.get_range(spread(i), middle(task.body.len())).await?);
            }
        }
        Operation::Fill(pages) => {
            let again = pages == Pages::Warm && !subject.is_bounded();
            for i in part {
                let id = if again { (first + i) % objects } else { first + i };
                subject.put(id, &task.body).await?;
            }
            subject.settle().await?;
        }
        Operation::Follow(followers) => {
            for i in part {
                subject.follow(i % objects, &task.body, followers).await?;
            }
        }
        Operation::Purge => {
            for i in part {
                subject.remove(objects + i).await?;
            }
        }
        Operation::UpdateMeta => {
            for i in part {
                subject.update_meta(spread(i)).await?;
            }
        }
        Operation::Mixed => {
            for i in part {
                let id = task.trace[((first + i) % task.trace.len() as u64) as usize];
                if black_box(subject.get(id).await?).is_none() {
                    subject.put(id, &task.body).await?;
                }
            }
        }
    }
    Ok(())
}

/// Runs one thing on the shared runtime.
pub(super) fn block_on<T: Send>(
    future: impl Future<Output = Result<T, Failure>> + Send,
) -> Result<T, Failure> {
    timing::runtime().block_on(future)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_lies_within_the_body() {
        for size in [1, 2, 7, 1024, 1 << 20] {
            let range = middle(size);
            assert!(!range.is_empty() && range.end <= size, "{size}: {range:?}");
        }
    }
}
