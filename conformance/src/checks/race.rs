//! Updates that race with other calls.

use super::update::during_a_write;
use crate::content::{Version, key, meta};
use crate::context::Context;
use crate::ops::{Answer, Store, must, show_answer};
use crate::outcome::{Checked, broken};
use crate::poll::{Stepped, alongside};
use forebay_core::{CacheKey, CacheMeta, MissFinishType, PurgeType, SpanHandle, Storage};
use std::task::Poll;

/// At how many points of an update the race is tried.
const POLLS_MAX: usize = 8;

pub(super) async fn update(cx: &Context) -> Checked<()> {
    for polls in 0..POLLS_MAX {
        let store = cx.fresh().await?;
        let (k, old) = (key("k"), Version::new(1, 1000));
        let (began_meta, span) = (meta(5), SpanHandle::none());
        store.put(&k, &old).await?;
        let mut update = Update::begin(&store, &k, &began_meta, &span, polls);
        let compact = k.to_compact();
        let purge = store.storage.purge(&compact, PurgeType::Invalidation, &span);
        let purged = update.beside("purge(k, Invalidation)", purge, bool::to_string);
        must("purge", purged.await?)?;
        update.complete().await?;
        store.expect_absent(&k).await?;

        store.put(&k, &old).await?;
        let mut update = Update::begin(&store, &k, &began_meta, &span, polls);
        let ended_before = update.answer.is_some();
        let new = Version::new(2, 2000);
        let put = put(&*store.storage, &k, &new);
        let finished = update.beside("put(k, v2)", put, |finish| format!("{finish:?}"));
        must("put", finished.await?)?;
        update.complete().await?;
        expect_one_generation(&store, &k, &new, ended_before).await?;
    }
    during_a_write(cx).await
}

async fn put(storage: &dyn Storage, k: &CacheKey, version: &Version) -> Answer<MissFinishType> {
    let span = SpanHandle::none();
    let mut handler = storage.get_miss_handler(k, &version.meta, &span).await?;
    handler.write_body(version.body.clone(), true).await?;
    handler.finish().await
}

/// The new body with its own meta. An update that had not ended when the write began may have come after it.
async fn expect_one_generation(
    store: &Store,
    k: &CacheKey,
    new: &Version,
    ended_before: bool,
) -> Checked<()> {
    if ended_before {
        return store.expect(k, new).await;
    }
    let updated = Version {
        meta: meta(5),
        ..new.clone()
    };
    match store.which(k, &[new, &updated]).await? {
        Some(_) => Ok(()),
        None => broken("the new entry", "a miss"),
    }
}

/// An update that was begun.
struct Update<'a> {
    store: &'a Store,
    going_on: Stepped<'a, Answer<bool>>,
    answer: Option<Answer<bool>>,
}

impl<'a> Update<'a> {
    /// Polls it so often, or until it ends.
    fn begin(
        store: &'a Store,
        k: &'a CacheKey,
        meta: &'a CacheMeta,
        span: &'a SpanHandle,
        polls: usize,
    ) -> Self {
        let log = &store.caller.log;
        let step = log.begin(format!("update_meta(k, v5) is polled {polls} times"));
        let mut going_on = Stepped::new(store.storage.update_meta(k, meta, span));
        let answer = (0..polls).find_map(|_| match going_on.poll() {
            Poll::Ready(answer) => Some(answer),
            Poll::Pending => None,
        });
        log.end(step, &answer.as_ref().map_or("pending".to_owned(), show));
        Update {
            store,
            going_on,
            answer,
        }
    }

    /// Makes another call. The update goes on when it is woken and the other has to wait: it may hold what that waits for.
    async fn beside<T>(
        &mut self,
        what: &str,
        other: impl Future<Output = Answer<T>>,
        show: impl Fn(&T) -> String,
    ) -> Checked<Answer<T>> {
        let caller = &self.store.caller;
        let both = alongside(&mut self.going_on, &mut self.answer, other);
        caller
            .call(what.to_owned(), both, |answer| show_answer(answer, show))
            .await
    }

    async fn complete(self) -> Checked<()> {
        let answer = match self.answer {
            Some(answer) => answer,
            None => {
                let what = "update_meta(k, v5) goes on".to_owned();
                self.store.caller.call(what, self.going_on.ended(), show).await?
            }
        };
        must("update_meta", answer).map(drop)
    }
}

fn show(answer: &Answer<bool>) -> String {
    show_answer(answer, bool::to_string)
}
