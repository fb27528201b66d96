//! How a client calls: one poll each turn, dropped where the case says so.

use super::record::{Record, Waiting};
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

/// How a client calls, and where it is recorded.
#[derive(Clone, Copy)]
pub(super) struct Lane<'a> {
    pub(super) number: usize,
    pub(super) record: &'a Record,
}

impl Lane<'_> {
    /// Polls the future once each turn; `None` if it is dropped after `polls_max` of them, or waits without hope.
    pub(super) async fn call<T>(
        self,
        what: String,
        polls_max: Option<u8>,
        read: Option<(Vec<u32>, usize)>,
        future: impl Future<Output = T>,
    ) -> Option<T> {
        let mut future = pin!(future);
        let mut polls = 0;
        {
            let mut record = self.record.lock();
            record.say(&what);
            record.waiting[self.number] = Some(Waiting {
                what,
                read,
                hopeless: false,
            });
        }
        let output = poll_fn(|cx| {
            let hopeless = self.record.lock().waiting[self.number]
                .as_ref()
                .is_some_and(|waiting| waiting.hopeless);
            if hopeless || polls_max.is_some_and(|max| polls >= max) {
                return Poll::Ready(None);
            }
            polls += 1;
            let poll = future.as_mut().poll(cx);
            if poll.is_pending() && polls_max.is_some_and(|max| polls >= max) {
                // It is dropped at the client's next turn: others may come between.
                cx.waker().wake_by_ref();
            }
            poll.map(Some)
        })
        .await;
        let mut record = self.record.lock();
        record.waiting[self.number] = None;
        if output.is_none() {
            record.say("is dropped");
        }
        output
    }

    pub(super) fn came_to(self, text: &str) {
        self.record.lock().say(&format!(" -> {text}"));
    }
}

/// Lets the scheduler choose who is next.
pub(super) async fn turn() {
    let mut begun = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut begun, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
