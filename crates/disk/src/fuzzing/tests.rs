//! Replays the corpus of `fuzz/`, findings included, and mutates it for a while.
//!
//! `FOREBAY_FUZZ_SEED` repeats a run.

use super::*;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;

/// The files of one target.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus")).join(target);
    let listed = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = listed.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 3, "{}: hardly a corpus", folder.display());
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// Runs a target on its corpus, then on so many mutations of it.
fn run(target: &str, mutations: u32, execute: impl Fn(&[u8])) {
    let corpus = corpus(target);
    let seed = std::env::var("FOREBAY_FUZZ_SEED").map_or(std::process::id().into(), |n| n.parse().unwrap());
    let mut chance = Chance(seed);
    let mutated = (0..mutations)
        .map(|_| chance.mutated(&corpus))
        .collect::<Vec<_>>();
    for bytes in corpus.iter().chain(&mutated) {
        let done = std::panic::catch_unwind(AssertUnwindSafe(|| execute(bytes)));
        assert!(
            done.is_ok(),
            "FOREBAY_FUZZ_SEED={seed}: {target} fails; keep this in fuzz/corpus/{target}: {bytes:02x?}"
        );
    }
}

struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) as usize % end.max(1)
    }

    /// A file of the corpus with a few changes: bits, bytes, whole numbers, pieces left out, repeated or taken from
    /// another file.
    fn mutated(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = corpus[self.below(corpus.len())].clone();
        for _ in 0..1 + self.below(4) {
            let at = self.below(bytes.len());
            let len = (1 << self.below(9)).min(bytes.len() - at);
            match self.below(6) {
                0 if len > 0 => bytes[at] ^= 1 << self.below(8),
                1 if len > 0 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][self.below(5)],
                2 => bytes[at..at + len].fill([0, 0xff][self.below(2)]),
                3 => drop(bytes.drain(at..at + len)),
                4 => {
                    let piece = bytes[at..at + len].to_vec();
                    bytes.splice(at..at, piece);
                }
                _ => {
                    let other = &corpus[self.below(corpus.len())];
                    let from = self.below(other.len());
                    bytes.truncate(at);
                    bytes.extend_from_slice(&other[from..]);
                }
            }
        }
        bytes
    }
}

#[test]
fn records_are_decoded_without_a_panic() {
    run("record", 20_000, record);
}

#[test]
fn footers_are_decoded_without_a_panic() {
    run("footer", 20_000, footer);
}

#[test]
fn metas_are_decoded_without_a_panic_and_encoded_again() {
    run("meta", 20_000, meta);
}

#[test]
fn any_bytes_as_a_log_make_a_store_that_opens_and_serves() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    run("store", 300, |bytes| {
        let dir = tempfile::tempdir().unwrap();
        runtime.block_on(store(dir.path(), bytes));
    });
}
