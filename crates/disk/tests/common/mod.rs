//! What the tests of the store share.
#![allow(
    dead_code,
    clippy::allow_attributes,
    reason = "each test target uses a part of it"
)]

use bytes::Bytes;
use forebay_core::{
    CacheKey, CacheMeta, HandleHit, HitHandler, MissFinishType, ResponseHead, Result, SpanHandle, Storage,
};
use forebay_disk::survey::Survey;
use forebay_disk::{DiskOptions, DiskStorage, Sync};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

pub(crate) fn key(name: &str) -> CacheKey {
    CacheKey::new("", name, "")
}

pub(crate) fn meta(tag: &str) -> CacheMeta {
    let now = SystemTime::now();
    let head = ResponseHead::builder(200).header("ETag", tag).build().unwrap();
    // Fresh for longer than any test takes on a busy machine.
    CacheMeta::new(now + Duration::from_secs(36_000), now, 10, 20, head)
}

/// A body that differs at nearly every offset, and from that of every other seed.
pub(crate) fn body(len: usize, seed: u64) -> Bytes {
    let pattern = pattern();
    let mut at = (seed % PATTERN_BYTES as u64 * STRIDE % PATTERN_BYTES as u64) as usize;
    let mut out = Vec::with_capacity(len);
    while out.len() < len {
        let piece = (len - out.len()).min(PATTERN_BYTES - at);
        out.extend_from_slice(&pattern[at..at + piece]);
        at = 0;
    }
    out.into()
}

/// Primes, so that no shift by a block, a chunk or a page gives the same bytes.
const PATTERN_BYTES: usize = 1_048_573;
const STRIDE: u64 = 7919;

fn pattern() -> &'static [u8] {
    static PATTERN: OnceLock<Vec<u8>> = OnceLock::new();
    PATTERN.get_or_init(|| {
        let mut state = 1_u64;
        let step = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            Some((state >> 56) as u8)
        };
        std::iter::from_fn(step).take(PATTERN_BYTES).collect()
    })
}

pub(crate) fn none() -> SpanHandle {
    SpanHandle::none()
}

pub(crate) fn open(dir: &Path, capacity_bytes: u64) -> DiskStorage {
    DiskOptions::new(dir)
        .capacity_bytes(capacity_bytes)
        .sync(Sync::Never)
        .open()
        .unwrap()
}

pub(crate) async fn put(store: &DiskStorage, name: &str, body: &Bytes) -> Result<usize> {
    put_chunked(store, name, body, 100_000).await
}

pub(crate) async fn put_chunked(
    store: &DiskStorage,
    name: &str,
    body: &Bytes,
    chunk: usize,
) -> Result<usize> {
    let mut miss = store.get_miss_handler(&key(name), &meta(name), &none()).await?;
    let mut rest = body.clone();
    while !rest.is_empty() {
        let now = rest.split_to(rest.len().min(chunk));
        miss.write_body(now, false).await?;
    }
    match miss.finish().await? {
        MissFinishType::Created(weight) => Ok(weight),
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn find(store: &DiskStorage, name: &str) -> Option<(CacheMeta, HitHandler)> {
    store.lookup(&key(name), &none()).await.unwrap()
}

pub(crate) async fn get(store: &DiskStorage, name: &str) -> Option<Bytes> {
    let (_, mut hit) = find(store, name).await?;
    Some(read(&mut *hit).await.unwrap())
}

pub(crate) async fn read(hit: &mut dyn HandleHit) -> Result<Bytes> {
    let mut all = Vec::new();
    while let Some(chunk) = hit.read_body().await? {
        assert!(!chunk.is_empty() && chunk.len() <= 1 << 20);
        all.extend_from_slice(&chunk);
    }
    Ok(all.into())
}

/// The bytes that a directory occupies, with everything in it.
pub(crate) fn disk_usage(dir: &Path) -> u64 {
    let mut total = 0;
    for entry in std::fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let metadata = entry.metadata().unwrap();
        total += if metadata.is_dir() {
            disk_usage(&entry.path())
        } else {
            metadata.len()
        };
    }
    total
}

/// Every file below a directory.
pub(crate) fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path))
        } else {
            found.push(path)
        }
    }
    found.sort();
    found
}

/// A directory and all below it, as they are now.
pub(crate) fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The logs of a store, those of the main ring first, then those on probation, each ring from its oldest on.
pub(crate) fn logs(root: &Path) -> Vec<PathBuf> {
    files(&root.join("segments"))
}

pub(crate) fn body_files(root: &Path) -> Vec<PathBuf> {
    files(&root.join("bodies"))
}

/// Waits until the body files of writes that were given up are gone, which threads of the store remove.
pub(crate) async fn until_no_body_files(root: &Path) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !body_files(root).is_empty() {
        assert!(
            Instant::now() < deadline,
            "there are still {:?}",
            body_files(root)
        );
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Every file is one that a store has, and every body file is an entry's.
pub(crate) fn expect_no_stray(root: &Path) -> Result<(), String> {
    let survey = Survey::of(root).map_err(|error| error.to_string())?;
    let mut known: BTreeSet<PathBuf> = [root.join("FORMAT"), root.join("LOCK")].into();
    for segment in survey.segments() {
        known.insert(root.join(format!("segments/{}.log", segment.name)));
        let in_files = segment.entries.iter().filter(|entry| entry.body_in_file());
        known.extend(in_files.map(|entry| root.join(format!("bodies/{:016x}.body", entry.generation()))));
    }
    match files(root).into_iter().find(|file| !known.contains(file)) {
        Some(stray) => Err(format!("{} belongs to nothing", stray.display())),
        None => Ok(()),
    }
}
