//! Stream: followers of writes in progress.

use crate::content::{Version, difference, key, meta};
use crate::context::Context;
use crate::hit::Hit;
use crate::outcome::{Checked, broken, ensure};
use crate::reading::{Reading, expect_all_to_wait};
use crate::yielded::Yielded;
use forebay_core::PurgeType;
use std::task::Poll;

pub(super) async fn visible(cx: &Context) -> Checked<()> {
    let store = cx.fresh().await?;
    for (name, old) in [("absent", None), ("stored", Some(Version::new(1, 5000)))] {
        if let Some(old) = &old {
            store.put(&key(name), old).await?;
        }
        let new = Version::new(2, 3000);
        let mut writer = store.writer(&key(name), &new).await?;
        // From the moment that get_miss_handler returned: nothing is written yet.
        let mut early = store.hit(&key(name)).await?;
        early.expect_meta(&new.meta)?;
        writer.write(new.body.slice(..1000), false).await?;
        store.hit(&key(name)).await?.expect_meta(&new.meta)?;
        writer.write(new.body.slice(1000..), true).await?;
        let mut late = store.hit(&key(name)).await?;
        late.expect_meta(&new.meta)?;
        writer.finish().await?;
        early.expect_bytes(&new.body).await?;
        late.expect_bytes(&new.body).await?;
        store.expect(&key(name), &new).await?;
    }
    Ok(())
}

/// A follower with what it has read.
struct Follower {
    hit: Hit,
    of: usize,
    bytes: Vec<u8>,
}

impl Follower {
    /// Reads what is there now; it has to be a prefix.
    fn catch_up(&mut self, version: &Version, written: usize) -> Checked<()> {
        let mut yielded = Yielded::default();
        while let Poll::Ready(chunk) = self.hit.reading().poll() {
            yielded.add(&chunk, version.body.len())?;
            match chunk {
                Ok(Some(chunk)) => self.bytes.extend_from_slice(&chunk),
                Ok(None) => return broken("the follower waits: the writer goes on", "None"),
                Err(error) => {
                    return broken("the follower waits: the writer goes on", format!("Err({error})"));
                }
            }
        }
        if self.bytes.len() > written {
            let text = format!("{} bytes, of {written} written", self.bytes.len());
            return broken("no more than was written", text);
        }
        match difference(&version.body[..self.bytes.len()], &self.bytes) {
            None => Ok(()),
            Some(text) => broken("a prefix of what that writer wrote", text),
        }
    }
}

pub(super) async fn prefix(cx: &Context) -> Checked<()> {
    let store = cx.fresh().await?;
    let versions = [Version::new(1, 200_000), Version::new(2, 300_000)];
    let mut writers = [
        store.writer(&key("k"), &versions[0]).await?,
        store.writer(&key("k"), &versions[1]).await?,
    ];
    let mut written = [0, 0];
    let mut followers: Vec<Follower> = Vec::new();
    for (round, size) in [1, 10, 4096, 60_000, 65_536, 1, 30_000].into_iter().enumerate() {
        for of in [0, 1] {
            followers.push(Follower {
                hit: store.follow(&writers[of]).await?,
                of,
                bytes: Vec::new(),
            });
            let until = written[of] + size;
            writers[of]
                .write(versions[of].body.slice(written[of]..until), false)
                .await?;
            written[of] = until;
            for (index, follower) in followers.iter_mut().enumerate() {
                // Not every follower keeps up.
                if (index + round) % 3 != 0 {
                    follower.catch_up(&versions[follower.of], written[follower.of])?;
                }
            }
        }
    }
    for (of, mut writer) in writers.into_iter().enumerate() {
        writer.write(versions[of].body.slice(written[of]..), true).await?;
        writer.finish().await?;
    }
    for mut follower in followers {
        follower.bytes.extend(follower.hit.read_to_end().await?);
        if let Some(text) = difference(&versions[follower.of].body, &follower.bytes) {
            return broken("in the end the whole body of that writer", text);
        }
    }
    many_small_chunks(cx).await?;
    far_behind(cx).await
}

/// Followers that read next to nothing while the most is written, in more pieces than a queue usually holds.
async fn far_behind(cx: &Context) -> Checked<()> {
    const PIECES: usize = 1500;
    const PIECE_BYTES: usize = 2000;
    let (store, version) = (cx.fresh().await?, Version::new(4, PIECES * PIECE_BYTES));
    let mut writer = store.writer(&key("k"), &version).await?;
    let mut unread = store.follow(&writer).await?;
    let mut begun = store.follow(&writer).await?;
    let mut bytes = Vec::new();
    for piece in 0..PIECES {
        let start = piece * PIECE_BYTES;
        writer
            .write(version.body.slice(start..start + PIECE_BYTES), false)
            .await?;
        if bytes.is_empty() {
            bytes = begun.read_at_least(1).await?;
        }
    }
    writer.finish().await?;
    unread.expect_bytes(&version.body).await?;
    begun.expect_bytes(&version.body[bytes.len()..]).await
}

