//! Whether some order of the calls on one key, each at one moment between its start and its end, explains what they
//! gave. A call that was dropped takes effect at any time after its start, or never.

use super::state::State;
use crate::outcome::{Checked, Stop};
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
    let unexplained = left.min_by_key(|(_, event)| event.returned);
    let what = unexplained
        .map(|(_, event)| event.to_string())
        .unwrap_or_default();
    Err(Stop::Broken {
        rule: unexplained.and_then(|(_, event)| event.did.rule()),
        expected: format!("one order of the calls on k{key} explains every result"),
        actual: format!("nothing explains {what}; at best, k{key} is {state} before it"),
    })
}

impl Did {
    /// The rule of which the result is a matter where there is one client alone.
    fn rule(&self) -> Option<&'static str> {
        match self {
            Did::Purge { .. } => Some("PURGE-RESULT"),
            Did::Update { updated, .. } => Some(match updated {
                Some(true) => "UPDATE-ABSENT",
                _ => "UPDATE-META",
            }),
            Did::Expire { .. } => Some("EXPIRE-STALE"),
            Did::Follow { found: false, .. } => Some("STREAM-TAG"),
            Did::Follow { .. } => Some("STREAM-TAG-UNKNOWN"),
            Did::Start { .. } | Did::Finish { .. } | Did::Drop { .. } | Did::Lookup { .. } => None,
        }
    }
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
