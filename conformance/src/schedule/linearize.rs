//! Whether some order of the calls on one key, each at one moment between its start and its end, explains what they
//! gave. A call that was dropped takes effect at any time after its start, or never.

use crate::outcome::{Checked, broken};
use forebay_core::{PurgeOutcome, PurgeType};
use std::collections::HashSet;
use std::fmt;

/// A call on a key, with what it gave.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) lane: usize,
    pub(super) key: u8,
    pub(super) invoked: u32,
    /// `None`: it was dropped.
    pub(super) returned: Option<u32>,
    pub(super) did: Did,
}

/// What was called, and what it gave; `None` where it was dropped.
#[derive(Debug, Clone)]
pub(super) enum Did {
    Start {
        write: u32,
        dropped: bool,
    },
    Finish {
        write: u32,
        stored: Option<bool>,
    },
    /// The writer is dropped. It may be visible for a while yet where a call of it was dropped too.
    Drop {
        write: u32,
        for_a_while: bool,
    },
    Lookup {
        found: Option<Found>,
    },
    Follow {
        write: u32,
        found: bool,
    },
    Purge {
        purge_type: PurgeType,
        removed: Option<bool>,
    },
    Expire {
        outcome: Option<PurgeOutcome>,
    },
    Update {
        meta: u32,
        updated: Option<bool>,
    },
}

/// A hit: the number of its meta, and the writes whose body it can be by what was read of it.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) meta: u32,
    pub(super) fresh: bool,
    pub(super) bodies: Vec<u32>,
}

/// The sequential model of one key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct State {
    stored: Option<Stored>,
    live: Vec<Live>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Stored {
    write: u32,
    meta: u32,
    expired: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Live {
    write: u32,
    /// By an invalidation: plain lookups do not see it, and it should not be admitted.
    hidden: bool,
    /// Dropped in the middle of a call: it may be there still, or not.
    ghost: bool,
    /// Another write was admitted since this one started.
    overtaken: bool,
}

/// Breaks the rule where no order explains the results.
pub(super) fn explain(key: u8, events: &[Event], streams: bool) -> Checked<()> {
    let of_key: Vec<_> = events.iter().filter(|event| event.key == key).collect();
    let mut search = Search {
        events: &of_key,
        streams,
        seen: HashSet::new(),
        best: (0, 0, State::default()),
    };
    if search.go(0, &State::default()) {
        return Ok(());
    }
    let (_, done, state) = &search.best;
    let left = search.left(*done).filter(|(_, event)| event.returned.is_some());
    let what = left
        .min_by_key(|(_, event)| event.returned)
        .map(|(_, event)| event.to_string())
        .unwrap_or_default();
    broken(
        format!("one order of the calls on k{key} explains every result"),
        format!("nothing explains {what}; at best, k{key} is {state} before it"),
    )
}

struct Search<'a> {
    events: &'a [&'a Event],
    streams: bool,
    seen: HashSet<(u128, State)>,
    /// The longest way: how many results it explains, which calls it is, and what it led to.
    best: (usize, u128, State),
}

impl Search<'_> {
    fn left(&self, done: u128) -> impl Iterator<Item = (usize, &Event)> {
        let all = self.events.iter().enumerate();
        all.filter(move |(at, _)| done & (1 << at) == 0)
            .map(|(at, event)| (at, *event))
    }

    fn go(&mut self, done: u128, state: &State) -> bool {
        let Some(horizon) = self.left(done).filter_map(|(_, event)| event.returned).min() else {
            return true;
        };
        if !self.seen.insert((done, state.clone())) {
            return false;
        }
        let required = self
            .events
            .iter()
            .filter(|event| event.returned.is_some())
            .count();
        let explained = required
            - self
                .left(done)
                .filter(|(_, event)| event.returned.is_some())
                .count();
        if explained >= self.best.0 {
            self.best = (explained, done, state.clone());
        }
        // Those that were not dropped come first: fewer of the others are needed then.
        let mut next: Vec<_> = self
            .left(done)
            .filter(|(_, event)| event.invoked <= horizon)
            .map(|(at, event)| (event.returned.unwrap_or(u32::MAX), at))
            .collect();
        next.sort_unstable();
        for (_, at) in next {
            for after in state.after(&self.events[at].did, self.streams) {
                if self.go(done | (1 << at), &after) {
                    return true;
                }
            }
        }
        false
    }
}

impl State {
    /// What the key may be after the call, which gave that; nothing where it cannot have given it.
    fn after(&self, did: &Did, streams: bool) -> Vec<State> {
        let mut next = self.clone();
        let possible = match did {
            Did::Start { write, dropped } => {
                next.live.push(Live {
                    write: *write,
                    hidden: false,
                    ghost: *dropped,
                    overtaken: false,
                });
                true
            }
            Did::Finish { write, stored } => return self.finished(*write, *stored),
            Did::Drop { write, for_a_while } => {
                match next.live.iter_mut().find(|live| live.write == *write) {
                    Some(live) if *for_a_while => live.ghost = true,
                    _ => next.live.retain(|live| live.write != *write),
                }
                true
            }
            Did::Lookup { found } => self.allows(found.as_ref(), streams),
            Did::Follow { write, found } => match self.live.iter().find(|live| live.write == *write) {
                Some(live) => *found || live.ghost,
                None => !found,
            },
            Did::Purge { purge_type, removed } => next.purge(*purge_type, *removed, streams),
            Did::Expire { outcome: None } => {
                // Dropped, it expires the entry, or purges it where the storage cannot expire.
                let mut purged = self.clone();
                purged.purge(PurgeType::Invalidation, None, streams);
                next.expire(PurgeOutcome::Expired, streams);
                return vec![next, purged];
            }
            Did::Expire {
                outcome: Some(outcome),
            } => next.expire(*outcome, streams),
            Did::Update { meta, updated } => {
                if let Some(stored) = &mut next.stored {
                    (stored.meta, stored.expired) = (*meta, false);
                }
                updated.is_none_or(|updated| updated == self.stored.is_some())
            }
        };
        if possible { vec![next] } else { vec![] }
    }

