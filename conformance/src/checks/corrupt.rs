//! Damage: files that are truncated, flipped, emptied or removed while the storage is closed or open.

use super::persistence::{files_below, reopen};
use crate::content::{Version, difference, key, number_of};
use crate::context::Context;
use crate::harness::Site;
use crate::ops::{Store, harness};
use crate::outcome::{Checked, Stop, broken, ensure};
use forebay_core::CacheKey;
use std::collections::BTreeSet;
use std::path::Path;

/// What happens to a file.
#[derive(Clone, Copy, Debug)]
enum Damage {
    Truncate(usize),
    Flip(usize),
    Zero(usize),
    Remove,
}

/// How many truncations, and twice as many flips, are made at places of chance.
const BY_CHANCE: usize = 8;

impl Damage {
    /// At each boundary, flips on both sides of it, densely where headers are, sparsely in between, and by chance.
    fn all_for(len_bytes: usize, boundaries: &BTreeSet<usize>, mut chance: Chance) -> Vec<Damage> {
        let mut all = vec![Damage::Remove, Damage::Truncate(0)];
        if len_bytes == 0 {
            return all;
        }
        let inside = |at: &usize| *at < len_bytes;
        let mut cuts: BTreeSet<_> = [1, len_bytes / 2, len_bytes - 1].into();
        let mut flips: BTreeSet<_> = (0..len_bytes.min(192)).step_by(5).collect();
        flips.extend((192..len_bytes).step_by(len_bytes.div_ceil(24).max(97)));
        flips.extend((len_bytes.saturating_sub(64)..len_bytes).step_by(9));
        for at in boundaries {
            cuts.insert(*at);
            flips.extend([at.saturating_sub(1), *at]);
        }
        for _ in 0..BY_CHANCE {
            cuts.insert(chance.below(len_bytes));
            flips.extend([chance.below(len_bytes), chance.below(len_bytes)]);
        }
        all.extend(cuts.into_iter().filter(inside).map(Damage::Truncate));
        all.extend(flips.into_iter().filter(inside).map(Damage::Flip));
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

/// Numbers by chance, the same for the same seed (SplitMix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % end.max(1) as u64) as usize
    }
}

fn place(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    if needle.is_empty() {
        return None;
    }
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// Where an entry of the suite lies in a file, as far as its bytes stand there as they were written.
fn traces(content: &[u8], version: &Version) -> Vec<(usize, usize)> {
    let body = &version.body;
    let start = place(content, &body[..body.len().min(32)]);
    let body = start.map(|start| (start, start + body.len()));
    let tag = format!("\"v{}\"", number_of(&version.meta).unwrap_or_default());
    let tag = place(content, tag.as_bytes()).map(|start| (start, start + tag.len()));
    body.into_iter().chain(tag).collect()
}

/// Whether a file without a byte is all that an entry without a body has for one.
fn may_be_body_of(content: &[u8], version: &Version) -> bool {
    content.is_empty() && version.body.is_empty()
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
    let mut found = BTreeSet::new();
    let mut files = Vec::new();
    for file in files_below(&dir) {
        let content = std::fs::read(&file).map_err(|e| harness("reading a stored file", e))?;
        let name = file.strip_prefix(&dir).unwrap_or(&file).to_owned();
        let mut boundaries: BTreeSet<_> = cx.harness.boundaries(&name, &content).into_iter().collect();
        let mut within = BTreeSet::new();
        for (index, (_, version)) in entries.iter().enumerate() {
            let traces = traces(&content, version);
            boundaries.extend(traces.iter().flat_map(|(start, end)| [*start, *end]));
            if !traces.is_empty() {
                found.insert(index);
            }
            if !traces.is_empty() || may_be_body_of(&content, version) {
                within.insert(index);
            }
        }
        files.push((name, content.len(), boundaries, within));
    }
    // Where an entry is found in no file, it may lie in any: nothing can be said then of what a damage leaves intact.
    let all_found = found.len() == entries.len();
    for (name, len_bytes, boundaries, within) in files {
        let chance = Chance(cx.options.seed ^ len_bytes as u64);
        for damage in Damage::all_for(len_bytes, &boundaries, chance) {
            cx.log.clear();
            cx.log.note(format!(
                "closed; {}: {damage:?} of {len_bytes} bytes; opened",
                name.display(),
            ));
            let copy = site.copy().map_err(|e| harness("a copy of the directory", e))?;
            damage
                .apply(&copy.dir().join(&name))
                .map_err(|e| harness("damaging a copy", e))?;
            match cx.try_open(copy).await? {
                (_, Err(error)) if !within.is_empty() => {
                    return broken("open of a damaged storage succeeds", format!("Err({error})"));
                }
                (_, Err(_)) => {}
                (_site, Ok(store)) => {
                    let intact = |index| all_found && !within.contains(&index);
                    expect_whole_or_missing(&store, &entries, intact).await?;
                }
            }
        }
    }
    Ok(())
}

/// Each entry is right, or a miss (if not at once, then after a read that failed) unless it has to be intact, and can be
/// written again.
async fn expect_whole_or_missing(
    store: &Store,
    entries: &[(CacheKey, Version)],
    intact: impl Fn(usize) -> bool,
) -> Checked<()> {
    for (index, (key, version)) in entries.iter().enumerate() {
        if intact(index) {
            // It lies in another file.
            store.expect(key, version).await?;
            continue;
        }
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
            if !from_a_copy(&store, &k, &version, while_open).await? {
                store.expect_absent(&k).await?;
            }
            let again = Version::new(2, size);
            store.put(&k, &again).await?;
            store.expect(&k, &again).await?;
        }
    }
    Ok(())
}

/// A damaged entry is a miss, or an error after right bytes. Who was open meanwhile may have a sound copy in memory, and serve
/// that instead; whether it did.
async fn from_a_copy(store: &Store, k: &CacheKey, version: &Version, was_open: bool) -> Checked<bool> {
    let Some(mut hit) = store.lookup(k).await? else {
        return Ok(false);
    };
    let (bytes, end) = hit.try_read_to_end().await?;
    let right = version.body.starts_with(&bytes);
    ensure(
        right,
        "right bytes, and then an error, or a miss",
        "damaged bytes",
    )?;
    if end.is_err() {
        return Ok(false);
    }
    let whole = was_open && bytes.len() == version.body.len();
    ensure(whole, "an error, or a miss, for a damaged body", "a clean end")?;
    Ok(true)
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
    Err(Stop::Skip("no file holds the body as it was written".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A storage that had metas in files of their own lost the entry of an empty body with its empty file, and was blamed
    /// for an entry that lay in no damaged file.
    #[test]
    fn an_empty_file_may_be_the_body_of_an_empty_entry_alone() {
        assert!(may_be_body_of(b"", &Version::new(1, 0)));
        assert!(!may_be_body_of(b"", &Version::new(2, 1)));
        assert!(!may_be_body_of(b"x", &Version::new(1, 0)));
    }

    #[test]
    fn an_entry_is_known_by_its_body_or_its_meta() {
        let version = Version::new(3, 1000);
        let file = [b"head", &version.body[..], b"tail"].concat();
        assert_eq!(traces(&file, &version), [(4, 1004)]);
        assert_eq!(traces(b"etag: \"v3\"", &version), [(6, 10)]);
        assert_eq!(traces(b"etag: \"v4\"", &version), []);
    }
}
