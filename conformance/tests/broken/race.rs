//! What checks and then acts, with a pause between: each call alone is right.

use crate::body::pause;
use crate::storage::{Live, State, lock};
use forebay_core::{CacheMeta, HashBinary, PurgeType};
use std::sync::Mutex;

/// Two purges see the entry, and both say that they removed it.
pub(crate) async fn purge(state: &Mutex<State>, key: HashBinary, purge_type: PurgeType) -> bool {
    let invalidates = purge_type == PurgeType::Invalidation;
    let there = {
        let state = lock(state);
        let mut live = state.live.values();
        state.entries.contains_key(&key)
            || (invalidates && live.any(|live| live.key == key && !live.invalidated))
    };
    if !there {
        return false;
    }
    pause().await;
    let mut state = lock(state);
    state.entries.remove(&key);
    let of_key = state.live.values_mut().filter(|live| live.key == key);
    of_key.for_each(|live| live.invalidated |= invalidates);
    true
}

/// What was read is written back with the new meta: over whatever was stored since, though not over nothing.
pub(crate) async fn update(state: &Mutex<State>, key: HashBinary, meta: &CacheMeta) -> bool {
    let Some(mut entry) = lock(state).entries.get(&key).cloned() else {
        return false;
    };
    entry.meta = meta.clone();
    pause().await;
    match lock(state).entries.get_mut(&key) {
        Some(there) => {
            *there = entry;
            true
        }
        None => false,
    }
}

/// `finish` gives the old entry the new meta before it gives it the new body.
pub(crate) async fn publish_meta(state: &Mutex<State>, live: &Live) {
    if let Some(old) = lock(state).entries.get_mut(&live.key)
        && !live.invalidated
    {
        old.meta = live.meta.clone();
    }
    pause().await;
}
