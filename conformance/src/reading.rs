//! A read that is polled by hand.

use crate::hit::{Chunk, show_chunk};
use crate::ops::{Store, show_hang};
use crate::outcome::{Checked, broken};
use crate::poll::{Hang, POLLS_MAX, Patience, Stepped, runtimes_turn};
use std::task::Poll;
use std::time::{Duration, Instant};

/// How long a thread may take to find out that there is nothing to read: who takes longer is not found out.
const LOOKED_WITHIN: Duration = Duration::from_millis(50);
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// A read under way.
pub(crate) struct Reading<'a> {
    name: &'a str,
    store: &'a Store,
    read: Stepped<'a, Chunk>,
}

impl<'a> Reading<'a> {
    pub(crate) fn new(
        name: &'a str,
        store: &'a Store,
        read: impl Future<Output = Chunk> + Send + 'a,
    ) -> Self {
        let read = Stepped::new(read);
        Reading { name, store, read }
    }

    pub(crate) fn poll(&mut self) -> Poll<Chunk> {
        let step = self
            .store
            .caller
            .log
            .begin(format!("{}.read_body() polled", self.name));
        let poll = self.read.poll();
        let text = match &poll {
            Poll::Ready(chunk) => show_chunk(chunk),
            Poll::Pending => "pending".to_owned(),
        };
        self.store.caller.log.end(step, &text);
        poll
    }

    /// From now on another task polls it, with a waker of its own.
    pub(crate) fn moves_elsewhere(&mut self) {
        self.store.caller.log.note(format!(
            "{}.read_body() is polled by another task from now on",
            self.name
        ));
        self.read.moves_elsewhere();
    }

    /// Nothing may be there yet.
    pub(crate) fn expect_pending(&mut self) -> Checked<()> {
        match self.poll() {
            Poll::Pending => Ok(()),
            Poll::Ready(chunk) => broken("the read waits for bytes", show_chunk(&chunk)),
        }
    }

    /// Nothing may be there yet, nor come: a first poll may only have asked somebody to look.
    pub(crate) async fn expect_to_wait(&mut self) -> Checked<()> {
        expect_all_to_wait(std::slice::from_mut(self)).await
    }

    /// The result, polled only when something woke the reader after `event`.
    pub(crate) async fn woken_by(&mut self, event: &str) -> Checked<Chunk> {
        for _ in 0..POLLS_MAX {
            if !self.read.woken(self.store.caller.patience).await {
                return broken(format!("{event} wakes the waiting follower"), "it sleeps on");
            }
            if let Poll::Ready(chunk) = self.poll() {
                return Ok(chunk);
            }
        }
        broken(
            format!("{event} gives the waiting follower something to read"),
            show_hang(Hang::Spins),
        )
    }
}

/// The same of several, at once. Afterwards each of them has come to where it waits.
pub(crate) async fn expect_all_to_wait(readings: &mut [Reading<'_>]) -> Checked<()> {
    readings.iter_mut().try_for_each(Reading::expect_pending)?;
    let Some(patience) = readings.first().map(|reading| reading.store.caller.patience) else {
        return Ok(());
    };
    let deadline = match patience {
        Patience::Clock(limit) => Some(Instant::now() + limit.min(LOOKED_WITHIN)),
        Patience::WhileWoken => None,
    };
    // Who wakes itself for as long as there is nothing does wait, in its way.
    for _ in 0..POLLS_MAX {
        match deadline {
            Some(_) => tokio::time::sleep(LOOK_EVERY).await,
            None => runtimes_turn().await,
        }
        let mut woken = readings
            .iter_mut()
            .filter(|reading| reading.read.is_woken())
            .peekable();
        let at_rest = woken.peek().is_none();
        woken.try_for_each(Reading::expect_pending)?;
        if deadline.map_or(at_rest, |deadline| Instant::now() >= deadline) {
            break;
        }
    }
    Ok(())
}
