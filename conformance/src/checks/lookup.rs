//! Lookup: what is found, and that finding changes nothing.

use super::gauges::{gauges_at_rest, gauges_return_to_the_same_entries};
use crate::Capability;
use crate::content::{SIZES, Version, body, key, meta, metas, stale_meta, variant};
use crate::context::Context;
use crate::ops::Store;
use crate::outcome::{Checked, ensure};
use forebay_core::{CacheKey, HashBinary};
use std::time::{Duration, UNIX_EPOCH};

/// How a body is cut, again and again: evenly, and with small chunks before, between and behind large ones, since a backend
/// may keep these two in different ways.
const CHUNKS: [&[usize]; 7] = [
    &[usize::MAX],
    &[65_536],
    &[65_537],
    &[4097],
    &[7],
    &[1],
    &[100, 20_000, 3, 1, 70_000, 5000],
];

pub(super) async fn miss(cx: &Context) -> Checked<()> {
    let store = cx.fresh().await?;
    store.expect_absent(&key("never")).await?;
    store.expect_absent(&variant("never", 1)).await?;
    store.put(&key("other"), &Version::new(1, 10)).await?;
    store.expect_absent(&key("never")).await?;
    store.expect_absent(&key("")).await
}

pub(super) async fn roundtrip(cx: &Context) -> Checked<()> {
    let store = cx.fresh().await?;
    let mut number = 0;
    for size in SIZES {
        for chunks in CHUNKS {
            // Small chunks of large bodies cost time and show nothing that the others do not.
            let largest = chunks.iter().copied().max().unwrap_or_default();
            if size.div_ceil(largest) > 700 || (size <= largest && largest != usize::MAX) {
                continue;
            }
            number += 1;
            let key = key(&format!("{size} in {chunks:?}"));
            let version = Version::new(number, size);
            let mut writer = store.writer(&key, &version).await?;
            let mut at = 0;
            for chunk in chunks.iter().cycle() {
                if at == size {
                    break;
                }
                let until = at + chunk.min(&(size - at));
                writer.write(version.body.slice(at..until), until == size).await?;
                at = until;
            }
            writer.finish().await?;
            store.expect(&key, &version).await?;
            store.expect(&key, &version).await?;
            store.purge(&key, forebay_core::PurgeType::Eviction).await?;
        }
    }
    Ok(())
}

pub(super) async fn meta_exact(cx: &Context) -> Checked<()> {
    let store = cx.fresh().await?;
    for (index, meta) in metas().into_iter().enumerate() {
        let key = key(&format!("meta {index}"));
        let version = Version {
            meta,
            body: body(1, 10),
        };
        store.put(&key, &version).await?;
        store.expect(&key, &version).await?;
    }
    // The same by an update.
    let key = key("updated");
    let first = Version::new(1, 10);
    store.put(&key, &first).await?;
    for meta in metas() {
        store.update(&key, &meta).await?;
        store.hit(&key).await?.expect_meta(&meta)?;
    }
    fresh_until_long_ago(&store).await
}

/// Not every way to write times down goes back beyond 1970: a storage may refuse it, and does not make another time of it.
async fn fresh_until_long_ago(store: &Store) -> Checked<()> {
    let (key, mut version) = (key("long ago"), Version::new(1, 10));
    version.meta.expire_at(UNIX_EPOCH - Duration::new(1, 5));
    match store.try_put(&key, &version).await? {
        Ok(_) => store.expect(&key, &version).await,
        Err(_) => store.expect_absent(&key).await,
    }
}

pub(super) async fn variance(cx: &Context) -> Checked<()> {
    let store = cx.fresh().await?;
    let keys = [key("k"), variant("k", 1), variant("k", 2)];
    let versions = [1, 2, 3].map(|number| Version::new(number, 1000 * number as usize));
    for (key, version) in keys.iter().zip(&versions) {
        store.put(key, version).await?;
    }
    for (key, version) in keys.iter().zip(&versions) {
        store.expect(key, version).await?;
    }
    store.expect_absent(&variant("k", 3)).await?;
    let updated = Version {
        meta: meta(9),
        ..versions[2].clone()
    };
    store.update(&keys[2], &updated.meta).await?;
    store.invalidate(&keys[1]).await?;
    store.expect(&keys[0], &versions[0]).await?;
    store.expect_absent(&keys[1]).await?;
    store.expect(&keys[2], &updated).await?;
    store.invalidate(&keys[0]).await?;
    store.expect(&keys[2], &updated).await?;
    // The user tag is no part of the key.
    let mut of_another_user = CacheKey::new("", "k", "another user");
    of_another_user.set_variance_key([2; 16]);
    store.expect(&of_another_user, &updated).await?;
    variant_in_progress(cx).await?;
    nearly_the_same(cx).await
}

/// A write of one variant, while others are stored, purged and expired.
async fn variant_in_progress(cx: &Context) -> Checked<()> {
    let store = cx.fresh().await?;
    let keys = [key("k"), variant("k", 1), variant("k", 2)];
    let versions = [1, 2, 3].map(|number| Version::new(number, 1000));
    store.put(&keys[0], &versions[0]).await?;
    store.put(&keys[1], &versions[1]).await?;
    let mut writer = store.writer(&keys[2], &versions[2]).await?;
    writer.write(versions[2].body.slice(..500), false).await?;
    store.expect(&keys[0], &versions[0]).await?;
    store.expect(&keys[1], &versions[1]).await?;
    store.expect_absent(&variant("k", 3)).await?;
    store.expire(&keys[1]).await?;
    store.expect(&keys[0], &versions[0]).await?;
    store.invalidate(&keys[1]).await?;
    store.invalidate(&keys[0]).await?;
    if cx.able.to(Capability::Stream) {
        store.hit(&keys[2]).await?.expect_meta(&versions[2].meta)?;
    }
    writer.write(versions[2].body.slice(500..), true).await?;
    writer.finish().await?;
    store.expect(&keys[2], &versions[2]).await
}

