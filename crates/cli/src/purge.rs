//! `forebay purge`: removes entries of a store that is not in use.

use crate::{Failure, Outcome, key};
use forebay_core::{CompactCacheKey, HashBinary, PurgeType, SpanHandle, Storage};
use forebay_disk::DiskOptions;
use forebay_disk::survey::{Entry, Survey};
use std::io::Write;
use std::path::PathBuf;

/// The store must not be made to fit a capacity that is not its own: nothing is evicted.
const NO_LIMIT_BYTES: u64 = 1 << 60;

/// What is to be removed.
enum Wanted {
    /// The entry of this hash.
    Hash(HashBinary),
    /// Whatever was stored under one of these primary keys.
    Primaries(Vec<String>),
    /// Whatever has a URL or a primary key that begins so.
    Prefix(String),
}

impl Wanted {
    fn new(text: &str, is_prefix: bool) -> Self {
        match key::as_hash(text) {
            _ if is_prefix => Wanted::Prefix(text.to_owned()),
            Some(hash) => Wanted::Hash(hash),
            None => Wanted::Primaries(key::primaries(text)),
        }
    }

    /// The hashes of all entries that are meant.
    fn found_in(&self, survey: &Survey) -> Vec<HashBinary> {
        // Also where a record is damaged, or does not tell its key.
        let hashes: Vec<HashBinary> = match self {
            Wanted::Hash(hash) => vec![*hash],
            Wanted::Primaries(primaries) => primaries.iter().map(|it| key::hash_of(it)).collect(),
            Wanted::Prefix(_) => Vec::new(),
        };
        let primary_of = |entry: &Entry| survey.describe(entry).ok().flatten().map(|it| it.primary);
        let is_meant = |entry: &Entry| {
            hashes.contains(&entry.key())
                || match self {
                    Wanted::Hash(_) => false,
                    Wanted::Primaries(primaries) => primary_of(entry)
                        .is_some_and(|primary| primaries.iter().any(|it| it.as_bytes() == primary)),
                    Wanted::Prefix(prefix) => primary_of(entry).is_some_and(|primary| {
                        primary.starts_with(prefix.as_bytes())
                            || key::url_of(&primary).is_some_and(|url| url.starts_with(prefix))
                    }),
                }
        };
        let entries = survey.segments().flat_map(|segment| segment.entries);
        entries.filter(is_meant).map(|entry| entry.key()).collect()
    }
}

pub(crate) fn run(
    dir: PathBuf,
    text: &str,
    is_prefix: bool,
    out: &mut dyn Write,
) -> Result<Outcome, Failure> {
    Survey::of(&dir)?; // opening it makes a store where there is none
    let store = DiskOptions::new(&dir)
        .capacity_bytes(NO_LIMIT_BYTES)
        .open()
        .map_err(|error| Failure::Store(format!("{}{}", crate::in_words(&error), advice(&error))))?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let mut purged = 0;
    for primary in Wanted::new(text, is_prefix).found_in(&Survey::of(&dir)?) {
        let key = CompactCacheKey {
            primary,
            ..CompactCacheKey::default()
        };
        let trace = SpanHandle::none();
        let done = runtime.block_on(store.purge(&key, PurgeType::Invalidation, &trace))?;
        purged += u64::from(done);
    }
    store.close(); // which syncs
    if store.stats().write_errors > 0 {
        return Err(Failure::Store(format!(
            "the disk failed while {} was written; purge it again",
            dir.display()
        )));
    }
    match purged {
        0 => writeln!(out, "there is no entry for {text}")?,
        1 => writeln!(out, "purged {text}: 1 entry")?,
        many => writeln!(out, "purged {text}: {many} entries")?,
    }
    Ok(if purged > 0 { Outcome::Fine } else { Outcome::Not })
}

fn advice(error: &forebay_core::Error) -> &'static str {
    match error.to_string().contains("in use by") {
        true => ". To purge from a running proxy, ask it: curl -X PURGE URL",
        false => "",
    }
}
