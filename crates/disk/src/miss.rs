//! Writing the body of one new entry.

use crate::format::{BLOCK_BYTES, INLINE_BYTES_MAX};
use crate::io::is_full;
use crate::spill::{Spill, table_of};
use crate::store::{Spilled, Store};
use crate::writer::{Commit, CommitBody, Op};
use async_trait::async_trait;
use bytes::Bytes;
use forebay_core::{CacheEntryId, Error, ErrorKind, HandleMiss, MissFinishType, Result};
use forebay_live::LiveGuard;
use std::sync::Arc;

/// A body goes to its file in writes of this size.
const SPILL_BYTES: u64 = 1 << 20;
/// So much room on disk a body that has outgrown memory takes at a time, where the capacity is large: asking for it is a
/// wait for the writer.
const RESERVE_BYTES: u64 = 16 << 20;
/// What stays in memory behind the file, for followers that are close to the writer.
const TAIL_BYTES: u64 = 512 << 10;
/// The largest piece that is taken in at once, so that a huge buffer is not held as a whole.
const PIECE_BYTES: usize = 1 << 20;
/// What a write costs beside its body and its meta.
const WRITE_OVERHEAD_BYTES: u64 = 2 << 10;

/// Writes one entry.
pub(crate) struct DiskMiss {
    store: Arc<Store>,
    /// Its body holds, among the rest, all that is not in the file yet.
    guard: LiveGuard<Spilled>,
    meta: Bytes,
    state: State,
    spill: Option<Spill>,
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
        self.store.counters.held_bytes.add(bytes);
        self.store
            .counters
            .held_bytes
            .sub(std::mem::replace(&mut self.bytes, bytes));
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.set(0);
    }
}

impl DiskMiss {
    pub(crate) fn new(store: &Arc<Store>, guard: LiveGuard<Spilled>, meta: Bytes) -> Self {
        let held = Held {
            store: store.clone(),
            bytes: 0,
        };
        let mut miss = DiskMiss {
            store: store.clone(),
            guard,
            meta,
            state: State::Open,
            spill: None,
            lost: None,
            held,
        };
        miss.count_held();
        miss
    }

    fn spilled_bytes(&self) -> u64 {
        self.spill.as_ref().map_or(0, Spill::len_bytes)
    }

    /// Takes the bytes in, and moves what is there to the file where it has grown too much.
    async fn take(&mut self, mut data: Bytes) -> Result<()> {
        let (len, max) = (
            self.guard.body().len() + data.len() as u64,
            self.store.options.body_bytes_max(),
        );
        if len > max && self.lost.is_none() {
            let why = format!("a body of more than {max} bytes is not stored");
            self.lost = Some(self.store.refused(why));
        }
        if self.lost.is_none() {
            let before = len - data.len() as u64;
            let admitted = self
                .store
                .check_growth(self.guard.key(), before, data.len() as u64);
            self.lost = admitted.err();
        }
        while !data.is_empty() {
            let piece = data.split_to(data.len().min(PIECE_BYTES));
            self.check_held(piece.len() as u64)?;
            self.guard.body().push(piece);
            self.count_held();
            let pending = self.guard.body().len() - self.spilled_bytes();
            if self.lost.is_none()
                && pending >= self.spill_at()
                && let Err(error) = self.spill_blocks(pending).await
            {
                self.lost = Some(error);
            }
        }
        Ok(())
    }

    /// Whether so many bytes more may be held.
    fn check_held(&mut self, bytes: u64) -> Result<()> {
        let held = self.store.counters.held_bytes.get();
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
        self.store.counters.held_bytes.get() > self.store.options.in_flight_bytes / 2
    }

    fn spill_at(&self) -> u64 {
        if self.under_pressure() {
            BLOCK_BYTES as u64
        } else {
            SPILL_BYTES
        }
    }

    fn count_held(&mut self) {
        let held = self.guard.body().held_bytes() + self.meta.len() as u64 + WRITE_OVERHEAD_BYTES;
        self.held.set(held);
    }

