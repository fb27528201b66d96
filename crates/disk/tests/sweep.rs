//! Every byte of a small store flipped in turn, and every file cut at each boundary: what is damaged is a miss, nothing
//! else is, and what was purged stays so.

mod common;

use common::*;
use forebay_core::{PurgeType, Storage};
use forebay_disk::DiskStorage;
use forebay_disk::io::{CrashIo, Names, PowerCut};
use std::ops::Range;
use std::path::{Path, PathBuf};

const CAPACITY: u64 = 32 << 20;
/// The shortest body that lies in a file of its own.
const LARGE: usize = 256 * 1024 + 1;
const BLOCK: usize = 64 * 1024;
/// Entries in the order in which they were written, one record each.
const SMALL: [(&str, usize); 3] = [("a", 90), ("b", 0), ("c", 5)];

/// A store that is copied for every damage.
struct Original {
    dir: tempfile::TempDir,
    entries: Vec<(&'static str, usize)>,
    log: PathBuf,
    /// Where the record of each entry lies in the log, and where the records end.
    records: Vec<Range<usize>>,
    /// So much of the log is damaged: what was written, and where it has no footer a little of the zeros behind.
    log_bytes: usize,
}

impl Original {
    async fn new(sealed: bool, large: bool) -> Original {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path(), CAPACITY);
        let mut entries = SMALL.to_vec();
        entries.extend(large.then_some(("large", LARGE)));
        put(&store, "purged", &body(50, 9)).await.unwrap();
        for (name, len) in &entries {
            put(&store, name, &body(*len, 1)).await.unwrap();
        }
        let purged = key("purged").to_compact();
        store
            .purge(&purged, PurgeType::Invalidation, &none())
            .await
            .unwrap();
        if sealed {
            store.close();
        }
        let original = tempfile::tempdir().unwrap();
        copy(dir.path(), original.path());
        let log = PathBuf::from("segments/80000000.log");
        let bytes = std::fs::read(original.path().join(&log)).unwrap();
        let is_record = |at: &usize| bytes[*at..].starts_with(b"FBR1");
        let starts: Vec<usize> = (64..bytes.len()).step_by(64).filter(is_record).collect();
        assert_eq!(starts.len(), entries.len() + 2);
        // The first one is of what was purged, the last one its tombstone.
        let records = starts.windows(2).skip(1).map(|pair| pair[0]..pair[1]).collect();
        let some_zeros = starts[starts.len() - 1] + 256;
        Original {
            log_bytes: if sealed {
                bytes.len()
            } else {
                bytes.len().min(some_zeros)
            },
            dir: original,
            entries,
            log,
            records,
        }
    }

    fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let relative = |path: &Path| path.strip_prefix(self.dir.path()).unwrap().to_owned();
        files(self.dir.path())
            .iter()
            .map(|path| (relative(path), std::fs::read(path).unwrap()))
            .collect()
    }

    /// How many bytes of a file are damaged.
    fn damaged_bytes(&self, file: &Path, intact: &[u8]) -> usize {
        if file == self.log {
            self.log_bytes
        } else {
            intact.len()
        }
    }

    /// Opens a copy with other bytes in one file; the entries that it has lost. None is wrong, and each can be written
    /// again.
    async fn lost(&self, file: &Path, bytes: &[u8]) -> Vec<&'static str> {
        let copied = tempfile::tempdir().unwrap();
        copy(self.dir.path(), copied.path());
        std::fs::write(copied.path().join(file), bytes).unwrap();
        let store = open(copied.path(), CAPACITY);
        let mut lost = Vec::new();
        for (name, len) in &self.entries {
            match whole(&store, name).await {
                Some(found) => assert_eq!(found, body(*len, 1), "{name}"),
                None => {
                    assert!(
                        find(&store, name).await.is_none(),
                        "{name} is a miss from then on"
                    );
                    lost.push(*name);
                }
            }
        }
        if file != self.log
            || bytes.len() == std::fs::metadata(self.dir.path().join(file)).unwrap().len() as usize
        {
            assert!(find(&store, "purged").await.is_none(), "what was purged is back");
        }
        lost
    }

    /// The entry whose record this byte of a file is of, or whose body.
    fn owner(&self, file: &Path, at: usize) -> Option<&'static str> {
        if file != self.log {
            return file.extension().map(|_| "large");
        }
        let record = self.records.iter().position(|record| record.contains(&at))?;
        Some(self.entries[record].0)
    }
}

