//! The storage of grapsus-proxy in two tiers, memory before disk, for pingora 0.8, under the whole contract.

use forebay_conformance::{Capabilities, Harness, KnownFailure, Opened, RuleId, Site, async_trait};
use forebay_pingora::v0_8::FromPingora;
use grapsus_proxy::disk_cache::DiskCacheStorage;
use grapsus_proxy::hybrid_cache::HybridCacheStorage;
use pingora_cache::MemCache;
use std::process::ExitCode;
use std::sync::Arc;

struct GrapsusHybrid;

#[async_trait]
impl Harness for GrapsusHybrid {
    fn name(&self) -> &str {
        "grapsus-hybrid"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new().persist()
    }

    async fn open(&self, site: &Site) -> Opened {
        // pingora wants its storages for ever.
        let memory = Box::leak(Box::new(MemCache::new()));
        let disk = Box::leak(Box::new(DiskCacheStorage::new(&site.dir(), 1, 1 << 30)));
        let hybrid = Box::leak(Box::new(HybridCacheStorage::new(memory, disk)));
        Ok(Arc::new(FromPingora::new(hybrid)))
    }

    fn known_failures(&self) -> &[KnownFailure] {
        KNOWN_FAILURES
    }

    fn known_races(&self) -> &[KnownFailure] {
        KNOWN_RACES
    }
}

const KNOWN_FAILURES: &[KnownFailure] = &[
    KnownFailure::new(
        RuleId::LookupSelfHeal,
        "bodies have no checksum and no length: a flipped bit is served, and so is a body that was cut",
    ),
    KnownFailure::new(
        RuleId::ReadNonempty,
        "the chunk of an empty body is `Some` of no bytes",
    ),
    KnownFailure::new(
        RuleId::ReadBounded,
        "a body is read into one buffer and is one chunk, whatever its size",
    ),
    KnownFailure::new(
        RuleId::SeekOpenEnd,
        "the end of the range before outlives it: `seek(a, None)` does not reset `range_end`",
    ),
    KnownFailure::new(RuleId::SeekEmpty, "`seek` to the end of the body is an error"),
    KnownFailure::new(
        RuleId::SeekInvalid,
        "an end before the start is taken, and the read slices backwards",
    ),
    KnownFailure::new(RuleId::SeekAgain, "consequence of SEEK-OPEN-END"),
    KnownFailure::new(
        RuleId::SeekMultipart,
        "consequence of SEEK-OPEN-END and SEEK-EMPTY",
    ),
    KnownFailure::new(
        RuleId::WriteAfterEof,
        "`write_body` after eof panics in the memory tier, pingora's `MemCache`: `already EOF`",
    ),
    KnownFailure::new(
        RuleId::WriteSize,
        "the weight is the body alone, so an empty body is `Created(0)`",
    ),
    KnownFailure::new(
        RuleId::StreamTag,
        "`lookup_streaming_write` is not passed on to the memory tier: the tag is ignored, and any live write will do",
    ),
    KnownFailure::new(RuleId::StreamTagUnknown, "as STREAM-TAG"),
    KnownFailure::new(
        RuleId::StreamPrefix,
        "consequence of STREAM-TAG: a follower by tag reads another writer's body",
    ),
    KnownFailure::new(
        RuleId::StreamAbort,
        "as in pingora's `MemCache`: a truncated body ends with a clean `None`, \
         https://github.com/cloudflare/pingora/issues/932",
    ),
    KnownFailure::new(RuleId::StreamMeta, "consequence of STREAM-TAG"),
    KnownFailure::new(
        RuleId::PurgeGone,
        "an eviction leaves the copy on disk, which the next lookup finds: by its design, a demotion",
    ),
    KnownFailure::new(
        RuleId::PurgeResult,
        "as in pingora's `MemCache`: what a dropped write leaves behind is taken for an entry",
    ),
    KnownFailure::new(RuleId::PurgeExactKey, "consequence of PURGE-GONE"),
    KnownFailure::new(
        RuleId::PurgeLive,
        "as in pingora's `MemCache`: `finish` after a purge panics",
    ),
    KnownFailure::new(RuleId::PurgeRewrite, "consequence of PURGE-LIVE"),
    KnownFailure::new(
        RuleId::UpdateAbsent,
        "`update_meta` of an absent key writes a meta without a body to disk, and is `true`",
    ),
    KnownFailure::new(
        RuleId::PersistCorrupt,
        "as LOOKUP-SELF-HEAL: what is damaged is served",
    ),
    KnownFailure::new(
        RuleId::PersistForeign,
        "a directory that is in use is opened a second time",
    ),
    KnownFailure::new(RuleId::ModelSequence, "consequence of UPDATE-ABSENT"),
    KnownFailure::new(RuleId::ModelSchedule, "consequence of PURGE-LIVE and the others"),
];

/// Files are written by tasks that go on when the call that asked for them is dropped.
const KNOWN_RACES: &[KnownFailure] = &[
    KnownFailure::new(
        RuleId::WriteCancel,
        "a `finish` that was dropped goes on, and may come after the next write of the key, which it replaces",
    ),
    KnownFailure::new(
        RuleId::UpdateRace,
        "an `update_meta` may come after a newer write: its old meta stands before the new body",
    ),
];

fn main() -> ExitCode {
    forebay_conformance::main(GrapsusHybrid)
}
