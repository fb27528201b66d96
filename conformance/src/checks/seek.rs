//! Seek: ranges of stored bodies, and of live ones.

use crate::Capability;
use crate::content::{Version, difference, key};
use crate::context::{Context, Opened};
use crate::hit::Hit;
use crate::outcome::{Checked, broken, ensure};

type Range = (usize, Option<usize>);

/// An offset that is 10 to who keeps only 32 bits of it; where there are no more, the largest.
const BEYOND_32_BITS: usize = (u32::MAX as usize).saturating_add(11);

/// A storage with one entry of that size.
async fn stored(cx: &Context, size: usize) -> Checked<(Opened, Version)> {
    let (store, version) = (cx.fresh().await?, Version::new(1, size));
    store.put(&key("k"), &version).await?;
    Ok((store, version))
}

/// Seeks and compares. The end may lie beyond the body.
async fn expect_range(hit: &mut Hit, version: &Version, (start, end): Range) -> Checked<()> {
    hit.seek(start, end)?;
    let until = end.unwrap_or(usize::MAX).min(version.body.len());
    hit.expect_bytes(&version.body[start..until]).await
}

/// Each range with a handler of its own.
async fn expect_ranges(cx: &Context, size: usize, ranges: &[Range]) -> Checked<()> {
    let (store, version) = stored(cx, size).await?;
    for range in ranges {
        expect_range(&mut store.hit(&key("k")).await?, &version, *range).await?;
    }
    Ok(())
}

pub(super) async fn range(cx: &Context) -> Checked<()> {
    expect_ranges(cx, 1, &[(0, Some(1))]).await?;
    expect_ranges(
        cx,
        100,
        &[
            (0, Some(1)),
            (0, Some(99)),
            (1, Some(2)),
            (99, Some(100)),
            (0, Some(100)),
        ],
    )
    .await?;
    let edges = [
        0, 1, 4096, 65_535, 65_536, 65_537, 131_072, 262_143, 262_144, 262_145, 699_999, 700_000,
    ];
    let mut ranges = Vec::new();
    for (index, start) in edges.iter().enumerate() {
        ranges.extend(edges[index + 1..].iter().map(|end| (*start, Some(*end))));
    }
    expect_ranges(cx, 700_000, &ranges).await?;
    range_of_pieces(cx).await
}

/// A body that came in pieces of all sizes, and is larger than a usual buffer: a storage may keep it as it came.
async fn range_of_pieces(cx: &Context) -> Checked<()> {
    const PIECES: [usize; 8] = [100, 20_000, 3, 1, 70_000, 65_536, 1_000_000, 1_000_000];
    const BUFFER_BYTES: usize = 1 << 20;
    let (store, version) = (cx.fresh().await?, Version::new(1, PIECES.iter().sum()));
    let mut writer = store.writer(&key("k"), &version).await?;
    let mut edges = vec![BUFFER_BYTES, 2 * BUFFER_BYTES];
    let mut written = 0;
    for piece in PIECES {
        edges.push(written);
        let until = written + piece;
        writer.write(version.body.slice(written..until), false).await?;
        written = until;
    }
    writer.finish().await?;
    let mut hit = store.hit(&key("k")).await?;
    for edge in edges {
        let before = edge.saturating_sub(1);
        for range in [
            (before, edge),
            (before, edge + 1),
            (edge, edge + 1),
            (edge, written),
        ] {
            expect_range(&mut hit, &version, (range.0, Some(range.1))).await?;
        }
    }
    Ok(())
}

pub(super) async fn open_end(cx: &Context) -> Checked<()> {
    expect_ranges(
        cx,
        200_000,
        &[(0, None), (1, None), (65_536, None), (199_999, None)],
    )
    .await?;
    let (store, version) = stored(cx, 200_000).await?;
    let mut hit = store.hit(&key("k")).await?;
    for range in [(10, Some(20)), (5, None), (0, Some(1)), (150_000, None)] {
        expect_range(&mut hit, &version, range).await?;
    }
    // The end of a range of which nothing was read is forgotten too.
    hit.seek(3, Some(4))?;
    expect_range(&mut hit, &version, (199_000, None)).await
}

pub(super) async fn clamp(cx: &Context) -> Checked<()> {
    for size in [1, 100, 200_000] {
        let ranges = [size + 1, size * 2, BEYOND_32_BITS, usize::MAX].map(|end| (size - 1, Some(end)));
        expect_ranges(cx, size, &ranges).await?;
        expect_ranges(cx, size, &[(0, Some(usize::MAX))]).await?;
    }
    Ok(())
}

