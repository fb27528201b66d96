//! The file storage of pingap-cache under the whole contract.

use forebay_conformance::{Capabilities, Harness, KnownFailure, Opened, Site, async_trait};
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
        "LOOKUP-VARIANCE",
        "entries lie in a folder by the key's user tag, which pingora keeps out of its hash: with another tag, a miss",
    ),
    known(
        "LOOKUP-UNUSED",
        "consequence of PURGE-RESULT, by which the check sees the entry",
    ),
    known("LOOKUP-CANCEL", "consequence of PURGE-RESULT"),
    known(
        "LOOKUP-SELF-HEAL",
        "bodies have no checksum and no length: a flipped bit is served, and so is a body that was cut",
    ),
    known(
        "READ-NONEMPTY",
        "the chunk of an empty body is `Some` of no bytes",
    ),
    known(
        "SEEK-OPEN-END",
        "the end of the range before outlives it: `seek(a, None)` does not reset `range_end`",
    ),
    known("SEEK-EMPTY", "`seek` to the end of the body is an error"),
    known("SEEK-INVALID", "an end before the start is taken"),
    known("SEEK-AGAIN", "consequence of SEEK-OPEN-END"),
    known("SEEK-MULTIPART", "consequence of SEEK-OPEN-END and SEEK-EMPTY"),
    known(
        "WRITE-AFTER-EOF",
        "`write_body` after eof is taken, and becomes part of the body",
    ),
    known(
        "WRITE-SIZE",
        "the weight is the body alone, so an empty body is `Created(0)`",
    ),
    known(
        "PURGE-RESULT",
        "the file is removed, and the answer is that there was none",
    ),
    known(
        "PURGE-LIVE",
        "a write that was purged meanwhile is admitted at `finish`",
    ),
    known("PURGE-CANCEL", "consequence of PURGE-RESULT"),
    known(
        "UPDATE-ABSENT",
        "`update_meta` of an absent key is an error: `no meta found`",
    ),
    known("UPDATE-RACE", "consequence of UPDATE-ABSENT"),
    known(
        "PERSIST-CORRUPT",
        "a file with a damaged meta is an error of every lookup of its key, for good",
    ),
    known(
        "PERSIST-FOREIGN",
        "a directory that is in use is opened a second time",
    ),
    known("MODEL-SEQUENCE", "consequence of WRITE-SIZE and the others"),
    known("MODEL-SCHEDULE", "consequence of PURGE-RESULT"),
];

const fn known(rule: &'static str, reason: &'static str) -> KnownFailure {
    KnownFailure { rule, reason }
}

fn main() -> ExitCode {
    forebay_conformance::main(PingapFile)
}
