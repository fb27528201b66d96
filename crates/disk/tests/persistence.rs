//! What a store finds when it is opened: after a close, a crash, damage, and in directories that are not its own.

mod common;

use common::*;
use forebay_core::{ErrorKind, PurgeType, Storage};
use forebay_disk::{DiskOptions, DiskStorage, Sync};
use std::collections::HashMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const CAPACITY: u64 = 32 << 20;

fn refusal(dir: &Path) -> String {
    let error = DiskOptions::new(dir)
        .capacity_bytes(CAPACITY)
        .open()
        .map(drop)
        .unwrap_err();
    assert_eq!(ErrorKind::of(&error), Some(ErrorKind::Refused), "{error}");
    error.to_string()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test]
async fn an_unclosed_store_has_everything_that_was_finished_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let after_crash = tempfile::tempdir().unwrap();
    let store = open(dir.path(), CAPACITY);
    for size in [0, 1_000, 100_000, 700_000] {
        put(&store, &format!("{size}"), &body(size, 1)).await.unwrap();
    }
    put(&store, "gone", &body(10, 1)).await.unwrap();
    store
        .purge(&key("gone").to_compact(), PurgeType::Invalidation, &none())
        .await
        .unwrap();
    let mut unfinished = store
        .get_miss_handler(&key("1000"), &meta("x"), &none())
        .await
        .unwrap();
    unfinished.write_body(body(900_000, 2), true).await.unwrap();
    copy(dir.path(), after_crash.path()); // what a kill leaves

    let store = open(after_crash.path(), CAPACITY);
    for size in [0, 1_000, 100_000, 700_000] {
        assert_eq!(get(&store, &format!("{size}")).await.unwrap(), body(size, 1));
    }
    assert!(get(&store, "gone").await.is_none());
    expect_no_stray(after_crash.path()).unwrap();
    put(&store, "more", &body(10, 1)).await.unwrap();
    drop(store);
    assert_eq!(open(after_crash.path(), CAPACITY).stats().entries, 5);
}

/// Where the last record of an open log ends, or a little before: behind it come pages that were made ahead, of zeros.
fn written_bytes(log: &[u8]) -> usize {
    log.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
}

#[tokio::test]
async fn a_log_cut_anywhere_gives_whole_entries_or_none() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), CAPACITY);
    for i in 0..6 {
        put(&store, &format!("{}", i % 4), &body(100 + i, i as u64))
            .await
            .unwrap();
    }
    let log = logs(dir.path()).remove(0);
    let mut whole = std::fs::read(&log).unwrap();
    whole.resize(written_bytes(&whole) + 200, 0); // some of the pages that a longer log has ahead
    for cut in (0..whole.len()).step_by(7) {
        let copied = tempfile::tempdir().unwrap();
        copy(dir.path(), copied.path());
        std::fs::write(
            copied.path().join(log.strip_prefix(dir.path()).unwrap()),
            &whole[..cut],
        )
        .unwrap();
        let store = open(copied.path(), CAPACITY);
        for name in 0..4 {
            let versions = [name, name + 4].map(|i| body(100 + i, i as u64));
            if let Some(found) = get(&store, &format!("{name}")).await {
                assert!(versions.contains(&found), "cut at {cut}");
            }
        }
        assert_eq!(
            store.stats().corrupt_entries,
            0,
            "what is torn is not even an entry; cut at {cut}"
        );
    }
}

/// A log that is overwritten in place does not end where a killed write ends: old bytes follow.
#[tokio::test]
async fn a_last_record_that_is_written_in_part_leaves_the_entry_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let after_crash = tempfile::tempdir().unwrap();
    let store = open(dir.path(), CAPACITY);
    put(&store, "a", &body(1_000, 1)).await.unwrap();
    put(&store, "a", &body(100_000, 2)).await.unwrap();
    copy(dir.path(), after_crash.path());
    let log = logs(after_crash.path()).remove(0);
    let mut bytes = std::fs::read(&log).unwrap();
    let written = written_bytes(&bytes) - 40_000;
    bytes[written..].fill(0x5a);
    std::fs::write(&log, bytes).unwrap();
    let store = open(after_crash.path(), CAPACITY);
    assert_eq!(get(&store, "a").await.unwrap(), body(1_000, 1));
}

/// The entries of a store, by name; every file of it damaged by `damage`, at one place after the other.
struct Sweep {
    dir: tempfile::TempDir,
    expected: HashMap<String, (usize, u64)>,
}

impl Sweep {
    async fn new(sealed: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let original = tempfile::tempdir().unwrap();
        let store = open(original.path(), CAPACITY);
        let mut expected = HashMap::new();
        for (name, len, seed) in [
            ("a", 90, 1),
            ("b", 200, 2),
            ("c", 300_000, 3),
            ("d", 5, 4),
            ("b", 70, 5),
            ("e", 66_000, 6),
        ] {
            put(&store, name, &body(len, seed)).await.unwrap();
            expected.insert(name.to_owned(), (len, seed));
        }
        store
            .purge(&key("a").to_compact(), PurgeType::Invalidation, &none())
            .await
            .unwrap();
        expected.remove("a");
        if sealed {
            store.close();
        }
        copy(original.path(), dir.path());
        Sweep { dir, expected }
    }

