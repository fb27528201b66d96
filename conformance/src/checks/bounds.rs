//! Bounds: capacity, memory, and what is left when all is over.

use crate::content::{Version, body, key, meta};
use crate::context::{Context, Opened};
use crate::ops::{harness, must};
use crate::outcome::{Checked, Stop, broken, ensure};
use forebay_core::{CacheMeta, ErrorKind, ResponseHead};
use std::path::Path;
use std::time::SystemTime;

/// Bodies of the suite have at most that.
const BODY_BYTES_MAX: u64 = 3 << 20;

pub(super) async fn refused(cx: &Context) -> Checked<()> {
    for finishes in [false, true] {
        cx.log.clear();
        refused_and_then(cx, finishes).await?;
    }
    Ok(())
}

/// A write that is too large; once it is refused, it is dropped, or finished all the same.
async fn refused_and_then(cx: &Context, finishes: bool) -> Checked<()> {
    let (store, capacity) = cx.fresh_small().await?;
    let (k, old) = (key("k"), Version::new(1, 100));
    store.put(&k, &old).await?;
    let too_large = capacity + capacity / 2;
    let mut writer = match store.try_writer(&k, &meta(2)).await? {
        Ok(writer) => writer,
        Err(_) => return expect_old_or_miss(&store, &old).await,
    };
    let mut written = 0;
    while written < too_large {
        // Not a part of usual capacities: what was taken before the refusal has to fit.
        let chunk = body(2, 240 << 10);
        written += chunk.len() as u64;
        if writer.try_write(chunk, written >= too_large).await?.is_err() {
            if !finishes {
                writer.abort();
            } else if let Ok(weight) = writer.try_finish().await? {
                let text = format!("Created({weight}), and a body that lacks what was refused");
                return broken("an error: a part of the body was refused", text);
            }
            return expect_old_or_miss(&store, &old).await;
        }
    }
    match writer.try_finish().await? {
        Err(_) => expect_old_or_miss(&store, &old).await,
        Ok(weight) => {
            let text = format!("Created({weight}) of {written} bytes in a capacity of {capacity}");
            broken("an error: the entry is larger than the storage", text)
        }
    }
}

async fn expect_old_or_miss(store: &Opened, old: &Version) -> Checked<()> {
    store.which(&key("k"), &[old]).await?;
    let next = Version::new(3, 200);
    store.put(&key("k"), &next).await?;
    store.expect(&key("k"), &next).await
}

/// Bytes of all files below a directory.
fn bytes_below(dir: &Path) -> std::io::Result<u64> {
    let mut sum = 0;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        // A file may be removed while the tree is walked.
        let Ok(metadata) = entry.metadata() else { continue };
        sum += if metadata.is_dir() {
            bytes_below(&entry.path()).unwrap_or(0)
        } else {
            metadata.len()
        };
    }
    Ok(sum)
}

fn expect_within(cx: &Context, store: &Opened, capacity: u64) -> Checked<()> {
    if let Some(stored) = cx.gauges(store).stored_bytes {
        ensure(
            stored <= capacity,
            format!("at most {capacity} bytes"),
            format!("its gauge says {stored}"),
        )?;
    }
    let on_disk = bytes_below(&store.site.dir()).map_err(|e| harness("the size of the directory", e))?;
    ensure(
        on_disk <= capacity,
        format!("at most {capacity} bytes"),
        format!("its files have {on_disk}"),
    )
}

pub(super) async fn capacity(cx: &Context) -> Checked<()> {
    let (store, capacity) = cx.fresh_small().await?;
    let mut written = 0;
    let mut sizes = Vec::new();
    // Large ones, small ones, empty ones, and some that are written again.
    while written < 3 * capacity {
        let number = sizes.len() as u32;
        let size = match number % 5 {
            0 => 0,
            1 => 300,
            2 => 5000,
            _ => (capacity / 50).min(BODY_BYTES_MAX) as usize,
        };
        let name = if number.is_multiple_of(7) { 0 } else { number };
        let version = Version::new(number, size);
        // A bounded storage may refuse; what it takes has to fit.
        drop(store.try_put(&key(&format!("k{name}")), &version).await?);
        expect_within(cx, &store, capacity)?;
        sizes.push(size);
        written += size as u64 + 100;
    }
    let mut found_bytes = 0;
    for number in 0..sizes.len() {
        if let Some(mut hit) = store.lookup(&key(&format!("k{number}"))).await? {
            found_bytes += (hit.read_to_end().await?.len() + hit.meta.head().len_bytes()) as u64;
        }
    }
    ensure(
        found_bytes <= capacity,
        format!("at most {capacity} bytes"),
        format!("{found_bytes} bytes are found"),
    )?;
    ensure(
        found_bytes > capacity / 4,
        format!("a good part of {capacity} bytes"),
        format!("only {found_bytes} bytes are found"),
    )?;
    metas_count_too(cx).await?;
    what_is_gone_makes_room(cx).await
}

