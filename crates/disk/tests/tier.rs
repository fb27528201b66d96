//! The memory tier: what is read often is answered from memory, never with anything but what the disk has.

mod common;

use bytes::Bytes;
use common::*;
use forebay_core::{PurgeTarget, PurgeType, Storage};
use forebay_disk::{DiskOptions, DiskStorage, Sync};
use std::path::Path;

const TIER_BYTES: u64 = 32 << 20;
/// In the log; in a file of one chunk; of two, of which the second is short.
const SIZES: [usize; 4] = [0, 100_000, 1_000_000, (1 << 20) + 70_000];

fn open_with_tier(dir: &Path, tier_bytes: u64) -> DiskStorage {
    open_of_capacity(dir, 64 << 20, tier_bytes)
}

fn open_of_capacity(dir: &Path, capacity_bytes: u64, tier_bytes: u64) -> DiskStorage {
    DiskOptions::new(dir)
        .capacity_bytes(capacity_bytes)
        .memory_tier_bytes(tier_bytes)
        .sync(Sync::Never)
        .open()
        .unwrap()
}

/// Reads an entry until memory answers for all of it.
async fn heat(store: &DiskStorage, name: &str) {
    for _ in 0..1_000 {
        let reads = || store.stats().memory_tier_reads;
        let before = reads();
        let (_, mut hit) = find(store, name).await.expect("it is stored");
        let found = reads();
        let mut chunks = 0;
        while hit.read_body().await.unwrap().is_some() {
            chunks += 1;
        }
        let of_file = hit.get_eviction_weight() > 300_000;
        let parts = if of_file { chunks } else { 0 };
        if found > before && reads() - found == parts {
            return;
        }
    }
    panic!("{name} was read 1,000 times, and not once from memory alone");
}

/// Overwrites everything that the store has on disk, but for what it reads at an open.
fn damage_all(dir: &Path) {
    for file in [logs(dir), body_files(dir)].concat() {
        let bytes = std::fs::read(&file).unwrap();
        // The end of a body file is looked at whenever it is opened.
        let kept = if file.extension().is_some_and(|ending| ending == "body") {
            4096
        } else {
            0
        };
        let damaged = bytes.len() - kept.min(bytes.len());
        let flipped: Vec<u8> = bytes[..damaged].iter().map(|byte| !byte).collect();
        std::fs::write(&file, [&flipped, &bytes[damaged..]].concat()).unwrap();
    }
}

#[tokio::test]
async fn what_is_read_often_is_answered_from_memory() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_with_tier(dir.path(), TIER_BYTES);
    for (size, seed) in SIZES.into_iter().zip(1..) {
        let name = format!("hot {size}");
        put(&store, &name, &body(size, seed)).await.unwrap();
        heat(&store, &name).await;
    }
    damage_all(dir.path());
    for (size, seed) in SIZES.into_iter().zip(1..) {
        let (name, whole) = (format!("hot {size}"), body(size, seed));
        let (meta, mut hit) = find(&store, &name).await.unwrap();
        assert_eq!(meta.head().get("etag"), Some(name.as_bytes()));
        assert!(read(&mut *hit).await.unwrap() == whole, "{name}");
        for (start, end) in [(0, 1), (size / 2, size / 2 + 9), (size.saturating_sub(5), size)] {
            hit.seek(start, Some(end)).unwrap();
            let range = start..end.min(size);
            assert_eq!(read(&mut *hit).await.unwrap(), whole.slice(range), "{name}");
        }
    }
    assert_eq!(store.stats().corrupt_entries, 0);
}

#[tokio::test]
async fn what_was_changed_is_never_answered_from_before() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_with_tier(dir.path(), TIER_BYTES);
    for size in [1000, 1_000_000] {
        put(&store, "changing", &body(size, 1)).await.unwrap();
        heat(&store, "changing").await;
        assert!(
            store
                .update_meta(&key("changing"), &meta("updated"), &none())
                .await
                .unwrap()
        );
        let (updated, mut hit) = find(&store, "changing").await.unwrap();
        assert_eq!(updated.head().get("etag"), Some(&b"updated"[..]));
        assert!(read(&mut *hit).await.unwrap() == body(size, 1));

        heat(&store, "changing").await;
        let compact = key("changing").to_compact();
        store
            .expire(PurgeTarget::Active(&compact), &none())
            .await
            .unwrap();
        let (expired, _) = find(&store, "changing").await.unwrap();
        assert!(!expired.is_fresh(std::time::SystemTime::now()));

        heat(&store, "changing").await;
        put(&store, "changing", &body(size, 2)).await.unwrap();
        assert!(get(&store, "changing").await.unwrap() == body(size, 2));

        heat(&store, "changing").await;
        store
            .purge(&compact, PurgeType::Invalidation, &none())
            .await
            .unwrap();
        assert!(get(&store, "changing").await.is_none());
    }
}