/// A body in hundreds of small pieces, which a storage may join while followers are anywhere among them.
async fn many_small_chunks(cx: &Context) -> Checked<()> {
    const PIECES: usize = 300;
    let (store, version) = (cx.fresh().await?, Version::new(3, PIECES * 50));
    let mut writer = store.writer(&key("k"), &version).await?;
    let mut followers: Vec<(Hit, Vec<u8>)> = Vec::new();
    let mut written = 0;
    for piece in 0..PIECES {
        if piece % 60 == 0 {
            followers.push((store.follow(&writer).await?, Vec::new()));
        }
        let until = written + 1 + piece % 97;
        writer.write(version.body.slice(written..until), false).await?;
        written = until;
        for (index, (hit, bytes)) in followers.iter_mut().enumerate() {
            // Each at a pace of its own; none is ahead of the writer.
            if piece % (index + 2) == 0
                && let Poll::Ready(Ok(Some(chunk))) = hit.reading().poll()
            {
                bytes.extend_from_slice(&chunk);
            }
        }
    }
    writer.write("", true).await?;
    writer.finish().await?;
    for (mut hit, mut bytes) in followers {
        bytes.extend(hit.read_to_end().await?);
        if let Some(text) = difference(&version.body[..written], &bytes) {
            return broken(format!("all that came in {PIECES} pieces"), text);
        }
    }
    Ok(())
}

pub(super) async fn wake(cx: &Context) -> Checked<()> {
    for event in ["a write", "eof", "eof with bytes", "finish", "a drop"] {
        for written in [0, 500] {
            // An event may find followers where they wait, and on the way to there.
            for at_rest in [true, false] {
                wakes(cx, event, written, at_rest).await?;
            }
        }
    }
    Ok(())
}

async fn wakes(cx: &Context, event: &str, written: usize, at_rest: bool) -> Checked<()> {
    let (store, version) = (cx.fresh().await?, Version::new(1, 1000));
    let mut writer = store.writer(&key("k"), &version).await?;
    writer.write(version.body.slice(..written), false).await?;
    let mut hits = [
        store.follow(&writer).await?,
        store.follow(&writer).await?,
        store.follow(&writer).await?,
    ];
    for hit in &mut hits {
        hit.read_at_least(written).await?;
    }
    let mut readings: Vec<_> = hits.iter_mut().map(Hit::reading).collect();
    // A task may go on elsewhere: the waker of the last poll counts.
    if at_rest {
        expect_all_to_wait(&mut readings).await?;
        readings[1].moves_elsewhere();
        readings[1].expect_to_wait().await?;
    } else {
        readings.iter_mut().try_for_each(Reading::expect_pending)?;
        readings[1].moves_elsewhere();
        readings[1].expect_pending()?;
    }
    match event {
        "a write" => writer.write("x", false).await?,
        "eof" => writer.write("", true).await?,
        "eof with bytes" => writer.write("x", true).await?,
        "finish" => drop(writer.finish().await?),
        _ => writer.abort(),
    }
    for reading in &mut readings {
        // What it wakes to is the business of other rules.
        drop(reading.woken_by(event).await?);
    }
    Ok(())
}

pub(super) async fn eof(cx: &Context) -> Checked<()> {
    let store = cx.fresh().await?;
    let version = Version::new(1, 100_000);
    for ending in ["eof", "eof with the last bytes", "finish", "eof, then dropped"] {
        let mut writer = store.writer(&key("k"), &version).await?;
        let mut hit = store.follow(&writer).await?;
        hit.reading().expect_pending()?;
        writer.write(version.body.slice(..60_000), false).await?;
        let mut bytes = hit.read_at_least(60_000).await?;
        hit.reading().expect_pending()?;
        let with_last = ending == "eof with the last bytes";
        writer.write(version.body.slice(60_000..), with_last).await?;
        bytes.extend(hit.read_at_least(40_000).await?);
        if !with_last {
            hit.reading().expect_pending()?;
        }
        match ending {
            "eof" => writer.write("", true).await?,
            "finish" => drop(writer.finish().await?),
            "eof, then dropped" => {
                writer.write("", true).await?;
                writer.abort();
            }
            _ => {}
        }
        bytes.extend(hit.read_to_end().await?);
        if let Some(text) = difference(&version.body, &bytes) {
            return broken(format!("the whole body and then None, ended by {ending}"), text);
        }
    }
    no_end_before(cx).await?;
    eof_is_enough(cx).await
}

/// As long as the writer goes on, a follower that has read all there is waits.
async fn no_end_before(cx: &Context) -> Checked<()> {
    let store = cx.fresh().await?;
    let version = Version::new(1, 100_000);
    let mut writer = store.writer(&key("k"), &version).await?;
    let mut hit = store.follow(&writer).await?;
    let mut read = 0;
    for written in [0, 60_000, 100_000] {
        writer.write(version.body.slice(read..written), false).await?;
        read += hit.read_at_least(written - read).await?.len();
        hit.reading().expect_to_wait().await?;
    }
    writer.finish().await?;
    hit.expect_bytes(&[]).await
}

