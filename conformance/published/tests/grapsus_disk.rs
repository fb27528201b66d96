//! The disk storage of grapsus-proxy, for pingora 0.8, under the whole contract.

use forebay_conformance::{Capabilities, Harness, KnownFailure, Opened, RuleId, Site, async_trait};
use forebay_pingora::v0_8::FromPingora;
use grapsus_proxy::disk_cache::DiskCacheStorage;
use std::process::ExitCode;
use std::sync::Arc;

struct GrapsusDisk;

#[async_trait]
impl Harness for GrapsusDisk {
    fn name(&self) -> &str {
        "grapsus-disk"
    }

    fn capabilities(&self) -> Capabilities {
        // Its size is a hint for pingora's eviction manager: it bounds nothing by itself.
        Capabilities::new().persist()
    }

    async fn open(&self, site: &Site) -> Opened {
        // One shard is 257 directories, which every check makes anew.
        let disk = DiskCacheStorage::new(&site.dir(), 1, 1 << 30);
        // pingora wants its storages for ever.
        Ok(Arc::new(FromPingora::new(Box::leak(Box::new(disk)))))
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
        "`write_body` after eof is taken, and becomes part of the body",
    ),
    KnownFailure::new(
        RuleId::PurgeLive,
        "a write that was purged meanwhile is admitted at `finish`",
    ),
    KnownFailure::new(
        RuleId::UpdateAbsent,
        "`update_meta` of an absent key writes a meta without a body, and is `true`",
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
    KnownFailure::new(RuleId::ModelSchedule, "consequence of UPDATE-ABSENT"),
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
    forebay_conformance::main(GrapsusDisk)
}
