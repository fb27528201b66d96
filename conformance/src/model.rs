//! The reference model: which results of an operation the contract allows, after any sequence of others.

mod readers;

use crate::content::{Version, body, key, meta};
use crate::hit::Hit;
use crate::ops::Store;
use crate::outcome::{Checked, Stop};
use crate::replay::sequence::Op;
use crate::writer::Writer;
use bytes::Bytes;
use forebay_core::{CacheKey, CacheMeta, PurgeOutcome, PurgeType};

/// All that one write may write.
const BODY_BYTES_MAX: usize = 2 << 20;

/// A write, from its start on; it stays for those who read it.
struct Write {
    key: u8,
    meta: CacheMeta,
    number: u32,
    written: usize,
    phase: Phase,
    invalidated: bool,
    started: u32,
}

#[derive(PartialEq, Clone, Copy)]
enum Phase {
    Open,
    Eof,
    Finished,
    Dropped,
    DroppedAfterEof,
}

#[derive(Clone)]
struct Stored {
    write: usize,
    meta: CacheMeta,
    expired: bool,
    admitted: u32,
}

struct OpenHit {
    hit: Hit,
    write: usize,
    position: usize,
    end: Option<usize>,
    /// Whether what it reads may be gone, so that an error is allowed.
    gone: bool,
}

/// The storage and what is known of it.
pub(crate) struct World<'a> {
    store: &'a Store,
    streams: bool,
    writes: Vec<Write>,
    writers: Vec<(Writer, usize)>,
    hits: Vec<OpenHit>,
    /// For each key, everything that may be stored: one possibility where the contract leaves no choice.
    stored: [Vec<Option<Stored>>; 3],
    clock: u32,
}

fn breaks<T>(rule: &'static str, expected: impl Into<String>, actual: impl Into<String>) -> Checked<T> {
    Err(Stop::Broken {
        rule: Some(rule),
        expected: expected.into(),
        actual: actual.into(),
    })
}

fn name(index: u8) -> CacheKey {
    key(&format!("k{index}"))
}

fn pick<T>(all: &[T], index: u8) -> Option<usize> {
    (!all.is_empty()).then(|| index as usize % all.len())
}

impl<'a> World<'a> {
    pub(crate) fn new(store: &'a Store, streams: bool) -> Self {
        World {
            store,
            streams,
            writes: Vec::new(),
            writers: Vec::new(),
            hits: Vec::new(),
            stored: [vec![None], vec![None], vec![None]],
            clock: 0,
        }
    }

    pub(crate) async fn step(&mut self, op: Op) -> Checked<()> {
        self.clock += 1;
        match op {
            Op::Start { key } => self.start(key).await,
            Op::Write { writer, size, eof } => self.write(writer, size, eof).await,
            Op::Finish { writer } => self.finish(writer).await,
            Op::Abort { writer } => {
                if let Some(index) = pick(&self.writers, writer) {
                    let (writer, write) = self.writers.swap_remove(index);
                    writer.abort();
                    let write = &mut self.writes[write];
                    let whole = write.phase == Phase::Eof;
                    write.phase = if whole {
                        Phase::DroppedAfterEof
                    } else {
                        Phase::Dropped
                    };
                }
                Ok(())
            }
            Op::Lookup { key } => self.lookup(key).await,
            Op::Read { hit } => self.read(hit).await,
            Op::Seek { hit, start, len } => self.seek(hit, start, len),
            Op::Close { hit } => match pick(&self.hits, hit) {
                Some(index) => self.hits.swap_remove(index).hit.finish().await,
                None => Ok(()),
            },
            Op::Purge { key, purge_type } => self.purge(key, purge_type).await,
            Op::Expire { key } => self.expire(key).await,
            Op::Update { key } => self.update(key).await,
        }
    }

    async fn start(&mut self, key: u8) -> Checked<()> {
        let number = self.clock;
        let meta = meta(number);
        let version = Version {
            meta: meta.clone(),
            body: Bytes::new(),
        };
        let writer = self.store.writer(&name(key), &version).await?;
        self.writes.push(Write {
            key,
            meta,
            number,
            written: 0,
            phase: Phase::Open,
            invalidated: false,
            started: self.clock,
        });
        self.writers.push((writer, self.writes.len() - 1));
        Ok(())
    }

