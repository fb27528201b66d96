//! What the shared part of the bridge has to know of pingora-cache 0.9.

use super::purge;
use super::shared::BoxFuture;
use super::shared::from_pingora::{PingoraStorageRef, no_span};
use super::shared::meta::Fields;
use forebay_core::{
    CacheEntryId, CacheHashKey as _, CacheKey, Error, PurgeOutcome, PurgeTarget, PurgeType, Result,
};
use pingora_cache::storage::{HandleHit, HandleMiss};
use pingora_cache::{CacheKey as PingoraKey, CacheMeta as PingoraMeta};
use std::time::SystemTime;

pub(crate) use {::pingora_cache, ::pingora_http};

/// Whether a meta has a provenance that may differ from its creation.
pub(crate) const HAS_PROVENANCE: bool = true;

/// How many fields pingora's encoding of a meta has.
#[cfg(test)]
pub(crate) const META_FIELDS: u8 = 9;

pub(crate) fn provenance(meta: &PingoraMeta) -> SystemTime {
    meta.provenance()
}

/// Ends the freshness of a meta at any time, also before 1970.
pub(crate) fn expire_at(meta: &mut PingoraMeta, time: SystemTime) {
    meta.expire_at(time);
}

pub(crate) fn encode_fields(fields: Fields) -> std::result::Result<Vec<u8>, rmp_serde::encode::Error> {
    rmp_serde::to_vec(&fields)
}

/// Pingora's key has no namespace: the hash that goes along has taken it in.
pub(crate) fn namespace(_key: &PingoraKey) -> &[u8] {
    &[]
}

pub(crate) fn new_key(ours: &CacheKey) -> PingoraKey {
    PingoraKey::new(ours.primary_key(), ours.user_tag())
}

/// Errors are of one type on both sides.
pub(crate) fn error_from_pingora(error: Box<Error>) -> Box<Error> {
    error
}

pub(crate) fn future_from_pingora<T>(future: BoxFuture<'_, Result<T>>) -> BoxFuture<'_, Result<T>> {
    future
}

pub(crate) async fn purge(
    storage: PingoraStorageRef,
    target: PurgeTarget<'_>,
    purge_type: PurgeType,
) -> Result<PurgeOutcome> {
    let entry = purge::entry_to_pingora(target);
    let outcome = storage
        .purge(
            purge::target_to_pingora(&entry),
            purge::type_to_pingora(purge_type),
            &no_span(),
        )
        .await?;
    Ok(purge::outcome_from_pingora(outcome, target))
}

pub(crate) async fn expire(storage: PingoraStorageRef, target: PurgeTarget<'_>) -> Result<PurgeOutcome> {
    let entry = purge::entry_to_pingora(target);
    let outcome = storage
        .expire(purge::target_to_pingora(&entry), &no_span())
        .await?;
    Ok(purge::outcome_from_pingora(outcome, target))
}

pub(crate) fn hit_id(handler: &(dyn HandleHit + Send + Sync)) -> Option<CacheEntryId> {
    handler.entry_id().map(purge::id_from_pingora)
}

pub(crate) fn miss_id(handler: &(dyn HandleMiss + Send + Sync)) -> Option<CacheEntryId> {
    handler.entry_id().map(purge::id_from_pingora)
}
