//! What an entry tells of the key that it was stored under, whatever becomes of it.

mod common;

use bytes::Bytes;
use common::{body, get, key, meta, none, open, put};
use forebay_core::{CacheKey, ErrorKind, PurgeTarget, Storage};
use forebay_disk::DiskStorage;
use forebay_disk::io::{Fault, FaultyIo, Operation};
use forebay_disk::survey::{Description, Survey};
use std::path::Path;
use std::sync::Arc;

const CAPACITY_BYTES: u64 = 8 << 20;

async fn put_key(store: &DiskStorage, key: &CacheKey, len: usize) {
    let mut miss = store.get_miss_handler(key, &meta("a"), &none()).await.unwrap();
    miss.write_body(body(len, 1), true).await.unwrap();
    miss.finish().await.unwrap();
}

/// What the records tell, and whether they are on probation.
fn described(dir: &Path) -> Vec<(bool, Description)> {
    let survey = Survey::of(dir).unwrap();
    let describe = |entry| {
        survey
            .describe(&entry)
            .unwrap()
            .expect("nothing is evicted meanwhile")
    };
    survey
        .segments()
        .flat_map(|segment| {
            let on_probation = segment.on_probation;
            segment
                .entries
                .into_iter()
                .map(move |entry| (on_probation, entry))
        })
        .map(|(on_probation, entry)| (on_probation, describe(entry)))
        .collect()
}

fn parts(dir: &Path) -> Vec<(Bytes, Bytes)> {
    let described = described(dir).into_iter();
    described.map(|(_, it)| (it.namespace, it.primary)).collect()
}

#[tokio::test]
async fn an_entry_tells_its_key_with_a_body_of_any_size_and_with_another_meta() {
    for len in [0, 10, 900_000] {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path(), CAPACITY_BYTES);
        let mut key = CacheKey::new("tenant", "http://example.org/a", "user");
        key.set_variance_key([3; 16]);
        let told = [(Bytes::from("tenant"), Bytes::from("http://example.org/a"))];
        put_key(&store, &key, len).await;
        assert_eq!(parts(dir.path()), told);

        assert!(
            store
                .update_meta(&key, &meta("of another tag"), &none())
                .await
                .unwrap()
        );
        assert_eq!(parts(dir.path()), told);
        let tag = |it: &Description| it.meta.head().get("etag").map(<[u8]>::to_vec);
        assert_eq!(tag(&described(dir.path())[0].1), Some(b"of another tag".to_vec()));

        let target = key.to_compact();
        store.expire(PurgeTarget::Active(&target), &none()).await.unwrap();
        store.close();
        let store = open(dir.path(), CAPACITY_BYTES);
        assert_eq!(parts(dir.path()), told);
        let (meta, _) = store.lookup(&key, &none()).await.unwrap().expect("it is found");
        assert_eq!(meta.head().get("etag"), Some(&b"of another tag"[..]));
    }
}

#[tokio::test]
async fn an_entry_that_outlives_its_segment_tells_its_key() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), CAPACITY_BYTES);
    for (name, len) in [("read small", 3_000), ("read large", 300_000)] {
        put(&store, name, &body(len, 7)).await.unwrap();
        get(&store, name).await.unwrap();
        get(&store, name).await.unwrap();
    }
    let mut number = 0;
    let moved = loop {
        let found = described(dir.path()).into_iter();
        let main: Vec<_> = found.filter(|(on_probation, _)| !on_probation).collect();
        if main.len() >= 2 {
            break main;
        }
        number += 1;
        assert!(number < 1_000, "nothing moves");
        put(&store, &format!("filler {number}"), &body(100_000, number))
            .await
            .unwrap();
    };
    for name in ["read small", "read large"] {
        assert!(moved.iter().any(|(_, it)| it.primary == name), "{moved:?}");
    }
}

#[tokio::test]
async fn a_key_of_nothing_but_hashes_or_of_more_than_4_kib_is_not_told() {
    let long = |bytes: usize| "x".repeat(bytes);
    let compact = key("of this the hash alone is known").to_compact();
    for (key, told) in [
        (CacheKey::new("", long(4096), ""), 4096),
        (CacheKey::new("", long(4097), ""), 0),
        (CacheKey::new("n", long(4096), ""), 0),
        (CacheKey::new("", long(100_000), ""), 0),
        (CacheKey::from_compact(&compact), 0),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path(), CAPACITY_BYTES);
        put_key(&store, &key, 10).await;
        let (namespace, primary) = &parts(dir.path())[0];
        assert_eq!((namespace.len(), primary.len()), (0, told));
        assert!(store.lookup(&key, &none()).await.unwrap().is_some());
    }
}

/// Else a purge by what entries tell would pass over what the disk gives again later.
#[tokio::test]
async fn a_disk_that_fails_is_told_from_damage() {
    let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
    let store = open(dir.path(), CAPACITY_BYTES);
    put(&store, "a", &body(10, 1)).await.unwrap();
    store.close();
    let survey = Survey::through(dir.path(), Arc::new(io.clone())).unwrap();
    let entry = survey.segments().next().unwrap().entries[0].clone();
    io.set_plan(|call| (call.operation == Operation::Read).then_some(Fault::Errno(5)));
    let error = survey.describe(&entry).unwrap_err();
    assert_eq!(ErrorKind::of(&error), Some(ErrorKind::StorageFailed), "{error}");
    io.set_plan(|_| None);
    assert_eq!(survey.describe(&entry).unwrap().unwrap().primary, "a");
}

#[tokio::test]
async fn a_key_that_is_damaged_is_told_by_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), CAPACITY_BYTES);
    put(&store, "the key's text", &body(10, 1)).await.unwrap();
    store.close();
    let log = dir.path().join("segments/80000000.log");
    let mut bytes = std::fs::read(&log).unwrap();
    let at = bytes
        .windows(5)
        .position(|it| it == b"key's")
        .expect("it is there");
    bytes[at] ^= 1;
    std::fs::write(&log, bytes).unwrap();
    let survey = Survey::of(dir.path()).unwrap();
    let entry = survey.segments().next().unwrap().entries[0].clone();
    assert!(survey.describe(&entry).is_err());
    assert_eq!(survey.verify(&mut |_| {}).unwrap().len(), 1);
    let store = open(dir.path(), CAPACITY_BYTES);
    assert!(get(&store, "the key's text").await.is_none());
    assert_eq!(store.stats().corrupt_entries, 1);
}
