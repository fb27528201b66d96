//! Files that are taken over: what is found in them is what was written last, and nothing of what was there before.

mod common;

use common::*;
use forebay_core::Storage;
use forebay_disk::io::{FaultyIo, Operation};
use forebay_disk::survey::Survey;
use forebay_disk::{DiskOptions, DiskStorage, Sync};
use std::collections::{HashMap, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const CAPACITY_BYTES: u64 = 4 << 20;
const BODY_BYTES: usize = 10_000;

async fn fill(store: &DiskStorage, numbers: std::ops::Range<usize>) {
    for number in numbers {
        put(store, &format!("k{number}"), &body(BODY_BYTES, number as u64))
            .await
            .unwrap();
    }
}

/// The numbers of the entries that are found; each has its own body.
async fn found(store: &DiskStorage, until: usize) -> HashSet<usize> {
    let mut found = HashSet::new();
    for number in 0..until {
        if let Some(bytes) = get(store, &format!("k{number}")).await {
            assert!(bytes == body(BODY_BYTES, number as u64), "entry {number}");
            found.insert(number);
        }
    }
    found
}

fn log_inodes(dir: &Path) -> HashSet<u64> {
    let logs = logs(dir).into_iter();
    logs.map(|log| fs::metadata(log).unwrap().ino()).collect()
}

#[tokio::test]
async fn a_full_store_goes_on_in_the_files_that_it_has() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir.path().join("store"), CAPACITY_BYTES);
    fill(&store, 0..500).await;
    let before = log_inodes(&dir.path().join("store"));
    fill(&store, 500..1000).await;
    let after = log_inodes(&dir.path().join("store"));
    assert!(
        before.intersection(&after).count() * 2 > after.len(),
        "{before:?} {after:?}"
    );
    assert!(store.stats().resident_bytes <= CAPACITY_BYTES);
    assert!(found(&store, 1000).await.contains(&999));
}

/// The footer of a segment of small entries counts: else each went a little later than when its log is of use.
#[tokio::test]
async fn a_full_store_of_small_entries_makes_no_new_logs() {
    let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
    let store = DiskOptions::new(dir.path().join("store"))
        .capacity_bytes(16 << 20)
        .sync(Sync::Never)
        .io(io.clone())
        .open()
        .unwrap();
    let fill = async |number: u64| put(&store, &format!("k{number}"), &body(1_000, number)).await;
    let mut until = 0;
    while store.stats().evicted_segments == 0 {
        fill(until).await.unwrap();
        until += 1;
    }
    let made = Arc::new(Mutex::new(0));
    let count = made.clone();
    io.set_plan(move |call| {
        *count.lock().unwrap() += u64::from(call.operation == Operation::Create);
        None
    });
    for number in until..2 * until {
        fill(number).await.unwrap();
    }
    let (made, evicted) = (*made.lock().unwrap(), store.stats().evicted_segments);
    assert!(made * 4 < evicted, "{made} new logs, {evicted} segments evicted");
}

/// The room for a record must not come from the body files that wait for the next bodies: none would ever be taken over.
#[tokio::test]
async fn a_full_store_of_large_entries_makes_few_new_body_files() {
    // At once, and in several writes.
    for len_bytes in [300_000, 3_000_000] {
        let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
        let store = DiskOptions::new(dir.path().join("store"))
            .capacity_bytes(48 << 20)
            .io(io.clone())
            .open()
            .unwrap();
        let fill = async |number: usize| put(&store, &format!("k{number}"), &body(len_bytes, 0)).await;
        let fills = 2 * (48 << 20) / len_bytes;
        for number in 0..fills {
            fill(number).await.unwrap();
        }
        let taken_over = Arc::new(Mutex::new(0));
        let count = taken_over.clone();
        io.set_plan(move |call| {
            let is_body = call.path.extension().is_some_and(|extension| extension == "body");
            *count.lock().unwrap() += usize::from(is_body && call.operation == Operation::Rename);
            None
        });
        for number in fills..2 * fills {
            fill(number).await.unwrap();
        }
        let taken_over = *taken_over.lock().unwrap();
        assert!(
            taken_over * 3 > fills,
            "{taken_over} body files taken over for {fills} bodies of {len_bytes} bytes"
        );
    }
}

#[tokio::test]
async fn what_a_killed_store_had_is_found_in_logs_that_were_taken_over() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let store = open(&path, CAPACITY_BYTES);
    let mut until = 0;
    for (round, many) in [450, 37, 5, 61, 3, 111].into_iter().enumerate() {
        fill(&store, until..until + many).await;
        until += many;
        // What another process finds if this one ends here: no footer, and leftovers behind the last record.
        let killed = dir.path().join(format!("killed{round}"));
        copy_dir(&path, &killed);
        let here = found(&store, until).await;
        let there = found(&open(&killed, CAPACITY_BYTES), until).await;
        assert_eq!(here, there, "after {until} fills");
    }
}

