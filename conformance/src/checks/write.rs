//! Write: what is admitted, when, and what never is.

use crate::Capability;
use crate::content::{Version, difference, key, number_of, show_meta};
use crate::context::{Context, Opened};
use crate::ops::Store;
use crate::outcome::{Checked, broken, ensure};
use crate::poll::at_most;
use forebay_core::{CacheKey, SpanHandle};

/// More polls than any call takes.
const POLLS_MAX: usize = 1000;

/// What a reader sees while `new` is being written: the old entry whole, or, where the storage streams, a prefix of the
/// new one.
async fn expect_old_or_following(
    store: &Store,
    streams: bool,
    old: Option<&Version>,
    new: &Version,
) -> Checked<()> {
    let Some(mut hit) = store.lookup(&key("k")).await? else {
        return match old {
            None => Ok(()),
            Some(_) => broken("the old entry, until finish", "a miss"),
        };
    };
    if hit.meta == new.meta && streams {
        let Some(Ok(Some(chunk))) = hit.read_at_most(1).await? else {
            return Ok(());
        };
        return ensure(
            new.body.starts_with(&chunk),
            "a prefix of what is being written",
            difference(&new.body[..chunk.len().min(new.body.len())], &chunk).unwrap_or_default(),
        );
    }
    match old {
        Some(old) => hit.expect_whole(old).await,
        None => broken(
            "a miss until finish",
            format!("a hit of {}", show_meta(&hit.meta)),
        ),
    }
}

pub(super) async fn atomic(cx: &Context) -> Checked<()> {
    let streams = cx.able.to(Capability::Stream);
    for (old_size, new_size) in [
        (None, 100_000),
        (Some(100), 700_000),
        (Some(700_000), 100),
        (Some(10), 0),
    ] {
        let store = cx.fresh().await?;
        let old = old_size.map(|size| Version::new(1, size));
        let new = Version::new(2, new_size);
        if let Some(old) = &old {
            store.put(&key("k"), old).await?;
        }
        let mut writer = store.writer(&key("k"), &new).await?;
        expect_old_or_following(&store, streams, old.as_ref(), &new).await?;
        for half in [0..new_size / 2, new_size / 2..new_size] {
            writer.write(new.body.slice(half), false).await?;
            expect_old_or_following(&store, streams, old.as_ref(), &new).await?;
        }
        writer.write("", true).await?;
        expect_old_or_following(&store, streams, old.as_ref(), &new).await?;
        writer.finish().await?;
        store.expect(&key("k"), &new).await?;
    }
    Ok(())
}

pub(super) async fn dropped(cx: &Context) -> Checked<()> {
    for size in [1000, 700_000] {
        for old in [None, Some(Version::new(1, 500))] {
            for stage in 0..4 {
                let store = cx.fresh().await?;
                if let Some(old) = &old {
                    store.put(&key("k"), old).await?;
                }
                let new = Version::new(2, size);
                let mut writer = store.writer(&key("k"), &new).await?;
                if stage >= 1 {
                    writer.write(new.body.slice(..size / 2), false).await?;
                }
                if stage >= 2 {
                    writer.write(new.body.slice(size / 2..), false).await?;
                }
                if stage >= 3 {
                    writer.write("", true).await?;
                }
                writer.abort();
                expect_just(&store, old.as_ref()).await?;
            }
        }
    }
    Ok(())
}

/// The key `k` has to be that version, or a miss.
async fn expect_just(store: &Store, version: Option<&Version>) -> Checked<()> {
    match version {
        Some(version) => store.expect(&key("k"), version).await,
        None => store.expect_absent(&key("k")).await,
    }
}

