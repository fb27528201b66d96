//! Tags: the names of writes in progress.

use crate::Capability;
use crate::content::{Version, difference, key, variant};
use crate::context::Context;
use crate::ops::{HANGS, must};
use crate::outcome::{Checked, broken};
use crate::poll::within;
use crate::writer::Writer;
use forebay_core::{PurgeType, SpanHandle};

pub(super) async fn found(cx: &Context) -> Checked<()> {
    let store = cx.fresh().await?;
    let (k, version) = (key("k"), Version::new(1, 3000));
    store.put(&k, &Version::new(9, 10)).await?;
    let mut writer = store.writer(&k, &version).await?;
    follow_a_prefix(&store, &writer, &version, 0).await?;
    writer.write(version.body.slice(..1000), false).await?;
    follow_a_prefix(&store, &writer, &version, 1000).await?;
    let other = store.writer(&k, &Version::new(2, 10)).await?;
    other.finish().await?;
    let dropped = store.writer(&k, &Version::new(3, 10)).await?;
    dropped.abort();
    follow_a_prefix(&store, &writer, &version, 1000).await?;
    for purge_type in [PurgeType::Eviction, PurgeType::Invalidation] {
        store.purge(&k, purge_type).await?;
        follow_a_prefix(&store, &writer, &version, 1000).await?;
    }
    let later = store.writer(&k, &Version::new(4, 10)).await?;
    follow_a_prefix(&store, &writer, &version, 1000).await?;
    later.finish().await?;
    writer.write(version.body.slice(1000..), true).await?;
    follow_a_prefix(&store, &writer, &version, 3000).await
}

/// Finds the write by its tag, and reads that many bytes.
async fn follow_a_prefix(
    store: &crate::ops::Store,
    writer: &Writer,
    version: &Version,
    len_bytes: usize,
) -> Checked<()> {
    let mut hit = store.follow(writer).await?;
    hit.expect_meta(&version.meta)?;
    let bytes = hit.read_at_least(len_bytes).await?;
    match difference(&version.body[..len_bytes], &bytes) {
        None => Ok(()),
        Some(text) => broken(format!("the {len_bytes} bytes written so far"), text),
    }
}

pub(super) async fn stable(cx: &Context) -> Checked<()> {
    let store = cx.fresh().await?;
    let version = Version::new(1, 1000);
    let mut live = Vec::new();
    for round in 0..10 {
        for name in ["a", "b"] {
            let writer = store.writer(&key(name), &version).await?;
            let tag = writer.tag()?;
            live.push((writer, tag));
        }
        // Some come and go, so that a number that is given again meets one that is still in use.
        if round % 3 == 0 {
            live.swap_remove(live.len() / 2).0.abort();
            live.swap_remove(0).0.finish().await?;
        }
        for (writer, tag) in &mut live {
            writer.write("x", false).await?;
            writer.expect_tag(tag)?;
        }
        for (index, (writer, tag)) in live.iter().enumerate() {
            if let Some((other, _)) = live[..index].iter().find(|(_, other)| other == tag) {
                let text = format!("{} and {} both have {tag:?}", other.name, writer.name);
                return broken("live writes have different tags", text);
            }
        }
    }
    store.invalidate(&key("a")).await?;
    for (writer, tag) in &mut live {
        writer.expect_tag(tag)?;
        writer.write("", true).await?;
        writer.expect_tag(tag)?;
    }
    outlasts_short_numbers(cx).await
}

