//! The hot paths through our own traits.

use crate::{AnyError, BODY_BYTES, HEAD_LINES, HotPath, KEY_COUNT, key_name};
use bytes::Bytes;
use forebay_core::{CacheKey, CacheMeta, ResponseHead, SpanHandle, Storage};
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

/// What one network read brings.
const FOLLOWED_CHUNK_BYTES: usize = 16 << 10;

pub(crate) struct Native {
    storage: Arc<dyn Storage>,
    stored: Vec<CacheKey>,
    absent: Vec<CacheKey>,
    span: SpanHandle,
}

impl Native {
    pub(crate) async fn fill(storage: Arc<dyn Storage>) -> Result<Self, AnyError> {
        let key = |index| CacheKey::new("", key_name(index), "");
        let native = Native {
            storage,
            stored: (0..KEY_COUNT).map(key).collect(),
            absent: (KEY_COUNT..2 * KEY_COUNT).map(key).collect(),
            span: SpanHandle::none(),
        };
        let (meta, body) = (meta()?, Bytes::from(vec![b'x'; BODY_BYTES]));
        for key in &native.stored {
            let mut miss = native.storage.get_miss_handler(key, &meta, &native.span).await?;
            miss.write_body(body.clone(), true).await?;
            miss.finish().await?;
        }
        Ok(native)
    }

    pub(crate) async fn run(&self, path: HotPath, operations: usize) -> Result<(), AnyError> {
        match path {
            HotPath::Follow => self.follow(operations).await,
            HotPath::MemoryMiss | HotPath::DiskMiss => self.misses(operations).await,
            _ => self.hits(operations).await,
        }
    }

    async fn hits(&self, operations: usize) -> Result<(), AnyError> {
        for key in self.stored.iter().cycle().take(operations) {
            let found = self.storage.lookup(key, &self.span).await?;
            let (meta, mut hit) = found.ok_or("what was stored is a miss")?;
            black_box(meta);
            let mut read_bytes = 0;
            while let Some(chunk) = hit.read_body().await? {
                read_bytes += chunk.len();
            }
            if read_bytes != BODY_BYTES {
                return Err(format!("a body of {read_bytes} bytes instead of {BODY_BYTES}").into());
            }
            hit.finish(&*self.storage, key, &self.span).await?;
        }
        Ok(())
    }

    async fn misses(&self, operations: usize) -> Result<(), AnyError> {
        for key in self.absent.iter().cycle().take(operations) {
            if self.storage.lookup(key, &self.span).await?.is_some() {
                return Err("what was never stored is a hit".into());
            }
        }
        Ok(())
    }

    /// One write of as many chunks; the follower reads each as it comes.
    async fn follow(&self, chunks: usize) -> Result<(), AnyError> {
        let key = &self.absent[0];
        let chunk = Bytes::from(vec![b'x'; FOLLOWED_CHUNK_BYTES]);
        let mut miss = self.storage.get_miss_handler(key, &meta()?, &self.span).await?;
        let found = self.storage.lookup(key, &self.span).await?;
        let (_, mut follower) = found.ok_or("a write in progress is a miss")?;
        for _ in 0..chunks {
            miss.write_body(chunk.clone(), false).await?;
            let read = follower.read_body().await?;
            if read.is_none_or(|read| read.len() != FOLLOWED_CHUNK_BYTES) {
                return Err("a follower read something else than what was written".into());
            }
        }
        Ok(())
    }
}

fn meta() -> Result<CacheMeta, AnyError> {
    let head = HEAD_LINES
        .iter()
        .fold(ResponseHead::builder(200), |head, (name, value)| {
            head.header(name, value)
        })
        .build()?;
    // Any time will do: storages return stale entries too.
    let created = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    Ok(CacheMeta::new(
        created + Duration::from_secs(86_400),
        created,
        60,
        0,
        head,
    ))
}
