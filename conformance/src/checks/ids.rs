//! Ids of entries: what they name, and what they do not.

use super::persistence::reopen;
use super::purge::BOTH;
use crate::Capability;
use crate::content::{Version, key};
use crate::context::Context;
use crate::ops::Store;
use crate::outcome::{Checked, broken, ensure};
use forebay_core::{CacheEntryId, CacheKey, PurgeOutcome, PurgeTarget};

pub(super) async fn entry(cx: &Context) -> Checked<()> {
    let store = cx.fresh().await?;
    let k = key("k");
    let compact = k.to_compact();
    let (old, new) = (Version::new(1, 1000), Version::new(2, 500));
    let mut ids = Vec::new();
    for version in [&old, &new] {
        let mut writer = store.writer(&k, version).await?;
        let promised = writer.handler.entry_id();
        writer.write(version.body.clone(), true).await?;
        writer.finish().await?;
        let id = id_of(&store, &k).await?;
        let same = promised.is_none_or(|promised| promised == id);
        ensure(
            same,
            format!("the id of the miss handler, {promised:?}"),
            format!("{id} on the hit"),
        )?;
        ids.push(id);
    }
    ensure(
        ids[0] != ids[1],
        "another write has another id",
        format!("both have {}", ids[0]),
    )?;
    let outcome = store.purge_target(PurgeTarget::Exact(&compact, ids[0])).await?;
    expect_outcome(
        outcome,
        PurgeOutcome::NotFound,
        "for the id of an older generation",
    )?;
    store.expect(&k, &new).await?;
    let other = key("other").to_compact();
    let outcome = store.purge_target(PurgeTarget::Exact(&other, ids[1])).await?;
    expect_outcome(outcome, PurgeOutcome::NotFound, "for an id of another key")?;
    store.expect(&k, &new).await?;
    let outcome = store.purge_target(PurgeTarget::Exact(&compact, ids[1])).await?;
    expect_outcome(
        outcome,
        PurgeOutcome::Purged(Some(ids[1])),
        "for the id of the entry",
    )?;
    store.expect_absent(&k).await?;
    an_old_id_leaves_a_live_write_alone(cx, &store, ids[1]).await?;
    an_id_is_of_what_is_stored(cx).await?;
    store.put(&k, &old).await?;
    let id = store.hit(&k).await?.handler.entry_id();
    let outcome = store.purge_target(PurgeTarget::Active(&compact)).await?;
    expect_outcome(outcome, PurgeOutcome::Purged(id), "for the active entry")?;
    store.expect_absent(&k).await?;
    ids_outlast_a_restart(cx).await
}

fn expect_outcome(outcome: PurgeOutcome, expected: PurgeOutcome, when: &str) -> Checked<()> {
    ensure(
        outcome == expected,
        format!("{expected:?} {when}"),
        format!("{outcome:?}"),
    )
}

async fn id_of(store: &Store, k: &CacheKey) -> Checked<CacheEntryId> {
    match store.hit(k).await?.handler.entry_id() {
        Some(id) => Ok(id),
        None => broken("an entry_id on every hit, where there are any", "None"),
    }
}

/// Neither a purge nor an expiry of a generation that is gone touches what is there, or what is being written.
async fn an_old_id_leaves_a_live_write_alone(
    cx: &Context,
    store: &Store,
    old_id: CacheEntryId,
) -> Checked<()> {
    let k = key("k");
    let compact = k.to_compact();
    let old = PurgeTarget::Exact(&compact, old_id);
    let (stored, live) = (Version::new(4, 700), Version::new(5, 900));
    store.put(&k, &stored).await?;
    if cx.able.to(Capability::Expire) {
        let outcome = store.expire_target(old).await?;
        expect_outcome(
            outcome,
            PurgeOutcome::NotFound,
            "from expire for the id of an older generation",
        )?;
        store.expect(&k, &stored).await?;
    }
    let mut writer = store.writer(&k, &live).await?;
    store.purge_target(old).await?;
    if cx.able.to(Capability::Stream) {
        store.hit(&k).await?.expect_meta(&live.meta)?;
    }
    writer.write(live.body.clone(), true).await?;
    writer.finish().await?;
    store.expect(&k, &live).await
}

/// Nor is a write that has begun since of the generation that is stored.
async fn an_id_is_of_what_is_stored(cx: &Context) -> Checked<()> {
    let (k, stored, live) = (key("k"), Version::new(1, 700), Version::new(2, 900));
    let compact = k.to_compact();
    for purge_type in BOTH {
        let store = cx.fresh().await?;
        store.put(&k, &stored).await?;
        let id = id_of(&store, &k).await?;
        let mut writer = store.writer(&k, &live).await?;
        let target = PurgeTarget::Exact(&compact, id);
        let outcome = store.purge_target_as(purge_type, target).await?;
        expect_outcome(
            outcome,
            PurgeOutcome::Purged(Some(id)),
            "for the id of what is stored",
        )?;
        if cx.able.to(Capability::Stream) {
            store.hit(&k).await?.expect_meta(&live.meta)?;
        }
        writer.write(live.body.clone(), true).await?;
        writer.finish().await?;
        store.expect(&k, &live).await?;
    }
    Ok(())
}

/// After a restart, the entry has the id that it had, and what is written then has another.
async fn ids_outlast_a_restart(cx: &Context) -> Checked<()> {
    if !cx.able.to(Capability::Persist) {
        return Ok(());
    }
    let (k, before, after) = (key("k"), Version::new(6, 800), Version::new(7, 600));
    let compact = k.to_compact();
    let store = cx.fresh().await?;
    store.put(&k, &before).await?;
    let id = id_of(&store, &k).await?;
    let store = reopen(cx, cx.close(store).await?).await?;
    store.put(&k, &after).await?;
    let outcome = store.purge_target(PurgeTarget::Exact(&compact, id)).await?;
    expect_outcome(
        outcome,
        PurgeOutcome::NotFound,
        "for the id of an entry from before the restart, which was replaced",
    )?;
    store.expect(&k, &after).await?;
    let written = store.hit(&k).await?.handler.entry_id();
    let store = reopen(cx, cx.close(store).await?).await?;
    let found = store.hit(&k).await?.handler.entry_id();
    ensure(
        found == written,
        format!("the id of before the restart, {written:?}"),
        format!("{found:?}"),
    )
}
