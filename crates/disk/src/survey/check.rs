//! Reading everything that is stored, and telling what of it is damaged.

use super::{Entry, SegmentSurvey, Survey};
use crate::format::{BLOCK_BYTES, blocks_match};
use crate::io::read_full;
use crate::read::{BodyFile, Failure, Stored, Wait};
use crate::segment::body_name;
use forebay_core::{HashBinary, Result};
use std::collections::HashSet;
use std::fmt;
use std::io;

/// How much of a body file is read at once; a multiple of the block.
const CHUNK_BYTES: u64 = 16 * BLOCK_BYTES as u64;
/// So often what looks damaged is looked at again: beside a process that writes, it may only have moved.
const LOOKS_MAX: usize = 3;

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Damage {
    /// The file, below the directory of the store.
    pub place: String,
    /// The combined hash of the key whose entry it is.
    pub key: Option<HashBinary>,
    /// The entry, where its record is whole as far as that, for [`Survey::describe`] to tell more of it.
    pub entry: Option<Entry>,
    /// What is wrong with it.
    pub what: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if let Some(key) = &self.key {
            write!(f, "key {:032x}: ", u128::from_be_bytes(*key))?;
        }
        f.write_str(&self.what)
    }
}

impl Survey {
    /// Reads and checks everything that is stored: every record, its label, its body, and the FORMAT file. `progress` is
    /// told how many bytes were done, step by step; they add up to about [`live_bytes`](Survey::live_bytes).
    ///
    /// What is dead is not looked at: nobody will read it.
    ///
    /// # Errors
    /// If the store cannot be looked at again, to tell what is damaged from what has moved meanwhile.
    pub fn verify(&self, progress: &mut dyn FnMut(u64)) -> Result<Vec<Damage>> {
        let mut damaged = self.check(None, progress);
        for _ in 1..LOOKS_MAX {
            if damaged.is_empty() {
                break;
            }
            let keys = damaged.iter().filter_map(|damage| damage.key).collect();
            let again = Survey::through(self.layout.root(), self.io.clone())?;
            let still = again.check(Some(&keys), &mut |_| {});
            damaged.retain(|damage| still.contains(damage));
        }
        Ok(damaged)
    }

    /// What the stored entries take, in bytes.
    pub fn live_bytes(&self) -> u64 {
        self.segments()
            .map(|segment| segment.live_bytes())
            .fold(0, u64::saturating_add)
    }

    /// Checks the entries of these keys, or all.
    fn check(&self, only: Option<&HashSet<HashBinary>>, progress: &mut dyn FnMut(u64)) -> Vec<Damage> {
        let wanted = |key: &HashBinary| only.is_none_or(|only| only.contains(key));
        let mut damaged = Vec::new();
        if self.format_is_damaged {
            damaged.push(whole("FORMAT", "damaged or gone; the next open makes it again"));
        }
        for number in &self.numbers {
            let segment = match self.segment(*number) {
                Ok(Some(segment)) => segment,
                Ok(None) => continue, // evicted meanwhile
                Err(error) => {
                    damaged.push(whole(&self.place(*number), &format!("cannot be read: {error}")));
                    continue;
                }
            };
            let SegmentSurvey {
                entries,
                damaged: lost,
                ..
            } = segment;
            damaged.extend(
                lost.into_iter()
                    .filter(|damage| damage.key.is_none_or(|key| wanted(&key))),
            );
            for entry in entries.iter().filter(|entry| wanted(&entry.key())) {
                if let Err((place, failure)) = self.check_entry(entry, progress) {
                    damaged.push(Damage {
                        place,
                        key: Some(entry.key()),
                        entry: Some(entry.clone()),
                        what: failure.to_string(),
                    });
                }
            }
        }
        damaged
    }

    /// The file where something is wrong, and what.
    fn check_entry(
        &self,
        entry: &Entry,
        progress: &mut dyn FnMut(u64),
    ) -> std::result::Result<(), (String, Failure)> {
        let meta_is_sound = |stored: Stored| match forebay_core::CacheMeta::decode(stored.label.meta()) {
            Ok(_) => Ok(stored),
            Err(_) => Err(Failure::Damaged("its meta cannot be read")),
        };
        let stored = self.stored(entry).and_then(meta_is_sound);
        let stored = stored.map_err(|failure| (self.place(entry.segment), failure))?;
        if !stored.body_in_file() {
            progress(entry.bytes());
            return Ok(());
        }
        self.check_body(entry, &stored, progress)
            .map_err(|failure| (format!("bodies/{}", body_name(entry.generation())), failure))
    }

    fn check_body(
        &self,
        entry: &Entry,
        stored: &Stored,
        progress: &mut dyn FnMut(u64),
    ) -> std::result::Result<(), Failure> {
        let path = self.layout.body(entry.generation());
        let body = BodyFile::open(
            &*self.io,
            &path,
            self.id,
            &stored.header,
            &stored.table,
            Wait::Yes,
        )?;
        let mut buffer = Vec::new();
        let mut at = 0;
        while at < body.len_bytes {
            let len_bytes = CHUNK_BYTES.min(body.len_bytes - at);
            buffer.resize(len_bytes as usize, 0);
            read_full(&*body.file, &mut buffer, at)?;
            let first = (at / BLOCK_BYTES as u64) as usize;
            if !blocks_match(&buffer, &body.table, first, body.seed) {
                return Err(Failure::Damaged("its body is damaged"));
            }
            progress(len_bytes);
            at += len_bytes;
        }
        Ok(())
    }
}

fn whole(place: &str, what: &str) -> Damage {
    Damage {
        place: place.to_owned(),
        key: None,
        entry: None,
        what: what.to_owned(),
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Damaged(what) => f.write_str(what),
            Failure::Io(error) if error.kind() == io::ErrorKind::NotFound => f.write_str("it is gone"),
            Failure::Io(error) => write!(f, "it cannot be read: {error}"),
        }
    }
}