pub(super) async fn empty(cx: &Context) -> Checked<()> {
    for size in [1, 100, 200_000] {
        let mut ranges: Vec<Range> = [0, size / 2, size].map(|at| (at, Some(at))).to_vec();
        ranges.extend([(size, None), (size, Some(size + 1)), (size, Some(usize::MAX))]);
        expect_ranges(cx, size, &ranges).await?;
    }
    expect_ranges(cx, 0, &[(0, Some(0)), (0, None), (0, Some(10))]).await?;
    // The handler is not used up by it.
    let (store, version) = stored(cx, 100).await?;
    let mut hit = store.hit(&key("k")).await?;
    expect_range(&mut hit, &version, (50, Some(50))).await?;
    expect_range(&mut hit, &version, (10, Some(60))).await
}

const INVALID: [Range; 8] = [
    (200_001, None),
    (BEYOND_32_BITS, None),
    (BEYOND_32_BITS, Some(BEYOND_32_BITS.saturating_add(1))),
    (200_001, Some(200_002)),
    (usize::MAX, None),
    (usize::MAX, Some(usize::MAX)),
    (10, Some(9)),
    (200_000, Some(0)),
];

pub(super) async fn invalid(cx: &Context) -> Checked<()> {
    let (store, version) = stored(cx, 200_000).await?;
    for (start, end) in INVALID {
        let mut hit = store.hit(&key("k")).await?;
        let already = hit.read_at_least(1).await?;
        let answer = hit.try_seek(start, end);
        ensure(
            answer.is_err(),
            format!("seek({start}, {end:?}) of 200000 bytes is an error"),
            "Ok",
        )?;
        hit.expect_bytes(&version.body[already.len()..]).await?;
        expect_range(&mut hit, &version, (5, Some(10))).await?;
    }
    Ok(())
}

pub(super) async fn again(cx: &Context) -> Checked<()> {
    let (store, version) = stored(cx, 200_000).await?;
    let mut hit = store.hit(&key("k")).await?;
    hit.seek(100_000, Some(100_001))?;
    expect_range(&mut hit, &version, (0, Some(70_000))).await?;
    expect_range(&mut hit, &version, (60_000, Some(80_000))).await?;
    hit.seek(10, None)?;
    let part = hit.read_at_least(1).await?;
    ensure(
        version.body[10..].starts_with(&part),
        "the bytes from 10 on",
        "others",
    )?;
    expect_range(&mut hit, &version, (20, Some(30))).await?;
    expect_range(&mut hit, &version, (0, None)).await?;
    expect_range(&mut hit, &version, (199_999, Some(200_000))).await?;
    expect_range(&mut hit, &version, (0, None)).await
}

pub(super) async fn multipart(cx: &Context) -> Checked<()> {
    let (store, version) = stored(cx, 200_000).await?;
    let mut hit = store.hit(&key("k")).await?;
    let parts: [Range; 8] = [
        (0, Some(1)),
        (65_535, Some(65_537)),
        (100, Some(100)),
        (10, Some(150_000)),
        (0, Some(10)),
        (199_999, Some(300_000)),
        (200_000, None),
        (100_000, None),
    ];
    for (start, end) in parts {
        must_seek_multipart(&mut hit, (start, end))?;
        let until = end.unwrap_or(usize::MAX).min(200_000);
        hit.expect_bytes(&version.body[start..until]).await?;
    }
    // In the middle of a part, as of a body: what was not read of it does not come.
    for before in [(0, None), (10, Some(150_000))] {
        must_seek_multipart(&mut hit, before)?;
        hit.read_at_least(1).await?;
        must_seek_multipart(&mut hit, (50_000, Some(50_100)))?;
        hit.expect_bytes(&version.body[50_000..50_100]).await?;
    }
    for (start, end) in INVALID {
        let answer = hit.try_seek_multipart(start, end);
        ensure(
            answer.is_err(),
            format!("seek_multipart({start}, {end:?}) of 200000 bytes is an error"),
            "Ok",
        )?;
    }
    Ok(())
}

fn must_seek_multipart(hit: &mut Hit, (start, end): Range) -> Checked<()> {
    let answer = hit.try_seek_multipart(start, end);
    crate::ops::must(&format!("seek_multipart({start}, {end:?})"), answer)
}

/// What a handler says that it can.
fn answers(hit: &Hit) -> (bool, bool) {
    (hit.handler.can_seek(), hit.handler.can_seek_multipart())
}

fn expect_answers(hit: &Hit, before: (bool, bool), when: &str) -> Checked<()> {
    let now = answers(hit);
    ensure(
        now == before,
        format!("can_seek, can_seek_multipart stay {before:?}"),
        format!("{now:?} {when}"),
    )
}

