//! Writing the body of one new entry.

use crate::format::label::Label;
use crate::format::{BLOCK_BYTES, INLINE_BYTES_MAX, body};
use crate::io::is_full;
use crate::pool::Owned;
use crate::segment::disk_bytes;
use crate::spare::Room;
use crate::spill::{Spill, Step, table_of};
use crate::store::{Spilled, Store};
use crate::writer::{Commit, CommitBody, Op};
use async_trait::async_trait;
use bytes::Bytes;
use forebay_core::{CacheEntryId, Error, ErrorKind, HandleMiss, HashBinary, MissFinishType, Result};
use forebay_live::LiveGuard;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// A body that has grown beyond this goes to a file; one that ends before is written at once.
const SPILL_BYTES: u64 = 1 << 20;
/// Then who writes alone appends to the file by itself, in writes of a little more than this: what has just come is in the
/// cache of its processor, and there is nothing else to do meanwhile.
const OWN_WRITE_BYTES: u64 = 128 << 10;
/// So much room on disk a body that has outgrown memory takes at a time, where the capacity is large: asking for it is a
/// wait for the writer.
const RESERVE_BYTES: u64 = 16 << 20;
/// What stays in memory behind the file, for followers that are close to the writer.
const TAIL_BYTES: u64 = 512 << 10;
/// The largest piece that is taken in at once, so that a huge buffer is not held as a whole.
const PIECE_BYTES: usize = 1 << 20;
/// What a write costs beside its body and its label.
const WRITE_OVERHEAD_BYTES: u64 = 2 << 10;

/// Writes one entry.
pub(crate) struct DiskMiss {
    store: Arc<Store>,
    /// Its body holds, among the rest, all that is not in the file yet.
    guard: LiveGuard<Spilled>,
    label: Label,
    state: State,
    /// To remove a file may wait for the disk, which none of its callers does for a write that is given up. After the guard, so
    /// that it is closed there too.
    spill: Option<Owned<Spill>>,
    /// Why the entry will not be admitted. The body goes on for who follows it, in memory.
    lost: Option<Box<Error>>,
    held: Held,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Eof,
    Failed,
}

/// Counts bytes in memory.
struct Held {
    store: Arc<Store>,
    bytes: u64,
}

impl Held {
    fn set(&mut self, bytes: u64) {
        let total = &self.store.counters.in_flight_bytes;
        total.fetch_add(bytes, Ordering::Relaxed);
        total.fetch_sub(std::mem::replace(&mut self.bytes, bytes), Ordering::Relaxed);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.set(0);
    }
}

impl DiskMiss {
    pub(crate) fn new(store: &Arc<Store>, guard: LiveGuard<Spilled>, label: Label) -> Self {
        let held = Held {
            store: store.clone(),
            bytes: 0,
        };
        let mut miss = DiskMiss {
            store: store.clone(),
            guard,
            label,
            state: State::Open,
            spill: None,
            lost: None,
            held,
        };
        miss.count_held();
        miss
    }

    fn spilled(&self) -> Option<&Spill> {
        self.spill.as_ref().and_then(Owned::get)
    }

    fn spilled_bytes(&self) -> u64 {
        self.spilled().map_or(0, Spill::len_bytes)
    }

    /// Takes the bytes in, and moves what is there to the file where it has grown too much.
    async fn take(&mut self, mut data: Bytes) -> Result<()> {
        let (before, more) = (self.guard.body().len(), data.len() as u64);
        if self.lost.is_none() {
            let grown = self.store.check_growth(self.guard.key(), before, more);
            self.lost = grown.err();
        }
        while !data.is_empty() {
            let piece = data.split_to(data.len().min(PIECE_BYTES));
            self.check_held(piece.len() as u64)?;
            self.guard.body().push(piece);
            self.count_held();
            let pending = self.guard.body().len() - self.spilled_bytes();
            if self.lost.is_none()
                && pending > self.spill_at()
                && let Err(error) = self.spill_blocks(pending).await
            {
                self.lost = Some(error);
            }
            let in_flight = self.store.counters.in_flight_bytes.load(Ordering::Relaxed);
            let budget = self.store.options.in_flight_bytes;
            if self.lost.is_some() && self.guard.pass_on(in_flight, budget) {
                self.count_held();
            }
        }
        Ok(())
    }

