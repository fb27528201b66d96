//! What a store does not take though it could: large bodies at first sight, and more bytes a second than it is to write.

mod common;

use common::*;
use forebay_core::{CacheMeta, ErrorKind, ResponseHead, Storage};
use forebay_disk::{DiskOptions, DiskStorage, Sync};
use std::path::Path;
use std::time::{Duration, SystemTime};

fn options(dir: &Path) -> DiskOptions {
    DiskOptions::new(dir).capacity_bytes(32 << 20).sync(Sync::Never)
}

fn is_refusal<T>(result: forebay_core::Result<T>) -> bool {
    result.is_err_and(|error| ErrorKind::of(&error) == Some(ErrorKind::Refused))
}

/// Writes a body of unknown length; what its reader got, and whether it was stored.
async fn write_and_follow(store: &DiskStorage, name: &str, body: &bytes::Bytes) -> (bytes::Bytes, bool) {
    let mut miss = store
        .get_miss_handler(&key(name), &meta("x"), &none())
        .await
        .unwrap();
    let (_, mut follower) = find(store, name).await.unwrap();
    let reading = tokio::spawn(async move { read(&mut *follower).await.unwrap() });
    for chunk in body.chunks(50_000) {
        miss.write_body(bytes::Bytes::copy_from_slice(chunk), false)
            .await
            .unwrap();
    }
    let finished = miss.finish().await;
    let stored = finished.is_ok();
    assert!(stored || is_refusal(finished));
    (reading.await.unwrap(), stored)
}

#[tokio::test]
async fn a_large_body_of_unknown_length_reaches_its_reader_and_is_stored_on_second_sight() {
    let dir = tempfile::tempdir().unwrap();
    let store = options(dir.path()).second_sight_bytes(200_000).open().unwrap();
    let large = body(700_000, 1);
    let (got, stored) = write_and_follow(&store, "large", &large).await;
    assert_eq!((got == large, stored), (true, false));
    assert!(find(&store, "large").await.is_none());
    assert_eq!(store.stats().refused_first_sight, 1);
    let (got, stored) = write_and_follow(&store, "large", &large).await;
    assert_eq!((got == large, stored), (true, true));
    assert_eq!(get(&store, "large").await.unwrap(), large);
    let (_, stored) = write_and_follow(&store, "small", &body(199_999, 2)).await;
    assert!(stored);
    assert_eq!((store.stats().refused_first_sight, store.stats().refused), (1, 1));
}

#[tokio::test]
async fn a_large_body_that_says_its_length_is_refused_before_it_comes() {
    let dir = tempfile::tempdir().unwrap();
    let store = options(dir.path()).second_sight_bytes(200_000).open().unwrap();
    let now = SystemTime::now();
    let head = ResponseHead::builder(200).header("Content-Length", "200000");
    let meta = CacheMeta::new(now + Duration::from_secs(60), now, 0, 0, head.build().unwrap());
    assert!(is_refusal(
        store.get_miss_handler(&key("large"), &meta, &none()).await
    ));
    let mut miss = store
        .get_miss_handler(&key("large"), &meta, &none())
        .await
        .unwrap();
    miss.write_body(body(200_000, 1), true).await.unwrap();
    miss.finish().await.unwrap();
    assert_eq!(get(&store, "large").await.unwrap(), body(200_000, 1));
}

/// Refused at its end, it would have cut the transfer of a proxy that serves out of the write.
#[tokio::test]
async fn a_body_that_says_that_it_is_too_large_is_refused_before_it_comes() {
    let dir = tempfile::tempdir().unwrap();
    let store = options(dir.path()).max_object_bytes(200_000).open().unwrap();
    let now = SystemTime::now();
    for (declared, refused) in [("200001", true), ("200000", false), ("many", false)] {
        let head = ResponseHead::builder(200).header("Content-Length", declared);
        let meta = CacheMeta::new(now + Duration::from_secs(60), now, 0, 0, head.build().unwrap());
        let begun = store.get_miss_handler(&key("large"), &meta, &none()).await;
        assert_eq!(is_refusal(begun), refused, "{declared}");
    }
    assert_eq!(store.stats().refused, 1);
}

#[tokio::test]
async fn beyond_the_write_rate_readers_are_fed_and_nothing_is_stored_or_left_behind() {
    let dir = tempfile::tempdir().unwrap();
    let store = options(dir.path()).write_bytes_per_second(1_000).open().unwrap();
    put(&store, "fits", &body(900, 1)).await.unwrap();
    let large = body(2_000_000, 2); // half an hour's worth
    let (got, stored) = write_and_follow(&store, "large", &large).await;
    assert_eq!((got == large, stored), (true, false));
    assert!(is_refusal(put(&store, "later", &body(10, 3)).await));
    let stats = store.stats();
    assert_eq!(
        (stats.refused_write_rate, stats.in_flight_bytes, stats.entries),
        (2, 0, 1)
    );
    assert_eq!(get(&store, "fits").await.unwrap(), body(900, 1), "hits go on");
    assert!(body_files(dir.path()).is_empty());
}

/// Held as a whole until that was too much, it was cut then.
#[tokio::test]
async fn a_body_that_grows_too_large_passes_through_to_who_reads_along() {
    let dir = tempfile::tempdir().unwrap();
    let options = options(dir.path()).max_object_bytes(3 << 20);
    let store = options.in_flight_bytes(32 << 20).open().unwrap();
    let mut miss = store
        .get_miss_handler(&key("a"), &meta("x"), &none())
        .await
        .unwrap();
    let (_, mut along) = find(&store, "a").await.unwrap();
    let (_, mut behind) = find(&store, "a").await.unwrap();
    let piece = body(1 << 20, 3);
    for _ in 0..100 {
        miss.write_body(piece.clone(), false).await.unwrap();
        let mut read = Vec::new();
        while read.len() < piece.len() {
            read.extend(along.read_body().await.unwrap().unwrap());
        }
        assert!(read == piece);
        assert!(store.stats().in_flight_bytes < 18 << 20);
    }
    assert!(find(&store, "a").await.is_none(), "what has no start any more");
    let mut at = 0;
    let ended = loop {
        match behind.read_body().await {
            Ok(Some(chunk)) => {
                let expected: Vec<u8> = (at..at + chunk.len()).map(|i| piece[i % piece.len()]).collect();
                assert!(chunk == expected);
                at += chunk.len();
            }
            ended => break ended,
        }
    };
    assert!(is_refusal(ended), "after {at} bytes");
    assert!(is_refusal(miss.finish().await));
    assert!(along.read_body().await.unwrap().is_none());
    assert_eq!(store.stats().entries, 0);
}