/// A long write meets those that come and go beside it: more of them than a number of 16 bits counts.
async fn outlasts_short_numbers(cx: &Context) -> Checked<()> {
    const WRITES: usize = 70_000;
    const TOLD_EVERY: usize = 1000;
    let (store, version) = (cx.fresh().await?, Version::new(1, 1000));
    let (k, span) = (key("k"), SpanHandle::none());
    let long = store.writer(&k, &version).await?;
    let tag = long.tag()?;
    for number in 1..=WRITES {
        // Told in one line for many, since a line for each would take longer than the writes.
        if number.is_multiple_of(TOLD_EVERY) {
            cx.log.clear();
            let name = &long.name;
            cx.log
                .note(format!("{number} writes of k come and go, beside {name}"));
        }
        let future = store.storage.get_miss_handler(&k, &version.meta, &span);
        let Ok(answer) = within(store.caller.patience, future).await else {
            return broken("get_miss_handler comes to an end", HANGS);
        };
        let short = must("get_miss_handler", answer)?;
        if short.streaming_write_tag() == Some(&tag) {
            return broken(
                "live writes have different tags",
                format!("write {number} after {} has its tag, {tag:?}", long.name),
            );
        }
    }
    long.expect_tag(&tag)?;
    store.follow(&long).await?.expect_meta(&version.meta)
}

pub(super) async fn unknown(cx: &Context) -> Checked<()> {
    let store = cx.fresh().await?;
    let (k, version) = (key("k"), Version::new(1, 1000));
    let mut tags: Vec<Vec<u8>> = [0, 1, 4, 7, 8, 9, 16, 1000].map(|len| vec![0xEE; len]).to_vec();
    tags.extend([vec![0; 8], vec![0; 4], b"tag".to_vec()]);
    for tag in &tags {
        expect_unknown(&store, "absent", tag).await?;
    }
    if !cx.able.to(Capability::Stream) {
        return Ok(());
    }
    // Several, so that the small numbers that a storage may count in are in use.
    let mut others = Vec::new();
    for number in 2..6 {
        let mut writer = store.writer(&key("other"), &Version::new(number, 1000)).await?;
        writer.write("of another key", false).await?;
        tags.push(writer.tag()?);
        others.push(writer);
    }
    let of_a_variant = store.writer(&variant("k", 1), &Version::new(6, 1000)).await?;
    tags.push(of_a_variant.tag()?);
    for (name, ended) in [("k", "finished"), ("k", "dropped")] {
        let mut writer = store.writer(&key(name), &version).await?;
        let tag = writer.tag()?;
        writer.write(version.body.clone(), true).await?;
        if ended == "finished" {
            writer.finish().await?;
        } else {
            writer.abort();
        }
        tags.push(tag);
    }
    // The key is stored now, and has a live write besides.
    for name in ["k", "absent"] {
        for tag in &tags {
            expect_unknown(&store, name, tag).await?;
        }
    }
    let writer = store.writer(&k, &Version::new(7, 10)).await?;
    let tag = writer.tag()?;
    tags.push([&tag[..], &[0]].concat());
    if let Some((_, shorter)) = tag.split_last() {
        tags.push(shorter.to_vec());
    }
    for tag in &tags {
        expect_unknown(&store, "k", tag).await?;
    }
    Ok(())
}

async fn expect_unknown(store: &crate::ops::Store, name: &str, tag: &[u8]) -> Checked<()> {
    match store.tagged(&key(name), Some(tag)).await? {
        None => Ok(()),
        Some(hit) => broken(
            format!("Ok(None) for the tag {:?} on {name}", &tag[..tag.len().min(16)]),
            format!("a hit of {}", crate::content::show_meta(&hit.meta)),
        ),
    }
}

pub(super) async fn none(cx: &Context) -> Checked<()> {
    let store = cx.fresh().await?;
    let (k, version, newer) = (key("k"), Version::new(1, 1000), Version::new(2, 1000));
    if store.tagged(&k, None).await?.is_some() {
        return broken("an absent key is None without a tag too", "a hit");
    }
    store.put(&k, &version).await?;
    match store.tagged(&k, None).await? {
        Some(mut hit) => hit.expect_whole(&version).await?,
        None => return broken("the stored entry, as lookup finds it", "None"),
    }
    if cx.able.to(Capability::Stream) {
        let _writer = store.writer(&k, &newer).await?;
        match store.tagged(&k, None).await? {
            Some(hit) => hit.expect_meta(&newer.meta)?,
            None => return broken("the live write, as lookup finds it", "None"),
        }
    }
    Ok(())
}
