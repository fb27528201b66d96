//! Purge targets, outcomes and types of one side as those of the other.

use super::shared::key;
use forebay_core::{CacheEntryId, CompactCacheKey, PurgeOutcome, PurgeTarget, PurgeType};
use pingora_cache::storage::{
    PurgeOutcome as PingoraOutcome, PurgeTarget as PingoraTarget, PurgeType as PingoraPurgeType,
};
use pingora_cache::{CacheEntryId as PingoraEntryId, CacheEntryKey};

/// A target of pingora's, with a key of ours to borrow from.
pub(crate) struct OwnedTarget {
    key: CompactCacheKey,
    id: Option<CacheEntryId>,
}

impl OwnedTarget {
    pub(crate) fn from_pingora(target: PingoraTarget<'_>) -> Self {
        let id = match target {
            PingoraTarget::Active(_) | PingoraTarget::Exact(CacheEntryKey::KeyOnly(_)) => None,
            PingoraTarget::Exact(CacheEntryKey::Identified { id, .. }) => Some(id_from_pingora(*id)),
        };
        OwnedTarget {
            key: key::compact_from_pingora(target.key()),
            id,
        }
    }

    /// An entry that is known by its key alone is whatever the key names.
    pub(crate) fn borrow(&self) -> PurgeTarget<'_> {
        match self.id {
            Some(id) => PurgeTarget::Exact(&self.key, id),
            None => PurgeTarget::Active(&self.key),
        }
    }
}

/// Pingora wants the id of what was removed for an active target alone; the others name it themselves, and an id that
/// differs from theirs (or that they lack) trips an assertion.
pub(crate) fn outcome_to_pingora(outcome: PurgeOutcome, target: PingoraTarget<'_>) -> PingoraOutcome {
    match (outcome, target) {
        (PurgeOutcome::NotFound, _) => PingoraOutcome::NotFound,
        (PurgeOutcome::Expired, _) => PingoraOutcome::Expired,
        (PurgeOutcome::Purged(_), PingoraTarget::Exact(_)) => PingoraOutcome::Purged(None),
        (PurgeOutcome::Purged(id), PingoraTarget::Active(_)) => PingoraOutcome::Purged(id.map(id_to_pingora)),
    }
}

/// A target of ours as an entry of pingora's, exact where it has an id.
pub(crate) fn entry_to_pingora(target: PurgeTarget<'_>) -> CacheEntryKey {
    let key = key::compact_to_pingora(target.key());
    match target {
        PurgeTarget::Active(_) => CacheEntryKey::key_only(key),
        PurgeTarget::Exact(_, id) => CacheEntryKey::identified(key, id_to_pingora(id)),
    }
}

/// The target that such an entry was made of.
pub(crate) fn target_to_pingora(entry: &CacheEntryKey) -> PingoraTarget<'_> {
    match entry {
        CacheEntryKey::KeyOnly(key) => PingoraTarget::Active(key),
        CacheEntryKey::Identified { .. } => PingoraTarget::Exact(entry),
    }
}

/// The id of an exact target, which pingora leaves out, is put in.
pub(crate) fn outcome_from_pingora(outcome: PingoraOutcome, target: PurgeTarget<'_>) -> PurgeOutcome {
    match (outcome, target) {
        (PingoraOutcome::NotFound, _) => PurgeOutcome::NotFound,
        (PingoraOutcome::Expired, _) => PurgeOutcome::Expired,
        (PingoraOutcome::Purged(_), PurgeTarget::Exact(_, id)) => PurgeOutcome::Purged(Some(id)),
        (PingoraOutcome::Purged(id), PurgeTarget::Active(_)) => PurgeOutcome::Purged(id.map(id_from_pingora)),
    }
}

pub(crate) fn type_from_pingora(purge_type: PingoraPurgeType) -> PurgeType {
    match purge_type {
        PingoraPurgeType::Eviction => PurgeType::Eviction,
        PingoraPurgeType::Invalidation => PurgeType::Invalidation,
    }
}

pub(crate) fn type_to_pingora(purge_type: PurgeType) -> PingoraPurgeType {
    match purge_type {
        PurgeType::Eviction => PingoraPurgeType::Eviction,
        PurgeType::Invalidation => PingoraPurgeType::Invalidation,
    }
}

pub(crate) fn id_from_pingora(id: PingoraEntryId) -> CacheEntryId {
    CacheEntryId::new(id.get())
}

pub(crate) fn id_to_pingora(id: CacheEntryId) -> PingoraEntryId {
    PingoraEntryId::new(id.get())
}
