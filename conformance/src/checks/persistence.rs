//! Persistence: what a restart finds, clean, killed, or damaged.

use super::update::expired;
use crate::Capability;
use crate::content::{Version, body, key, meta, metas, variant};
use crate::context::{Context, Opened};
use crate::harness::Site;
use crate::ops::{Store, harness};
use crate::outcome::{Checked, Stop, broken, ensure};
use forebay_core::CacheKey;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Copying takes time from the threads that are waited for.
const COPY_AGAIN_AFTER: Duration = Duration::from_millis(5);

const SIZES: [usize; 4] = [0, 1000, 200_000, 900_000];

pub(super) fn entries() -> Vec<(CacheKey, Version)> {
    let entry =
        |(number, size): (usize, &usize)| (key(&format!("k{size}")), Version::new(number as u32, *size));
    SIZES.iter().enumerate().map(entry).collect()
}

/// What is kept in another way, or left out, by who writes an index or a meta down: variants, and stale metas with all that a
/// meta has.
fn odd_entries() -> Vec<(CacheKey, Version)> {
    let entry = |(number, meta): (u32, _)| {
        let body = body(number, 1000);
        (key(&format!("odd {number}")), Version { meta, body })
    };
    let mut entries: Vec<_> = (0..).zip(metas()).map(entry).collect();
    entries.extend([1, 2].map(|variance| {
        (
            variant("k1000", variance),
            Version::new(31 + u32::from(variance), 1000),
        )
    }));
    entries
}

/// Two writes at a time: which one is there is told by the next lookup, and not changed by a restart.
async fn put_two_at_once(store: &Store, k: &CacheKey, versions: [&Version; 2]) -> Checked<Option<usize>> {
    let mut writers = Vec::new();
    for version in versions {
        let mut writer = store.writer(k, version).await?;
        writer.write(version.body.clone(), true).await?;
        writers.push(writer);
    }
    for writer in writers.into_iter().rev() {
        writer.finish().await?;
    }
    store.which(k, &versions).await
}

pub(super) async fn reopen(cx: &Context, site: Site) -> Checked<Opened> {
    match cx.try_open(site).await? {
        (site, Ok(store)) => Ok(Opened { store, site }),
        (_, Err(error)) => broken("the storage opens again", format!("Err({error})")),
    }
}

/// What a kill would leave, opened.
async fn after_a_kill(cx: &Context, running: &Opened) -> Checked<Opened> {
    let step = cx
        .log
        .begin("the process is killed; the storage is opened again".to_owned());
    // Threads of the storage may be at work, and a kill leaves what was there at one moment.
    let patience = cx.options.hang_after / 2;
    let deadline = Instant::now() + patience;
    let mut tries = 0;
    loop {
        tries += 1;
        let copy = running.site.copy_running();
        if let Some(copy) = copy.map_err(|e| harness("a copy of the directory", e))? {
            if tries > 1 {
                cx.log.end(step, &format!("copied at try {tries}"));
            }
            return reopen(cx, copy).await;
        }
        cx.log.goes_on();
        if Instant::now() >= deadline {
            return Err(Stop::Harness(format!(
                "the directory changed during each of {tries} copies in {patience:?}, with no call under way. What a kill \
                 leaves is of one moment: the check needs one at which the storage's threads let the directory be"
            )));
        }
        sleep(COPY_AGAIN_AFTER).await;
    }
}

