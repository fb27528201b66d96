//! One very large body streamed through the disk store: what it takes in memory.

use super::resident_bytes;
use crate::Failure;
use crate::objects::{self, CHUNK_BYTES, key, meta};
use crate::timing;
use forebay_core::{SpanHandle, Storage};
use forebay_disk::DiskOptions;
use serde_json::{Value, json};
use std::path::Path;

pub(super) fn measure(dir: &Path, bytes: u64) -> Result<Value, Failure> {
    let store = DiskOptions::new(dir).capacity_bytes(bytes * 5).open()?;
    timing::runtime().block_on(async move {
        let (trace, chunk) = (SpanHandle::none(), objects::body(CHUNK_BYTES));
        let mut miss = store.get_miss_handler(&key(0), &meta()?, &trace).await?;
        let (_, mut hit) = store
            .lookup(&key(0), &trace)
            .await?
            .ok_or("a write in progress was not found")?;
        let follower = tokio::spawn(async move {
            let mut length = 0_u64;
            while let Some(chunk) = hit.read_body().await? {
                length += chunk.len() as u64;
            }
            Ok::<_, Failure>(length)
        });
        let (before, mut peak) = (resident_bytes()?, 0);
        for at in 0..bytes / CHUNK_BYTES as u64 {
            miss.write_body(bytes::Bytes::copy_from_slice(&chunk), false)
                .await?;
            if at % 16 == 0 {
                peak = resident_bytes()?.saturating_sub(before).max(peak);
            }
        }
        miss.finish().await?;
        let length = follower.await??;
        Ok(json!({ "peak_bytes": peak, "read_bytes": length }))
    })
}
