//! A storage that writes one thing behind the other into a ring, of the least capacity that the suite promises not to fill.

use crate::around::{Around, Way};
use bytes::Bytes;
use forebay_conformance::reference::ReferenceStorage;
use forebay_conformance::{Harness, Opened, Site, async_trait};
use forebay_core::{
    CacheHashKey, CacheKey, CacheMeta, HandleMiss, MissFinishType, MissHandler, PurgeType, Result,
    SpanHandle, Storage,
};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

const CAPACITY_BYTES: usize = 64 << 20;

struct InARing;

#[async_trait]
impl Harness for InARing {
    fn name(&self) -> &str {
        "ring"
    }

    async fn open(&self, _site: &Site) -> Opened {
        Ok(Arc::new(Around {
            inner: Arc::new(ReferenceStorage::new()),
            way: OnRing::default(),
        }))
    }
}

#[derive(Default)]
struct OnRing(Arc<Mutex<Ring>>);

/// What was written, the given up too, and the entries with where each ends.
#[derive(Default)]
struct Ring {
    written_bytes: usize,
    entries: VecDeque<(CacheKey, usize)>,
}

impl Ring {
    /// The entries that are written over.
    fn overwritten(&mut self) -> Vec<CacheKey> {
        let start = self.written_bytes.saturating_sub(CAPACITY_BYTES);
        let gone = self.entries.iter().take_while(|(_, end)| *end <= start).count();
        let gone: Vec<_> = self.entries.drain(..gone).map(|(key, _)| key).collect();
        let again = |key: &CacheKey| {
            self.entries
                .iter()
                .any(|(newer, _)| newer.combined_bin() == key.combined_bin())
        };
        gone.into_iter().filter(|key| !again(key)).collect()
    }
}

#[async_trait]
impl Way for OnRing {
    async fn start(
        &self,
        inner: &Arc<dyn Storage>,
        key: &CacheKey,
        meta: &CacheMeta,
        trace: &SpanHandle,
    ) -> Result<MissHandler> {
        Ok(Box::new(Write {
            handler: inner.get_miss_handler(key, meta, trace).await?,
            key: key.clone(),
            ring: self.0.clone(),
            inner: inner.clone(),
        }))
    }
}

struct Write {
    handler: MissHandler,
    key: CacheKey,
    ring: Arc<Mutex<Ring>>,
    inner: Arc<dyn Storage>,
}

#[async_trait]
impl HandleMiss for Write {
    async fn write_body(&mut self, data: Bytes, eof: bool) -> Result<()> {
        let overwritten = {
            let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
            ring.written_bytes += data.len();
            ring.overwritten()
        };
        for key in overwritten {
            let span = SpanHandle::none();
            self.inner
                .purge(&key.to_compact(), PurgeType::Eviction, &span)
                .await?;
        }
        self.handler.write_body(data, eof).await
    }

    async fn finish(self: Box<Self>) -> Result<MissFinishType> {
        let finished = self.handler.finish().await?;
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let end = ring.written_bytes;
        ring.entries.push_back((self.key, end));
        Ok(finished)
    }

    fn streaming_write_tag(&self) -> Option<&[u8]> {
        self.handler.streaming_write_tag()
    }
}

/// What came and went was more than the capacity, and the entry that had to stay was the first that was written.
#[test]
fn a_capacity_that_the_suite_promises_not_to_fill_is_not_filled() {
    crate::expect_kept(InARing, &["BOUND-LEAK"]);
}
