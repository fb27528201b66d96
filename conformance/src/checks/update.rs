//! Expire and update: new metas on old bodies.

use crate::Capability;
use crate::content::{Version, body, key, meta};
use crate::context::Context;
use crate::ops::{Store, must};
use crate::outcome::{Checked, broken, ensure};
use crate::poll::{Stepped, within};
use bytes::Bytes;
use forebay_core::{CacheKey, CacheMeta, PurgeOutcome, SpanHandle};
use std::task::Poll;
use std::time::SystemTime;

/// At how many points of an update the race is tried.
const POLLS_MAX: usize = 8;

pub(super) async fn expire_stale(cx: &Context) -> Checked<()> {
    let store = cx.fresh().await?;
    let (k, version) = (key("k"), Version::new(1, 300_000));
    expect_outcome(
        store.expire(&key("absent")).await?,
        PurgeOutcome::NotFound,
        "an absent key",
    )?;
    store.expect_absent(&key("absent")).await?;
    store.put(&k, &version).await?;
    store.put(&key("other"), &version).await?;
    for _ in 0..2 {
        expect_outcome(store.expire(&k).await?, PurgeOutcome::Expired, "a stored entry")?;
        let mut hit = store.hit(&k).await?;
        let now = SystemTime::now();
        ensure(!hit.meta.is_fresh(now), "an expired entry is not fresh", "it is")?;
        hit.expect_meta(&expired(&version.meta, &hit.meta))?;
        hit.expect_bytes(&version.body).await?;
    }
    store.expect(&key("other"), &version).await?;
    // A revalidation makes it fresh again.
    let fresh = Version {
        meta: meta(2),
        ..version.clone()
    };
    store.update(&k, &fresh.meta).await?;
    store.expect(&k, &fresh).await?;
    expire_with_a_live_write(cx).await
}

/// What an expiry makes of a meta: nothing but the end of its freshness, which is that of `found`, has changed.
pub(super) fn expired(meta: &CacheMeta, found: &CacheMeta) -> CacheMeta {
    let mut expired = meta.clone();
    expired.update_freshness(
        found.fresh_until(),
        meta.stale_while_revalidate_sec(),
        meta.stale_if_error_sec(),
        meta.updated(),
    );
    expired
}

async fn expire_with_a_live_write(cx: &Context) -> Checked<()> {
    let store = cx.fresh().await?;
    let (k, version) = (key("k"), Version::new(1, 1000));
    let mut writer = store.writer(&k, &version).await?;
    expect_outcome(
        store.expire(&k).await?,
        PurgeOutcome::NotFound,
        "a key with a live write alone",
    )?;
    if cx.able.to(Capability::Stream) {
        store.hit(&k).await?.expect_meta(&version.meta)?;
    }
    writer.write(version.body.clone(), true).await?;
    writer.finish().await?;
    store.expect(&k, &version).await
}

fn expect_outcome(outcome: PurgeOutcome, expected: PurgeOutcome, of: &str) -> Checked<()> {
    ensure(
        outcome == expected,
        format!("{expected:?} from expire of {of}"),
        format!("{outcome:?}"),
    )
}

pub(super) async fn update_meta(cx: &Context) -> Checked<()> {
    let store = cx.fresh().await?;
    for size in [0, 1000, 400_000] {
        let k = key(&format!("{size}"));
        let mut version = Version::new(1, size);
        store.put(&k, &version).await?;
        for number in [2, 3] {
            version.meta = meta(number);
            // Larger, then smaller than the one before.
            version
                .meta
                .set_opaque(Bytes::from(vec![7; if number == 2 { 5000 } else { 0 }]));
            let updated = store.update(&k, &version.meta).await?;
            ensure(updated, "true from update_meta of a stored entry", "false")?;
            store.expect(&k, &version).await?;
            store.expect(&k, &version).await?;
        }
    }
    Ok(())
}