    /// Opens a damaged copy; how many entries it has lost. None is wrong, and each can be written again.
    async fn check(&self, relative: &Path, bytes: Option<&[u8]>, what: &str) -> usize {
        let copied = tempfile::tempdir().unwrap();
        copy(self.dir.path(), copied.path());
        let target = copied.path().join(relative);
        match bytes {
            Some(bytes) => std::fs::write(&target, bytes).unwrap(),
            None => std::fs::remove_file(&target).unwrap(),
        }
        let what = format!("{} {what}", relative.display());
        let store = DiskOptions::new(copied.path())
            .capacity_bytes(CAPACITY)
            .sync(Sync::Never)
            .open();
        let store = store.unwrap_or_else(|error| panic!("{what}: {error}"));
        let mut lost = 0;
        for (name, (len, seed)) in &self.expected {
            match whole(&store, name).await {
                Some(found) => assert_eq!(found, body(*len, *seed), "{what}: {name}"),
                None => {
                    lost += 1;
                    assert!(find(&store, name).await.is_none(), "{what}: {name} healed");
                    put(&store, name, &body(9, 9)).await.unwrap();
                    assert_eq!(get(&store, name).await.unwrap(), body(9, 9), "{what}");
                }
            }
        }
        if what.contains("flipped") {
            assert!(
                whole(&store, "a").await.is_none(),
                "{what}: purged entry came back"
            );
        }
        lost
    }
}

/// The body of an entry; `None` for a miss or for damage that was found while reading.
async fn whole(store: &DiskStorage, name: &str) -> Option<bytes::Bytes> {
    let (_, mut hit) = find(store, name).await?;
    read(&mut *hit).await.ok()
}

#[tokio::test]
async fn a_flipped_bit_costs_at_most_one_entry() {
    for sealed in [false, true] {
        let sweep = Sweep::new(sealed).await;
        for file in files(sweep.dir.path()) {
            let relative = file.strip_prefix(sweep.dir.path()).unwrap();
            let intact = std::fs::read(&file).unwrap();
            // Every byte of what is small; of bodies, some.
            let written = written_bytes(&intact);
            let step = if written > 20_000 { written / 97 } else { 1 };
            let ends = written.saturating_sub(150)..intact.len().min(written + 64);
            for at in (0..written).step_by(step).chain(ends) {
                let mut damaged = intact.clone();
                damaged[at] ^= 1 << (at % 8);
                let lost = sweep
                    .check(relative, Some(&damaged), &format!("flipped at {at}"))
                    .await;
                assert!(lost <= 1, "{} flipped at {at}: {lost} lost", relative.display());
            }
        }
    }
}

#[tokio::test]
async fn a_file_that_is_cut_emptied_or_removed_costs_no_wrong_byte() {
    for sealed in [false, true] {
        let sweep = Sweep::new(sealed).await;
        for file in files(sweep.dir.path()) {
            let relative = file.strip_prefix(sweep.dir.path()).unwrap();
            let intact = std::fs::read(&file).unwrap();
            sweep.check(relative, None, "removed").await;
            let written = written_bytes(&intact);
            for cut in [0, 1, 63, 64, written / 2, written.saturating_sub(1)] {
                let cut = cut.min(written);
                // Older versions may come back where the log ends before the newer ones: only `b` has one.
                let mut sweep_b = Sweep {
                    dir: tempfile::tempdir().unwrap(),
                    expected: sweep.expected.clone(),
                };
                copy(sweep.dir.path(), sweep_b.dir.path());
                if relative.starts_with("segments") {
                    sweep_b.expected.remove("b");
                }
                sweep_b
                    .check(relative, Some(&intact[..cut]), &format!("cut at {cut}"))
                    .await;
            }
        }
    }
}

#[tokio::test]
async fn damage_found_while_reading_is_an_error_and_then_a_miss() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), CAPACITY);
    put(&store, "large", &body(2_000_000, 1)).await.unwrap();
    let file = body_files(dir.path()).remove(0);
    let mut damaged = std::fs::read(&file).unwrap();
    damaged[1_000_000] ^= 1;
    std::fs::write(&file, damaged).unwrap();
    let (_, mut hit) = find(&store, "large").await.unwrap();
    hit.seek(1_000_000 - 70_000, Some(1_000_000 - 66_000)).unwrap();
    assert_eq!(
        read(&mut *hit).await.unwrap().len(),
        4_000,
        "other blocks are fine"
    );
    hit.seek(999_999, Some(1_000_001)).unwrap();
    let error = read(&mut *hit).await.unwrap_err();
    assert_eq!(ErrorKind::of(&error), Some(ErrorKind::Corrupt));
    assert!(find(&store, "large").await.is_none());
    assert_eq!(store.stats().corrupt_entries, 1);
    drop((hit, store));
    assert_eq!(open(dir.path(), CAPACITY).stats().entries, 0);
}