#[tokio::test]
async fn copies_take_no_more_than_they_may_and_none_where_there_is_no_tier() {
    for tier_bytes in [0, 100_000, 1 << 20] {
        let dir = tempfile::tempdir().unwrap();
        let store = open_with_tier(dir.path(), tier_bytes);
        for number in 0..100 {
            put(&store, &format!("{number}"), &body(20_000, number))
                .await
                .unwrap();
        }
        for _ in 0..100 {
            for number in 0..100 {
                assert_eq!(
                    get(&store, &format!("{number}")).await.unwrap(),
                    body(20_000, number)
                );
            }
            let taken = store.stats().memory_tier_bytes;
            assert!(taken <= tier_bytes, "{taken} of {tier_bytes}");
        }
        // Of 100,000 bytes, no body may take a fifth.
        assert_eq!(store.stats().memory_tier_reads > 0, tier_bytes == 1 << 20);
    }
}

#[tokio::test]
async fn copies_that_slow_clients_hold_are_counted_and_bounded() {
    const TIER: u64 = 1 << 20;
    let dir = tempfile::tempdir().unwrap();
    let store = open_with_tier(dir.path(), TIER);
    let names: Vec<String> = (0..150).map(|number| format!("{number}")).collect();
    for (name, seed) in names.iter().zip(1..) {
        put(&store, name, &body(20_000, seed)).await.unwrap();
    }
    // What memory answers with is held, as for clients that do not take it, while others are asked for more and more.
    let mut held = Vec::new();
    for asked_for in names.chunks(50) {
        for _ in 0..300 {
            for name in asked_for {
                let before = store.stats().memory_tier_reads;
                let (_, mut hit) = find(&store, name).await.unwrap();
                let chunk = hit.read_body().await.unwrap().unwrap();
                assert_eq!(chunk, body(20_000, 1 + name.parse::<u64>().unwrap()));
                if store.stats().memory_tier_reads > before {
                    held.push(chunk);
                }
                assert!(store.stats().memory_tier_bytes <= 2 * TIER);
            }
        }
    }
    assert!(store.stats().memory_tier_bytes > TIER, "what is held is counted");
    drop(held);
    assert!(store.stats().memory_tier_bytes <= TIER);
}

/// What a key has last been given: its body, and the tag of its meta.
type Given = Option<(Bytes, String)>;

/// Some names are read most of the time, and now and then replaced, updated, purged, or moved by eviction, which others that
/// come and go bring about.
#[tokio::test]
async fn under_changes_and_eviction_every_answer_is_the_newest() {
    for seed in 1..=3 {
        let dir = tempfile::tempdir().unwrap();
        let store = open_of_capacity(dir.path(), 16 << 20, 16 << 20);
        let mut given: [Given; 8] = Default::default();
        let mut random = Random(seed);
        for step in 0..4_000 {
            let number = random.below(given.len() as u64) as usize;
            let name = format!("name {number}");
            match random.below(100) {
                0..3 => {
                    let size = [3_000, 100_000, 400_000][random.below(3) as usize];
                    let whole = body(size, step);
                    put(&store, &name, &whole).await.unwrap();
                    given[number] = Some((whole, name));
                }
                3..5 => {
                    let tag = format!("{step}");
                    let updated = store.update_meta(&key(&name), &meta(&tag), &none()).await;
                    if updated.unwrap() {
                        given[number].as_mut().unwrap().1 = tag;
                    }
                }
                5 => {
                    let compact = key(&name).to_compact();
                    store
                        .purge(&compact, PurgeType::Invalidation, &none())
                        .await
                        .unwrap();
                    given[number] = None;
                }
                6..16 => {
                    put(&store, &format!("filler {step}"), &body(200_000, step))
                        .await
                        .unwrap();
                }
                _ => {
                    let Some((found, mut hit)) = find(&store, &name).await else {
                        continue; // never stored, purged, or evicted
                    };
                    let (whole, tag) = given[number].as_ref().expect("it was purged");
                    assert_eq!(
                        found.head().get("etag"),
                        Some(tag.as_bytes()),
                        "{name}, step {step}"
                    );
                    let start = random.below(whole.len() as u64) as usize * random.below(2) as usize;
                    hit.seek(start, None).unwrap();
                    let read = read(&mut *hit).await.unwrap();
                    assert!(read == whole.slice(start..), "{name} from {start}, step {step}");
                }
            }
        }
        let stats = store.stats();
        let by_memory = stats.memory_tier_reads > stats.hits / 4;
        assert!(by_memory && stats.kept_entries > 0, "{stats:?}");
        assert_eq!(stats.corrupt_entries, 0);
    }
}

/// The same numbers for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}
