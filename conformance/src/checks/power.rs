//! Power cuts at every step of a run: what was not synced is lost, torn or reordered.

use super::persistence::reopen;
use crate::content::{Version, body, difference, key, meta, number_of, show_meta};
use crate::context::{Context, Opened};
use crate::harness::Site;
use crate::ops::{Store, harness};
use crate::outcome::{Checked, Stop, broken};
use crate::power::{Durability, PowerRecord};
use forebay_core::PurgeOutcome;
use std::sync::Arc;
use std::time::SystemTime;

#[derive(Debug, Clone, Copy)]
enum Op {
    Put(usize),
    Update,
    Expire,
    Purge,
}

/// Entries of all sizes, replaced, updated, expired, purged and written again.
const OPS: [(&str, Op); 18] = [
    ("a", Op::Put(300)),
    ("b", Op::Put(3_000)),
    ("large", Op::Put(300_000)),
    ("c", Op::Put(70_000)),
    ("a", Op::Put(5_000)),
    ("large", Op::Update),
    ("b", Op::Purge),
    ("c", Op::Update),
    ("larger", Op::Put(700_000)),
    ("c", Op::Expire),
    ("large", Op::Expire),
    ("b", Op::Put(100)),
    ("a", Op::Purge),
    ("large", Op::Purge),
    ("empty", Op::Put(0)),
    ("larger", Op::Put(400_000)),
    ("large", Op::Put(500_000)),
    ("b", Op::Update),
];

/// What a key is: the operations that its meta and its body are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    meta: u32,
    body: u32,
    len_bytes: usize,
    expired: bool,
}

/// One operation, the steps from when to when it ran, and what it made of its key.
struct Event {
    name: &'static str,
    op: Op,
    began: usize,
    done: usize,
    state: Option<State>,
}

pub(super) async fn cuts(cx: &Context) -> Checked<()> {
    let Some(durability) = cx.harness.capabilities().power else {
        return Err(Stop::Skip("it declares no `power`".to_owned()));
    };
    let store = cx.fresh_recorded().await?;
    let Some(record) = store.site.power().get() else {
        let reason = "it declares `power`, and left no record at a site that asks for one";
        return Err(Stop::Harness(reason.to_owned()));
    };
    let mut events = Vec::new();
    for (number, (name, op)) in (1..).zip(OPS) {
        let event = run(&store, &*record, &events, number, name, op).await?;
        events.push(event);
    }
    drop(cx.close(store).await?);
    let steps = record.steps();
    // Each step once, as far as the number of cases goes; then once more with other seeds.
    let cuts = (cx.options.cases as usize).max(1);
    for number in 0..cuts {
        let step = match cuts > steps {
            true => number % (steps + 1),
            false => number * steps / cuts,
        };
        let seed = cx
            .options
            .seed
            .wrapping_mul(1_000_003)
            .wrapping_add(number as u64);
        let cut = Cut {
            record: record.clone(),
            events: &events,
            durability,
            step,
            seed,
        };
        cut.check(cx).await?;
    }
    Ok(())
}

async fn run(
    store: &Opened,
    record: &dyn PowerRecord,
    before: &[Event],
    number: u32,
    name: &'static str,
    op: Op,
) -> Checked<Event> {
    let (began, k) = (record.steps(), key(name));
    let last = before.iter().rev().find(|event| event.name == name);
    let last = last.and_then(|event| event.state);
    let state = match op {
        Op::Put(len_bytes) => {
            store.put(&k, &Version::new(number, len_bytes)).await?;
            Some(State {
                meta: number,
                body: number,
                len_bytes,
                expired: false,
            })
        }
        Op::Update => {
            store.update(&k, &meta(number)).await?;
            last.map(|state| State {
                meta: number,
                expired: false,
                ..state
            })
        }
        Op::Expire => match store.expire(&k).await? {
            PurgeOutcome::Expired => last.map(|state| State {
                expired: true,
                ..state
            }),
            _ => None,
        },
        Op::Purge => {
            store.invalidate(&k).await?;
            None
        }
    };
    let done = record.steps();
    Ok(Event {
        name,
        op,
        began,
        done,
        state,
    })
}

/// One power cut of a run.
struct Cut<'a> {
    record: Arc<dyn PowerRecord>,
    events: &'a [Event],
    durability: Durability,
    step: usize,
    seed: u64,
}