/// Keys whose hashes differ in one byte, and keys whose namespace and primary are the same bytes when they are joined.
async fn nearly_the_same(cx: &Context) -> Checked<()> {
    let store = cx.fresh().await?;
    let mut keys: Vec<_> = [("", "abc"), ("a", "bc"), ("ab", "c")]
        .map(|(namespace, primary)| CacheKey::new(namespace, primary, "suite"))
        .to_vec();
    for name in ["hash", "variant"] {
        // The last of them is zero throughout.
        for byte in 0..=size_of::<HashBinary>() {
            let (mut key, mut hash) = (key(&format!("{name} {byte}")), [0; 16]);
            hash.iter_mut().skip(byte).take(1).for_each(|byte| *byte = 1);
            match name {
                "hash" => key.set_primary_bin_override(hash),
                _ => {
                    key.set_primary_bin_override([0xEE; 16]);
                    key.set_variance_key(hash);
                }
            }
            keys.push(key);
        }
    }
    let mut of_primary = key("no variant");
    of_primary.set_primary_bin_override([0xEE; 16]);
    keys.push(of_primary);
    let versions: Vec<_> = (0..keys.len() as u32)
        .map(|number| Version::new(number, 100))
        .collect();
    for (key, version) in keys.iter().zip(&versions) {
        store.put(key, version).await?;
    }
    for (index, (key, version)) in keys.iter().zip(&versions).enumerate() {
        // By its hashes alone it is the same key.
        store.expect(key, version).await?;
        store
            .expect(&CacheKey::from_compact(&key.to_compact()), version)
            .await?;
        if index % 2 == 0 {
            store.invalidate(key).await?;
            store.expect_absent(key).await?;
        }
    }
    for (key, version) in keys.iter().zip(&versions).skip(1).step_by(2) {
        store.expect(key, version).await?;
    }
    Ok(())
}

pub(super) async fn stale(cx: &Context) -> Checked<()> {
    let store = cx.fresh().await?;
    let version = Version {
        meta: stale_meta(1),
        body: body(1, 100),
    };
    store.put(&key("k"), &version).await?;
    store.expect(&key("k"), &version).await?;
    let mut never_fresh = version;
    never_fresh.meta.expire_at(UNIX_EPOCH + Duration::from_secs(1));
    store.update(&key("k"), &never_fresh.meta).await?;
    store.expect(&key("k"), &never_fresh).await?;
    // Nor is it swept out where there is room.
    store.put(&key("another"), &Version::new(2, 100)).await?;
    store.expect(&key("k"), &never_fresh).await
}

/// Entries that nobody asks for, and that have to stay.
pub(super) async fn put_others(store: &Store) -> Checked<()> {
    for number in 0..5 {
        store
            .put(&key(&format!("other {number}")), &Version::new(number, 1000))
            .await?;
    }
    Ok(())
}

pub(super) async fn unused(cx: &Context) -> Checked<()> {
    let store = cx.fresh().await?;
    let (key, version) = (key("k"), Version::new(1, 200_000));
    store.put(&key, &version).await?;
    put_others(&store).await?;
    drop(store.hit(&key).await?);
    let before = gauges_at_rest(cx, &store).await;
    let mut weights = Vec::new();
    for _ in 0..50 {
        let hit = store.hit(&key).await?;
        weights.push(hit.handler.get_eviction_weight());
    }
    let mut half_read = store.hit(&key).await?;
    half_read.read().await?;
    drop(half_read);
    gauges_return_to_the_same_entries(cx, &store, &before).await?;
    weights.dedup();
    ensure(
        weights.len() == 1,
        "every hit has the same weight",
        format!("{weights:?}"),
    )?;
    store.expect(&key, &version).await?;
    ensure(
        store.invalidate(&key).await?,
        "the entry can be purged",
        "purge is false",
    )?;
    store.expect_absent(&key).await
}

pub(super) async fn concurrent(cx: &Context) -> Checked<()> {
    let store = cx.fresh().await?;
    let (key, version) = (key("k"), Version::new(1, 300_000));
    store.put(&key, &version).await?;
    let mut first = store.hit(&key).await?;
    let mut bytes = first.read_at_least(1).await?;
    let mut others = Vec::new();
    for _ in 0..4 {
        others.push(store.hit(&key).await?);
        others[0].read().await?;
    }
    if others[1].handler.can_seek() {
        others[1].seek(10, Some(20))?;
        others[1].expect_bytes(&version.body[10..20]).await?;
    }
    others[2].expect_bytes(&version.body).await?;
    bytes.extend(first.read_to_end().await?);
    let same = bytes == version.body;
    ensure(
        same,
        "the first handler reads the whole body",
        format!("{} bytes, not those of the body", bytes.len()),
    )?;
    others[3].expect_whole(&version).await
}
