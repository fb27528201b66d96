//! Persistence: what a restart finds, clean, killed, or damaged.

use crate::Capability;
use crate::content::{Version, difference, key, meta};
use crate::context::{Context, Opened};
use crate::harness::Site;
use crate::ops::{Store, harness};
use crate::outcome::{Checked, broken, ensure};
use forebay_core::CacheKey;
use std::path::{Path, PathBuf};

const SIZES: [usize; 4] = [0, 1000, 200_000, 900_000];

fn entries() -> Vec<(CacheKey, Version)> {
    let entry =
        |(number, size): (usize, &usize)| (key(&format!("k{size}")), Version::new(number as u32, *size));
    SIZES.iter().enumerate().map(entry).collect()
}

pub(super) async fn reopen(cx: &Context, site: Site) -> Checked<Opened> {
    match cx.try_open(site).await? {
        (site, Ok(store)) => Ok(Opened { store, site }),
        (_, Err(error)) => broken("the storage opens again", format!("Err({error})")),
    }
}

/// What a kill would leave, opened.
async fn after_a_kill(cx: &Context, running: &Opened) -> Checked<Opened> {
    cx.log
        .note("the process is killed; the storage is opened again".to_owned());
    let copy = running
        .site
        .copy()
        .map_err(|e| harness("a copy of the directory", e))?;
    reopen(cx, copy).await
}