/// What was replaced, purged or given up is counted no more: who goes on counting it ends with room for nothing.
async fn what_is_gone_makes_room(cx: &Context) -> Checked<()> {
    let (store, capacity) = cx.fresh_small().await?;
    let size = (capacity / 20).min(BODY_BYTES_MAX) as usize;
    let rounds = 2 * capacity / size as u64;
    for number in 0..rounds as u32 {
        let version = Version::new(number, size);
        drop(store.try_put(&key("replaced"), &version).await?);
        drop(store.try_put(&key("purged"), &version).await?);
        store.invalidate(&key("purged")).await?;
        if let Ok(mut writer) = store.try_writer(&key("given up"), &version.meta).await? {
            drop(writer.try_write(version.body, false).await?);
            writer.abort();
        }
    }
    let kept = |number: u32| key(&format!("kept {number}"));
    for number in 0..10 {
        drop(store.try_put(&kept(number), &Version::new(number, size)).await?);
    }
    let mut found = 0;
    for number in 0..10 {
        found += usize::from(store.lookup(&kept(number)).await?.is_some());
    }
    ensure(
        found >= 5,
        format!("a good part of 10 entries of {size} bytes, of {capacity}"),
        format!("{found} of them are found"),
    )
}

/// Entries that are nothing but meta fill a storage as well, and so do updates.
async fn metas_count_too(cx: &Context) -> Checked<()> {
    let (store, capacity) = cx.fresh_small().await?;
    let opaque_bytes = (capacity / 100).min(60_000) as usize;
    let mut version = Version::new(1, 0);
    version.meta.set_opaque(body(1, opaque_bytes));
    let entries = 150_usize
        .max((capacity as usize * 3 / 2) / opaque_bytes.max(1))
        .min(2000);
    for number in 0..entries {
        drop(store.try_put(&key(&format!("m{number}")), &version).await?);
        expect_within(cx, &store, capacity)?;
    }
    let mut found_bytes = 0;
    for number in 0..entries {
        if store.lookup(&key(&format!("m{number}"))).await?.is_some() {
            found_bytes += opaque_bytes as u64;
        }
    }
    ensure(
        found_bytes <= capacity,
        format!("at most {capacity} bytes of metas"),
        format!("{found_bytes} are found"),
    )?;
    for number in 0..50 {
        let mut larger = meta(number);
        larger.set_opaque(body(2, 3 * opaque_bytes));
        store
            .update(&key(&format!("m{}", entries - 1 - number as usize)), &larger)
            .await?;
        expect_within(cx, &store, capacity)?;
    }
    Ok(())
}

pub(super) async fn hot(cx: &Context) -> Checked<()> {
    const COLD: u32 = 200;
    let (store, capacity) = cx.fresh_small().await?;
    let (hot, version) = (key("hot"), Version::new(1, 1000));
    store.put(&hot, &version).await?;
    for _ in 0..10 {
        store.hit(&hot).await?.read_to_end().await?;
    }
    let size = (capacity / 100).min(BODY_BYTES_MAX) as usize;
    let mut refused = 0;
    for number in 0..COLD {
        let (cold, body) = (key(&format!("cold {number}")), Version::new(number, size));
        match store.try_put(&cold, &body).await? {
            // Not to admit what comes once is one way to keep what is read often.
            Err(error) if ErrorKind::of(&error) == Some(ErrorKind::Refused) => refused += 1,
            answer => drop(must("a write that fits", answer)?),
        }
        if number % 5 == 0 {
            match store.lookup(&hot).await? {
                Some(mut hit) => drop(hit.read_to_end().await?),
                None => {
                    return broken(
                        "the entry that is read often survives",
                        format!("evicted by cold entry {number}"),
                    );
                }
            }
        }
    }
    if refused > COLD / 2 {
        cx.note(&format!("{refused} of {COLD} cold entries were refused"));
    }
    store.expect(&hot, &version).await
}