impl Cut<'_> {
    async fn check(&self, cx: &Context) -> Checked<()> {
        cx.log.clear();
        let done = self.events.iter().filter(|event| event.done <= self.step);
        for (number, event) in (1..).zip(done) {
            cx.log
                .note(format!("v{number}: {:?} of {}", event.op, event.name));
        }
        let under_way = self
            .events
            .iter()
            .find(|e| e.began < self.step && self.step < e.done);
        if let Some(event) = under_way {
            cx.log
                .note(format!("{:?} of {} is under way", event.op, event.name));
        }
        cx.log.note(format!(
            "the power is cut after step {} of the I/O, seed {}",
            self.step, self.seed
        ));
        for step in self.record.describe(self.step).into_iter().take(6) {
            cx.log.note(format!("  before it: {step}"));
        }
        let site = Site::left_by(|into| self.record.cut(self.step, self.seed, into));
        let site = site.map_err(|e| harness("what the power cut leaves", e))?;
        let store = reopen(cx, site).await?;
        let mut first = Vec::new();
        for name in self.names() {
            first.push(self.state_of(&store, name).await?);
        }
        // It is a storage as any other: it can be written, closed and opened; and what is gone stays gone.
        let after = Version::new(100, 1000);
        store.put(&key("after"), &after).await?;
        let store = reopen(cx, cx.close(store).await?).await?;
        for (name, then) in self.names().zip(first) {
            let now = self.state_of(&store, name).await?;
            if now != then {
                return broken(
                    format!("{name} stays as it was found after the cut, {}", show(then)),
                    format!("after a clean close it is {}", show(now)),
                );
            }
        }
        store.expect(&key("after"), &after).await
    }

    fn names(&self) -> impl Iterator<Item = &'static str> {
        let mut names: Vec<_> = self.events.iter().map(|event| event.name).collect();
        names.sort_unstable();
        names.dedup();
        names.into_iter()
    }

    /// What a key may be after the cut; `None` for a miss.
    fn allowed(&self, name: &str) -> Vec<Option<State>> {
        let of_key = || self.events.iter().filter(|event| event.name == name);
        let durable = |event: &&Event| self.durability == Durability::OnReturn && event.done <= self.step;
        let floor = of_key().rfind(durable);
        let later = of_key().filter(|event| event.began < self.step && !durable(event));
        let mut allowed: Vec<_> = later.clone().map(|event| event.state).collect();
        // Before anything durable a key was a miss; and what is torn may take what it replaces with it.
        if later.count() > 0 || floor.is_none() {
            allowed.push(None);
        }
        allowed.extend(floor.map(|event| event.state));
        allowed
    }

    /// What the key is. What cannot be read to its end has to be a miss from then on.
    async fn state_of(&self, store: &Store, name: &str) -> Checked<Option<State>> {
        let allowed = self.allowed(name);
        let found = match store.lookup(&key(name)).await? {
            None => None,
            Some(mut hit) => {
                let (bytes, end) = hit.try_read_to_end().await?;
                match end {
                    Ok(()) => Some((hit.meta.clone(), bytes)),
                    Err(_) => {
                        drop(hit);
                        store.expect_absent(&key(name)).await?;
                        None
                    }
                }
            }
        };
        let is = |state: &Option<State>| match (state, &found) {
            (None, None) => true,
            (Some(state), Some((meta, bytes))) => {
                number_of(meta) == Some(state.meta)
                    && state.expired != meta.is_fresh(SystemTime::now())
                    && difference(&body(state.body, state.len_bytes), bytes).is_none()
            }
            _ => false,
        };
        match allowed.iter().find(|state| is(state)) {
            Some(state) => Ok(*state),
            None => {
                let may_be: Vec<_> = allowed.iter().map(|state| show(*state)).collect();
                let is = found.map_or("a miss".to_owned(), |(meta, bytes)| {
                    let fresh = if meta.is_fresh(SystemTime::now()) {
                        ""
                    } else {
                        ", expired,"
                    };
                    format!(
                        "the meta of {}{fresh} with {} bytes",
                        show_meta(&meta),
                        bytes.len()
                    )
                });
                broken(format!("{name} is {}", may_be.join(", or ")), is)
            }
        }
    }
}

fn show(state: Option<State>) -> String {
    state.map_or("a miss".to_owned(), |state| {
        let expired = if state.expired { ", expired," } else { "" };
        format!(
            "the meta of v{}{expired} with the {} bytes of v{}",
            state.meta, state.len_bytes, state.body
        )
    })
}
