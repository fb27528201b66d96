//! Driving futures: with a limit to the waiting, poll by poll, and with an eye on who wakes them.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

/// How long a pending future is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// As long as something wakes it: nothing else could.
    WhileWoken,
    /// That long: threads may be at work.
    Clock(Duration),
}

/// More polls than any call of the suite takes: who needs more never ends.
pub(crate) const POLLS_MAX: usize = 100_000;

/// How a future comes to no end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hang {
    /// It is pending, and nothing could wake it any more.
    NotWoken,
    /// It wakes itself again and again.
    Spins,
    /// It takes too long.
    TooLong,
}

/// The future's output, or how it hangs.
pub(crate) async fn within<F: Future>(patience: Patience, future: F) -> Result<F::Output, Hang> {
    match patience {
        Patience::Clock(limit) => tokio::time::timeout(limit, future)
            .await
            .map_err(|_| Hang::TooLong),
        Patience::WhileWoken => {
            let mut future = pin!(future);
            let wakes = Wakes::new();
            for _ in 0..POLLS_MAX {
                let before = wakes.count();
                let polled = poll_fn(|cx| {
                    wakes.forward_to(cx.waker());
                    Poll::Ready(future.as_mut().poll(&mut Context::from_waker(&wakes.waker())))
                });
                if let Poll::Ready(output) = polled.await {
                    return Ok(output);
                }
                runtimes_turn().await;
                if wakes.count() == before {
                    return Err(Hang::NotWoken);
                }
            }
            Err(Hang::Spins)
        }
    }
}

/// Lets the runtime go round once: `yield_now` leaves its wake to it. It takes no time, and there is nothing else to wait for.
pub(crate) async fn runtimes_turn() {
    let mut taken = false;
    poll_fn(|cx| match std::mem::replace(&mut taken, true) {
        true => Poll::Ready(()),
        false => {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await;
}

/// Polls at most that often, then drops the future; `None` where it was not done by then. 0 drops it unpolled.
pub(crate) async fn at_most<F: Future>(polls_max: usize, future: F) -> Option<F::Output> {
    if polls_max == 0 {
        return None;
    }
    let mut future = pin!(future);
    let mut polls = 0;
    poll_fn(|cx| {
        polls += 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if polls == polls_max => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// A future that is polled by hand, and counts who wakes it.
pub(crate) struct Stepped<'a, T> {
    future: Pin<Box<dyn Future<Output = T> + Send + 'a>>,
    wakes: Wakes,
    seen: usize,
}

impl<'a, T> Stepped<'a, T> {
    pub(crate) fn new(future: impl Future<Output = T> + Send + 'a) -> Self {
        Stepped {
            future: Box::pin(future),
            wakes: Wakes::new(),
            seen: 0,
        }
    }

    pub(crate) fn poll(&mut self) -> Poll<T> {
        self.seen = self.wakes.count();
        self.future
            .as_mut()
            .poll(&mut Context::from_waker(&self.wakes.waker()))
    }

    /// Goes on until it ends.
    pub(crate) async fn ended(mut self) -> T {
        poll_fn(|cx| {
            self.tell(cx.waker());
            self.poll()
        })
        .await
    }

    /// From now on it is polled with another waker, and the one before counts for nothing.
    pub(crate) fn moves_elsewhere(&mut self) {
        (self.wakes, self.seen) = (Wakes::new(), 0);
    }

    /// Whether the future was woken since it was last polled.
    pub(crate) fn is_woken(&self) -> bool {
        self.wakes.count() > self.seen
    }

    /// Who is to be woken as well when the future is.
    pub(crate) fn tell(&self, waker: &Waker) {
        self.wakes.forward_to(waker);
    }

    /// Waits until the future was woken since it was last polled; `false` if nobody does.
    pub(crate) async fn woken(&mut self, patience: Patience) -> bool {
        if self.is_woken() {
            return true;
        }
        let Patience::Clock(limit) = patience else {
            runtimes_turn().await;
            return self.is_woken();
        };
        let woken = poll_fn(|cx| {
            self.wakes.forward_to(cx.waker());
            if self.wakes.count() > self.seen {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        });
        tokio::time::timeout(limit, woken).await.is_ok()
    }
}

/// Drives a future to its end. Whenever that has to wait, the one that was begun before gets the turns for which it was woken;
/// `output` is its own, once it has ended.
pub(crate) async fn alongside<T, F: Future>(
    begun: &mut Stepped<'_, T>,
    output: &mut Option<T>,
    future: F,
) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|cx| {
        begun.tell(cx.waker());
        let polled = future.as_mut().poll(cx);
        if polled.is_pending()
            && output.is_none()
            && begun.is_woken()
            && let Poll::Ready(ended) = begun.poll()
        {
            *output = Some(ended);
        }
        polled
    })
    .await
}

/// A waker that counts, and passes on.
#[derive(Clone)]
struct Wakes(Arc<Counter>);

#[derive(Default)]
struct Counter {
    count: AtomicUsize,
    outer: Mutex<Option<Waker>>,
}

impl Wakes {
    fn new() -> Self {
        Wakes(Arc::default())
    }

    fn waker(&self) -> Waker {
        self.0.clone().into()
    }

    fn count(&self) -> usize {
        self.0.count.load(Ordering::SeqCst)
    }

    fn forward_to(&self, outer: &Waker) {
        *self.0.outer.lock().unwrap_or_else(PoisonError::into_inner) = Some(outer.clone());
    }
}

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.count.fetch_add(1, Ordering::SeqCst);
        let outer = self.outer.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(outer) = outer {
            outer.wake();
        }
    }
}