pub(super) async fn clean(cx: &Context) -> Checked<()> {
    let store = cx.fresh().await?;
    for (key, version) in entries() {
        store.put(&key, &version).await?;
    }
    let (small, large) = (Version::new(11, 700), Version::new(12, 500_000));
    for name in ["updated", "expired", "purged", "replaced"] {
        store.put(&key(&format!("{name} small")), &small).await?;
        store.put(&key(&format!("{name} large")), &large).await?;
    }
    for size in ["small", "large"] {
        store.update(&key(&format!("updated {size}")), &meta(20)).await?;
        store.expire(&key(&format!("expired {size}"))).await?;
        store.invalidate(&key(&format!("purged {size}"))).await?;
    }
    store.put(&key("replaced small"), &large).await?;
    store.put(&key("replaced large"), &small).await?;
    let unfinished = store.writer(&key("unfinished"), &small).await?;
    unfinished.abort();
    let site = cx.close(store).await?;
    let store = reopen(cx, site).await?;
    expect_all(&store).await?;
    for (size, version) in [("small", &small), ("large", &large)] {
        let updated = Version {
            meta: meta(20),
            body: version.body.clone(),
        };
        store.expect(&key(&format!("updated {size}")), &updated).await?;
        store.expect_absent(&key(&format!("purged {size}"))).await?;
        if cx.able.to(Capability::Expire) {
            let mut hit = store.hit(&key(&format!("expired {size}"))).await?;
            let fresh = hit.meta.is_fresh(std::time::SystemTime::now());
            ensure(!fresh, "an expired entry is not fresh after a restart", "it is")?;
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

async fn expect_all(store: &Store) -> Checked<()> {
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
        store.invalidate(&k).await?;
        after_a_kill(cx, store).await?.expect_absent(&k).await?;
        let again = Version::new(41, 3000);
        store.put(&k, &again).await?;
        after_a_kill(cx, store).await?.expect(&k, &again).await?;
    }
    // A crash of what a crash left.
    let once = after_a_kill(cx, store).await?;
    let twice = after_a_kill(cx, &once).await?;
    twice.expect(&key("k0"), &Version::new(0, 0)).await
}

fn files_below(dir: &Path) -> Vec<PathBuf> {
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

/// What happens to a file.
#[derive(Clone, Copy, Debug)]
enum Damage {
    Truncate(usize),
    Flip(usize),
    Zero(usize),
    Remove,
}

impl Damage {
    fn all_for(len_bytes: usize) -> Vec<Damage> {
        let mut all = vec![Damage::Remove, Damage::Truncate(0)];
        if len_bytes == 0 {
            return all;
        }
        all.extend([1, len_bytes / 2, len_bytes - 1].map(Damage::Truncate));
        // Dense where headers are, sparse in between.
        let dense = (0..len_bytes.min(192)).step_by(5);
        let sparse = (192..len_bytes).step_by(len_bytes.div_ceil(24).max(97));
        let tail = (len_bytes.saturating_sub(64)..len_bytes).step_by(9);
        all.extend(dense.chain(sparse).chain(tail).map(Damage::Flip));
        all.extend([0, len_bytes / 3].map(Damage::Zero));
        all
    }

    fn apply(self, file: &Path) -> std::io::Result<()> {
        let mut bytes = std::fs::read(file)?;
        match self {
            Damage::Remove => return std::fs::remove_file(file),
            Damage::Truncate(len_bytes) => bytes.truncate(len_bytes),
            Damage::Flip(at) => bytes[at] ^= 1 << (at % 8),
            Damage::Zero(from) => {
                let until = bytes.len().min(from + 4096);
                bytes[from..until].fill(0);
            }
        }
        std::fs::write(file, bytes)
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    !needle.is_empty() && haystack.windows(needle.len()).any(|window| window == needle)
}

pub(super) async fn corrupt(cx: &Context) -> Checked<()> {
    let store = cx.fresh().await?;
    let entries = [("k0", 0), ("k1000", 1000), ("k3000", 3000), ("k300000", 300_000)];
    let entries: Vec<_> = (1..)
        .zip(entries)
        .map(|(number, (name, size))| (key(name), Version::new(number, size)))
        .collect();
    for (key, version) in &entries {
        store.put(key, version).await?;
    }
    let site = cx.close(store).await?;
    let dir = site.dir();
    for file in files_below(&dir) {
        let name = file.strip_prefix(&dir).unwrap_or(&file).to_owned();
        let bytes = std::fs::read(&file).map_err(|e| harness("reading a stored file", e))?;
        let holds_bodies = entries
            .iter()
            .any(|(_, v)| contains(&bytes, &v.body[..v.body.len().min(32)]));
        for damage in Damage::all_for(bytes.len()) {
            cx.log.clear();
            cx.log.note(format!(
                "closed; {}: {damage:?} of {} bytes; opened",
                name.display(),
                bytes.len()
            ));
            let copy = site.copy().map_err(|e| harness("a copy of the directory", e))?;
            damage
                .apply(&copy.dir().join(&name))
                .map_err(|e| harness("damaging a copy", e))?;
            match cx.try_open(copy).await? {
                (_, Err(error)) if holds_bodies => {
                    return broken("open of a damaged storage succeeds", format!("Err({error})"));
                }
                (_, Err(_)) => {}
                (_site, Ok(store)) => expect_whole_or_missing(&store, &entries).await?,
            }
        }
    }
    Ok(())
}

/// Each entry is right, or a miss (if not at once, then after a read that failed), and can be written again.
async fn expect_whole_or_missing(store: &Store, entries: &[(CacheKey, Version)]) -> Checked<()> {
    for (key, version) in entries {
        let Some(mut hit) = store.lookup(key).await? else {
            continue;
        };
        hit.expect_meta(&version.meta)?;
        let (bytes, end) = hit.try_read_to_end().await?;
        if end.is_ok() {
            if let Some(text) = difference(&version.body, &bytes) {
                return broken("the whole body, an error, or a miss", text);
            }
            continue;
        }
        let prefix = version.body.starts_with(&bytes);
        ensure(
            prefix,
            "right bytes before the error",
            difference(&version.body, &bytes).unwrap_or_default(),
        )?;
        drop(hit);
        store.expect_absent(key).await?;
    }
    for (key, _) in entries {
        let next = Version::new(50, 5000);
        store.put(key, &next).await?;
        store.expect(key, &next).await?;
    }
    Ok(())
}

pub(super) async fn self_heal(cx: &Context) -> Checked<()> {
    for size in [1000, 600_000] {
        for while_open in [false, true] {
            let (k, version) = (key("k"), Version::new(1, size));
            let mut store = cx.fresh().await?;
            store.put(&k, &version).await?;
            if !while_open {
                let site = cx.close(store).await?;
                flip_in_body(cx, &site, &version)?;
                store = reopen(cx, site).await?;
            } else {
                flip_in_body(cx, &store.site, &version)?;
            }
            if let Some(mut hit) = store.lookup(&k).await? {
                let (bytes, end) = hit.try_read_to_end().await?;
                ensure(
                    end.is_err(),
                    "an error, or a miss, for a damaged body",
                    "a clean end",
                )?;
                ensure(
                    version.body.starts_with(&bytes),
                    "right bytes before the error",
                    "damaged bytes",
                )?;
            }
            store.expect_absent(&k).await?;
            let again = Version::new(2, size);
            store.put(&k, &again).await?;
            store.expect(&k, &again).await?;
        }
    }
    Ok(())
}

/// Flips a bit in the middle of the body, in place, in whichever file has it.
fn flip_in_body(cx: &Context, site: &Site, version: &Version) -> Checked<()> {
    use std::os::unix::fs::FileExt;
    let middle = version.body.len() / 2;
    let needle = &version.body[middle..middle + 32];
    for file in files_below(&site.dir()) {
        let bytes = std::fs::read(&file).map_err(|e| harness("reading a stored file", e))?;
        if let Some(at) = bytes.windows(32).position(|window| window == needle) {
            cx.log.note(format!(
                "a bit in the middle of the body, byte {at} of its file, is flipped"
            ));
            let opened = std::fs::OpenOptions::new().write(true).open(&file);
            let written = opened.and_then(|opened| opened.write_all_at(&[bytes[at] ^ 0x10], at as u64));
            return written.map_err(|e| harness("damaging a file", e));
        }
    }
    Err(crate::outcome::Stop::Skip(
        "no file holds the body as it was written".to_owned(),
    ))
}

pub(super) async fn foreign(cx: &Context) -> Checked<()> {
    let store = cx.fresh().await?;
    for (key, version) in entries() {
        store.put(&key, &version).await?;
    }
    let site = cx.close(store).await?;
    let mut files = vec![
        site.dir().join("README.txt"),
        site.dir().join("lost+found").join("photo.jpg"),
    ];
    for dir in std::fs::read_dir(site.dir())
        .into_iter()
        .flatten()
        .flatten()
        .filter(|d| d.path().is_dir())
    {
        files.push(dir.path().join("notes of the operator"));
    }
    for file in &files {
        let made = std::fs::create_dir_all(file.parent().unwrap_or(file))
            .and_then(|()| std::fs::write(file, "mine"));
        made.map_err(|e| harness("a file of the operator", e))?;
    }
    let store = reopen(cx, site).await?;
    expect_all(&store).await?;
    store.put(&key("more"), &Version::new(9, 500_000)).await?;
    // The same directory, opened a second time.
    let caller = cx.caller();
    let what = "open of the same directory".to_owned();
    let show = |opened: &crate::Opened| {
        opened
            .as_ref()
            .map_or_else(|e| format!("Err({e})"), |_| "Ok".to_owned())
    };
    let second = caller.call(what, cx.harness.open(&store.site), show).await?;
    ensure(second.is_err(), "an error for a directory that is in use", "Ok")?;
    expect_all(&store).await?;
    let site = cx.close(store).await?;
    for file in &files {
        let intact = std::fs::read(file).is_ok_and(|content| content == b"mine");
        ensure(intact, format!("{} is left alone", file.display()), "it is not")?;
    }
    let store = reopen(cx, site).await?;
    expect_all(&store).await
}
