//! Read: what a handler yields, whatever happens around it.

use crate::content::{SIZES, Version, difference, key, meta};
use crate::context::{Context, Opened};
use crate::hit::Hit;
use crate::outcome::{Checked, broken, ensure};
use forebay_core::PurgeType;

pub(super) async fn eof(cx: &Context) -> Checked<()> {
    let store = cx.fresh().await?;
    for (number, size) in [0, 1, 65_536, 300_000].into_iter().enumerate() {
        let (key, version) = (key(&format!("{size}")), Version::new(number as u32, size));
        store.put(&key, &version).await?;
        let mut hit = store.hit(&key).await?;
        hit.expect_bytes(&version.body).await?;
        for _ in 0..3 {
            if let Some(chunk) = hit.read().await? {
                return broken("None stays None", format!("{} bytes after it", chunk.len()));
            }
        }
    }
    Ok(())
}

pub(super) async fn nonempty(cx: &Context) -> Checked<()> {
    let store = cx.fresh().await?;
    for (number, size) in SIZES.into_iter().enumerate() {
        let key = key(&format!("{size}"));
        let version = Version::new(number as u32, size);
        let mut writer = store.writer(&key, &version).await?;
        writer.write("", false).await?;
        writer.write(version.body.slice(..size / 2), false).await?;
        writer.write("", false).await?;
        writer.write(version.body.slice(size / 2..), false).await?;
        writer.write("", true).await?;
        writer.finish().await?;
        let mut hit = store.hit(&key).await?;
        while let Some(chunk) = hit.read().await? {
            ensure(
                !chunk.is_empty(),
                "a chunk of at least one byte",
                "an empty chunk",
            )?;
        }
    }
    Ok(())
}

pub(super) async fn bounded(cx: &Context) -> Checked<()> {
    let store = cx.fresh().await?;
    let (k, version) = (key("k"), Version::new(1, 3 << 20));
    store.put(&k, &version).await?;
    expect_bounded(store.hit(&k).await?).await?;
    if !cx.able.to(crate::Capability::Stream) {
        return Ok(());
    }
    // And of a follower that comes late: one large piece, then many.
    let mut writer = store.writer(&key("live"), &version).await?;
    let follower = store.follow(&writer).await?;
    writer.write(version.body.slice(..3 << 19), false).await?;
    for start in (3 << 19..3 << 20).step_by(1 << 16) {
        writer
            .write(version.body.slice(start..start + (1 << 16)), false)
            .await?;
    }
    writer.finish().await?;
    expect_bounded(follower).await
}

async fn expect_bounded(mut hit: Hit) -> Checked<()> {
    const CHUNK_BYTES_MAX: usize = 1 << 20;
    while let Some(chunk) = hit.read().await? {
        let text = format!("a chunk of {} bytes", chunk.len());
        ensure(chunk.len() <= CHUNK_BYTES_MAX, "chunks of at most 1 MiB", text)?;
    }
    Ok(())
}

pub(super) async fn cancel(cx: &Context) -> Checked<()> {
    let store = cx.fresh().await?;
    let (key, version) = (key("k"), Version::new(1, 400_000));
    store.put(&key, &version).await?;
    for polls_max in 0..6 {
        let mut hit = store.hit(&key).await?;
        let mut bytes = Vec::new();
        loop {
            let chunk = match hit.read_at_most(polls_max).await? {
                Some(chunk) => chunk,
                None => hit.try_read().await?,
            };
            match chunk {
                Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
                Ok(None) => break,
                Err(error) => {
                    return broken("the read after a dropped one succeeds", format!("Err({error})"));
                }
            }
        }
        if let Some(text) = difference(&version.body, &bytes) {
            return broken("the whole body, each byte once", text);
        }
    }
    cancel_of_a_follower(cx, &store).await
}