pub(super) async fn clean(cx: &Context) -> Checked<()> {
    let store = cx.fresh().await?;
    for (key, version) in entries().into_iter().chain(odd_entries()) {
        store.put(&key, &version).await?;
    }
    let (small, large) = (Version::new(11, 700), Version::new(12, 500_000));
    for name in ["updated", "grown", "expired", "purged", "replaced"] {
        store.put(&key(&format!("{name} small")), &small).await?;
        store.put(&key(&format!("{name} large")), &large).await?;
    }
    // More than there may be room for where the old one is.
    let mut larger = meta(21);
    larger.set_opaque(body(21, 20_000));
    for size in ["small", "large"] {
        store.update(&key(&format!("updated {size}")), &meta(20)).await?;
        store.update(&key(&format!("grown {size}")), &larger).await?;
        store.expire(&key(&format!("expired {size}"))).await?;
        store.invalidate(&key(&format!("purged {size}"))).await?;
    }
    store.put(&key("replaced small"), &large).await?;
    store.put(&key("replaced large"), &small).await?;
    let unfinished = store.writer(&key("unfinished"), &small).await?;
    unfinished.abort();
    let both = [&small, &large];
    let won = put_two_at_once(&store, &key("two writes"), both).await?;
    let site = cx.close(store).await?;
    let store = reopen(cx, site).await?;
    expect_all(&store).await?;
    for (key, version) in odd_entries() {
        store.expect(&key, &version).await?;
    }
    let found = store.which(&key("two writes"), &both).await?;
    ensure(
        found == won,
        format!("of two writes the one that was there, {won:?}"),
        format!("{found:?}"),
    )?;
    for (size, version) in [("small", &small), ("large", &large)] {
        let updated = Version {
            meta: meta(20),
            body: version.body.clone(),
        };
        store.expect(&key(&format!("updated {size}")), &updated).await?;
        let grown = Version {
            meta: larger.clone(),
            body: version.body.clone(),
        };
        store.expect(&key(&format!("grown {size}")), &grown).await?;
        store.expect_absent(&key(&format!("purged {size}"))).await?;
        if cx.able.to(Capability::Expire) {
            let mut hit = store.hit(&key(&format!("expired {size}"))).await?;
            let fresh = hit.meta.is_fresh(std::time::SystemTime::now());
            ensure(!fresh, "an expired entry is not fresh after a restart", "it is")?;
            hit.expect_meta(&expired(&version.meta, &hit.meta))?;
            hit.expect_bytes(&version.body).await?;
        }
    }
    store.expect(&key("replaced small"), &large).await?;
    store.expect(&key("replaced large"), &small).await?;
    store.expect_absent(&key("unfinished")).await?;
    // And it is a storage as any other: written, closed, opened once more.
    store.put(&key("k1000"), &large).await?;
    let site = cx.close(store).await?;
    reopen(cx, site).await?.expect(&key("k1000"), &large).await
}

pub(super) async fn expect_all(store: &Store) -> Checked<()> {
    for (key, version) in entries() {
        store.expect(&key, &version).await?;
    }
    Ok(())
}

pub(super) async fn crash(cx: &Context) -> Checked<()> {
    let store = cx.fresh().await?;
    for (key, version) in entries() {
        store.put(&key, &version).await?;
    }
    expect_all(&*after_a_kill(cx, &store).await?).await?;
    let without = bytes_of_all_files(&store.site.dir());
    // Writes half done, over nothing and over an entry.
    let unfinished = Version::new(30, 1_400_000);
    let mut over_nothing = store.writer(&key("unfinished"), &unfinished).await?;
    let mut over_an_entry = store.writer(&key("k1000"), &unfinished).await?;
    for writer in [&mut over_nothing, &mut over_an_entry] {
        writer.write(unfinished.body.slice(..1_200_000), false).await?;
        let killed = after_a_kill(cx, &store).await?;
        killed.expect_absent(&key("unfinished")).await?;
        expect_all(&killed).await?;
        let left = bytes_of_all_files(&killed.site.dir()).saturating_sub(without);
        ensure(
            left < 1_000_000,
            "nothing left of the unfinished write",
            format!("{left} bytes more on disk"),
        )?;
        writer.write(unfinished.body.slice(1_200_000..), true).await?;
        let killed = after_a_kill(cx, &store).await?;
        killed.expect_absent(&key("unfinished")).await?;
        expect_all(&killed).await?;
    }
    over_nothing.finish().await?;
    over_an_entry.finish().await?;
    let killed = after_a_kill(cx, &store).await?;
    for name in ["unfinished", "k1000"] {
        killed.expect(&key(name), &unfinished).await?;
    }
    crash_after_changes(cx, &store, &unfinished).await
}

async fn crash_after_changes(cx: &Context, store: &Opened, large: &Version) -> Checked<()> {
    for (name, version) in [
        ("unfinished", large.clone()),
        ("k200000", Version::new(2, 200_000)),
    ] {
        let k = key(name);
        let updated = Version {
            meta: meta(40),
            body: version.body,
        };
        store.update(&k, &updated.meta).await?;
        after_a_kill(cx, store).await?.expect(&k, &updated).await?;
        // Also while somebody reads what goes.
        let mut reader = store.hit(&k).await?;
        reader.read().await?;
        store.invalidate(&k).await?;
        after_a_kill(cx, store).await?.expect_absent(&k).await?;
        drop(reader);
        let again = Version::new(41, 3000);
        store.put(&k, &again).await?;
        after_a_kill(cx, store).await?.expect(&k, &again).await?;
    }
    // A crash of what a crash left.
    let once = after_a_kill(cx, store).await?;
    let twice = after_a_kill(cx, &once).await?;
    twice.expect(&key("k0"), &Version::new(0, 0)).await
}

pub(super) fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        match entry.path() {
            path if path.is_dir() => files.extend(files_below(&path)),
            path => files.push(path),
        }
    }
    files.sort();
    files
}

fn bytes_of_all_files(dir: &Path) -> u64 {
    files_below(dir)
        .iter()
        .filter_map(|file| file.metadata().ok())
        .map(|metadata| metadata.len())
        .sum()
}
