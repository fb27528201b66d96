//! The storage of grapsus-proxy in two tiers, memory before disk, for pingora 0.8, under the whole contract.

use forebay_conformance::{Capabilities, Harness, KnownFailure, Opened, Site, async_trait};
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
    known(
        "LOOKUP-SELF-HEAL",
        "bodies have no checksum and no length: a flipped bit is served, and so is a body that was cut",
    ),
    known(
        "READ-NONEMPTY",
        "the chunk of an empty body is `Some` of no bytes",
    ),
    known(
        "READ-BOUNDED",
        "a body is read into one buffer and is one chunk, whatever its size",
    ),
    known(
        "SEEK-OPEN-END",
        "the end of the range before outlives it: `seek(a, None)` does not reset `range_end`",
    ),
    known("SEEK-EMPTY", "`seek` to the end of the body is an error"),
    known(
        "SEEK-INVALID",
        "an end before the start is taken, and the read slices backwards",
    ),
    known("SEEK-AGAIN", "consequence of SEEK-OPEN-END"),
    known("SEEK-MULTIPART", "consequence of SEEK-OPEN-END and SEEK-EMPTY"),
    known(
        "WRITE-AFTER-EOF",
        "`write_body` after eof panics in the memory tier, pingora's `MemCache`: `already EOF`",
    ),
    known(
        "WRITE-SIZE",
        "the weight is the body alone, so an empty body is `Created(0)`",
    ),
    known(
        "STREAM-TAG",
        "`lookup_streaming_write` is not passed on to the memory tier: the tag is ignored, and any live write will do",
    ),
    known("STREAM-TAG-UNKNOWN", "as STREAM-TAG"),
    known(
        "STREAM-PREFIX",
        "consequence of STREAM-TAG: a follower by tag reads another writer's body",
    ),
    known(
        "STREAM-ABORT",
        "as in pingora's `MemCache`: a truncated body ends with a clean `None`, \
         https://github.com/cloudflare/pingora/issues/932",
    ),
    known("STREAM-META", "consequence of STREAM-TAG"),
    known(
        "PURGE-GONE",
        "an eviction leaves the copy on disk, which the next lookup finds: by its design, a demotion",
    ),
    known(
        "PURGE-RESULT",
        "as in pingora's `MemCache`: what a dropped write leaves behind is taken for an entry",
    ),
    known("PURGE-EXACT-KEY", "consequence of PURGE-GONE"),
    known(
        "PURGE-LIVE",
        "as in pingora's `MemCache`: `finish` after a purge panics",
    ),
    known("PURGE-REWRITE", "consequence of PURGE-LIVE"),
    known(
        "UPDATE-ABSENT",
        "`update_meta` of an absent key writes a meta without a body to disk, and is `true`",
    ),
    known(
        "PERSIST-CORRUPT",
        "as LOOKUP-SELF-HEAL: what is damaged is served",
    ),
    known(
        "PERSIST-FOREIGN",
        "a directory that is in use is opened a second time",
    ),
    known("MODEL-SEQUENCE", "consequence of UPDATE-ABSENT"),
    known("MODEL-SCHEDULE", "consequence of PURGE-LIVE and the others"),
];

/// Files are written by tasks that go on when the call that asked for them is dropped.
const KNOWN_RACES: &[KnownFailure] = &[
    known(
        "WRITE-CANCEL",
        "a `finish` that was dropped goes on, and may come after the next write of the key, which it replaces",
    ),
    known(
        "UPDATE-RACE",
        "an `update_meta` may come after a newer write: its old meta stands before the new body",
    ),
];

const fn known(rule: &'static str, reason: &'static str) -> KnownFailure {
    KnownFailure { rule, reason }
}

fn main() -> ExitCode {
    forebay_conformance::main(GrapsusHybrid)
}
