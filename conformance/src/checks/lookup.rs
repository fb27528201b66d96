//! Lookup: what is found, and that finding changes nothing.

use super::gauges::{gauges_at_rest, gauges_return_to_the_same_entries};
use crate::content::{SIZES, Version, body, key, meta, stale_meta, variant};
use crate::context::Context;
use crate::ops::Store;
use crate::outcome::{Checked, ensure};
use bytes::Bytes;
use forebay_core::{CacheKey, CacheMeta, ResponseHead};
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
    Ok(())
}

/// Metas with what is easily lost.
fn metas() -> Vec<CacheMeta> {
    let cookies = ResponseHead::builder(200)
        .header("set-cookie", "a=1")
        .header("vary", "accept, accept-language")
        .header("set-cookie", "b=2")
        .header("set-cookie", "a=1")
        .build();
    let odd = ResponseHead::builder(404)
        .header("x-empty", "")
        .header("x-text", [0xE9, b' ', 0xFF])
        .header("x-long", "x".repeat(8000))
        .build();
    let plain = ResponseHead::builder(206).build();
    // More than a length of 16 bits tells, and less than pingora reads, which is 128 KiB.
    let large = ResponseHead::builder(200)
        .header("x-large", "y".repeat(70_000))
        .build();
    let created = UNIX_EPOCH + Duration::new(1_700_000_000, 123_456_789);
    let mut metas = Vec::new();
    for head in [cookies, odd, plain, large] {
        let head = head.expect("the lines are sound");
        let fresh_until = created + Duration::new(1, 999_999_999);
        let mut meta = CacheMeta::new(fresh_until, created, 7, 123_456, head);
        metas.push(meta.clone());
        meta.set_updated(created + Duration::from_nanos(1));
        meta.set_variance(Some([0xAB; 16]));
        meta.set_opaque(Bytes::from_static(b"\0opaque\xFF"));
        metas.push(meta);
    }
    metas
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
    store.expect(&of_another_user, &updated).await
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
