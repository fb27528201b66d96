//! The same proxy over a storage that has one response, the first, and gives it to all who ask: what a hit costs beside its
//! storage, for `cargo xtask bench` to compare with.

use std::any::Any;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use clap::Parser;
use forebay_core::{ReadBody, end_of_body};
use forebay_proxy::flags::Flags;
use forebay_proxy::server;
use forebay_proxy::store::Store;
use pingora_cache::storage::{
    HandleHit, HandleMiss, HitHandler, MissFinishType, MissHandler, PurgeOutcome, PurgeTarget, PurgeType,
    Storage,
};
use pingora_cache::trace::SpanHandle;
use pingora_cache::{CacheKey, CacheMeta};
use pingora_error::Result;

/// As in the proxy itself.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let served = Flags::parse().check().and_then(|config| {
        let storage = Box::leak(Box::new(One::default()));
        server::run_with(config, |_| Ok(Store::over(storage)))
    });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("one: {error}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Default)]
struct One(Arc<OnceLock<(CacheMeta, Bytes)>>);

fn copied(meta: &CacheMeta) -> CacheMeta {
    CacheMeta::new(
        meta.fresh_until(),
        meta.created(),
        meta.stale_while_revalidate_sec(),
        meta.stale_if_error_sec(),
        meta.response_header_copy(),
    )
}

#[async_trait]
impl Storage for One {
    async fn lookup(
        &'static self,
        _key: &CacheKey,
        _trace: &SpanHandle,
    ) -> Result<Option<(CacheMeta, HitHandler)>> {
        Ok(self.0.get().map(|(meta, body)| {
            let reader: HitHandler = Box::new(Reader(body.clone()));
            (copied(meta), reader)
        }))
    }

    async fn get_miss_handler(
        &'static self,
        _key: &CacheKey,
        meta: &CacheMeta,
        _trace: &SpanHandle,
    ) -> Result<MissHandler> {
        Ok(Box::new(Writer {
            place: Arc::clone(&self.0),
            meta: copied(meta),
            body: BytesMut::new(),
        }))
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

struct Writer {
    place: Arc<OnceLock<(CacheMeta, Bytes)>>,
    meta: CacheMeta,
    body: BytesMut,
}

#[async_trait]
impl HandleMiss for Writer {
    async fn write_body(&mut self, data: Bytes, _eof: bool) -> Result<()> {
        self.body.extend_from_slice(&data);
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<MissFinishType> {
        let Writer { place, meta, body } = *self;
        let len_bytes = body.len();
        place.get_or_init(|| (meta, body.freeze()));
        Ok(MissFinishType::Created(len_bytes))
    }
}

struct Reader(Bytes);

#[async_trait]
impl HandleHit for Reader {
    fn read_body<'s, 'f>(&'s mut self) -> ReadBody<'f>
    where
        's: 'f,
        Self: 'f,
    {
        match self.0.is_empty() {
            true => end_of_body(),
            false => Box::pin(async { Ok(Some(std::mem::take(&mut self.0))) }),
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

    fn as_any(&self) -> &(dyn Any + Send + Sync) {
        self
    }

    fn as_any_mut(&mut self) -> &mut (dyn Any + Send + Sync) {
        self
    }
}
