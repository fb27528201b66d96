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
    known(
        RuleId::LookupVariance,
        "entries lie in a folder by the key's user tag, which pingora keeps out of its hash: with another tag, a miss",
    ),
    known(
        RuleId::LookupUnused,
        "consequence of PURGE-RESULT, by which the check sees the entry",
    ),
    known(RuleId::LookupCancel, "consequence of PURGE-RESULT"),
    known(
        RuleId::LookupSelfHeal,
        "bodies have no checksum and no length: a flipped bit is served, and so is a body that was cut",
    ),
    known(
        RuleId::ReadNonempty,
        "the chunk of an empty body is `Some` of no bytes",
    ),
    known(
        RuleId::SeekOpenEnd,
        "the end of the range before outlives it: `seek(a, None)` does not reset `range_end`",
    ),
    known(RuleId::SeekEmpty, "`seek` to the end of the body is an error"),
    known(RuleId::SeekInvalid, "an end before the start is taken"),
    known(RuleId::SeekAgain, "consequence of SEEK-OPEN-END"),
    known(
        RuleId::SeekMultipart,
        "consequence of SEEK-OPEN-END and SEEK-EMPTY",
    ),
    known(
        RuleId::WriteAfterEof,
        "`write_body` after eof is taken, and becomes part of the body",
    ),
    known(
        RuleId::WriteSize,
        "the weight is the body alone, so an empty body is `Created(0)`",
    ),
    known(
        RuleId::PurgeResult,
        "the file is removed, and the answer is that there was none",
    ),
    known(
        RuleId::PurgeLive,
        "a write that was purged meanwhile is admitted at `finish`",
    ),
    known(RuleId::PurgeCancel, "consequence of PURGE-RESULT"),
    known(
        RuleId::UpdateAbsent,
        "`update_meta` of an absent key is an error: `no meta found`",
    ),
    known(RuleId::UpdateRace, "consequence of UPDATE-ABSENT"),
    known(
        RuleId::PersistCorrupt,
        "a file with a damaged meta is an error of every lookup of its key, for good",
    ),
    known(
        RuleId::PersistForeign,
        "a directory that is in use is opened a second time",
    ),
    known(RuleId::ModelSequence, "consequence of WRITE-SIZE and the others"),
    known(RuleId::ModelSchedule, "consequence of PURGE-RESULT"),
];

const fn known(rule: RuleId, reason: &'static str) -> KnownFailure {
    KnownFailure { rule, reason }
}

fn main() -> ExitCode {
    forebay_conformance::main(PingapFile)
}
