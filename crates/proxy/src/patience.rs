//! How long a connection waits for its client: to take what is sent to it, and to end the head of a request.
//!
//! pingora bounds neither what it takes to send a head, nor what a head takes that comes in small pieces. Nothing here costs
//! anything while the client keeps up: a timer is only made when there is something to wait for.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Sleep;

/// A limit for the time in which nothing goes on.
#[derive(Debug)]
pub(crate) struct Patience {
    limit: Duration,
    /// There while something is waited for.
    over: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit, over: None }
    }

    /// What was polled, or an error where it has been pending for too long. What is ready begins the time anew.
    pub(crate) fn judge<T>(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match polled {
            Poll::Ready(done) => {
                self.over = None;
                Poll::Ready(done)
            }
            Poll::Pending => self.poll_over(cx).map(|()| Err(io::ErrorKind::TimedOut.into())),
        }
    }

    fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let limit = self.limit;
        let over = self
            .over
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        over.as_mut().poll(cx)
    }
}

tokio::task_local! {
    /// The heads of the client's connection that this task serves.
    static HEADS: Heads;
}

/// How many heads have begun and ended on a connection: an even number while one is awaited.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heads(Arc<AtomicU64>);

impl Heads {
    /// Runs what serves the connection.
    pub(crate) async fn serve<F: Future>(self, serving: F) -> F::Output {
        HEADS.scope(self, serving).await
    }
}

/// To be called in the task of a connection when a whole head has come.
pub(crate) fn head_came() {
    // A task that serves no connection, but brings an entry up to date, has none.
    let _ = HEADS.try_with(|heads| heads.0.fetch_or(1, Ordering::Relaxed));
}

/// To be called there when its request is over, and the next thing to come is a head.
pub(crate) fn head_is_next() {
    let _ = HEADS.try_with(|heads| {
        let now = heads.0.load(Ordering::Relaxed);
        heads.0.store((now | 1) + 1, Ordering::Relaxed);
    });
}

/// Bounds the time that a head takes from its first byte on; and the wait for the first one, which is no use to anybody.
#[derive(Debug)]
pub(crate) struct HeadWatch {
    heads: Heads,
    /// The head that is looked at.
    seen: u64,
    /// A part of it has come.
    has_begun: bool,
    patience: Patience,
}

impl HeadWatch {
    pub(crate) fn new(heads: Heads, limit: Duration) -> Self {
        Self {
            heads,
            seen: 0,
            has_begun: false,
            patience: Patience::new(limit),
        }
    }

    #[cfg(test)]
    pub(crate) fn heads(&self) -> Heads {
        self.heads.clone()
    }

    /// A read of the connection, or an error where the head that it belongs to has taken too long.
    pub(crate) fn judge(&mut self, cx: &mut Context<'_>, read: Poll<io::Result<()>>) -> Poll<io::Result<()>> {
        let now = self.heads.0.load(Ordering::Relaxed);
        if now != self.seen {
            self.seen = now;
            self.has_begun = false;
            self.patience.over = None;
        }
        let is_awaited = now.is_multiple_of(2);
        match read {
            Poll::Ready(done) => {
                if is_awaited && !self.has_begun {
                    self.has_begun = true;
                    self.patience.over = None;
                }
                Poll::Ready(done)
            }
            // Between two requests, pingora has a timer.
            Poll::Pending if is_awaited && (self.has_begun || now == 0) => self.patience.judge(cx, read),
            Poll::Pending => Poll::Pending,
        }
    }
}
