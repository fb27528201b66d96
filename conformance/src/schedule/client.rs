//! One client: its calls one after the other, each poll of them a turn.

use super::lane::{Lane, turn};
use super::linearize::{Did, Found};
use super::record::Record;
use crate::content::{key, meta, meta_difference, number_of};
use crate::ops::{Answer, must, show_answer};
use crate::outcome::{Checked, broken};
use crate::replay::schedule::{Call, Step};
use forebay_core::{CacheKey, CacheMeta, HitHandler, MissHandler, PurgeType, SpanHandle, Storage};
use std::time::SystemTime;

pub(super) struct Client<'a> {
    pub(super) lane: Lane<'a>,
    pub(super) storage: &'a dyn Storage,
    streams: bool,
    /// With the number of the write.
    pub(super) writer: Option<(MissHandler, u32)>,
    hit: Option<Hit>,
}

/// A hit, the lookup that found it, and how far it was read.
pub(super) struct Hit {
    pub(super) handler: HitHandler,
    pub(super) key: u8,
    pub(super) invoked: u32,
    /// The lookup among the events; none for a lookup by tag.
    pub(super) event: Option<usize>,
    /// The writes whose body it can be.
    pub(super) bodies: Vec<u32>,
    pub(super) position: usize,
}

pub(super) fn name(index: u8) -> CacheKey {
    key(&format!("k{index}"))
}

impl<'a> Client<'a> {
    pub(super) fn new(lane: usize, record: &'a Record, storage: &'a dyn Storage) -> Self {
        Client {
            lane: Lane { number: lane, record },
            storage,
            streams: storage.support_streaming_partial_write(),
            writer: None,
            hit: None,
        }
    }

    pub(super) async fn run(mut self, ops: &[Step]) -> Checked<()> {
        for op in ops {
            if matches!(op.call, Call::Start { .. }) && self.drop_writer(false) {
                turn().await;
            }
            if self.step(*op).await? {
                turn().await;
            }
        }
        self.drop_writer(false);
        Ok(())
    }

    /// Makes a call; `false` where there was nothing to call it on.
    async fn step(&mut self, Step { call, polls_max }: Step) -> Checked<bool> {
        match call {
            Call::Start { key } => self.start(key, polls_max).await?,
            Call::Write { size, eof } => return self.write(size, eof, polls_max).await,
            Call::Finish => return self.finish(polls_max).await,
            Call::Drop => return Ok(self.drop_writer(false)),
            Call::Lookup { key } => self.lookup(key, polls_max).await?,
            Call::Follow { write } => return self.follow(write, polls_max).await,
            Call::Read | Call::ReadAll => {
                let mut read = false;
                while let Some(hit) = &mut self.hit {
                    if read {
                        turn().await;
                    }
                    read = true;
                    let goes_on = hit.read(self.lane, polls_max).await?;
                    match goes_on {
                        Some(false) => self.hit = None,
                        Some(true) if matches!(call, Call::ReadAll) => continue,
                        Some(true) | None => {}
                    }
                    break;
                }
                return Ok(read);
            }
            Call::Purge { key, purge_type } => self.purge(key, purge_type, polls_max).await?,
            Call::Expire { key } => self.expire(key, polls_max).await?,
            Call::Update { key } => self.update(key, polls_max).await?,
        }
        Ok(true)
    }

    fn now(&self) -> u32 {
        self.lane.record.lock().now
    }

    async fn lookup(&mut self, key: u8, polls_max: Option<u8>) -> Checked<()> {
        let (invoked, cache_key, span) = (self.now(), name(key), SpanHandle::none());
        let future = self.storage.lookup(&cache_key, &span);
        let answer = self
            .lane
            .call(format!("lookup(k{key})"), polls_max, None, future)
            .await;
        let Some(answer) = answer else {
            return Ok(());
        };
        self.hit = None;
        self.lane.came_to(&show_found(&answer));
        let found = must("lookup", answer)?;
        let mut record = self.lane.record.lock();
        let Some((meta, handler)) = found else {
            record.event(key, invoked, true, Did::Lookup { found: None });
            return Ok(());
        };
        let fresh = meta.is_fresh(SystemTime::now());
        let number = known_number(&meta, fresh)?;
        // An update's meta can be on any body; what is read tells.
        let own = record.write(number).map(|write| (write.key, write.number));
        let bodies = match own {
            Some((of, _)) if of != key => {
                return broken(
                    format!("an entry of k{key}"),
                    format!("v{number}, which is k{of}'s"),
                );
            }
            Some((_, number)) => vec![number],
            None => record
                .writes
                .iter()
                .filter(|write| write.key == key)
                .map(|write| write.number)
                .collect(),
        };
        let found = Found {
            meta: number,
            fresh,
            bodies: bodies.clone(),
        };
        let event = record.event(key, invoked, true, Did::Lookup { found: Some(found) });
        self.hit = Some(Hit {
            handler,
            key,
            invoked,
            event: Some(event),
            bodies,
            position: 0,
        });
        Ok(())
    }

