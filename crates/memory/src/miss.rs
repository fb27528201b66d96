//! Writing one entry.

use crate::entry::Entry;
use crate::storage::Shared;
use async_trait::async_trait;
use bytes::Bytes;
use forebay_core::{CacheEntryId, Error, ErrorKind, HandleMiss, MissFinishType, Result};
use forebay_live::LiveGuard;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A write in progress. Dropped before `finish`, it leaves nothing behind.
pub(crate) struct Miss {
    shared: Arc<Shared>,
    write: LiveGuard<()>,
    encoded_meta: Vec<u8>,
    body_bytes: u64,
    /// What this write has in the books: its body, its meta, and what its chunks cost beside their bytes.
    in_flight_bytes: u64,
    /// Why the entry will not be admitted. The body goes on for who reads it as it comes.
    lost: Option<Box<Error>>,
}

/// A chunk of a live body costs its place in the list and an allocation, however few bytes it has.
const CHUNK_OVERHEAD_BYTES: u64 = 96;

impl Miss {
    pub(crate) fn new(shared: Arc<Shared>, write: LiveGuard<()>, encoded_meta: Vec<u8>) -> Self {
        let in_flight_bytes = (write.meta().weight_bytes() + encoded_meta.len()) as u64;
        shared
            .counters
            .in_flight_bytes
            .fetch_add(in_flight_bytes, Ordering::Relaxed);
        Miss {
            shared,
            write,
            encoded_meta,
            body_bytes: 0,
            in_flight_bytes,
            lost: None,
        }
    }

    /// Takes `len_bytes` more into the books, or says why not.
    fn reserve(&mut self, len_bytes: u64) -> Result<()> {
        let (limits, counters) = (&self.shared.limits, &self.shared.counters);
        self.body_bytes += len_bytes;
        if self.body_bytes > limits.max_object_bytes && self.lost.is_none() {
            let context = format!(
                "a body of {} bytes or more; the largest object is {}",
                self.body_bytes, limits.max_object_bytes
            );
            self.lost = Some(ErrorKind::Refused.error(context));
        }
        let taken_bytes = len_bytes + CHUNK_OVERHEAD_BYTES;
        let held = counters.in_flight_bytes.fetch_add(taken_bytes, Ordering::Relaxed);
        self.in_flight_bytes += taken_bytes;
        if held + taken_bytes > limits.in_flight_bytes.saturating_mul(2) {
            let context = format!(
                "writes in progress hold {held} bytes, more than twice {}",
                limits.in_flight_bytes
            );
            return Err(ErrorKind::Refused.error(context));
        }
        Ok(())
    }

    /// Lets go of the start of a body that is not to be admitted, where that is due.
    fn pass_on(&mut self) {
        let in_flight = &self.shared.counters.in_flight_bytes;
        let budget = self.shared.limits.in_flight_bytes;
        if self.write.pass_on(in_flight.load(Ordering::Relaxed), budget) {
            let freed = self
                .in_flight_bytes
                .saturating_sub(self.write.body().held_bytes());
            self.in_flight_bytes -= freed;
            in_flight.fetch_sub(freed, Ordering::Relaxed);
        }
    }

    fn admit(&self) -> Result<usize> {
        let chunks = self.write.body().chunks();
        let entry = Entry::new(self.write.id(), self.write.meta(), &self.encoded_meta, chunks);
        let weight_bytes = entry.weight_bytes();
        if weight_bytes as u64 > self.shared.limits.max_object_bytes {
            let max = self.shared.limits.max_object_bytes;
            let context =
                format!("an entry of {weight_bytes} bytes, meta included; the largest object is {max}");
            return Err(ErrorKind::Refused.error(context));
        }
        let (key, entries) = (*self.write.key(), &self.shared.entries);
        self.shared.writes.with_key(&key, |_| {
            // Purged meanwhile: as if it had been purged right after it was admitted.
            if !self.write.is_purged() {
                let mut replaced = entries.contains_key(&key).then_some(key);
                entries.insert_with_lifecycle(key, entry, &mut replaced);
                self.shared.counters.admitted.add(1);
            }
        });
        Ok(weight_bytes)
    }

    fn refused(&self, error: Box<Error>) -> Box<Error> {
        self.shared.counters.refused.add(1);
        self.write.body().abort();
        error
    }
}

#[async_trait]
impl HandleMiss for Miss {
    async fn write_body(&mut self, data: Bytes, eof: bool) -> Result<()> {
        if !self.write.body().is_writing() {
            return Err(ErrorKind::Misuse.error("a write to a body that has ended"));
        }
        if !data.is_empty() {
            self.reserve(data.len() as u64)
                .map_err(|error| self.refused(error))?;
            self.write.body().push(data);
            if self.lost.is_some() {
                self.pass_on();
            }
        }
        if eof {
            self.write.body().complete();
        }
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<MissFinishType> {
        self.write.body().complete();
        if !self.write.body().is_complete() {
            return Err(ErrorKind::Refused.error("the end of a write that was refused before"));
        }
        if let Some(lost) = self.lost.take() {
            return Err(self.refused(lost));
        }
        self.admit()
            .map(MissFinishType::Created)
            .map_err(|error| self.refused(error))
    }

    fn streaming_write_tag(&self) -> Option<&[u8]> {
        Some(self.write.tag())
    }

    fn entry_id(&self) -> Option<CacheEntryId> {
        Some(self.write.id())
    }
}

impl Drop for Miss {
    fn drop(&mut self) {
        self.shared
            .counters
            .in_flight_bytes
            .fetch_sub(self.in_flight_bytes, Ordering::Relaxed);
    }
}
