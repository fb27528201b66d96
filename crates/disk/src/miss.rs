//! Writing the body of one new entry.

use crate::format::{BLOCK_BYTES, INLINE_BYTES_MAX};
use crate::spill::{BlockHasher, Spill};
use crate::store::{Spilled, Store};
use crate::writer::{Commit, CommitBody, Op};
use async_trait::async_trait;
use bytes::Bytes;
use forebay_core::{CacheEntryId, ErrorKind, HandleMiss, MissFinishType, Result};
use forebay_live::LiveGuard;
use std::sync::Arc;

/// A body goes to its file in writes of this size.
const SPILL_BYTES: usize = 512 << 10;
/// What stays in memory behind the file, for followers that are close to the writer.
const TAIL_BYTES: u64 = 512 << 10;
/// Above this many bytes held by all writes together, each goes to its file as early as it can.
const HELD_BYTES_MAX: u64 = 64 << 20;
/// The largest piece that is taken in at once, so that a huge buffer is not held as a whole.
const PIECE_BYTES: usize = 1 << 20;

/// Smaller pieces are copied: each may be all that is left of a network buffer many times its size.
const COPIED_BYTES: usize = 8 << 10;

/// Writes one entry.
pub(crate) struct DiskMiss {
    store: Arc<Store>,
    guard: LiveGuard<Spilled>,
    meta: Bytes,
    state: State,
    /// What is neither in the file nor in a record yet.
    pending: Vec<Bytes>,
    pending_bytes: usize,
    spill: Option<Spill>,
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
        DiskMiss {
            store: store.clone(),
            guard,
            meta,
            state: State::Open,
            pending: Vec::new(),
            pending_bytes: 0,
            spill: None,
            held: Held {
                store: store.clone(),
                bytes: 0,
            },
        }
    }

    fn len_bytes(&self) -> u64 {
        self.spill.as_ref().map_or(0, Spill::len_bytes) + self.pending_bytes as u64
    }

    /// Takes the bytes in, and moves what is there to the file where it has grown too much.
    async fn take(&mut self, mut data: Bytes) -> Result<()> {
        let (len, max) = (
            self.len_bytes() + data.len() as u64,
            self.store.options.body_bytes_max(),
        );
        if len > max {
            self.store.counters.refused.add(1);
            return Err(ErrorKind::Refused.error(format!("a body of more than {max} bytes is not stored")));
        }
        while !data.is_empty() {
            let mut piece = data.split_to(data.len().min(PIECE_BYTES));
            if piece.len() < COPIED_BYTES {
                piece = Bytes::copy_from_slice(&piece);
            }
            self.guard.body().push(piece.clone());
            self.pending_bytes += piece.len();
            self.pending.push(piece);
            self.count_held();
            if self.pending_bytes >= self.spill_at() {
                self.spill_blocks().await?;
            }
        }
        Ok(())
    }

    fn spill_at(&self) -> usize {
        match self.store.counters.held_bytes.get() > HELD_BYTES_MAX {
            true => BLOCK_BYTES,
            false => SPILL_BYTES,
        }
    }

    fn count_held(&mut self) {
        let held = self.guard.body().held_bytes();
        self.held.set(held);
    }

    /// Moves all whole blocks to the file.
    async fn spill_blocks(&mut self) -> Result<()> {
        let whole = self.pending_bytes - self.pending_bytes % BLOCK_BYTES;
        let chunks = split_front(&mut self.pending, whole);
        self.pending_bytes -= whole;
        let spill = self.prepare_spill(whole as u64).await?;
        let spill = self
            .with_spill(spill, move |spill| {
                spill.append(&chunks)?;
                Ok(())
            })
            .await?
            .0;
        let spilled = spill.len_bytes();
        self.guard.extra().get_or_init(|| spill.shared().clone());
        self.spill = Some(spill);
        let tail = if self.spill_at() == BLOCK_BYTES {
            0
        } else {
            TAIL_BYTES
        };
        self.guard.body().release_to(spilled.saturating_sub(tail));
        self.count_held();
        Ok(())
    }

    /// The file of this write, with room for so many bytes more.
    async fn prepare_spill(&mut self, bytes: u64) -> Result<Option<Spill>> {
        let room = self.store.submit(|reply| Op::Reserve { bytes, reply }).await?;
        if let Some(mut spill) = self.spill.take() {
            spill.add_room(room);
            return Ok(Some(spill));
        }
        let generation = self.guard.id().get();
        let (io, path) = (
            self.store.options.io.clone(),
            self.store.layout.spilled(generation),
        );
        let seed = self.store.id.generation_seed(generation);
        let created = self
            .store
            .pool
            .run(move || Spill::create(io, path, seed, room))
            .await;
        created
            .and_then(|spill| spill)
            .map(Some)
            .map_err(|error| self.write_failed("make a body file", error))
    }

    /// Runs an operation on the file where it may block. If this is dropped meanwhile, the file goes with it.
    async fn with_spill<R: Send + 'static>(
        &self,
        spill: Option<Spill>,
        act: impl FnOnce(&mut Spill) -> std::io::Result<R> + Send + 'static,
    ) -> Result<(Spill, R)> {
        let Some(mut spill) = spill else {
            return Err(ErrorKind::StorageFailed.error("the body file of a write is gone"));
        };
        let done = self
            .store
            .pool
            .run(move || act(&mut spill).map(|result| (spill, result)))
            .await;
        done.and_then(|result| result)
            .map_err(|error| self.write_failed("write a body file", error))
    }

    fn write_failed(&self, what: &str, error: std::io::Error) -> Box<forebay_core::Error> {
        self.store.counters.write_errors.add(1);
        let context = format!("{what} of entry {}", self.guard.id());
        ErrorKind::StorageFailed.because(context, error)
    }

    /// Everything that the log has to know.
    async fn prepare_commit(&mut self) -> Result<(CommitBody, u64)> {
        let body_len = self.len_bytes();
        let (key, generation) = (*self.guard.key(), self.guard.id().get());
        let chunks = std::mem::take(&mut self.pending);
        if self.spill.is_none() && body_len <= INLINE_BYTES_MAX as u64 {
            let mut hasher = BlockHasher::new(self.store.id.generation_seed(generation));
            chunks.iter().for_each(|chunk| hasher.update(chunk));
            return Ok((
                CommitBody::Inline {
                    chunks,
                    table: hasher.take_rest(),
                },
                body_len,
            ));
        }
        let end_bytes = crate::format::body::file_bytes(body_len) - body_len;
        let room = self.pending_bytes as u64 + end_bytes + crate::segment::disk_bytes(1);
        let spill = self.prepare_spill(room).await?;
        let (spill, table_checksum) = self
            .with_spill(spill, move |spill| {
                spill.append(&chunks)?;
                spill.finish(&key, generation)
            })
            .await?;
        self.guard.extra().get_or_init(|| spill.shared().clone());
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

/// Takes the first `bytes` bytes out of the chunks.
fn split_front(chunks: &mut Vec<Bytes>, bytes: usize) -> Vec<Bytes> {
    let mut rest = bytes;
    let mut whole = 0;
    while whole < chunks.len() && chunks[whole].len() <= rest {
        rest -= chunks[whole].len();
        whole += 1;
    }
    let mut front: Vec<Bytes> = chunks.drain(..whole).collect();
    if rest > 0
        && let Some(first) = chunks.first_mut()
    {
        front.push(first.split_to(rest));
    }
    front
}
