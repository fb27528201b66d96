//! Two rings: what is read on probation moves to the main ring, and whatever goes from either, a replay finds what the
//! store had, and nothing older.

mod common;

use common::*;
use forebay_core::{PurgeTarget, PurgeType, Storage};
use forebay_disk::DiskStorage;
use std::collections::HashMap;
use std::fs;
use std::path::Path;

const CAPACITY: u64 = 4 << 20;

async fn purge(store: &DiskStorage, name: &str) {
    store
        .purge(&key(name).to_compact(), PurgeType::Invalidation, &none())
        .await
        .unwrap();
}

/// Others come and go until so many segments have gone.
async fn churn(store: &DiskStorage, segments: u64) {
    let until = store.stats().evicted_segments + segments;
    let mut number = store.stats().admitted;
    while store.stats().evicted_segments < until {
        put(store, &format!("other {number}"), &body(30_000, number))
            .await
            .unwrap();
        number += 1;
    }
}

/// How many segments of a ring are there: those of the main ring have small numbers.
fn segments(dir: &Path, main: bool) -> usize {
    let logs = logs(dir).into_iter();
    let names = logs.map(|log| log.file_name().unwrap().to_str().unwrap().to_owned());
    names.filter(|name| name.starts_with('0') == main).count()
}

async fn promoted(store: &DiskStorage, dir: &Path, names: &[&str]) {
    for (seed, name) in names.iter().enumerate() {
        let len = if *name == "large" { 300_000 } else { 20_000 };
        put(store, name, &body(len, seed as u64)).await.unwrap();
        get(store, name).await.unwrap();
    }
    churn(store, 20).await;
    assert!(segments(dir, true) > 0);
}

#[tokio::test]
async fn what_is_read_on_probation_outlives_a_scan_and_what_is_not_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), CAPACITY);
    put(&store, "unread", &body(20_000, 9)).await.unwrap();
    promoted(&store, dir.path(), &["small", "large"]).await;
    churn(&store, 200).await;
    assert_eq!(get(&store, "small").await.unwrap(), body(20_000, 0));
    assert_eq!(get(&store, "large").await.unwrap(), body(300_000, 1));
    assert!(find(&store, "unread").await.is_none());
}

#[tokio::test]
async fn a_store_that_is_given_less_capacity_keeps_what_was_read() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 4 * CAPACITY);
    for i in 0..300 {
        put(&store, &format!("{i}"), &body(40_000, i)).await.unwrap();
    }
    drop(store);
    let store = open(dir.path(), CAPACITY);
    for i in (0..300).step_by(15) {
        get(&store, &format!("{i}")).await.unwrap();
    }
    put(&store, "new", &body(40_000, 1)).await.unwrap();
    assert!(store.stats().resident_bytes <= CAPACITY);
    for i in (0..300).step_by(15) {
        assert_eq!(get(&store, &format!("{i}")).await.unwrap(), body(40_000, i));
    }
}

/// Objects that come again and again, but too late for probation, would never be stored for long: S3-FIFO's ghosts.
#[tokio::test]
async fn what_comes_back_soon_after_it_was_evicted_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), CAPACITY);
    for i in 0..70 {
        put(&store, &format!("old {i}"), &body(40_000, i)).await.unwrap();
        get(&store, &format!("old {i}")).await.unwrap();
    }
    churn(&store, 10).await; // the main ring is full of what nobody asks for any more
    let mut hits = 0;
    for round in 0..8 {
        hits = 0;
        for i in 0..40 {
            let name = format!("again {i}");
            match get(&store, &name).await {
                Some(_) => hits += 1,
                None => drop(put(&store, &name, &body(40_000, i)).await.unwrap()),
            }
        }
        println!("round {round}: {hits} hits");
    }
    assert!(hits > 30, "{hits} of 40 in the last round");
}

