//! Metas survive both bridges: generated ones in all their fields, and the cases that have names.

use super::super::carried;
use super::super::heads::Heads;
use super::*;
use forebay_core::{CacheEntryId, Extensions, ResponseHead};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use std::time::Duration;

fn times() -> impl Strategy<Value = SystemTime> {
    (0u64..1 << 34, 0u32..1_000_000_000).prop_map(|(secs, nanos)| UNIX_EPOCH + Duration::new(secs, nanos))
}

fn early_times() -> impl Strategy<Value = SystemTime> {
    (0u64..1 << 34, 0u32..1_000_000_000).prop_map(|(secs, nanos)| UNIX_EPOCH - Duration::new(secs, nanos))
}

fn lines() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    let name = prop_oneof![
        "[a-zA-Z0-9!#$%&'*+.^_`|~-]{1,20}",
        "[aA]-[bB]",
        "(Server|server|VARY|Vary)"
    ];
    let value = vec(
        any::<u8>().prop_filter("allowed in a value", |b| *b == b'\t' || (*b >= 32 && *b != 127)),
        0..40,
    );
    vec((name, value), 0..20)
}

fn headers() -> impl Strategy<Value = ResponseHeader> {
    let reason = option::of("[ -~äß]{0,12}");
    (100u16..1000, 0..VERSIONS.len(), any::<bool>(), reason, lines()).prop_map(
        |(status, version, has_case, reason, lines)| {
            let mut header = match has_case {
                true => ResponseHeader::build(status, None).unwrap(),
                false => ResponseHeader::build_no_case(status, None).unwrap(),
            };
            header.set_version(VERSIONS[version]);
            header.set_reason_phrase(reason.as_deref()).unwrap();
            for (name, value) in lines {
                header.append_header(name, value).unwrap();
            }
            header
        },
    )
}

/// Metas as they can be only after revalidations: through pingora's encoding, since it has no setters for that.
fn revalidated_metas() -> impl Strategy<Value = PingoraMeta> {
    let windows = (any::<u32>(), any::<u32>());
    let rest = (
        option::of(any::<[u8; 16]>()),
        option::of(times()),
        times(),
        headers(),
    );
    (times(), times(), times(), windows, rest).prop_map(
        |(fresh_until, created, updated, (swr, sie), (variance, epoch, provenance, header))| {
            let mut meta = decoded((
                PINGORA_META_VERSION,
                fresh_until,
                created,
                updated,
                swr,
                sie,
                variance,
                epoch,
                provenance,
            ));
            *meta.response_header_mut() = header;
            meta
        },
    )
}

fn decoded(fields: Fields) -> PingoraMeta {
    let internal = version::encode_fields(fields).unwrap();
    PingoraMeta::deserialize(&internal, encoded_empty_header().unwrap()).unwrap()
}

/// Created at `now`, and found unchanged by its origin half a minute later.
fn revalidated_once(now: SystemTime) -> PingoraMeta {
    let (updated, fresh_until) = (now + Duration::from_secs(30), now + Duration::from_secs(90));
    decoded((
        PINGORA_META_VERSION,
        fresh_until,
        now,
        updated,
        1,
        2,
        None,
        None,
        now,
    ))
}

/// Metas as pingora's public interface makes them, with times before 1970 too.
fn new_metas() -> impl Strategy<Value = PingoraMeta> {
    let time = || prop_oneof![times(), early_times()];
    let rest = (option::of(any::<[u8; 16]>()), option::of(times()), headers());
    (time(), time(), any::<u32>(), any::<u32>(), rest).prop_map(
        |(fresh_until, created, swr, sie, (variance, epoch, header))| {
            let mut meta = PingoraMeta::new(fresh_until, created, swr, sie, header);
            variance.into_iter().for_each(|v| meta.set_variance(v));
            epoch.into_iter().for_each(|e| meta.set_epoch_override(e));
            meta
        },
    )
}

fn our_metas() -> impl Strategy<Value = CacheMeta> {
    let windows = (any::<u32>(), any::<u32>());
    let head = (100u16..1000, option::of("[ -~äß]{0,12}"), lines());
    let rest = (option::of(any::<[u8; 16]>()), vec(any::<u8>(), 0..64), head);
    (times(), times(), times(), windows, rest).prop_map(
        |(fresh_until, created, updated, (swr, sie), (variance, opaque, (status, reason, lines)))| {
            let mut head = ResponseHead::builder(status);
            if let Some(reason) = reason {
                head = head.reason(reason);
            }
            let head = lines.iter().fold(head, |head, (n, v)| head.header(n, v));
            let mut meta = CacheMeta::new(fresh_until, created, swr, sie, head.build().unwrap());
            meta.set_updated(updated);
            meta.set_variance(variance);
            meta.set_opaque(opaque.into());
            meta
        },
    )
}

fn assert_same(left: &PingoraMeta, right: &PingoraMeta) {
    assert_eq!(left.fresh_until(), right.fresh_until());
    assert_eq!(left.created(), right.created());
    assert_eq!(left.updated(), right.updated());
    assert_eq!(version::provenance(left), version::provenance(right));
    assert_eq!(left.epoch_override(), right.epoch_override());
    assert_eq!(
        left.stale_while_revalidate_sec(),
        right.stale_while_revalidate_sec()
    );
    assert_eq!(left.stale_if_error_sec(), right.stale_if_error_sec());
    assert_eq!(left.variance(), right.variance());
    let (left, right) = (left.response_header(), right.response_header());
    assert_eq!(left.status, right.status);
    assert_eq!(left.version, right.version);
    assert_eq!(left.get_reason_phrase(), right.get_reason_phrase());
    assert_eq!(left.has_case(), right.has_case());
    assert!(head::lines(left).eq(head::lines(right)));
    assert_eq!(left.headers, right.headers);
    let wire = |header: &ResponseHeader| {
        let mut wire = Vec::new();
        header.header_to_h1_wire(&mut wire);
        wire
    };
    assert_eq!(wire(left), wire(right));
}

