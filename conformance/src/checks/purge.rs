//! Purge: what goes, what stays, and what is said about it.

use super::gauges::{gauges_at_rest, gauges_return_to};
use crate::Capability;
use crate::content::{Version, key, variant};
use crate::context::Context;
use crate::ops::Store;
use crate::outcome::{Checked, Stop, broken, ensure};
use forebay_core::{PurgeTarget, PurgeType};

pub(super) const BOTH: [PurgeType; 2] = [PurgeType::Invalidation, PurgeType::Eviction];

pub(super) async fn gone(cx: &Context) -> Checked<()> {
    let store = cx.fresh().await?;
    for (number, purge_type) in BOTH.into_iter().enumerate() {
        for size in [0, 1000, 400_000] {
            let k = key(&format!("{number} {size}"));
            store.put(&k, &Version::new(1, size)).await?;
            let reader = store.hit(&k).await?;
            store.purge(&k, purge_type).await?;
            for _ in 0..3 {
                store.expect_absent(&k).await?;
            }
            drop(reader);
            store.expect_absent(&k).await?;
            store.put(&key("another"), &Version::new(2, 1000)).await?;
            store.expect_absent(&k).await?;
        }
    }
    let k = key("live");
    store.put(&k, &Version::new(1, 1000)).await?;
    let mut writer = store.writer(&k, &Version::new(2, 1000)).await?;
    writer.write("some", false).await?;
    store.invalidate(&k).await?;
    store.expect_absent(&k).await?;
    writer.write("more", false).await?;
    store.expect_absent(&k).await?;
    writer.abort();
    store.expect_absent(&k).await
}

async fn expect_result(
    store: &Store,
    name: &str,
    purge_type: PurgeType,
    expected: bool,
    when: &str,
) -> Checked<()> {
    let result = store.purge(&key(name), purge_type).await?;
    ensure(
        result == expected,
        format!("{expected} from a purge {when}"),
        result.to_string(),
    )
}

pub(super) async fn result(cx: &Context) -> Checked<()> {
    let store = cx.fresh().await?;
    let streams = cx.able.to(Capability::Stream);
    for purge_type in BOTH {
        expect_result(&store, "k", purge_type, false, "of an absent key").await?;
        for round in 1..3 {
            store.put(&key("k"), &Version::new(round, 1000)).await?;
            expect_result(&store, "k", purge_type, true, "of a stored entry").await?;
            expect_result(&store, "k", purge_type, false, "right after another").await?;
        }
        let aborted = store.writer(&key("k"), &Version::new(3, 10)).await?;
        aborted.abort();
        expect_result(&store, "k", purge_type, false, "after a dropped write").await?;
    }
    let live = store.writer(&key("k"), &Version::new(4, 1000)).await?;
    expect_result(
        &store,
        "k",
        PurgeType::Eviction,
        false,
        "(eviction) of a live write",
    )
    .await?;
    expect_result(&store, "k", PurgeType::Invalidation, streams, "of a live write").await?;
    expect_result(
        &store,
        "k",
        PurgeType::Invalidation,
        false,
        "of a live write that was purged already",
    )
    .await?;
    live.abort();
    store.put(&key("k"), &Version::new(5, 1000)).await?;
    let _live = store.writer(&key("k"), &Version::new(6, 1000)).await?;
    expect_result(
        &store,
        "k",
        PurgeType::Eviction,
        true,
        "(eviction) of a stored entry with a live write",
    )
    .await?;
    expect_result(
        &store,
        "k",
        PurgeType::Eviction,
        false,
        "(eviction) where only a live write is left",
    )
    .await
}

pub(super) async fn exact_key(cx: &Context) -> Checked<()> {
    let store = cx.fresh().await?;
    let keys = [
        key("k"),
        variant("k", 1),
        variant("k", 2),
        key("K"),
        key("k2"),
        key(""),
    ];
    for purged in 0..keys.len() {
        for purge_type in BOTH {
            let versions: Vec<_> = (1..=keys.len() as u32)
                .map(|number| Version::new(number, 500))
                .collect();
            for (key, version) in keys.iter().zip(&versions) {
                store.put(key, version).await?;
            }
            store.purge(&keys[purged], purge_type).await?;
            for (index, (key, version)) in keys.iter().zip(&versions).enumerate() {
                if index == purged {
                    store.expect_absent(key).await?;
                } else {
                    store.expect(key, version).await?;
                }
            }
        }
    }
    Ok(())
}