    /// Whether so many bytes more may be held.
    fn check_held(&mut self, bytes: u64) -> Result<()> {
        let held = self.store.counters.in_flight_bytes.load(Ordering::Relaxed);
        let budget = self.store.options.in_flight_bytes;
        match self.lost.take() {
            Some(lost) if held + bytes > budget => Err(lost),
            None if held + bytes > budget.saturating_mul(2) => Err(self.store.refused(format!(
                "writes in progress hold {held} bytes, about twice {budget}"
            ))),
            lost => {
                self.lost = lost;
                Ok(())
            }
        }
    }

    fn under_pressure(&self) -> bool {
        self.store.counters.in_flight_bytes.load(Ordering::Relaxed) > self.store.options.in_flight_bytes / 2
    }

    fn spill_at(&self) -> u64 {
        match self.under_pressure() {
            true => BLOCK_BYTES as u64,
            false if self.writes_itself() => OWN_WRITE_BYTES,
            false => SPILL_BYTES,
        }
    }

    /// Whether what follows may be written without a thread of the store's.
    fn writes_itself(&self) -> bool {
        self.spill.is_some() && self.store.live.len() == 1 && !self.store.queue.detour.is_on(Instant::now())
    }

    fn count_held(&mut self) {
        let held = self.guard.body().held_bytes() + self.label.lens().all() as u64 + WRITE_OVERHEAD_BYTES;
        self.held.set(held);
    }

    /// Moves all whole blocks of so many bytes to the file.
    async fn spill_blocks(&mut self, pending: u64) -> Result<()> {
        let start = self.spilled_bytes();
        let until = start + pending - pending % BLOCK_BYTES as u64;
        let chunks = self.guard.body().chunks_between(start, until);
        self.spill(chunks, None).await?;
        let tail = if self.under_pressure() { 0 } else { TAIL_BYTES };
        self.guard
            .body()
            .release_to(self.spilled_bytes().saturating_sub(tail));
        self.count_held();
        Ok(())
    }

    /// Writes what follows in the body to the file, and after the last of it, `whole` tells of which key, what ends the
    /// file; the checksum of its table then. It waits for the disk once, and again after each eviction while that is full.
    /// If this is dropped meanwhile, the file goes with it.
    async fn spill(&mut self, chunks: Vec<Bytes>, whole: Option<HashBinary>) -> Result<u64> {
        let start = self.spilled_bytes();
        let until = chunks.iter().fold(start, |at, chunk| at + chunk.len() as u64);
        let file_bytes = match whole {
            Some(_) => disk_bytes(body::file_bytes(until)),
            None => until,
        };
        let (mut room, mut spare) = match self.make_room(file_bytes - start, whole.is_some()).await? {
            None => (self.store.reserve(0), None),
            Some(Room::Free(room)) => (room, None),
            Some(Room::Spare(spare)) => (self.store.reserve(0), Some(spare)),
        };
        let generation = self.guard.id().get();
        let step = Arc::new(Step {
            io: self.store.options.io.clone(),
            path: self.store.layout.body(generation),
            seed: self.store.id.generation_seed(generation),
            generation,
            readers: self.store.readers.clone(),
            start,
            chunks,
            whole,
        });
        let mut was_gone = false;
        let mut by_itself = whole.is_none() && self.writes_itself();
        loop {
            let (step, store, its_room) = (step.clone(), self.store.clone(), room);
            let (spill, spare) = (self.spill.take(), spare.take().map(|spare| store.pool.own(spare)));
            let take = move || {
                let (spill, spare) = (spill.and_then(Owned::take), spare.and_then(Owned::take));
                let (spill, room, result) = step.take(spill, spare, its_room);
                (spill.map(|spill| store.pool.own(spill)), room, result)
            };
            let done = if std::mem::take(&mut by_itself) {
                let begun = Instant::now();
                let done = take();
                self.store.queue.detour.written(begun);
                Ok(done)
            } else {
                self.store.pool.run(take).await
            };
            let (spill, left, result) = match done {
                Ok(done) => done,
                Err(error) => return Err(self.write_failed("write the body file", error)), // the pool has failed
            };
            (self.spill, room) = (spill, left);
            if let Some(spill) = self.spilled() {
                self.guard.extra().get_or_init(|| spill.shared().clone());
            }
            match result {
                Ok(table_checksum) => return Ok(table_checksum),
                Err(error) => {
                    self.make_disk_room("write the body file", error, &mut was_gone)
                        .await?
                }
            }
        }
    }

