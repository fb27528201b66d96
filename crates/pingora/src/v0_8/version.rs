//! What the shared part of the bridge has to know of pingora-cache 0.8.

use super::shared::BoxFuture;
use super::shared::from_pingora::{PingoraStorageRef, no_span};
use super::shared::key;
use super::shared::meta::Fields;
use forebay_core::{CacheEntryId, CacheHashKey as _, CacheKey, PurgeOutcome, PurgeTarget, PurgeType, Result};
use pingora_cache_0_8::storage::{HandleHit, HandleMiss, PurgeType as PingoraPurgeType};
use pingora_cache_0_8::{CacheKey as PingoraKey, CacheMeta as PingoraMeta};
use std::time::SystemTime;

pub(crate) use super::error::{error_from_pingora, error_to_pingora};
pub(crate) use {pingora_cache_0_8 as pingora_cache, pingora_http_0_8 as pingora_http};

/// Whether a meta has a provenance that may differ from its creation.
pub(crate) const HAS_PROVENANCE: bool = false;

/// How many fields pingora's encoding of a meta has, at the most.
#[cfg(test)]
pub(crate) const META_FIELDS: u8 = 8;

pub(crate) fn provenance(meta: &PingoraMeta) -> SystemTime {
    meta.created()
}

/// Pingora 0.8 has no setter, so what became stale before 1970 became stale in 1970 for it.
pub(crate) fn expire_at(_meta: &mut PingoraMeta, _time: SystemTime) {}

pub(crate) fn encode_fields(fields: Fields) -> std::result::Result<Vec<u8>, rmp_serde::encode::Error> {
    let (version, fresh_until, created, updated, swr, sie, variance, epoch_override, _) = fields;
    rmp_serde::to_vec(&(
        version,
        fresh_until,
        created,
        updated,
        swr,
        sie,
        variance,
        epoch_override,
    ))
}

/// The namespace goes along both ways, beside the hash.
pub(crate) fn namespace(key: &PingoraKey) -> &[u8] {
    key.namespace()
}

pub(crate) fn new_key(ours: &CacheKey) -> PingoraKey {
    PingoraKey::new(ours.namespace(), ours.primary_key(), ours.user_tag())
}

type PingoraResult<T> = pingora_error_0_8::Result<T>;

pub(crate) fn future_from_pingora<'a, T>(future: BoxFuture<'a, PingoraResult<T>>) -> BoxFuture<'a, Result<T>>
where
    T: 'a,
{
    Box::pin(async move { future.await.map_err(error_from_pingora) })
}

/// Pingora 0.8 knows entries by their keys alone: no exact generation is there.
pub(crate) async fn purge(
    storage: PingoraStorageRef,
    target: PurgeTarget<'_>,
    purge_type: PurgeType,
) -> Result<PurgeOutcome> {
    let PurgeTarget::Active(key) = target else {
        return Ok(PurgeOutcome::NotFound);
    };
    let purge_type = match purge_type {
        PurgeType::Eviction => PingoraPurgeType::Eviction,
        PurgeType::Invalidation => PingoraPurgeType::Invalidation,
    };
    let removed = storage
        .purge(&key::compact_to_pingora(key), purge_type, &no_span())
        .await
        .map_err(error_from_pingora)?;
    Ok(match removed {
        true => PurgeOutcome::Purged(None),
        false => PurgeOutcome::NotFound,
    })
}

/// Pingora 0.8 has no expiry. A purge is what it comes nearest to, and the outcome says so.
pub(crate) async fn expire(storage: PingoraStorageRef, target: PurgeTarget<'_>) -> Result<PurgeOutcome> {
    purge(storage, target, PurgeType::Invalidation).await
}

pub(crate) fn type_from_pingora(purge_type: PingoraPurgeType) -> PurgeType {
    match purge_type {
        PingoraPurgeType::Eviction => PurgeType::Eviction,
        PingoraPurgeType::Invalidation => PurgeType::Invalidation,
    }
}

pub(crate) fn hit_id(_handler: &(dyn HandleHit + Send + Sync)) -> Option<CacheEntryId> {
    None
}

pub(crate) fn miss_id(_handler: &(dyn HandleMiss + Send + Sync)) -> Option<CacheEntryId> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use pingora_cache_0_8::key::CacheHashKey as _;

    #[test]
    fn a_namespace_of_pingoras_keeps_its_hash_and_comes_back() {
        let theirs = PingoraKey::new("tenant", "/a", "tag");
        let ours = key::from_pingora(&theirs);
        assert_eq!(ours.namespace(), b"tenant");
        assert_eq!(ours.combined_bin(), theirs.combined_bin());
        let back = key::to_pingora(&ours);
        assert_eq!(back.namespace(), b"tenant");
        assert_eq!(back.combined_bin(), theirs.combined_bin());
    }
}
