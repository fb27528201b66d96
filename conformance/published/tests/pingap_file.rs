//! The file storage of pingap-cache under the whole contract.

use forebay_conformance::{Capabilities, Harness, KnownFailure, Opened, RuleId, Site, async_trait};
use forebay_pingora::FromPingora;
use std::process::ExitCode;
use std::sync::Arc;

struct PingapFile;

#[async_trait]
impl Harness for PingapFile {
    fn name(&self) -> &str {
        "pingap-file"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new().persist()
    }

    async fn open(&self, site: &Site) -> Opened {
        let directory = site.dir();
        let cache = pingap_cache::new_cache_backend(&directory.to_string_lossy())?;
        Ok(Arc::new(FromPingora::new(cache)))
    }

    fn known_failures(&self) -> &[KnownFailure] {
        KNOWN_FAILURES
    }
}

const KNOWN_FAILURES: &[KnownFailure] = &[
    KnownFailure::new(
        RuleId::LookupVariance,
        "entries lie in a folder by the key's user tag, which pingora keeps out of its hash: with another tag, a miss",
    ),
    KnownFailure::new(
        RuleId::LookupUnused,
        "consequence of PURGE-RESULT, by which the check sees the entry",
    ),
    KnownFailure::new(RuleId::LookupCancel, "consequence of PURGE-RESULT"),
    KnownFailure::new(
        RuleId::LookupSelfHeal,
        "bodies have no checksum and no length: a flipped bit is served, and so is a body that was cut",
    ),
    KnownFailure::new(
        RuleId::ReadNonempty,
        "the chunk of an empty body is `Some` of no bytes",
    ),
    KnownFailure::new(
        RuleId::SeekOpenEnd,
        "the end of the range before outlives it: `seek(a, None)` does not reset `range_end`",
    ),
    KnownFailure::new(RuleId::SeekEmpty, "`seek` to the end of the body is an error"),
    KnownFailure::new(RuleId::SeekInvalid, "an end before the start is taken"),
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
        RuleId::WriteSize,
        "the weight is the body alone, so an empty body is `Created(0)`",
    ),
    KnownFailure::new(
        RuleId::PurgeResult,
        "the file is removed, and the answer is that there was none",
    ),
    KnownFailure::new(
        RuleId::PurgeLive,
        "a write that was purged meanwhile is admitted at `finish`",
    ),
    KnownFailure::new(RuleId::PurgeCancel, "consequence of PURGE-RESULT"),
    KnownFailure::new(
        RuleId::UpdateAbsent,
        "`update_meta` of an absent key is an error: `no meta found`",
    ),
    KnownFailure::new(RuleId::UpdateRace, "consequence of UPDATE-ABSENT"),
    KnownFailure::new(
        RuleId::PersistCorrupt,
        "a file with a damaged meta is an error of every lookup of its key, for good",
    ),
    KnownFailure::new(
        RuleId::PersistForeign,
        "a directory that is in use is opened a second time",
    ),
    KnownFailure::new(RuleId::ModelSequence, "consequence of WRITE-SIZE and the others"),
    KnownFailure::new(RuleId::ModelSchedule, "consequence of PURGE-RESULT"),
];

fn main() -> ExitCode {
    forebay_conformance::main(PingapFile)
}