    /// Room for so many bytes more, which are the last or not; `None` where the file has enough.
    async fn make_room(&self, bytes: u64, last: bool) -> Result<Option<Room>> {
        let spare = match self.spilled() {
            Some(spill) if spill.room_bytes() >= bytes => return Ok(None),
            Some(_) => None,
            None => self.store.spares.take(bytes),
        };
        if let Some(spare) = spare {
            return Ok(Some(Room::Spare(spare)));
        }
        let ahead = match last {
            true => 0,
            false => RESERVE_BYTES.min(self.store.options.capacity_bytes / 256),
        };
        let (bytes, takes_spare) = (bytes.max(ahead), self.spill.is_none());
        let reserve = |reply| Op::Reserve {
            bytes,
            takes_spare,
            reply,
        };
        self.store.submit(reserve).await.map(Some)
    }

    /// Ok where the disk was full or its directory gone, and it is worth another try.
    async fn make_disk_room(&self, what: &str, error: io::Error, was_gone: &mut bool) -> Result<()> {
        let (kind, is_gone) = (error.kind(), error.kind() == io::ErrorKind::NotFound);
        let see_to = |reply| Op::SeeTo {
            error: kind.into(),
            reply,
        };
        if (is_full(&error) || is_gone) && self.store.submit(see_to).await? {
            return Ok(());
        }
        if is_gone && !std::mem::replace(was_gone, true) {
            return Ok(()); // another write may have had the directory made again
        }
        Err(self.write_failed(what, error))
    }

    fn write_failed(&self, what: &str, error: std::io::Error) -> Box<Error> {
        self.store.counters.write_errors.add(1);
        let context = format!("{what} of entry {}", self.guard.id());
        let error = ErrorKind::StorageFailed.because(context, error);
        self.store.pause(&error);
        error
    }

    /// Everything that the log has to know.
    async fn prepare_commit(&mut self) -> Result<(CommitBody, u64)> {
        let body_len = self.guard.body().len();
        let (key, generation) = (*self.guard.key(), self.guard.id().get());
        let start = self.spilled_bytes();
        let chunks = self.guard.body().chunks_between(start, body_len);
        if self.spill.is_none() && body_len <= INLINE_BYTES_MAX as u64 {
            let table = table_of(&chunks, self.store.id.generation_seed(generation));
            return Ok((CommitBody::Inline { chunks, table }, body_len));
        }
        let table_checksum = self.spill(chunks, Some(key)).await?;
        let spill = self.spill.take().and_then(Owned::take);
        let spill =
            spill.ok_or_else(|| ErrorKind::StorageFailed.error("the body file of a write is gone"))?;
        Ok((
            CommitBody::File {
                spill,
                table_checksum,
            },
            body_len,
        ))
    }
}

#[async_trait]
impl HandleMiss for DiskMiss {
    async fn write_body(&mut self, data: Bytes, eof: bool) -> Result<()> {
        match self.state {
            State::Open => {}
            State::Eof => return Err(ErrorKind::Misuse.error("write_body after eof")),
            State::Failed => return Err(ErrorKind::Misuse.error("write_body on a write that has failed")),
        }
        // Failed unless it gets to the end: a call that was dropped half way has taken some of the bytes only.
        self.state = State::Failed;
        if let Err(error) = self.take(data).await {
            self.guard.body().abort();
            return Err(error);
        }
        self.state = State::Open;
        if eof {
            self.state = State::Eof;
            self.guard.body().complete();
        }
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<MissFinishType> {
        if self.state == State::Failed {
            return Err(ErrorKind::Misuse.error("finish of a write that has failed"));
        }
        self.guard.body().complete();
        if let Some(lost) = self.lost.take() {
            return Err(lost);
        }
        let (body, body_len) = self.prepare_commit().await?;
        let DiskMiss {
            store,
            guard,
            label,
            held,
            ..
        } = *self;
        let submitted = store.submit(|reply| {
            Op::Commit(Box::new(Commit {
                guard,
                label,
                body,
                body_len,
                reply,
            }))
        });
        let weight_bytes = submitted.await?;
        drop(held);
        Ok(MissFinishType::Created(
            usize::try_from(weight_bytes).unwrap_or(usize::MAX),
        ))
    }

    fn streaming_write_tag(&self) -> Option<&[u8]> {
        Some(self.guard.tag())
    }

    fn entry_id(&self) -> Option<CacheEntryId> {
        Some(self.guard.id())
    }
}