    fn finished(&self, write: u32, stored: Option<bool>) -> Vec<State> {
        let mut without = self.clone();
        let Some(at) = without.live.iter().position(|live| live.write == write) else {
            return vec![];
        };
        let Live {
            hidden, overtaken, ..
        } = without.live.remove(at);
        let mut with = without.clone();
        with.stored = Some(Stored {
            write,
            meta: write,
            expired: false,
        });
        with.live.iter_mut().for_each(|live| live.overtaken = true);
        // Whether the last one wins, and an invalidated one loses, are SHOULDs.
        let may_lose = hidden || (overtaken && self.stored.is_some());
        match stored {
            Some(false) if hidden => vec![without],
            Some(false) => vec![],
            _ if may_lose => vec![with, without],
            _ => vec![with],
        }
    }

    fn visible(&self, streams: bool) -> impl Iterator<Item = &Live> {
        self.live.iter().filter(move |live| streams && !live.hidden)
    }

    fn allows(&self, found: Option<&Found>, streams: bool) -> bool {
        let sure = || self.visible(streams).filter(|live| !live.ghost);
        let Some(found) = found else {
            return self.stored.is_none() && sure().next().is_none();
        };
        let is_live = |live: &Live| live.write == found.meta && found.bodies.contains(&live.write);
        if found.fresh && self.visible(streams).any(is_live) {
            return true;
        }
        self.stored.as_ref().is_some_and(|stored| {
            stored.meta == found.meta
                && stored.expired != found.fresh
                && found.bodies.contains(&stored.write)
                && sure().all(|live| live.overtaken)
        })
    }

    fn purge(&mut self, purge_type: PurgeType, removed: Option<bool>, streams: bool) -> bool {
        let mut may = self.stored.take().is_some();
        let mut must = may;
        if purge_type == PurgeType::Invalidation {
            may |= self.visible(streams).next().is_some();
            must |= self.visible(streams).any(|live| !live.ghost);
            self.live.iter_mut().for_each(|live| live.hidden = true);
        }
        removed.is_none_or(|removed| if removed { may } else { !must })
    }

    fn expire(&mut self, outcome: PurgeOutcome, streams: bool) -> bool {
        match outcome {
            PurgeOutcome::NotFound => self.stored.is_none(),
            // A storage without `expire` purges, live writes included.
            PurgeOutcome::Purged(_) => self.purge(PurgeType::Invalidation, Some(true), streams),
            PurgeOutcome::Expired => {
                self.stored.iter_mut().for_each(|stored| stored.expired = true);
                self.stored.is_some()
            }
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.stored {
            None => write!(f, "not stored")?,
            Some(Stored { write, meta, expired }) => {
                write!(f, "stored with the meta of v{meta}")?;
                if meta != write {
                    write!(f, " and the body of v{write}")?;
                }
                if *expired {
                    write!(f, ", expired")?;
                }
            }
        }
        for live in &self.live {
            write!(f, ", v{} is being written", live.write)?;
            if live.hidden {
                write!(f, " and was invalidated")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = super::lanes::name(self.lane);
        let key = self.key;
        write!(f, "{who}'s ")?;
        match &self.did {
            Did::Start { write, .. } => write!(f, "start of v{write}")?,
            Did::Finish { write, stored } => write!(f, "finish of v{write}, stored: {stored:?}")?,
            Did::Drop { write, .. } => write!(f, "drop of v{write}")?,
            Did::Lookup { found: None } => write!(f, "lookup(k{key}) -> None")?,
            Did::Lookup { found: Some(found) } => {
                let bodies: Vec<_> = found.bodies.iter().map(|write| format!("v{write}")).collect();
                let state = if found.fresh { "" } else { ", expired," };
                let bodies = bodies.join(" or ");
                write!(
                    f,
                    "lookup(k{key}) -> the meta of v{}{state} with the body of {bodies}",
                    found.meta
                )?;
            }
            Did::Follow { write, found } => write!(f, "lookup by the tag of v{write} -> {found}")?,
            Did::Purge { purge_type, removed } => {
                write!(
                    f,
                    "purge(k{key}, {purge_type:?}) -> {}",
                    removed.unwrap_or_default()
                )?;
            }
            Did::Expire { outcome } => write!(f, "expire(k{key}) -> {outcome:?}")?,
            Did::Update { meta, updated } => {
                write!(
                    f,
                    "update_meta(k{key}, v{meta}) -> {}",
                    updated.unwrap_or_default()
                )?;
            }
        }
        match self.returned {
            Some(returned) if returned != self.invoked => {
                write!(f, " (polls {} to {returned})", self.invoked)
            }
            _ => write!(f, " (poll {})", self.invoked),
        }
    }
}
