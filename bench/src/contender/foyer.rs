//! foyer's disk cache, the nearest peer of the disk store.

use super::{Operation, Subject};
use crate::Failure;
use crate::objects::{chunks, encoded_meta};
use crate::timing;
use bytes::{Bytes, BytesMut};
use foyer::{BlockEngineConfig, DeviceBuilder, FsDeviceBuilder, HybridCache, HybridCacheBuilder, Load};
use std::path::Path;

/// The largest object and its place in a block.
const BLOCK_BYTES: usize = 32 << 20;

/// foyer, of which only the disk is used: its memory holds nothing.
pub struct Foyer {
    cache: HybridCache<u64, Bytes>,
    meta: Bytes,
}

impl Foyer {
    /// Bounded in bytes, in a directory of its own.
    pub fn new(dir: &Path, capacity_bytes: u64) -> Result<Self, Failure> {
        let device = FsDeviceBuilder::new(dir.join("foyer"))
            .with_capacity(capacity_bytes as usize)
            .build()?;
        let engine = BlockEngineConfig::new(device)
            .with_block_size(BLOCK_BYTES)
            .with_buffer_pool_size(4 * BLOCK_BYTES)
            .with_submit_queue_size_threshold(16 * BLOCK_BYTES);
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