pub(super) async fn stable(cx: &Context) -> Checked<()> {
    let (store, version) = stored(cx, 200_000).await?;
    let mut hit = store.hit(&key("k")).await?;
    let before = answers(&hit);
    hit.read().await?;
    expect_answers(&hit, before, "after a read")?;
    if hit.handler.can_seek() {
        hit.seek(1, Some(2))?;
        expect_answers(&hit, before, "after a seek")?;
    }
    hit.read_to_end().await?;
    expect_answers(&hit, before, "after the end")?;
    store.invalidate(&key("k")).await?;
    expect_answers(&hit, before, "after a purge")?;
    if !cx.able.to(Capability::Stream) {
        return Ok(());
    }
    let mut writer = store.writer(&key("live"), &version).await?;
    let mut hit = store.follow(&writer).await?;
    let before = answers(&hit);
    writer.write(version.body.slice(..1000), false).await?;
    hit.read().await?;
    expect_answers(&hit, before, "after a read of a live write")?;
    writer.write(version.body.slice(1000..), true).await?;
    expect_answers(&hit, before, "after eof of a live write")?;
    writer.finish().await?;
    expect_answers(&hit, before, "after the live write was finished")?;
    hit.read_to_end().await?;
    expect_answers(&hit, before, "at the end of the body that it followed")
}

pub(super) async fn unsupported(cx: &Context) -> Checked<()> {
    let (store, version) = stored(cx, 1000).await?;
    let mut hits = vec![store.hit(&key("k")).await?];
    if cx.able.to(Capability::Stream) {
        let mut writer = store.writer(&key("live"), &version).await?;
        hits.push(store.follow(&writer).await?);
        writer.write(version.body.clone(), true).await?;
        writer.finish().await?;
    }
    hits.retain(|hit| !hit.handler.can_seek());
    if hits.is_empty() {
        return Err(crate::outcome::Stop::Skip(
            "every handler of the backend can seek".to_owned(),
        ));
    }
    for hit in &mut hits {
        for range in [(0, None), (5, Some(10)), (2000, None)] {
            let answer = hit.try_seek(range.0, range.1);
            ensure(answer.is_err(), "seek is an error where can_seek is false", "Ok")?;
        }
        if !hit.handler.can_seek_multipart() {
            let answer = hit.try_seek_multipart(0, Some(1));
            ensure(
                answer.is_err(),
                "seek_multipart is an error where it cannot",
                "Ok",
            )?;
        }
        hit.expect_bytes(&version.body).await?;
    }
    Ok(())
}

pub(super) async fn live(cx: &Context) -> Checked<()> {
    let store = cx.fresh().await?;
    let (key, version) = (key("k"), Version::new(1, 200_000));
    let mut writer = store.writer(&key, &version).await?;
    let mut hit = store.follow(&writer).await?;
    hit.seek(100_000, Some(150_000))?;
    let mut other = store.follow(&writer).await?;
    other.seek(10, Some(20))?;
    let mut reading = hit.reading();
    reading.expect_to_wait().await?;
    writer.write(version.body.slice(..100_000), false).await?;
    reading.expect_to_wait().await?;
    writer.write(version.body.slice(100_000..120_000), false).await?;
    let first = match reading.woken_by("a write into the range").await? {
        Ok(Some(chunk)) => chunk,
        other => return broken("bytes of the range", format!("{other:?}")),
    };
    drop(reading);
    writer.write(version.body.slice(120_000..), true).await?;
    let rest = hit.read_to_end().await?;
    if let Some(text) = difference(&version.body[100_000..150_000], &[&first[..], &rest].concat()) {
        return broken("bytes 100000 to 150000 of the live write", text);
    }
    other.expect_bytes(&version.body[10..20]).await?;
    expect_range(&mut hit, &version, (7, Some(70_000))).await?;
    writer.finish().await?;
    expect_range(&mut hit, &version, (199_000, None)).await?;
    live_that_ends(cx).await
}

/// A range that never comes: the write is given up, or the body is shorter.
async fn live_that_ends(cx: &Context) -> Checked<()> {
    let store = cx.fresh().await?;
    let (key, version) = (key("k"), Version::new(1, 1000));
    for aborted in [true, false] {
        let mut writer = store.writer(&key, &version).await?;
        let mut hits = [
            store.follow(&writer).await?,
            store.follow(&writer).await?,
            store.follow(&writer).await?,
        ];
        for (hit, start) in hits.iter_mut().zip([1000, 1001, 500]) {
            hit.seek(start, Some(2000))?;
        }
        writer.write(version.body.clone(), false).await?;
        if aborted {
            writer.abort();
        } else {
            writer.finish().await?;
        }
        for (hit, start) in hits.iter_mut().zip([1000, 1001, 500]) {
            let (bytes, end) = hit.try_read_to_end().await?;
            ensure(
                version.body[start.min(1000)..].starts_with(&bytes),
                format!("bytes from {start} on"),
                format!("{} others", bytes.len()),
            )?;
            let error = aborted || start > 1000;
            let how = if aborted { "given up" } else { "finished" };
            let expected = if error { "an error" } else { "a clean end" };
            let actual = if end.is_ok() { "a clean end" } else { "an error" };
            let text = format!("{expected} for the range from {start} on of a write {how} at 1000 bytes");
            ensure(end.is_err() == error, text, actual)?;
        }
    }
    Ok(())
}
