//! `forebay purge`: removes one entry of a store that is not in use.

use crate::{Failure, Outcome, key};
use forebay_core::{CompactCacheKey, PurgeType, SpanHandle, Storage};
use forebay_disk::survey::Survey;
use forebay_disk::{DiskOptions, Sync};
use std::io::Write;
use std::path::PathBuf;

/// The store must not be made to fit a capacity that is not its own: nothing is evicted.
const NO_LIMIT_BYTES: u64 = 1 << 60;

pub(crate) fn run(dir: PathBuf, text: &str, out: &mut dyn Write) -> Result<Outcome, Failure> {
    Survey::of(&dir)?; // opening it makes a store where there is none
    let store = DiskOptions::new(&dir)
        .capacity_bytes(NO_LIMIT_BYTES)
        .sync(Sync::Always)
        .open()
        .map_err(|error| Failure::Store(format!("{}{}", crate::in_words(&error), advice(&error))))?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let mut found = false;
    for primary in key::hashes(text) {
        let key = CompactCacheKey {
            primary,
            ..CompactCacheKey::default()
        };
        found |= runtime.block_on(store.purge(&key, PurgeType::Invalidation, &SpanHandle::none()))?;
    }
    store.close();
    if store.stats().write_errors > 0 {
        return Err(Failure::Store(format!(
            "the disk failed while {} was written; purge it again",
            dir.display()
        )));
    }
    if found {
        writeln!(out, "purged {text}")?;
        return Ok(Outcome::Fine);
    }
    writeln!(out, "there is no entry for {text}")?;
    Ok(Outcome::Not)
}

fn advice(error: &forebay_core::Error) -> &'static str {
    match error.to_string().contains("in use by") {
        true => ". To purge from a running proxy, ask it: curl -X PURGE URL",
        false => "",
    }
}
