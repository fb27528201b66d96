//! The disk storage of grapsus-proxy, for pingora 0.8, under the whole contract.

use forebay_conformance::{Capabilities, Harness, KnownFailure, Opened, Site, async_trait};
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
        "`write_body` after eof is taken, and becomes part of the body",
    ),
    known(
        "PURGE-LIVE",
        "a write that was purged meanwhile is admitted at `finish`",
    ),
    known(
        "UPDATE-ABSENT",
        "`update_meta` of an absent key writes a meta without a body, and is `true`",
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
    known("MODEL-SCHEDULE", "consequence of UPDATE-ABSENT"),
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
    forebay_conformance::main(GrapsusDisk)
}
