//! One key as a storage that does one thing after the other has it, and which results each call can have.

use super::linearize::{Did, Found};
use forebay_core::{PurgeOutcome, PurgeType};
use std::fmt;

/// The sequential model of one key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct State {
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

impl State {
    /// What the key may be after the call, which gave that; nothing where it cannot have given it.
    pub(super) fn after(&self, did: &Did, streams: bool) -> Vec<State> {
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