#[tokio::test]
async fn a_tombstone_outlives_its_segment_as_long_as_the_main_ring_has_what_it_is_for() {
    for again in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path(), CAPACITY);
        // One stays, so that the segment of the others does.
        promoted(&store, dir.path(), &["stays", "small", "large"]).await;
        for name in ["small", "large"] {
            purge(&store, name).await;
            if again {
                // A newer version, which does not know of the one in the main ring, and goes as well.
                put(&store, name, &body(1000, 7)).await.unwrap();
            }
        }
        churn(&store, 20).await;
        assert!(find(&store, "small").await.is_none());
        drop(store);
        let store = open(dir.path(), CAPACITY);
        assert_eq!(get(&store, "stays").await.unwrap(), body(20_000, 0));
        assert!(find(&store, "small").await.is_none());
        assert!(find(&store, "large").await.is_none());
    }
}

/// The tombstone was appended to the main ring behind the newer version that is kept there, and removed it.
#[tokio::test]
async fn a_version_that_is_kept_is_there_after_the_tombstone_of_the_one_before() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), CAPACITY);
    promoted(&store, dir.path(), &["small"]).await;
    purge(&store, "small").await;
    put(&store, "small", &body(1000, 7)).await.unwrap();
    get(&store, "small").await.unwrap();
    churn(&store, 20).await;
    assert_eq!(get(&store, "small").await.unwrap(), body(1000, 7));
    drop(store);
    let store = open(dir.path(), CAPACITY);
    assert_eq!(get(&store, "small").await.unwrap(), body(1000, 7));
}

/// What a key has: the seed and length of its body. A miss is always fine, being evicted.
type Model = HashMap<String, Option<(u64, usize)>>;

async fn step(store: &DiskStorage, model: &mut Model, state: &mut u64) {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    let random = *state >> 33;
    let name = format!("k{}", random % 41);
    match random / 41 % 16 {
        0..6 => {
            let len = [300, 9_000, 60_000, 270_000][(random / 1000 % 4) as usize];
            put(store, &name, &body(len, *state)).await.unwrap();
            model.insert(name, Some((*state, len)));
        }
        6 => {
            purge(store, &name).await;
            model.insert(name, None);
        }
        7 => drop(
            store
                .update_meta(&key(&name), &meta("updated"), &none())
                .await
                .unwrap(),
        ),
        8 => {
            let compact = key(&name).to_compact();
            store
                .expire(PurgeTarget::Active(&compact), &none())
                .await
                .unwrap();
        }
        9 => {
            // Nobody reads these.
            put(store, &format!("once {state}"), &body(50_000, 1))
                .await
                .unwrap();
        }
        _ => drop(get(store, &name).await),
    }
}

/// Every key of the model: none, or what it says; and the same as in another store.
async fn compare(here: &DiskStorage, there: &DiskStorage, model: &Model, what: &str) {
    assert_eq!(here.stats().entries, there.stats().entries, "{what}");
    for (name, version) in model {
        let (found, other) = (get(here, name).await, get(there, name).await);
        assert!(
            found == other,
            "{what}: {name} differs: {} {}",
            found.is_some(),
            other.is_some()
        );
        if let Some(found) = found {
            let expected = version.map(|(seed, len)| body(len, seed));
            assert!(Some(found) == expected, "{what}: {name} is of another version");
        }
    }
}

#[tokio::test]
async fn at_any_moment_a_replay_finds_what_the_store_has() {
    for seed in 0..4 {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store");
        let mut store = open(&path, CAPACITY);
        let (mut model, mut state) = (Model::new(), seed);
        for round in 0..30 {
            for _ in 0..60 {
                step(&store, &mut model, &mut state).await;
            }
            let killed = dir.path().join("killed");
            copy_dir(&path, &killed);
            let there = open(&killed, CAPACITY);
            compare(&store, &there, &model, &format!("seed {seed}, round {round}")).await;
            drop(there);
            fs::remove_dir_all(&killed).unwrap();
            if round % 7 == 6 {
                drop(store);
                store = open(&path, CAPACITY);
            }
        }
        let stats = store.stats();
        assert!(stats.resident_bytes <= CAPACITY, "{stats:?}");
        assert!(segments(&path, true) > 0 && segments(&path, false) > 0);
    }
}