/// Who joins after eof and before `finish` has the whole body, and does not wait for the writer to be done with it.
async fn eof_is_enough(cx: &Context) -> Checked<()> {
    let store = cx.fresh().await?;
    for size in [0, 1000, 262_144] {
        let version = Version::new(1, size);
        let mut writer = store.writer(&key("k"), &version).await?;
        writer.write(version.body.clone(), true).await?;
        store.follow(&writer).await?.expect_bytes(&version.body).await?;
        store.hit(&key("k")).await?.expect_bytes(&version.body).await?;
        writer.abort();
    }
    Ok(())
}

pub(super) async fn abort(cx: &Context) -> Checked<()> {
    let store = cx.fresh().await?;
    let version = Version::new(1, 200_000);
    for written in [0, 1, 1000, 200_000] {
        let mut writer = store.writer(&key("k"), &version).await?;
        writer.write(version.body.slice(..written), false).await?;
        let mut unread = store.follow(&writer).await?;
        let mut waiting = store.hit(&key("k")).await?;
        let already = waiting.read_at_least(written).await?;
        waiting.reading().expect_pending()?;
        writer.abort();
        for (hit, mut bytes) in [(&mut unread, vec![]), (&mut waiting, already)] {
            let (more, end) = hit.try_read_to_end().await?;
            bytes.extend(more);
            if end.is_ok() {
                let text = format!("None after {} bytes", bytes.len());
                return broken(
                    format!("an error: the writer gave up after {written} bytes"),
                    text,
                );
            }
            ensure(
                version.body.starts_with(&bytes),
                "a prefix of what was written",
                "other bytes",
            )?;
            ensure(
                !matches!(hit.try_read().await?, Ok(None)),
                "no None after the error either",
                "None",
            )?;
        }
    }
    Ok(())
}

pub(super) async fn outlive(cx: &Context) -> Checked<()> {
    for size in [1000, 900_000] {
        for event in ["nothing", "replaced", "purged", "evicted"] {
            let store = cx.fresh().await?;
            let (k, version) = (key("k"), Version::new(1, size));
            let mut writer = store.writer(&k, &version).await?;
            let mut unread = store.follow(&writer).await?;
            let mut half = store.hit(&k).await?;
            writer.write(version.body.slice(..size / 2), false).await?;
            let mut bytes = half.read_at_least(1).await?;
            writer.write(version.body.slice(size / 2..), false).await?;
            writer.finish().await?;
            match event {
                "replaced" => drop(store.put(&k, &Version::new(2, size / 2)).await?),
                "purged" => drop(store.invalidate(&k).await?),
                "evicted" => drop(store.purge(&k, PurgeType::Eviction).await?),
                _ => {}
            }
            unread.expect_whole(&version).await?;
            bytes.extend(half.read_to_end().await?);
            if let Some(text) = difference(&version.body, &bytes) {
                return broken(
                    format!("the whole body ({event} after the write was finished)"),
                    text,
                );
            }
        }
    }
    Ok(())
}

pub(super) async fn meta_of_the_write(cx: &Context) -> Checked<()> {
    let store = cx.fresh().await?;
    let k = key("k");
    store.put(&k, &Version::new(1, 10)).await?;
    let (first, second) = (Version::new(2, 10), Version::new(3, 20));
    let writer_of_first = store.writer(&k, &first).await?;
    store.hit(&k).await?.expect_meta(&first.meta)?;
    let writer_of_second = store.writer(&k, &second).await?;
    store.follow(&writer_of_first).await?.expect_meta(&first.meta)?;
    store.follow(&writer_of_second).await?.expect_meta(&second.meta)?;
    store.update(&k, &meta(4)).await?;
    store.follow(&writer_of_first).await?.expect_meta(&first.meta)?;
    writer_of_first.finish().await?;
    store.follow(&writer_of_second).await?.expect_meta(&second.meta)
}

pub(super) async fn count(cx: &Context) -> Checked<()> {
    let store = cx.fresh().await?;
    let (k, version) = (key("k"), Version::new(1, 1000));
    let mut writer = store.writer(&k, &version).await?;
    writer.write(version.body.clone(), false).await?;
    let followers = [store.follow(&writer).await?, store.hit(&k).await?];
    expect_uncounted(&followers, "")?;
    writer.finish().await?;
    expect_uncounted(&followers, ", once the write is finished")?;
    let hit = store.hit(&k).await?;
    ensure(
        !hit.handler.is_stream_hit(),
        "no is_stream_hit of a stored entry",
        "true",
    )?;
    ensure(
        hit.handler.should_count_access(),
        "should_count_access of a stored entry",
        "false",
    )
}

fn expect_uncounted(followers: &[Hit], when: &str) -> Checked<()> {
    for hit in followers {
        ensure(
            hit.handler.is_stream_hit(),
            format!("is_stream_hit of a follower{when}"),
            "false",
        )?;
        ensure(
            !hit.handler.should_count_access(),
            format!("no should_count_access of a follower{when}"),
            "true",
        )?;
    }
    Ok(())
}
