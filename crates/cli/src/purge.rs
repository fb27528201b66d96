//! `forebay purge`: removes entries of a store that is not in use.

use crate::{Failure, Outcome, key};
use forebay_core::{CompactCacheKey, ErrorKind, HashBinary, PurgeType, SpanHandle, Storage};
use forebay_disk::survey::Survey;
use forebay_disk::{DiskOptions, DiskStorage};
use std::io::Write;
use std::path::{Path, PathBuf};

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
        if is_prefix {
            return Wanted::Prefix(text.to_owned());
        }
        match key::as_hash(text) {
            Some(hash) => Wanted::Hash(hash),
            None => Wanted::Primaries(key::primaries(text)),
        }
    }

    /// The hashes that are known, whatever entries tell: of those that are damaged, or do not tell their key, too.
    fn hashes(&self) -> Vec<HashBinary> {
        match self {
            Wanted::Hash(hash) => vec![*hash],
            Wanted::Primaries(primaries) => primaries.iter().map(|it| key::hash_of(it)).collect(),
            Wanted::Prefix(_) => Vec::new(),
        }
    }

    /// The hashes of the entries that tell that they are meant.
    fn found_in(&self, dir: &Path) -> Result<Vec<HashBinary>, Failure> {
        match self {
            Wanted::Hash(_) => Ok(Vec::new()),
            Wanted::Primaries(primaries) => {
                entries(dir, |primary| primaries.iter().any(|it| it.as_bytes() == primary))
            }
            Wanted::Prefix(prefix) => entries(dir, |primary| {
                let url = key::url_of(primary);
                primary.starts_with(prefix.as_bytes()) || url.is_some_and(|url| url.starts_with(prefix))
            }),
        }
    }
}

/// The hashes of all entries whose primary key is meant. One that is damaged is served by nobody, and not looked at.
fn entries(dir: &Path, is_meant: impl Fn(&[u8]) -> bool) -> Result<Vec<HashBinary>, Failure> {
    let mut found = Vec::new();
    let survey = Survey::of(dir)?;
    for entry in survey.segments().flat_map(|segment| segment.entries) {
        match survey.describe(&entry) {
            Ok(Some(description)) if is_meant(&description.primary) => found.push(entry.key()),
            Err(error) if ErrorKind::of(&error) != Some(ErrorKind::Corrupt) => return Err(error.into()),
            _ => {}
        }
    }
    Ok(found)
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
    let wanted = Wanted::new(text, is_prefix);
    let mut purged = runtime.block_on(purge(&store, wanted.hashes()))?;
    purged += runtime.block_on(purge(&store, wanted.found_in(&dir)?))?;
    store.close(); // makes it durable
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

/// How many of these there were. They are durable once the store is closed.
async fn purge(store: &DiskStorage, hashes: Vec<HashBinary>) -> Result<u64, Failure> {
    let trace = SpanHandle::none();
    let mut purged = 0;
    for primary in hashes {
        let key = CompactCacheKey {
            primary,
            ..CompactCacheKey::default()
        };
        let was_there = store.purge(&key, PurgeType::Invalidation, &trace).await?;
        purged += u64::from(was_there);
    }
    Ok(purged)
}

fn advice(error: &forebay_core::Error) -> &'static str {
    match error.to_string().contains("in use by") {
        true => ". To purge from a running proxy, ask it for each URL: curl -X PURGE URL",
        false => "",
    }
}