pub(super) async fn reader(cx: &Context) -> Checked<()> {
    // Which entry a storage evicts may depend on hashes with a seed of its own.
    for _ in 0..8 {
        cx.log.clear();
        if evicted_under_readers(cx).await? {
            return Ok(());
        }
    }
    let reason = "four capacities of other entries did not evict the one that is being read";
    Err(Stop::Skip(reason.to_owned()))
}

/// Whether the entry was evicted while two handlers were on it, which are then true to it.
async fn evicted_under_readers(cx: &Context) -> Checked<bool> {
    let (store, capacity) = cx.fresh_small().await?;
    let size = (capacity / 10).min(BODY_BYTES_MAX) as usize;
    let (k, version) = (key("k"), Version::new(1, size));
    store.put(&k, &version).await?;
    let mut unread = store.hit(&k).await?;
    let mut half = store.hit(&k).await?;
    let already = half.read_at_least(1).await?;
    // No lookup of it meanwhile: that would keep it. The others are looked up as often as it was: who is not may go first.
    for number in 2..40 {
        let other = key(&format!("k{number}"));
        drop(store.try_put(&other, &Version::new(number, size)).await?);
        drop(store.lookup(&other).await?);
        drop(store.lookup(&other).await?);
    }
    if store.lookup(&k).await?.is_some() {
        return Ok(false);
    }
    for (hit, already) in [(&mut half, already), (&mut unread, vec![])] {
        let to_the_end = hit.true_to(&version.body, already).await?;
        cx.should(
            to_the_end,
            "the reader of an evicted entry reads to the end",
            "it ends with an error",
        );
    }
    Ok(true)
}

pub(super) async fn no_prealloc(cx: &Context) -> Checked<()> {
    // Enough to be seen beside whatever else runs, and not so much that the allocator ends the process.
    const PROMISED_BYTES: u64 = 3 << 30;
    const SEEN_BYTES: u64 = 1 << 30;
    const WRITERS_MAX: u64 = 64;
    const LEAST_BYTES: u64 = 1 << 20;
    let store = cx.fresh().await?;
    let (mapped_before, files_before) = (mapped_bytes(), bytes_below(&store.site.dir()).unwrap_or(0));
    // A storage may refuse what is too large for it, and is promised less then, by more writes.
    let mut promised = PROMISED_BYTES;
    let mut writers = Vec::new();
    while promised >= LEAST_BYTES && (writers.len() as u64) < WRITERS_MAX.min(PROMISED_BYTES / promised) {
        let name = format!("k{}", writers.len());
        match store.try_writer(&key(&name), &promise(promised)).await? {
            Ok(mut writer) => {
                drop(writer.try_write(body(1, 1000), false).await?);
                writers.push(writer);
            }
            Err(_) if writers.is_empty() => promised /= 2,
            Err(_) => break,
        }
    }
    let (writer_count, promised) = (writers.len() as u64, promised * writers.len() as u64);
    if let (Some(before), Some(now)) = (mapped_before, mapped_bytes())
        && promised >= SEEN_BYTES
    {
        let grown = now.saturating_sub(before);
        ensure(
            grown < promised * 2 / 3,
            "memory for the 1000 bytes that came",
            format!("{grown} bytes more are mapped"),
        )?;
    }
    let grown = bytes_below(&store.site.dir())
        .unwrap_or(0)
        .saturating_sub(files_before);
    ensure(
        writers.is_empty() || grown < promised / 2,
        "a file for the 1000 bytes that came",
        format!("{grown} bytes more in files"),
    )?;
    if let Some(live) = cx.gauges(&store).live_bytes {
        ensure(
            live <= writer_count << 20,
            "1000 bytes in flight for each write, and some bookkeeping",
            format!("its gauge says {live}"),
        )?;
    }
    Ok(())
}

/// The meta of a response that says so of its body.
fn promise(body_bytes: u64) -> CacheMeta {
    let head = ResponseHead::builder(200)
        .header("content-length", body_bytes.to_string())
        .build();
    let now = SystemTime::now();
    CacheMeta::new(now, now, 0, 0, head.expect("the line is sound"))
}

/// The address space in use, where the system tells.
fn mapped_bytes() -> Option<u64> {
    of_statm(0)
}

/// The memory in use, where the system tells.
pub(super) fn resident_bytes() -> Option<u64> {
    of_statm(1)
}

fn of_statm(field: usize) -> Option<u64> {
    const PAGE_BYTES: u64 = 4096;
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages = statm.split(' ').nth(field)?.parse::<u64>().ok()?;
    Some(pages * PAGE_BYTES)
}