#[tokio::test]
async fn a_reader_of_an_evicted_entry_keeps_its_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir.path().join("store"), CAPACITY_BYTES);
    let large = body(600_000, 7); // it lies in a file, and is read when the reader asks for it
    put(&store, "large", &large).await.unwrap();
    let (_, mut hit) = find(&store, "large").await.unwrap();
    for number in 0..1500 {
        fill(&store, number..number + 1).await;
        get(&store, &format!("k{number}")).await.unwrap(); // so that the main ring turns as well
    }
    assert!(find(&store, "large").await.is_none());
    assert_eq!(read(&mut *hit).await.unwrap(), large);
}

/// A power cut may lose the name that a log had last, and keep a part of what was written under it. That number is given
/// again, and the part would pass for records of the new segment, were it in this log.
#[tokio::test]
async fn the_logs_of_an_earlier_run_are_not_taken_over() {
    let dir = tempfile::tempdir().unwrap();
    let (path, killed) = (dir.path().join("store"), dir.path().join("killed"));
    let store = open(&path, CAPACITY_BYTES);
    fill(&store, 0..500).await;
    copy_dir(&path, &killed);
    // Held open, so that no new file has the number of one of these.
    let old: Vec<_> = logs(&killed)
        .into_iter()
        .map(|log| (fs::File::open(&log).unwrap(), log))
        .collect();
    let store = open(&killed, CAPACITY_BYTES);
    for number in 500..1_000 {
        fill(&store, number..number + 1).await;
        for (file, log) in &old {
            let is_there = fs::metadata(log).is_ok_and(|now| now.ino() == file.metadata().unwrap().ino());
            assert!(
                is_there || file.metadata().unwrap().nlink() == 0,
                "{}",
                log.display()
            );
        }
    }
    assert!(old.iter().all(|(_, log)| !log.exists()));
}

/// Enough that some of these are kept for the next ones.
const LARGE_CAPACITY_BYTES: u64 = 64 << 20;
const LARGE_BODY_BYTES: usize = 500_000;

/// Puts bodies of many lengths, all in files.
async fn fill_large(store: &DiskStorage, numbers: std::ops::Range<usize>) {
    for number in numbers {
        put(store, &format!("l{number}"), &large_body(number))
            .await
            .unwrap();
    }
}

fn large_body(number: usize) -> bytes::Bytes {
    body(LARGE_BODY_BYTES + number % 7 * 60_000, number as u64)
}

fn body_inodes(dir: &Path) -> HashSet<u64> {
    let bodies = body_files(dir).into_iter();
    bodies.map(|path| fs::metadata(path).unwrap().ino()).collect()
}

#[tokio::test]
async fn a_full_store_writes_over_the_body_files_that_it_has() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let store = open(&path, LARGE_CAPACITY_BYTES);
    fill_large(&store, 0..200).await;
    let before = body_inodes(&path);
    fill_large(&store, 200..300).await;
    let after = body_inodes(&path);
    assert!(
        before.intersection(&after).count() * 2 > after.len(),
        "{before:?} {after:?}"
    );
    assert!(disk_usage(&path) <= LARGE_CAPACITY_BYTES);
    let mut found = 0;
    for number in 0..300 {
        if let Some(bytes) = get(&store, &format!("l{number}")).await {
            assert!(bytes == large_body(number), "entry {number}");
            found += 1;
        }
    }
    assert!(found > 60, "{found}");
    // Another process finds the same, and nothing that waits to be written over.
    let killed = dir.path().join("killed");
    copy_dir(&path, &killed);
    let there = open(&killed, LARGE_CAPACITY_BYTES);
    assert_eq!(get(&there, "l299").await.unwrap(), large_body(299));
    expect_no_stray(&killed).unwrap();
    store.close();
    expect_no_stray(&path).unwrap();
}

