//! The reference's write, with the places where it can be broken.

use crate::body::{Body, Phase, pause};
use crate::defect::Defect;
use crate::storage::{Entry, Live, State, lock};
use async_trait::async_trait;
use bytes::Bytes;
use forebay_core::streaming_write::U64WriteId;
use forebay_core::{CacheEntryId, ErrorKind, HandleMiss, MissFinishType, Result};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

pub(crate) struct Write {
    state: Arc<Mutex<State>>,
    number: u64,
    tag: U64WriteId,
    body: Arc<Body>,
    capacity_bytes: Option<usize>,
    defect: Defect,
}

impl Write {
    pub(crate) fn new(
        state: Arc<Mutex<State>>,
        number: u64,
        body: Arc<Body>,
        capacity_bytes: Option<usize>,
        defect: Defect,
    ) -> Self {
        Write {
            state,
            number,
            tag: number.into(),
            body,
            capacity_bytes,
            defect,
        }
    }

    fn admit(&self, state: &mut State, live: Live) -> Result<MissFinishType> {
        let accessed = state.tick();
        let mut entry = Entry {
            id: CacheEntryId::new(self.number),
            meta: live.meta,
            body: live.body,
            accessed,
            hits: 0,
        };
        let weight = entry.weight();
        let created = match self.defect {
            Defect::CreatedOfLastChunk => weight - entry.body.lock().bytes_before_last_chunk(),
            _ => weight,
        };
        if self.capacity_bytes.is_some_and(|capacity| weight > capacity) {
            return match self.defect {
                Defect::Phantom => Ok(MissFinishType::Created(0)),
                _ => Err(ErrorKind::Refused.error("an entry that is larger than the capacity")),
            };
        }
        let full = |capacity| state.weight() + weight > capacity;
        if self.defect == Defect::FreezesWhenFull && self.capacity_bytes.is_some_and(full) {
            return Err(ErrorKind::StorageFailed.error("no room"));
        }
        if let Some(old) = state.entries.get(&live.key) {
            match self.defect {
                Defect::KeepsOldTail => {
                    let old = old.body.lock().bytes.clone();
                    let mut new = entry.body.lock();
                    let written = new.bytes.len();
                    new.bytes
                        .extend_from_slice(old.get(written..).unwrap_or_default());
                }
                Defect::MixesGenerations => {
                    old.body.lock().bytes.clone_from(&entry.body.lock().bytes);
                    entry.body = old.body.clone();
                }
                Defect::ReplacedStaysCounted => state.gone_bytes += old.weight(),
                Defect::ExpiryOutlivesEntry => entry.meta.expire_at(old.meta.fresh_until()),
                _ => {}
            }
        }
        if self.defect != Defect::CopyOutlivesReplace {
            state.forget_copy(&live.key);
        }
        if self.defect == Defect::SweepsStale {
            state.sweep(SystemTime::now());
        }
        if live.invalidated && self.defect == Defect::PurgedFinishRemoves {
            state.forget(live.key);
        }
        let banned = self.defect == Defect::TombstoneTooStrong && state.purged.contains(&live.key);
        if !banned && (!live.invalidated || self.defect == Defect::FinishAfterPurgeAdmits) {
            state.entries.insert(live.key, entry);
        }
        if let Some(capacity_bytes) = self.capacity_bytes {
            state.evict_down_to(capacity_bytes, self.defect);
        }
        Ok(MissFinishType::Created(created))
    }

    /// Followers keep their body; the entry has a copy.
    fn die_at_finish(live: &mut Live, defect: Defect) -> Result<()> {
        let copy = Body::new(defect);
        copy.append(&live.body.lock().bytes, true)?;
        let old = std::mem::replace(&mut live.body, Arc::new(copy));
        let mut old = old.lock();
        old.bytes.clear();
        old.phase = Phase::Aborted;
        old.wake();
        Ok(())
    }
}

#[async_trait]
impl HandleMiss for Write {
    async fn write_body(&mut self, data: Bytes, eof: bool) -> Result<()> {
        let too_large = self
            .capacity_bytes
            .is_some_and(|capacity| self.body.len() + data.len() > capacity);
        if too_large && self.defect == Defect::RefusedBytesAreLeftOut {
            return Err(ErrorKind::Refused.error("a body larger than the capacity"));
        }
        if too_large && self.defect != Defect::Phantom {
            self.body.abort();
        }
        self.body.append(&data, eof)
    }

    async fn finish(self: Box<Self>) -> Result<MissFinishType> {
        self.body.complete()?;
        let live = lock(&self.state).live.remove(&self.number);
        if self.defect == Defect::GapAtFinish {
            // It is off the list of writes, and not yet an entry.
            pause().await;
        }
        let mut live = live.ok_or_else(|| ErrorKind::Misuse.error("a second finish"))?;
        assert!(
            !live.invalidated || self.defect != Defect::FinishAfterPurgePanics,
            "the write was purged"
        );
        if self.defect == Defect::MetaBeforeBody {
            crate::race::publish_meta(&self.state, &live).await;
        }
        if self.defect == Defect::DiesAtFinish {
            Self::die_at_finish(&mut live, self.defect)?;
        }
        if self.defect == Defect::HalfPublished {
            let mut half = live.clone();
            let body = Body::new(self.defect);
            let first: Vec<u8> = live.body.lock().bytes.iter().take(10).copied().collect();
            body.append(&first, true)?;
            half.body = Arc::new(body);
            self.admit(&mut lock(&self.state), half)?;
            pause().await;
        }
        self.admit(&mut lock(&self.state), live)
    }

    fn streaming_write_tag(&self) -> Option<&[u8]> {
        match self.defect {
            Defect::EmptyTag => Some(&[]),
            _ => Some(self.tag.as_bytes()),
        }
    }

    fn entry_id(&self) -> Option<CacheEntryId> {
        Some(CacheEntryId::new(self.number))
    }
}

impl Drop for Write {
    fn drop(&mut self) {
        if self.defect == Defect::ForgetsDroppedWrites {
            return;
        }
        let mut state = lock(&self.state);
        let Some(live) = state.live.remove(&self.number) else {
            return;
        };
        match self.defect {
            Defect::PublishesOnDrop if self.body.complete().is_ok() => {
                self.admit(&mut state, live).ok();
            }
            Defect::RemovesOldOnDrop => state.forget(live.key),
            Defect::LeaksDroppedBodies => std::mem::forget(self.body.clone()),
            _ => {}
        }
        self.body.abort();
    }
}