    async fn write(&mut self, writer: u8, size: usize, eof: bool) -> Checked<()> {
        let Some(index) = pick(&self.writers, writer) else {
            return Ok(());
        };
        let (writer, write) = &mut self.writers[index];
        let write = &mut self.writes[*write];
        if write.phase == Phase::Eof {
            return match writer.try_write("late", eof).await? {
                Ok(()) => breaks("WRITE-AFTER-EOF", "an error for a write after eof", "Ok"),
                Err(_) => Ok(()),
            };
        }
        let until = (write.written + size).min(BODY_BYTES_MAX);
        let data = body(write.number, BODY_BYTES_MAX).slice(write.written..until);
        writer.write(data, eof).await?;
        write.written = until;
        if eof {
            write.phase = Phase::Eof;
        }
        Ok(())
    }

    async fn finish(&mut self, writer: u8) -> Checked<()> {
        let Some(index) = pick(&self.writers, writer) else {
            return Ok(());
        };
        let (writer, at) = self.writers.swap_remove(index);
        let answer = writer.try_finish().await?;
        let write = &mut self.writes[at];
        write.phase = Phase::Finished;
        match answer {
            Err(_) if write.invalidated => return Ok(()),
            Err(error) => return breaks("WRITE-EOF-OPTIONAL", "finish succeeds", format!("Err({error})")),
            Ok(0) => return breaks("WRITE-SIZE", "a positive weight", "Created(0)"),
            Ok(_) => {}
        }
        let new = Some(Stored {
            write: at,
            meta: write.meta.clone(),
            expired: false,
            admitted: self.clock,
        });
        let (key, started) = (write.key, write.started);
        // Whether the last one wins, and an invalidated one loses, are SHOULDs.
        let overtaken = |stored: &Option<Stored>| stored.as_ref().is_some_and(|s| s.admitted > started);
        let choice = write.invalidated || self.stored[key as usize].iter().any(overtaken);
        if !choice {
            self.stored[key as usize].clear();
        }
        self.stored[key as usize].push(new);
        self.let_go(key);
        Ok(())
    }

    /// Readers of the key's stored entries may find them gone from now on. Followers outlive everything.
    fn let_go(&mut self, key: u8) {
        for open in &mut self.hits {
            open.gone |= self.writes[open.write].key == key && !open.hit.handler.is_stream_hit();
        }
    }

    async fn purge(&mut self, key: u8, purge_type: PurgeType) -> Checked<()> {
        let removed = self.store.purge(&name(key), purge_type).await?;
        let mut hidden = false;
        if purge_type == PurgeType::Invalidation {
            for write in self
                .writes
                .iter_mut()
                .filter(|w| w.key == key && matches!(w.phase, Phase::Open | Phase::Eof))
            {
                hidden |= self.streams && !write.invalidated;
                write.invalidated = true;
            }
        }
        let stored = &self.stored[key as usize];
        let (may, must) = (
            stored.iter().any(Option::is_some),
            stored.iter().all(Option::is_some),
        );
        if removed && !may && !hidden {
            return breaks("PURGE-RESULT", "false: there was nothing", "true");
        }
        if !removed && (must || hidden) {
            return breaks("PURGE-RESULT", "true: it removed something", "false");
        }
        self.stored[key as usize] = vec![None];
        self.let_go(key);
        Ok(())
    }

    async fn expire(&mut self, key: u8) -> Checked<()> {
        let outcome = self.store.expire(&name(key)).await?;
        let stored = &mut self.stored[key as usize];
        match outcome {
            PurgeOutcome::NotFound => stored.retain(Option::is_none),
            PurgeOutcome::Purged(_) => *stored = vec![None],
            PurgeOutcome::Expired => {
                stored.retain(Option::is_some);
                stored
                    .iter_mut()
                    .flatten()
                    .for_each(|stored| stored.expired = true);
            }
        }
        if stored.is_empty() {
            return breaks("EXPIRE-STALE", "an outcome that is true", format!("{outcome:?}"));
        }
        if let PurgeOutcome::Purged(_) = outcome {
            // A storage without `expire` purges, live writes included.
            self.writes
                .iter_mut()
                .filter(|write| write.key == key)
                .for_each(|write| write.invalidated = true);
            self.let_go(key);
        }
        Ok(())
    }

    async fn update(&mut self, key: u8) -> Checked<()> {
        let new = meta(self.clock);
        let updated = self.store.update(&name(key), &new).await?;
        let stored = &mut self.stored[key as usize];
        stored.retain(|stored| stored.is_some() == updated);
        if stored.is_empty() {
            let rule = if updated { "UPDATE-ABSENT" } else { "UPDATE-META" };
            return breaks(rule, (!updated).to_string(), updated.to_string());
        }
        for stored in stored.iter_mut().flatten() {
            stored.meta = new.clone();
            stored.expired = false;
        }
        Ok(())
    }
}