    /// Moves all whole blocks of so many bytes to the file.
    async fn spill_blocks(&mut self, pending: u64) -> Result<()> {
        let start = self.spilled_bytes();
        let until = start + pending - pending % BLOCK_BYTES as u64;
        let chunks = self.guard.body().chunks_between(start, until);
        self.prepare_spill(until - start).await?;
        self.with_spill(move |spill| spill.append(&chunks)).await?;
        let tail = if self.under_pressure() { 0 } else { TAIL_BYTES };
        self.guard
            .body()
            .release_to(self.spilled_bytes().saturating_sub(tail));
        self.count_held();
        Ok(())
    }

    /// Makes room for so many bytes more, and the file of this write where there is none yet.
    async fn prepare_spill(&mut self, bytes: u64) -> Result<()> {
        if self
            .spill
            .as_ref()
            .is_some_and(|spill| spill.room_bytes() >= bytes)
        {
            return Ok(());
        }
        let bytes = bytes.max(RESERVE_BYTES.min(self.store.options.capacity_bytes / 256));
        let room = self.store.submit(|reply| Op::Reserve { bytes, reply }).await?;
        if let Some(spill) = &mut self.spill {
            spill.add_room(room);
            return Ok(());
        }
        let generation = self.guard.id().get();
        let (io, path) = (
            self.store.options.io.clone(),
            self.store.layout.spilled(generation),
        );
        let seed = self.store.id.generation_seed(generation);
        loop {
            let (io, path, nothing) = (io.clone(), path.clone(), self.store.reserve(0));
            let created = self
                .store
                .pool
                .run(move || Spill::create(io, path, seed, nothing))
                .await;
            match created.and_then(|created| created) {
                Ok(mut spill) => {
                    spill.add_room(room);
                    self.guard.extra().get_or_init(|| spill.shared().clone());
                    self.spill = Some(spill);
                    return Ok(());
                }
                Err(error) => self.make_disk_room("make a body file", error).await?,
            }
        }
    }

    /// Runs an operation on the file where it may block, once more after each eviction while the disk is full. If this is
    /// dropped meanwhile, the file goes with it.
    async fn with_spill<R: Send + 'static>(
        &mut self,
        act: impl Fn(&mut Spill) -> std::io::Result<R> + Send + Sync + 'static,
    ) -> Result<R> {
        let act = Arc::new(act);
        loop {
            let Some(mut spill) = self.spill.take() else {
                return Err(ErrorKind::StorageFailed.error("the body file of a write is gone"));
            };
            let act = act.clone();
            let done = self
                .store
                .pool
                .run(move || {
                    let result = act(&mut spill);
                    (spill, result)
                })
                .await;
            let result = done.and_then(|(spill, result)| {
                self.spill = Some(spill);
                result
            });
            match result {
                Ok(result) => return Ok(result),
                Err(error) => self.make_disk_room("write a body file", error).await?,
            }
        }
    }

    /// Ok where the disk was full and something was evicted, so that it is worth another try.
    async fn make_disk_room(&self, what: &str, error: std::io::Error) -> Result<()> {
        if is_full(&error) && self.store.submit(|reply| Op::Shrink { reply }).await? {
            return Ok(());
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
        let end_bytes = crate::format::body::file_bytes(body_len) - body_len;
        let room = body_len - start + end_bytes + crate::segment::disk_bytes(1);
        self.prepare_spill(room).await?;
        self.with_spill(move |spill| spill.append(&chunks)).await?;
        let table_checksum = self
            .with_spill(move |spill| spill.finish(&key, generation))
            .await?;
        let spill = self.spill.take();
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
            meta,
            held,
            ..
        } = *self;
        let submitted = store.submit(|reply| {
            Op::Commit(Box::new(Commit {
                guard,
                meta,
                body,
                body_len,
                reply,
            }))
        });
        let weight_bytes = submitted.await?;
        drop(held);
        Ok(MissFinishType::Created(weight_bytes))
    }

    fn streaming_write_tag(&self) -> Option<&[u8]> {
        Some(self.guard.tag())
    }

    fn entry_id(&self) -> Option<CacheEntryId> {
        Some(self.guard.id())
    }
}