fn copy(from: &Path, to: &Path) {
    // A cut of nothing is a copy.
    let io = CrashIo::new(from).unwrap();
    let cut = PowerCut {
        step: 0,
        seed: 0,
        names: Names::InOrder,
    };
    std::fs::remove_dir(to).unwrap();
    io.cut(&cut, to).unwrap();
}

/// The body of an entry; `None` for a miss or for damage that was found while reading.
async fn whole(store: &DiskStorage, name: &str) -> Option<bytes::Bytes> {
    let (_, mut hit) = find(store, name).await?;
    read(&mut *hit).await.ok()
}

#[tokio::test]
async fn every_byte_flipped_costs_the_entry_that_it_is_of_and_no_other() {
    for sealed in [false, true] {
        let original = Original::new(sealed, false).await;
        // FORMAT and LOCK are the same for both.
        let files = original.files().into_iter();
        for (file, intact) in files.filter(|(file, _)| sealed || *file == original.log) {
            for at in 0..original.damaged_bytes(&file, &intact) {
                let mut bytes = intact.clone();
                bytes[at] ^= 1 << (at % 8);
                let lost = original.lost(&file, &bytes).await;
                let owner = original.owner(&file, at);
                let fine = lost.iter().all(|name| Some(*name) == owner);
                assert!(fine, "{}, byte {at}, sealed: {sealed}: {lost:?}", file.display());
            }
        }
    }
}

#[tokio::test]
async fn every_kind_of_byte_of_a_body_file_flipped_costs_its_entry_alone() {
    let original = Original::new(true, true).await;
    let is_body = |(file, _): &(PathBuf, Vec<u8>)| file.extension().is_some();
    let (file, intact) = original.files().into_iter().find(is_body).unwrap();
    let blocks = (0..LARGE).step_by(BLOCK);
    let of_body = blocks.flat_map(|start| [start, start + 1, start + BLOCK / 2, start + BLOCK - 1]);
    let of_end = LARGE..intact.len();
    for at in of_body.filter(|at| *at < LARGE).chain(of_end) {
        let mut bytes = intact.clone();
        bytes[at] ^= 1 << (at % 8);
        let lost = original.lost(&file, &bytes).await;
        // Some of the bytes behind the body are reserved.
        assert!(lost.is_empty() || lost == ["large"], "byte {at}: {lost:?}");
        assert!(
            at >= LARGE || lost == ["large"],
            "byte {at} of the body was not missed"
        );
    }
}

#[tokio::test]
async fn a_file_cut_at_a_boundary_costs_what_lies_behind_it_and_nothing_else() {
    for (sealed, large) in [(false, false), (true, false), (true, true)] {
        let original = Original::new(sealed, large).await;
        for (file, intact) in original.files() {
            let until = original.damaged_bytes(&file, &intact);
            let boundaries = (0..=until).step_by(if file == original.log { 16 } else { BLOCK });
            let ends = [LARGE, LARGE + 8 * LARGE.div_ceil(BLOCK), intact.len()];
            let around = boundaries
                .chain(ends)
                .flat_map(|at| [at.saturating_sub(1), at, at + 1]);
            for end in around.filter(|end| *end < intact.len()) {
                let lost = original.lost(&file, &intact[..end]).await;
                let expected: Vec<_> = match file == original.log {
                    // A record that ends before is there; whether the last one is whole without its trailer, its
                    // checksums tell.
                    true => {
                        let behind = original.records.iter().zip(&original.entries);
                        behind
                            .filter(|(record, _)| record.end > end)
                            .map(|(_, entry)| entry.0)
                            .collect()
                    }
                    false => original.owner(&file, 0).into_iter().collect(),
                };
                let what = format!("{} cut at {end}, sealed: {sealed}", file.display());
                assert_eq!(lost, expected, "{what}");
            }
        }
    }
}