pub(super) async fn eof_optional(cx: &Context) -> Checked<()> {
    let store = cx.fresh().await?;
    for size in [0, 1, 65_536, 300_000] {
        for way in 0..5 {
            let key = key(&format!("{size} {way}"));
            let version = Version::new(way + 1, size);
            let mut writer = store.writer(&key, &version).await?;
            let body = version.body.clone();
            match way {
                0 => writer.write(body, true).await?,
                1 => writer.write(body, false).await?,
                2 => {
                    writer.write(body, false).await?;
                    writer.write("", true).await?;
                }
                3 => {
                    writer.write("", false).await?;
                    writer.write(body.slice(..size / 2), false).await?;
                    writer.write("", false).await?;
                    writer.write("", false).await?;
                    writer.write(body.slice(size / 2..), true).await?;
                }
                _ if size == 0 => {}
                _ => writer.write(body, false).await?,
            }
            writer.finish().await?;
            store.expect(&key, &version).await?;
        }
    }
    Ok(())
}

pub(super) async fn after_eof(cx: &Context) -> Checked<()> {
    for late in [&b"late"[..], b""] {
        for eof in [false, true] {
            let store = cx.fresh().await?;
            let version = Version::new(1, 1000);
            let mut writer = store.writer(&key("k"), &version).await?;
            writer.write(version.body.clone(), true).await?;
            let answer = writer.try_write(late, eof).await?;
            // An empty write with nothing to say may be passed over.
            if !late.is_empty() {
                ensure(answer.is_err(), "a write after eof is an error", "Ok")?;
            }
            match writer.try_finish().await? {
                Ok(_) => store.expect(&key("k"), &version).await?,
                Err(_) => store.expect_absent(&key("k")).await?,
            }
            store.put(&key("k"), &version).await?;
            store.expect(&key("k"), &version).await?;
        }
    }
    Ok(())
}

/// Above what a storage copies together.
const SIZE_CHUNK_BYTES: usize = 65_536;

pub(super) async fn size(cx: &Context) -> Checked<()> {
    let store = cx.fresh().await?;
    for (number, size) in [0, 1, 5000, 262_144, 700_000].into_iter().enumerate() {
        let key = key(&format!("{size}"));
        let version = Version::new(number as u32, size);
        let mut writer = store.writer(&key, &version).await?;
        for chunk in version.body.chunks(SIZE_CHUNK_BYTES) {
            writer.write(version.body.slice_ref(chunk), false).await?;
        }
        let created = writer.finish().await?;
        ensure(
            created > 0,
            format!("a positive weight of an entry with {size} body bytes"),
            "Created(0)",
        )?;
        // More than once: a storage may put in order what is asked for again.
        for lookup in 1..=3 {
            let hit = store.hit(&key).await?;
            let weight = hit.handler.get_eviction_weight();
            ensure(
                weight == created,
                format!("get_eviction_weight is {created}, as created, at lookup {lookup}"),
                format!("{weight}"),
            )?;
        }
    }
    Ok(())
}

pub(super) async fn replace(cx: &Context) -> Checked<()> {
    let store = cx.fresh().await?;
    let other = Version::new(9, 5000);
    store.put(&key("other"), &other).await?;
    for (number, size) in [300_000, 100, 70_000, 0, 700_000, 699_999, 1]
        .into_iter()
        .enumerate()
    {
        let version = Version::new(number as u32, size);
        store.put(&key("k"), &version).await?;
        store.expect_often(&key("k"), &version).await?;
    }
    store.expect(&key("other"), &other).await
}

pub(super) async fn concurrent(cx: &Context) -> Checked<()> {
    for (size_a, size_b) in [(1000, 2000), (700_000, 300_000), (10, 500_000)] {
        for (first, drop_first) in [("a", false), ("b", false), ("a", true), ("b", true)] {
            let store = cx.fresh().await?;
            let (a, b) = (Version::new(1, size_a), Version::new(2, size_b));
            let (mut writer_a, mut writer_b) = two_halves(&store, &a, &b).await?;
            writer_b.write(b.body.slice(size_b / 2..), true).await?;
            writer_a.write(a.body.slice(size_a / 2..), false).await?;
            let (ends_first, ends_last, last) = match first {
                "a" => (writer_a, writer_b, 1),
                _ => (writer_b, writer_a, 0),
            };
            if drop_first {
                ends_first.abort();
            } else {
                ends_first.finish().await?;
            }
            ends_last.finish().await?;
            let won = store.which(&key("k"), &[&a, &b]).await?;
            if drop_first {
                ensure(
                    won == Some(last),
                    "the writer that was not dropped is admitted",
                    show_winner(won),
                )?;
            } else {
                ensure(won.is_some(), "one of both is admitted", "a miss")?;
                cx.should(
                    won == Some(last),
                    "the writer that finishes last wins",
                    show_winner(won),
                );
            }
        }
    }
    Ok(())
}