#[tokio::test]
async fn a_directory_that_is_not_a_stores_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "mine").unwrap();
    assert!(refusal(dir.path()).contains("file"));
    assert!(refusal(&file).contains("not a directory"));
    assert_eq!(files(dir.path()), [file]);
}

#[tokio::test]
async fn another_version_is_refused_and_left_alone() {
    for entries in [0, 1] {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path(), CAPACITY);
        for _ in 0..entries {
            put(&store, "a", &body(10, 1)).await.unwrap();
        }
        drop(store);
        let path = dir.path().join("FORMAT");
        let mut format = std::fs::read(&path).unwrap();
        format[8] = 99;
        let checksum = twox_hash::XxHash3_64::oneshot_with_seed(0, &format[..56]);
        format[56..].copy_from_slice(&checksum.to_le_bytes());
        std::fs::write(&path, &format).unwrap();
        assert!(refusal(dir.path()).contains("version 99"));
        assert_eq!(std::fs::read(&path).unwrap(), format);
    }
}

#[tokio::test]
async fn a_store_that_is_opened_often_does_not_pile_up_segments() {
    let dir = tempfile::tempdir().unwrap();
    for i in 0..300 {
        let store = open(dir.path(), CAPACITY);
        put(&store, &format!("{i}"), &body(10, i)).await.unwrap();
    }
    let store = open(dir.path(), CAPACITY);
    let stats = store.stats();
    assert!(stats.segments <= 258, "{stats:?}");
    assert_eq!(stats.entries, 300);
    for i in 0..300 {
        assert_eq!(get(&store, &format!("{i}")).await.unwrap(), body(10, i));
    }
}

#[tokio::test]
async fn links_in_place_of_segments_are_refused_and_strangers_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), CAPACITY);
    put(&store, "a", &body(10, 1)).await.unwrap();
    put(&store, "large", &body(400_000, 1)).await.unwrap();
    drop(store);
    let strangers =
        ["segments/other", "segments/1.log", "bodies/notes.txt"].map(|name| dir.path().join(name));
    for stranger in &strangers {
        std::fs::write(stranger, "mine").unwrap();
    }
    std::fs::create_dir(dir.path().join("bodies/0000000000000001.body")).unwrap();
    let store = open(dir.path(), CAPACITY);
    assert_eq!(store.stats().entries, 2);
    for name in ["a", "large"] {
        store
            .purge(&key(name).to_compact(), PurgeType::Invalidation, &none())
            .await
            .unwrap();
    }
    assert_eq!(store.stats().resident_bytes, 0);
    drop(store);
    for stranger in &strangers {
        assert_eq!(std::fs::read(stranger).unwrap(), b"mine");
    }
    assert!(dir.path().join("bodies/0000000000000001.body").is_dir());
    std::os::unix::fs::symlink("/nowhere", dir.path().join("segments/000000ff.log")).unwrap();
    assert!(refusal(dir.path()).contains("000000ff"));
}

#[tokio::test]
async fn a_second_owner_is_refused_by_a_sentence_that_names_the_first() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), CAPACITY);
    assert!(refusal(dir.path()).contains(&format!("process {};", std::process::id())));
    store.close();
    drop(open(dir.path(), CAPACITY));
}

#[tokio::test]
async fn files_are_their_owners_alone() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("store");
    let store = open(&root, CAPACITY);
    put(&store, "large", &body(400_000, 1)).await.unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for path in [&root, &root.join("segments"), &root.join("bodies")] {
        assert_eq!(mode(path), 0o700, "{}", path.display());
    }
    for file in files(&root) {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

/// A write that was purged meanwhile finished without room being made.
#[tokio::test]
async fn a_store_that_has_less_capacity_than_before_keeps_to_it_from_its_first_write_on() {
    for is_purged in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path(), 32 << 20);
        for number in 0..20 {
            put(&store, &format!("a{number}"), &body(500_000, number))
                .await
                .unwrap();
        }
        drop(store);
        let store = open(dir.path(), 4 << 20);
        let mut miss = store
            .get_miss_handler(&key("b"), &meta("b"), &none())
            .await
            .unwrap();
        miss.write_body(body(100, 1), true).await.unwrap();
        if is_purged {
            let purged = store
                .purge(&key("b").to_compact(), PurgeType::Invalidation, &none())
                .await;
            assert!(purged.unwrap());
        }
        miss.finish().await.unwrap();
        let stats = store.stats();
        assert!(stats.resident_bytes <= stats.capacity_bytes, "{stats:?}");
        assert_eq!(get(&store, "b").await.is_some(), !is_purged);
    }
}