fn to_pingora(ours: &CacheMeta) -> Result<PingoraMeta> {
    super::to_pingora(ours, head::to_pingora)
}

/// Through our meta as it is, as a storage gives it back, and with a head that was made before.
fn assert_survives(theirs: &PingoraMeta) {
    let ours = from_pingora(theirs).unwrap();
    assert_same(&to_pingora(&ours).unwrap(), theirs);
    let heads = Heads::default();
    for _ in 0..2 {
        let to_header = |head: &_, style| heads.get(CacheEntryId::new(1), head, style);
        assert_same(&super::to_pingora(&ours, to_header).unwrap(), theirs);
    }
    let stored = CacheMeta::decode(ours.encode().unwrap().into()).unwrap();
    assert_same(&to_pingora(&stored).unwrap(), theirs);
}

proptest! {
    #[test]
    fn every_field_of_pingoras_meta_survives(theirs in revalidated_metas()) {
        assert_survives(&theirs);
        // Pingora's own encoding of both is the same, so no field was forgotten above either.
        let back = to_pingora(&from_pingora(&theirs).unwrap()).unwrap();
        assert_eq!(back.serialize().unwrap(), theirs.serialize().unwrap());
    }

    #[test]
    fn every_field_of_a_new_meta_survives_also_before_1970(theirs in new_metas()) {
        assert_survives(&theirs);
    }

    #[test]
    fn every_field_of_our_meta_survives_pingoras(ours in our_metas()) {
        let theirs = carried::to_pingora(&ours).unwrap();
        let mut expected = ours.clone();
        // The canonical reason and none are one in pingora.
        let canonical = theirs.response_header().status.canonical_reason().map(str::as_bytes);
        if ours.head().reason() == canonical {
            let head = ResponseHead::builder(ours.head().status());
            let head = ours.head().headers().fold(head, |head, (n, v)| head.header(n, v));
            expected.set_head(head.build().unwrap());
        }
        assert_eq!(carried::from_pingora(&theirs).unwrap(), expected);
    }

    #[test]
    fn foreign_opaque_bytes_are_no_error(mut ours in our_metas(), tail in vec(any::<u8>(), 0..20)) {
        ours.set_opaque([EXTRAS_MAGIC, &tail].concat().into());
        to_pingora(&ours).unwrap();
    }
}

#[test]
fn the_usual_meta_needs_no_opaque_bytes() {
    let mut header = ResponseHeader::build(200, None).unwrap();
    header.append_header("Server", "x").unwrap();
    let now = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let theirs = PingoraMeta::new(now + Duration::from_secs(60), now, 1, 2, header);
    assert!(from_pingora(&theirs).unwrap().opaque().is_empty());
    let mut theirs = revalidated_once(now);
    assert!(from_pingora(&theirs).unwrap().opaque().is_empty());
    theirs.set_epoch_override(now);
    assert!(!from_pingora(&theirs).unwrap().opaque().is_empty());
}

#[test]
fn pingoras_meta_has_the_fields_that_the_bridge_knows() {
    let header = ResponseHeader::build(200, None).unwrap();
    let mut meta = PingoraMeta::new(UNIX_EPOCH, UNIX_EPOCH, 0, 0, header);
    meta.set_epoch_override(UNIX_EPOCH);
    let (internal, _) = meta.serialize().unwrap();
    let array_of = 0x90;
    assert_eq!(
        internal[..2],
        [array_of + version::META_FIELDS, PINGORA_META_VERSION]
    );
}

#[test]
fn an_entry_expired_in_the_storage_is_expired_for_pingora() {
    let now = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let theirs = revalidated_once(now);
    assert!(theirs.is_fresh(now));
    let mut ours = from_pingora(&theirs).unwrap();
    ours.expire_at(now);
    let back = to_pingora(&ours).unwrap();
    assert_eq!(back.fresh_until(), ours.fresh_until());
    assert!(!back.is_fresh(now));
    assert_eq!(back.updated(), theirs.updated());
    assert_eq!(back.stale_if_error_sec(), 2);
}

#[test]
fn times_that_pingora_cannot_encode_are_refused() {
    let head = ResponseHead::builder(200).build().unwrap();
    let before = UNIX_EPOCH - Duration::from_nanos(1);
    let mut ours = CacheMeta::new(UNIX_EPOCH, before, 0, 0, head);
    assert!(to_pingora(&ours).is_ok());
    ours.set_updated(UNIX_EPOCH);
    let error = to_pingora(&ours).unwrap_err();
    assert_eq!(ErrorKind::of(&error), Some(ErrorKind::Refused));
}

#[test]
fn what_a_storage_puts_beside_a_meta_reaches_pingoras_user() {
    let head = ResponseHead::builder(200).build().unwrap();
    let mut ours = CacheMeta::new(UNIX_EPOCH, UNIX_EPOCH, 0, 0, head);
    let without = |extensions: &Extensions| extensions.get::<u32>().is_none();
    assert!(without(to_pingora(&ours).unwrap().extensions()));
    ours.extensions_mut(0).insert(7u32);
    assert_eq!(to_pingora(&ours).unwrap().extensions().get::<u32>(), Some(&7));
}