pub(super) async fn live(cx: &Context) -> Checked<()> {
    for purge_type in BOTH {
        // An eviction manager names its target; without ids it is the active entry.
        for (written_before, by_target) in [(0, false), (700, false), (700, true)] {
            let store = cx.fresh().await?;
            let (k, old, version) = (key("k"), Version::new(1, 50), Version::new(2, 1000));
            store.put(&k, &old).await?;
            let mut writer = store.writer(&k, &version).await?;
            let mut followers = Vec::new();
            if cx.able.to(Capability::Stream) {
                followers.push(store.follow(&writer).await?);
                followers.push(store.hit(&k).await?);
            }
            writer.write(version.body.slice(..written_before), false).await?;
            if by_target {
                let compact = k.to_compact();
                store
                    .purge_target_as(purge_type, PurgeTarget::Active(&compact))
                    .await?;
            } else {
                store.purge(&k, purge_type).await?;
            }
            if cx.able.to(Capability::Stream) && purge_type == PurgeType::Eviction {
                store.hit(&k).await?.expect_meta(&version.meta)?;
            }
            writer.write(version.body.slice(written_before..), true).await?;
            let finished = writer.try_finish().await?;
            for mut follower in followers {
                follower.expect_whole(&version).await?;
            }
            let admitted = store.which(&k, &[&version]).await?.is_some();
            match (purge_type, finished) {
                (PurgeType::Eviction, Err(error)) => {
                    return broken("finish after an eviction succeeds", format!("Err({error})"));
                }
                (PurgeType::Eviction, Ok(_)) => ensure(admitted, "what was written is admitted", "a miss")?,
                (PurgeType::Invalidation, _) => {
                    let actual = "a lookup after finish finds it";
                    cx.should(!admitted, "a write that was invalidated is not admitted", actual);
                }
            }
        }
    }
    Ok(())
}

pub(super) async fn rewrite(cx: &Context) -> Checked<()> {
    let store = cx.fresh().await?;
    let k = key("k");
    for (number, purge_type) in (1..).zip(BOTH) {
        let version = Version::new(number, 1000);
        store.put(&k, &Version::new(8, 300)).await?;
        store.purge(&k, purge_type).await?;
        store.put(&k, &version).await?;
        store.expect(&k, &version).await?;
        store.purge(&k, purge_type).await?;
        store.purge(&k, purge_type).await?;
        store.put(&k, &version).await?;
        store.expect(&k, &version).await?;
    }
    // While a write that the purge hit goes on, and after it came to its end.
    let (before, after) = (Version::new(5, 1000), Version::new(6, 2000));
    for finishes in [false, true] {
        let mut purged = store.writer(&k, &before).await?;
        store.invalidate(&k).await?;
        store.put(&k, &after).await?;
        store.expect(&k, &after).await?;
        purged.write(before.body.clone(), true).await?;
        if !finishes {
            purged.abort();
            store.expect(&k, &after).await?;
            continue;
        }
        drop(purged.try_finish().await?);
        // That the purged one is not admitted is for PURGE-LIVE to say.
        let found = store.which(&k, &[&after, &before]).await?;
        ensure(
            found.is_some(),
            "the entry written after the purge is still there when the write from before it is finished",
            "a miss",
        )?;
    }
    Ok(())
}

pub(super) async fn no_leak(cx: &Context) -> Checked<()> {
    let store = cx.fresh().await?;
    if cx.gauges(&store).is_empty() {
        return Err(Stop::Skip("the harness gives no gauges".to_owned()));
    }
    // What is allocated once, for the first entries, is no leak.
    write_and_purge(&store, 0..10).await?;
    let before = gauges_at_rest(cx, &store).await;
    write_and_purge(&store, 10..400).await?;
    gauges_return_to(cx, &store, &before).await
}

async fn write_and_purge(store: &Store, numbers: std::ops::Range<u32>) -> Checked<()> {
    for number in numbers {
        let k = key(&format!("k{number}"));
        store.put(&k, &Version::new(number, 700)).await?;
        store.update(&k, &crate::content::meta(number + 1)).await?;
        store.invalidate(&k).await?;
        let live = store.writer(&k, &Version::new(number, 10)).await?;
        store.invalidate(&k).await?;
        live.abort();
        store.lookup(&k).await?;
    }
    Ok(())
}
