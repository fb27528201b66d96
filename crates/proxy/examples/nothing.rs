//! The same proxy over a storage that takes everything and keeps nothing: what a fill costs beside its storage, for
//! `cargo xtask bench` to compare with. As every storage for a proxy must, it lets a write be read while it is written;
//! only its own request does.

use std::any::Any;
use std::collections::{HashMap, VecDeque};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use clap::Parser;
use forebay_proxy::flags::Flags;
use forebay_proxy::server;
use forebay_proxy::store::Store;
use parking_lot::Mutex;
use pingora_cache::storage::{
    HandleHit, HandleMiss, HitHandler, MissFinishType, MissHandler, PurgeOutcome, PurgeTarget, PurgeType,
    Storage,
};
use pingora_cache::trace::SpanHandle;
use pingora_cache::{CacheKey, CacheMeta};
use pingora_error::{Error, ErrorType, Result};
use tokio::sync::Notify;

/// As in the proxy itself.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let served = Flags::parse().check().and_then(|config| {
        let storage = Box::leak(Box::new(Nothing::default()));
        server::run_with(config, |_| Ok(Store::over(storage)))
    });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("nothing: {error}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Default)]
struct Nothing {
    under_way: Arc<Mutex<HashMap<Tag, Arc<Write>>>>,
    tags: AtomicU64,
}

type Tag = [u8; 8];

/// What is on its way from a writer to its reader.
struct Write {
    meta: CacheMeta,
    chunks: Mutex<(VecDeque<Bytes>, State)>,
    changed: Notify,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Open,
    Whole,
    Aborted,
}

#[async_trait]
impl Storage for Nothing {
    async fn lookup(
        &'static self,
        _key: &CacheKey,
        _trace: &SpanHandle,
    ) -> Result<Option<(CacheMeta, HitHandler)>> {
        Ok(None)
    }

    async fn lookup_streaming_write(
        &'static self,
        _key: &CacheKey,
        tag: Option<&[u8]>,
        _trace: &SpanHandle,
    ) -> Result<Option<(CacheMeta, HitHandler)>> {
        let tag = tag.and_then(|tag| Tag::try_from(tag).ok());
        let write = tag.and_then(|tag| self.under_way.lock().get(&tag).cloned());
        Ok(write.map(|write| {
            let reader: HitHandler = Box::new(Reader(Arc::clone(&write)));
            (copied(&write.meta), reader)
        }))
    }

    async fn get_miss_handler(
        &'static self,
        _key: &CacheKey,
        meta: &CacheMeta,
        _trace: &SpanHandle,
    ) -> Result<MissHandler> {
        let tag = self.tags.fetch_add(1, Ordering::Relaxed).to_le_bytes();
        let write = Arc::new(Write {
            meta: copied(meta),
            chunks: Mutex::new((VecDeque::new(), State::Open)),
            changed: Notify::new(),
        });
        self.under_way.lock().insert(tag, Arc::clone(&write));
        Ok(Box::new(Writer {
            storage: self,
            tag,
            write,
            len_bytes: 0,
        }))
    }

    fn support_streaming_partial_write(&self) -> bool {
        true
    }

    async fn purge(
        &'static self,
        _target: PurgeTarget<'_>,
        _purge_type: PurgeType,
        _trace: &SpanHandle,
    ) -> Result<PurgeOutcome> {
        Ok(PurgeOutcome::NotFound)
    }

    async fn update_meta(
        &'static self,
        _key: &CacheKey,
        _meta: &CacheMeta,
        _trace: &SpanHandle,
    ) -> Result<bool> {
        Ok(false)
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync + 'static) {
        self
    }
}

fn copied(meta: &CacheMeta) -> CacheMeta {
    CacheMeta::new(
        meta.fresh_until(),
        meta.created(),
        meta.stale_while_revalidate_sec(),
        meta.stale_if_error_sec(),
        meta.response_header_copy(),
    )
}

struct Writer {
    storage: &'static Nothing,
    tag: Tag,
    write: Arc<Write>,
    len_bytes: usize,
}

impl Writer {
    fn end(&self, state: State) {
        let mut chunks = self.write.chunks.lock();
        if chunks.1 == State::Open {
            chunks.1 = state;
            self.storage.under_way.lock().remove(&self.tag);
            self.write.changed.notify_one();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.end(State::Aborted);
    }
}

#[async_trait]
impl HandleMiss for Writer {
    async fn write_body(&mut self, data: Bytes, _eof: bool) -> Result<()> {
        if !data.is_empty() {
            self.len_bytes += data.len();
            self.write.chunks.lock().0.push_back(data);
            self.write.changed.notify_one();
        }
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<MissFinishType> {
        self.end(State::Whole);
        Ok(MissFinishType::Created(self.len_bytes))
    }

    fn streaming_write_tag(&self) -> Option<&[u8]> {
        Some(&self.tag)
    }
}

struct Reader(Arc<Write>);

#[async_trait]
impl HandleHit for Reader {
    async fn read_body(&mut self) -> Result<Option<Bytes>> {
        loop {
            {
                let mut chunks = self.0.chunks.lock();
                match (chunks.0.pop_front(), chunks.1) {
                    (Some(chunk), _) => return Ok(Some(chunk)),
                    (None, State::Whole) => return Ok(None),
                    (None, State::Aborted) => {
                        return Error::e_explain(ErrorType::InternalError, "the writer was dropped");
                    }
                    (None, State::Open) => {}
                }
            }
            self.0.changed.notified().await;
        }
    }

    async fn finish(
        self: Box<Self>,
        _storage: &'static (dyn Storage + Sync),
        _key: &CacheKey,
        _trace: &SpanHandle,
    ) -> Result<()> {
        Ok(())
    }

    fn should_count_access(&self) -> bool {
        false
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync) {
        self
    }

    fn as_any_mut(&mut self) -> &mut (dyn Any + Send + Sync) {
        self
    }
}