async fn cancel_of_a_follower(cx: &Context, store: &Opened) -> Checked<()> {
    if !cx.able.to(crate::Capability::Stream) {
        return Ok(());
    }
    let (key, version) = (key("live"), Version::new(2, 30_000));
    let mut writer = store.writer(&key, &version).await?;
    let mut hit = store.follow(&writer).await?;
    let mut bytes = Vec::new();
    for start in (0..30_000).step_by(10_000) {
        hit.reading().expect_pending()?;
        writer
            .write(version.body.slice(start..start + 10_000), false)
            .await?;
        // Whatever this one yields counts; if it was dropped, nothing is lost.
        if let Some(Ok(Some(chunk))) = hit.read_at_most(1).await? {
            bytes.extend_from_slice(&chunk);
        }
        bytes.extend(hit.read_at_least(start + 10_000 - bytes.len()).await?);
    }
    writer.finish().await?;
    bytes.extend(hit.read_to_end().await?);
    match difference(&version.body, &bytes) {
        None => Ok(()),
        Some(text) => broken("the whole body, each byte once", text),
    }
}

pub(super) async fn survives_update(cx: &Context) -> Checked<()> {
    let store = cx.fresh().await?;
    let (key, version) = (key("k"), Version::new(1, 700_000));
    store.put(&key, &version).await?;
    let mut unread = store.hit(&key).await?;
    let mut half = store.hit(&key).await?;
    let first = half.read_at_least(1000).await?;
    store.update(&key, &meta(2)).await?;
    let mut after_update = half.read_at_least(1).await?;
    if cx.able.to(crate::Capability::Expire) {
        store.expire(&key).await?;
    }
    unread.expect_whole(&version).await?;
    after_update.extend(half.read_to_end().await?);
    match difference(&version.body, &[first, after_update].concat()) {
        None => Ok(()),
        Some(text) => broken("the whole body, across an update and an expiry", text),
    }
}

pub(super) async fn survives_purge(cx: &Context) -> Checked<()> {
    for event in [
        Event::Invalidate,
        Event::Evict,
        Event::ReplaceShorter,
        Event::ReplaceLonger,
    ] {
        for size in [1000, 1_500_000] {
            let store = cx.fresh().await?;
            let (key, version) = (key("k"), Version::new(1, size));
            store.put(&key, &version).await?;
            let mut unread = store.hit(&key).await?;
            let mut half = store.hit(&key).await?;
            let already = half.read_at_least(1).await?;
            match event {
                Event::Invalidate => drop(store.invalidate(&key).await?),
                Event::Evict => drop(store.purge(&key, PurgeType::Eviction).await?),
                Event::ReplaceShorter => drop(store.put(&key, &Version::new(2, size / 2)).await?),
                Event::ReplaceLonger => drop(store.put(&key, &Version::new(3, size + 100_000)).await?),
            }
            for (hit, already) in [(&mut half, already), (&mut unread, vec![])] {
                let to_the_end = hit.true_to(&version.body, already).await?;
                cx.should(
                    to_the_end,
                    "the handler reads to the end",
                    "it ends with an error",
                );
            }
        }
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum Event {
    Invalidate,
    Evict,
    ReplaceShorter,
    ReplaceLonger,
}

pub(super) async fn finish_any(cx: &Context) -> Checked<()> {
    let store = cx.fresh().await?;
    let (key, version) = (key("k"), Version::new(1, 300_000));
    store.put(&key, &version).await?;
    store.hit(&key).await?.finish().await?;
    for polls in [0, 1, 2, usize::MAX] {
        let mut hit = store.hit(&key).await?;
        for _ in 0..polls {
            if hit.read().await?.is_none() {
                break;
            }
        }
        hit.finish().await?;
        store.expect(&key, &version).await?;
    }
    let mut half = store.hit(&key).await?;
    half.read().await?;
    let unread = store.hit(&key).await?;
    store.invalidate(&key).await?;
    half.finish().await?;
    store.expect_absent(&key).await?;
    let newer = Version::new(2, 1000);
    store.put(&key, &newer).await?;
    unread.finish().await?;
    store.expect(&key, &newer).await
}
