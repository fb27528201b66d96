//! foyer's disk cache, the nearest peer of the disk store.

use super::{Operation, Subject};
use crate::Failure;
use crate::objects::{chunks, encoded_meta};
use crate::timing;
use bytes::{Bytes, BytesMut};
use foyer::{BlockEngineConfig, DeviceBuilder, FsDeviceBuilder, HybridCache, HybridCacheBuilder, Load};
use std::path::Path;

/// A block holds one object at least, and a small cache needs more than a few blocks.
const BLOCK_BYTES: (usize, usize) = (4 << 20, 32 << 20);
/// What it may hold back: it drops what does not fit, and a round of fills must.
const BUFFER_BYTES: usize = 128 << 20;

/// foyer, of which only the disk is used: its memory holds nothing.
pub struct Foyer {
    cache: HybridCache<u64, Bytes>,
    meta: Bytes,
}

impl Foyer {
    /// Bounded in bytes, in a directory of its own, for objects of this size.
    pub fn new(dir: &Path, capacity_bytes: u64, size_bytes: usize) -> Result<Self, Failure> {
        let device = FsDeviceBuilder::new(dir.join("foyer"))
            .with_capacity(capacity_bytes as usize)
            .build()?;
        let block_bytes = (2 * size_bytes).clamp(BLOCK_BYTES.0, BLOCK_BYTES.1);
        let engine = BlockEngineConfig::new(device)
            .with_block_size(block_bytes)
            .with_buffer_pool_size(BUFFER_BYTES)
            .with_submit_queue_size_threshold(4 * BUFFER_BYTES);
        let build = HybridCacheBuilder::new()
            .memory(1)
            .storage()
            .with_engine_config(engine)
            .build();
        Ok(Foyer {
            cache: timing::runtime().block_on(build)?,
            meta: encoded_meta()?,
        })
    }
}

impl Subject for Foyer {
    fn name(&self) -> &str {
        "foyer"
    }

    fn note(&self, operation: Operation) -> Option<&'static str> {
        Some(match operation {
            Operation::Fill(_) => "writes behind, in batches; the round waits for all of them",
            _ => "meta as undecoded bytes, key an integer, body in one piece",
        })
    }

    fn is_bounded(&self) -> bool {
        true
    }

    async fn get(&self, id: u64) -> Result<Option<usize>, Failure> {
        Ok(match self.cache.storage().load(&id).await? {
            Load::Entry { value, .. } => Some(value.len() - self.meta.len()),
            Load::Piece { piece, .. } => Some(piece.value().len() - self.meta.len()),
            Load::Miss | Load::Throttled => None,
        })
    }

    async fn put(&self, id: u64, body: &Bytes) -> Result<(), Failure> {
        let mut value = BytesMut::with_capacity(self.meta.len() + body.len());
        value.extend_from_slice(&self.meta);
        chunks(body).for_each(|(chunk, _)| value.extend_from_slice(&chunk));
        self.cache.storage_writer(id).force().insert(value.freeze());
        Ok(())
    }

    async fn remove(&self, id: u64) -> Result<(), Failure> {
        self.cache.remove(&id);
        Ok(())
    }

    async fn settle(&self) -> Result<(), Failure> {
        self.cache.storage().wait().await;
        Ok(())
    }
}