    async fn follow(&mut self, write: u8, polls_max: Option<u8>) -> Checked<bool> {
        let chosen = {
            let record = self.lane.record.lock();
            let tagged: Vec<_> = record
                .writes
                .iter()
                .filter(|write| self.streams && write.tag.is_some())
                .collect();
            let chosen = tagged.get(write as usize % tagged.len().max(1));
            chosen.map(|write| (write.number, write.key, write.tag.clone(), record.now))
        };
        let Some((number, key, tag, invoked)) = chosen else {
            return Ok(false);
        };
        let (cache_key, span) = (name(key), SpanHandle::none());
        let future = self
            .storage
            .lookup_streaming_write(&cache_key, tag.as_deref(), &span);
        let what = format!("lookup_streaming_write(k{key}, tag of v{number})");
        let Some(answer) = self.lane.call(what, polls_max, None, future).await else {
            return Ok(true);
        };
        self.hit = None;
        self.lane.came_to(&show_found(&answer));
        let found = must("lookup_streaming_write", answer)?;
        let did = Did::Follow {
            write: number,
            found: found.is_some(),
        };
        self.lane.record.lock().event(key, invoked, true, did);
        if let Some((got, handler)) = found {
            if let Some(text) = meta_difference(&meta(number), &got) {
                return broken(format!("the meta of v{number}"), text);
            }
            self.hit = Some(Hit {
                handler,
                key,
                invoked,
                event: None,
                bodies: vec![number],
                position: 0,
            });
        }
        Ok(true)
    }

    async fn purge(&mut self, key: u8, purge_type: PurgeType, polls_max: Option<u8>) -> Checked<()> {
        let (invoked, cache_key, span) = (self.now(), name(key).to_compact(), SpanHandle::none());
        self.lane.record.lock().disturb(key, false);
        let future = self.storage.purge(&cache_key, purge_type, &span);
        let what = format!("purge(k{key}, {purge_type:?})");
        let answer = self.lane.call(what, polls_max, None, future).await;
        let removed = self.answered("purge", answer, bool::to_string)?;
        let mut record = self.lane.record.lock();
        record.disturb(key, removed.is_none());
        record.event(
            key,
            invoked,
            removed.is_some(),
            Did::Purge { purge_type, removed },
        );
        Ok(())
    }

    async fn expire(&mut self, key: u8, polls_max: Option<u8>) -> Checked<()> {
        let (invoked, cache_key, span) = (self.now(), name(key).to_compact(), SpanHandle::none());
        self.lane.record.lock().disturb(key, false);
        let target = forebay_core::PurgeTarget::Active(&cache_key);
        let future = self.storage.expire(target, &span);
        let answer = self
            .lane
            .call(format!("expire(k{key})"), polls_max, None, future)
            .await;
        let outcome = self.answered("expire", answer, |outcome| format!("{outcome:?}"))?;
        let mut record = self.lane.record.lock();
        record.disturb(key, outcome.is_none());
        record.event(key, invoked, outcome.is_some(), Did::Expire { outcome });
        Ok(())
    }

    async fn update(&mut self, key: u8, polls_max: Option<u8>) -> Checked<()> {
        let number = self.lane.record.lock().number();
        let (invoked, cache_key, span, new) = (self.now(), name(key), SpanHandle::none(), meta(number));
        let future = self.storage.update_meta(&cache_key, &new, &span);
        let what = format!("update_meta(k{key}, v{number})");
        let answer = self.lane.call(what, polls_max, None, future).await;
        let updated = self.answered("update_meta", answer, bool::to_string)?;
        let did = Did::Update {
            meta: number,
            updated,
        };
        self.lane
            .record
            .lock()
            .event(key, invoked, updated.is_some(), did);
        Ok(())
    }

    /// The answer of a call that has to succeed; `None` where it was dropped.
    fn answered<T>(
        &self,
        what: &str,
        answer: Option<Answer<T>>,
        show: impl FnOnce(&T) -> String,
    ) -> Checked<Option<T>> {
        let Some(answer) = answer else { return Ok(None) };
        self.lane.came_to(&show_answer(&answer, show));
        must(what, answer).map(Some)
    }
}

fn show_found(answer: &Answer<Option<(CacheMeta, HitHandler)>>) -> String {
    show_answer(answer, |found| match found {
        Some((meta, _)) => crate::content::show_meta(meta),
        None => "None".to_owned(),
    })
}

/// The number of a meta that has to be one of the suite's, to the last field; an expired one differs in its times.
fn known_number(found: &CacheMeta, fresh: bool) -> Checked<u32> {
    let Some(number) = number_of(found) else {
        return broken("a meta that somebody wrote", "a meta that nobody wrote");
    };
    match meta_difference(&meta(number), found) {
        Some(text) if fresh => broken(format!("the meta of v{number}"), text),
        _ => Ok(number),
    }
}
