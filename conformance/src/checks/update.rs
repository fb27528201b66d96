//! Expire and update: new metas on old bodies.

use crate::Capability;
use crate::content::{Version, body, key, meta, stale_meta};
use crate::context::Context;
use crate::ops::Store;
use crate::outcome::{Checked, ensure};
use bytes::Bytes;
use forebay_core::{CacheKey, CacheMeta, PurgeOutcome};
use std::time::SystemTime;

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
    store.expect_often(&k, &version).await?;
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
    // One that is stale already is not made less so.
    let stale = Version {
        meta: stale_meta(3),
        ..version
    };
    store.put(&k, &stale).await?;
    expect_outcome(store.expire(&k).await?, PurgeOutcome::Expired, "a stale entry")?;
    store.expect(&k, &stale).await?;
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
            store.expect_often(&k, &version).await?;
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

/// No race: the updates are over before the write goes on.
pub(super) async fn during_a_write(cx: &Context) -> Checked<()> {
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
