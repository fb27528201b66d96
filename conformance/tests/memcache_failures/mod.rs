//! What pingora's `MemCache` breaks, in 0.8.0 as in 0.9.1: between them it got an expiry, and nothing else changed.

use forebay_conformance::KnownFailure;

pub(crate) const KNOWN_FAILURES: &[KnownFailure] = &[
    known(
        "READ-NONEMPTY",
        "the chunk of an empty body, and an empty range, is `Some` of no bytes",
    ),
    known(
        "READ-BOUNDED",
        "a body is copied into one chunk, whatever its size",
    ),
    known(
        "SEEK-OPEN-END",
        "the end of the range before outlives it: `seek(a, None)` does not reset `range_end`",
    ),
    known(
        "SEEK-EMPTY",
        "`seek` to the end of the body is an error, so no range of an empty body can be read",
    ),
    known(
        "SEEK-INVALID",
        "an end before the start is taken, and the read panics on a backwards slice",
    ),
    known("SEEK-AGAIN", "consequence of SEEK-OPEN-END"),
    known("SEEK-MULTIPART", "consequence of SEEK-OPEN-END and SEEK-EMPTY"),
    known("WRITE-AFTER-EOF", "`write_body` after eof panics: `already EOF`"),
    known(
        "WRITE-SIZE",
        "the weight is the body alone, so an empty body is `Created(0)`",
    ),
    known(
        "STREAM-TAG",
        "`lookup_streaming_write` panics once the key was purged: the tag is looked for below the key",
    ),
    known(
        "STREAM-TAG-UNKNOWN",
        "a tag that is unknown, or of another length than eight bytes, is a panic",
    ),
    known(
        "STREAM-TAG-NONE",
        "`lookup_streaming_write` without a tag is a panic",
    ),
    known(
        "STREAM-ABORT",
        "a dropped writer looks like one that is done: the truncated body ends with a clean `None`, \
         https://github.com/cloudflare/pingora/issues/932",
    ),
    known(
        "PURGE-RESULT",
        "a dropped write leaves an empty map behind, which a purge takes for an entry",
    ),
    known(
        "PURGE-LIVE",
        "`finish` after a purge panics: it unwraps the write's place in the map, which the purge took",
    ),
    known("PURGE-REWRITE", "consequence of PURGE-LIVE"),
    known(
        "UPDATE-ABSENT",
        "`update_meta` of an absent key panics: `no meta found`",
    ),
    known(
        "UPDATE-RACE",
        "consequence of UPDATE-ABSENT: a purge between the two is a panic",
    ),
    known(
        "MODEL-SEQUENCE",
        "consequence of the others: the shortest sequence is a start and a finish, WRITE-SIZE",
    ),
    known(
        "MODEL-SCHEDULE",
        "consequence of STREAM-TAG-UNKNOWN: the tag of a write that was finished meanwhile is a panic",
    ),
];

const fn known(rule: &'static str, reason: &'static str) -> KnownFailure {
    KnownFailure { rule, reason }
}