fn show_winner(won: Option<usize>) -> String {
    won.map_or("a miss".to_owned(), |index| format!("v{} is there", index + 1))
}

/// Two writers of `k`, each half done.
async fn two_halves(
    store: &Opened,
    a: &Version,
    b: &Version,
) -> Checked<(crate::writer::Writer, crate::writer::Writer)> {
    let mut writer_a = store.writer(&key("k"), a).await?;
    writer_a.write(a.body.slice(..a.body.len() / 2), false).await?;
    let mut writer_b = store.writer(&key("k"), b).await?;
    writer_b.write(b.body.slice(..b.body.len() / 2), false).await?;
    Ok((writer_a, writer_b))
}

pub(super) async fn cancel(cx: &Context) -> Checked<()> {
    for old in [None, Some(Version::new(1, 500))] {
        for size in [1000, 700_000] {
            let new = Version::new(2, size);
            for call in [Call::Start, Call::Write, Call::Finish] {
                for polls_max in 0..POLLS_MAX {
                    let store = cx.fresh().await?;
                    if let Some(old) = &old {
                        store.put(&key("k"), old).await?;
                    }
                    let done = cancelled(&store, call, polls_max, &new).await?;
                    settled(&store, old.as_ref(), &new, matches!(call, Call::Finish)).await?;
                    // The storage is as good as before.
                    let next = Version::new(3, 2000);
                    store.put(&key("k"), &next).await?;
                    store.expect(&key("k"), &next).await?;
                    if done {
                        break;
                    }
                }
            }
        }
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum Call {
    Start,
    Write,
    Finish,
}

/// A write of `k` of which one call is dropped after that many polls; whether the call was done by then.
async fn cancelled(store: &Store, call: Call, polls_max: usize, new: &Version) -> Checked<bool> {
    let k = key("k");
    if let Call::Start = call {
        return start_at_most(store, &k, polls_max, new).await;
    }
    let mut writer = store.writer(&k, new).await?;
    let half = new.body.len() / 2;
    writer.write(new.body.slice(..half), false).await?;
    if let Call::Write = call {
        let done = writer
            .write_at_most(polls_max, new.body.slice(half..), true)
            .await?;
        writer.abort();
        return Ok(done);
    }
    writer.write(new.body.slice(half..), true).await?;
    writer.finish_at_most(polls_max).await
}

async fn start_at_most(store: &Store, key: &CacheKey, polls_max: usize, new: &Version) -> Checked<bool> {
    let span = SpanHandle::none();
    let what = format!("get_miss_handler(k), dropped after {polls_max} polls");
    let future = at_most(polls_max, store.storage.get_miss_handler(key, &new.meta, &span));
    let show = |handler: &Option<_>| if handler.is_some() { "done" } else { "dropped" }.to_owned();
    Ok(store.caller.call(what, future, show).await?.is_some())
}

/// After a dropped call `k` is wholly old or, if it was finishing, wholly new; and new does not become old again.
async fn settled(store: &Store, old: Option<&Version>, new: &Version, finishing: bool) -> Checked<()> {
    let mut was_new = false;
    for _ in 0..3 {
        let candidates: Vec<_> = old.into_iter().chain(finishing.then_some(new)).collect();
        let found = store.which(&key("k"), &candidates).await?;
        let is_new = found.is_some_and(|index| number_of(&candidates[index].meta) == number_of(&new.meta));
        ensure(is_new || !was_new, "what was admitted stays", "it is gone again")?;
        if old.is_some() {
            ensure(found.is_some(), "the old entry or the new one", "a miss")?;
        }
        was_new = is_new;
    }
    Ok(())
}
