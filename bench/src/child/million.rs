//! A disk store of very many entries: filling it, and opening it again.

use super::resident_bytes;
use crate::Failure;
use crate::contender::Subject;
use crate::contender::native::Native;
use crate::objects;
use crate::timing;
use forebay_disk::DiskOptions;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

const BODY_BYTES: usize = 100;
const CAPACITY_BYTES: u64 = 4 << 30;
const WRITERS: u64 = 16;

/// Fills a store and closes it (`close`), or says that it is full and waits to be killed (`wait`).
pub(super) fn fill(dir: &Path, entries: u64, end: &str) -> Result<Value, Failure> {
    let store = DiskOptions::new(dir).capacity_bytes(CAPACITY_BYTES).open()?;
    let before = resident_bytes()?;
    let subject = Arc::new(Native::new("forebay-disk", Arc::new(store.clone()), 0)?);
    let body = objects::body(BODY_BYTES);
    timing::run(
        timing::Concurrency::InFlight(WRITERS as usize),
        entries,
        move |part| {
            let (subject, body) = (subject.clone(), body.clone());
            async move {
                for id in part {
                    subject.put(id, &body).await?;
                }
                Ok(())
            }
        },
    )?;
    let answer =
        json!({ "entries": store.stats().entries, "growth_bytes": resident_bytes()?.saturating_sub(before) });
    if end == "wait" {
        println!("{answer}");
        std::io::stdout().flush()?;
        // Ends with the parent, if that does not kill first.
        std::io::stdin().read_to_end(&mut Vec::new())?;
    }
    store.close();
    Ok(answer)
}

/// Opens a store.
pub(super) fn open(dir: &Path) -> Result<Value, Failure> {
    let before = resident_bytes()?;
    let started = Instant::now();
    let store = DiskOptions::new(dir).capacity_bytes(CAPACITY_BYTES).open()?;
    let nanoseconds = started.elapsed().as_nanos() as u64;
    let growth = resident_bytes()?.saturating_sub(before);
    Ok(json!({ "entries": store.stats().entries, "nanoseconds": nanoseconds, "growth_bytes": growth }))
}
