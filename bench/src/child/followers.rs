//! Ten thousand followers on a hundred slow fills: what they take in memory.

use super::resident_bytes;
use crate::Failure;
use crate::objects::{self, key, meta};
use crate::timing;
use forebay_core::{HitHandler, MissHandler, SpanHandle, Storage};
use forebay_disk::DiskOptions;
use forebay_memory::MemoryOptions;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use tokio::sync::mpsc;

const FILLS: u64 = 100;
const FOLLOWERS_EACH: usize = 100;
const CHUNK_BYTES: usize = 16 << 10;
const CHUNKS: usize = 64;

pub(super) fn measure(dir: &Path, store: &str) -> Result<Value, Failure> {
    let storage: Arc<dyn Storage> = match store {
        "forebay-disk" => {
            let options = DiskOptions::new(dir).capacity_bytes(2 << 30);
            Arc::new(options.in_flight_bytes(512 << 20).open()?)
        }
        "forebay-memory" => Arc::new(MemoryOptions::new(2 << 30).in_flight_bytes(512 << 20).build()?),
        _ => return Err(format!("no contender {store}").into()),
    };
    timing::runtime().block_on(slow_fills(storage))
}

/// All fills go on by a chunk, all followers read it, and so on: so that every body is in flight until the end.
async fn slow_fills(storage: Arc<dyn Storage>) -> Result<Value, Failure> {
    let (chunk, mut writers, mut readers) = (objects::body(CHUNK_BYTES), Vec::new(), Vec::new());
    let (has_read, mut reads) = mpsc::channel(1 << 14);
    for id in 0..FILLS {
        writers.push(
            storage
                .get_miss_handler(&key(id), &meta()?, &SpanHandle::none())
                .await?,
        );
    }
    let before = resident_bytes()?;
    for follower in 0..FILLS * FOLLOWERS_EACH as u64 {
        let found = storage
            .lookup(&key(follower % FILLS), &SpanHandle::none())
            .await?;
        let (_, hit) = found.ok_or("a write in progress was not found")?;
        readers.push(tokio::spawn(read(hit, has_read.clone())));
    }
    let (mut peak, chunks_total) = (0, CHUNKS);
    for _ in 0..chunks_total {
        for writer in &mut writers {
            writer
                .write_body(bytes::Bytes::copy_from_slice(&chunk), false)
                .await?;
        }
        wait_for_all(&mut reads).await?;
        peak = resident_bytes()?.saturating_sub(before).max(peak);
    }
    finish(writers).await?;
    for reader in readers {
        reader.await??;
    }
    let in_flight = FILLS * (CHUNK_BYTES * CHUNKS) as u64;
    Ok(
        json!({ "peak_bytes": peak, "in_flight_bytes": in_flight, "followers": FILLS * FOLLOWERS_EACH as u64 }),
    )
}

async fn finish(writers: Vec<MissHandler>) -> Result<(), Failure> {
    for writer in writers {
        writer.finish().await?;
    }
    Ok(())
}

/// Every follower has read one more chunk's worth of bytes.
async fn wait_for_all(reads: &mut mpsc::Receiver<usize>) -> Result<(), Failure> {
    let mut missing = FILLS as usize * FOLLOWERS_EACH * CHUNK_BYTES;
    while missing > 0 {
        missing -= reads.recv().await.ok_or("the followers are gone")?;
    }
    Ok(())
}

async fn read(mut hit: HitHandler, has_read: mpsc::Sender<usize>) -> Result<(), Failure> {
    while let Some(chunk) = hit.read_body().await? {
        has_read.send(chunk.len()).await?;
    }
    Ok(())
}
