//! The same proxy over a storage that takes everything and keeps nothing: what a fill costs beside its storage, for
//! `cargo xtask bench` to compare with. It is also the least that a storage of pingora's has to have.

use std::any::Any;
use std::process::ExitCode;

use async_trait::async_trait;
use bytes::Bytes;
use clap::Parser;
use forebay_proxy::flags::Flags;
use forebay_proxy::server;
use forebay_proxy::store::Store;
use pingora_cache::storage::{
    HandleMiss, HitHandler, MissFinishType, MissHandler, PurgeOutcome, PurgeTarget, PurgeType, Storage,
};
use pingora_cache::trace::SpanHandle;
use pingora_cache::{CacheKey, CacheMeta};
use pingora_error::Result;

/// As in the proxy itself.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let served = Flags::parse()
        .check()
        .and_then(|config| server::run_with(config, |_| Ok(Store::over(&Nothing))));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("nothing: {error}");
            ExitCode::FAILURE
        }
    }
}

struct Nothing;

#[async_trait]
impl Storage for Nothing {
    async fn lookup(
        &'static self,
        _key: &CacheKey,
        _trace: &SpanHandle,
    ) -> Result<Option<(CacheMeta, HitHandler)>> {
        Ok(None)
    }

    async fn get_miss_handler(
        &'static self,
        _key: &CacheKey,
        _meta: &CacheMeta,
        _trace: &SpanHandle,
    ) -> Result<MissHandler> {
        Ok(Box::new(Counted(0)))
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

/// The bytes that went by.
struct Counted(usize);

#[async_trait]
impl HandleMiss for Counted {
    async fn write_body(&mut self, data: Bytes, _eof: bool) -> Result<()> {
        self.0 += data.len();
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<MissFinishType> {
        Ok(MissFinishType::Created(self.0))
    }
}