/// Else a power cut could bring the segment back, with an entry that is found and cannot be read to its end.
#[tokio::test]
async fn a_body_file_is_written_over_after_the_removal_of_its_segment_is_durable() {
    let dir = tempfile::tempdir().unwrap();
    let (root, io) = (dir.path().join("store"), FaultyIo::new());
    let options = DiskOptions::new(&root).capacity_bytes(LARGE_CAPACITY_BYTES);
    let options = options.sync(Sync::Interval(Duration::from_secs(3600)));
    let store = options.io(io.clone()).open().unwrap();
    // The generations of bodies that have gone with their segment; whether that is durable; and of those that were
    // taken over, whether it was.
    let (gone, taken_over) = (Mutex::new(HashMap::new()), Arc::new(Mutex::new(Vec::new())));
    io.set_plan({
        let taken_over = taken_over.clone();
        move |call| {
            let (folder, name) = (call.path.parent().unwrap(), call.path.file_stem().unwrap());
            let name = name.to_str().unwrap();
            let mut gone = gone.lock().unwrap();
            match call.operation {
                Operation::Sync if call.path.ends_with("segments") => {
                    gone.values_mut().for_each(|durable| *durable = true);
                }
                Operation::Rename | Operation::Remove if folder.ends_with("segments") => {
                    let survey = Survey::of(&root).unwrap();
                    let leaving = survey.segments().find(|segment| segment.name == name);
                    let entries = leaving.into_iter().flat_map(|segment| segment.entries);
                    gone.extend(entries.map(|entry| (entry.generation(), false)));
                }
                Operation::Rename => {
                    let generation = u64::from_str_radix(name, 16).unwrap();
                    taken_over.lock().unwrap().push(gone.get(&generation).copied());
                }
                _ => {}
            }
            None
        }
    });
    fill_large(&store, 0..300).await;
    store.close();
    let taken_over = taken_over.lock().unwrap();
    assert!(taken_over.len() > 50, "{}", taken_over.len());
    assert!(
        taken_over.iter().all(|durable| *durable == Some(true)),
        "{taken_over:?}"
    );
}

#[tokio::test]
async fn what_somebody_reads_is_not_written_over() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir.path().join("store"), LARGE_CAPACITY_BYTES);
    let mut readers = Vec::new();
    for number in 0..600 {
        fill_large(&store, number..number + 1).await;
        let (_, hit) = find(&store, &format!("l{number}")).await.unwrap(); // so that the main ring turns as well
        if number % 10 == 0 && number < 300 {
            readers.push((number, hit));
        }
    }
    for (number, mut hit) in readers {
        assert!(find(&store, &format!("l{number}")).await.is_none());
        assert!(
            read(&mut *hit).await.unwrap() == large_body(number),
            "entry {number}"
        );
    }
}

/// The store that is opened next does not know of who reads by the one before.
#[tokio::test]
async fn what_somebody_reads_since_an_earlier_run_is_not_written_over() {
    let dir = tempfile::tempdir().unwrap();
    let open = || open(&dir.path().join("store"), LARGE_CAPACITY_BYTES);
    let store = open();
    put(&store, "read", &large_body(0)).await.unwrap();
    let (_, mut hit) = find(&store, "read").await.unwrap();
    store.close();
    let next = open();
    fill_large(&next, 1..100).await;
    assert!(find(&next, "read").await.is_none(), "it was evicted");
    assert!(read(&mut *hit).await.unwrap() == large_body(0));
}

#[tokio::test]
async fn what_somebody_follows_is_not_written_over() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir.path().join("store"), LARGE_CAPACITY_BYTES);
    let mut followers = Vec::new();
    for number in 0..20 {
        let name = format!("f{number}");
        let write = store.get_miss_handler(&key(&name), &meta(&name), &none()).await;
        let mut write = write.unwrap();
        let (_, follower) = find(&store, &name).await.unwrap();
        let whole = body(2_000_000, number as u64);
        for start in (0..whole.len()).step_by(100_000) {
            write
                .write_body(whole.slice(start..start + 100_000), false)
                .await
                .unwrap();
        }
        write.finish().await.unwrap();
        followers.push((name, follower, whole));
    }
    fill_large(&store, 0..300).await;
    for (name, mut follower, whole) in followers {
        assert!(find(&store, &name).await.is_none());
        assert!(read(&mut *follower).await.unwrap() == whole, "{name}");
    }
}

/// A small store of large bodies, then of small ones: what was kept for large ones is not lost to them.
#[tokio::test]
async fn what_is_kept_for_bodies_makes_room_for_others() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let store = open(&path, LARGE_CAPACITY_BYTES);
    fill_large(&store, 0..200).await;
    for number in 0..1500 {
        put(&store, &format!("k{number}"), &body(50_000, number as u64))
            .await
            .unwrap();
    }
    assert!(body_files(&path).is_empty(), "kept for nobody");
    assert!(disk_usage(&path) <= LARGE_CAPACITY_BYTES);
    let stored = (0..1500).rev().take(1000);
    for number in stored {
        assert!(get(&store, &format!("k{number}")).await.is_some(), "{number}");
    }
}