async fn expect_no_update(store: &Store, k: &CacheKey, when: &str) -> Checked<()> {
    let updated = store.update(k, &meta(7)).await?;
    ensure(
        !updated,
        format!("Ok(false) from update_meta of {when}"),
        "Ok(true)",
    )
}

pub(super) async fn absent(cx: &Context) -> Checked<()> {
    let store = cx.fresh().await?;
    let k = key("k");
    expect_no_update(&store, &k, "a key that was never written").await?;
    store.expect_absent(&k).await?;
    let version = Version::new(1, 1000);
    store.put(&k, &version).await?;
    store.invalidate(&k).await?;
    expect_no_update(&store, &k, "a purged key").await?;
    store.expect_absent(&k).await?;
    let mut writer = store.writer(&k, &version).await?;
    expect_no_update(&store, &k, "a key with a live write alone").await?;
    writer.write(version.body.clone(), true).await?;
    writer.finish().await?;
    store.expect(&k, &version).await
}

pub(super) async fn race(cx: &Context) -> Checked<()> {
    for polls in 0..POLLS_MAX {
        let store = cx.fresh().await?;
        let (k, old) = (key("k"), Version::new(1, 1000));
        store.put(&k, &old).await?;
        let (began_meta, span) = (meta(5), SpanHandle::none());
        let mut update = Stepped::new(store.storage.update_meta(&k, &began_meta, &span));
        let done = poll_times(&store, &mut update, polls);
        store.invalidate(&k).await?;
        if !done {
            complete(&store, update).await?;
        }
        store.expect_absent(&k).await?;

        store.put(&k, &old).await?;
        let mut update = Stepped::new(store.storage.update_meta(&k, &began_meta, &span));
        let done = poll_times(&store, &mut update, polls);
        let new = Version::new(2, 2000);
        store.put(&k, &new).await?;
        if !done {
            complete(&store, update).await?;
        }
        expect_one_generation(&store, &k, &new, polls > 0).await?;
    }
    update_during_a_write(cx).await
}

/// The new body with its own meta. An update that had not begun when the write ended may have come after it.
async fn expect_one_generation(
    store: &Store,
    k: &CacheKey,
    new: &Version,
    began_before: bool,
) -> Checked<()> {
    if began_before {
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

async fn update_during_a_write(cx: &Context) -> Checked<()> {
    let store = cx.fresh().await?;
    let (k, new) = (key("k"), Version::new(2, 2000));
    store.put(&k, &Version::new(1, 1000)).await?;
    let mut writer = store.writer(&k, &new).await?;
    store.update(&k, &meta(5)).await?;
    writer.write(new.body.clone(), true).await?;
    store.update(&k, &meta(6)).await?;
    writer.finish().await?;
    store.expect(&k, &new).await?;
    // And one that is given up leaves the updated entry.
    let writer = store.writer(&k, &Version::new(3, 100)).await?;
    store.update(&k, &meta(7)).await?;
    writer.abort();
    let updated = Version {
        meta: meta(7),
        body: body(2, 2000),
    };
    store.expect(&k, &updated).await
}

type Update<'a> = Stepped<'a, Result<bool, Box<forebay_core::Error>>>;

/// Polls so often; whether it was done by then.
fn poll_times(store: &Store, update: &mut Update<'_>, polls: usize) -> bool {
    store
        .caller
        .log
        .note(format!("update_meta(k, v5) is polled {polls} times"));
    (0..polls).any(|_| update.poll().is_ready())
}

async fn complete(store: &Store, mut update: Update<'_>) -> Checked<()> {
    let patience = store.caller.patience;
    let step = store.caller.log.begin("update_meta(k, v5) goes on".to_owned());
    let finished = within(patience, async {
        loop {
            if let Poll::Ready(result) = update.poll() {
                return Some(result);
            }
            if !update.woken(patience).await {
                return None;
            }
        }
    });
    match finished.await.ok().flatten() {
        Some(result) => {
            store.caller.log.end(step, &format!("{result:?}"));
            must("update_meta", result).map(|_| ())
        }
        None => broken("update_meta comes to an end", "it hangs"),
    }
}
