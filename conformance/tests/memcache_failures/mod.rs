//! What pingora's `MemCache` breaks, in 0.8.0 as in 0.9.1: between them it got an expiry, and nothing else changed.

use forebay_conformance::{KnownFailure, RuleId};

pub(crate) const KNOWN_FAILURES: &[KnownFailure] = &[
    KnownFailure::new(
        RuleId::ReadNonempty,
        "the chunk of an empty body, and an empty range, is `Some` of no bytes",
    ),
    KnownFailure::new(
        RuleId::ReadBounded,
        "a body is copied into one chunk, whatever its size",
    ),
    KnownFailure::new(
        RuleId::SeekOpenEnd,
        "the end of the range before outlives it: `seek(a, None)` does not reset `range_end`",
    ),
    KnownFailure::new(
        RuleId::SeekEmpty,
        "`seek` to the end of the body is an error, so no range of an empty body can be read",
    ),
    KnownFailure::new(
        RuleId::SeekInvalid,
        "an end before the start is taken, and the read panics on a backwards slice",
    ),
    KnownFailure::new(RuleId::SeekAgain, "consequence of SEEK-OPEN-END"),
    KnownFailure::new(
        RuleId::SeekMultipart,
        "consequence of SEEK-OPEN-END and SEEK-EMPTY",
    ),
    KnownFailure::new(
        RuleId::WriteAfterEof,
        "`write_body` after eof panics: `already EOF`",
    ),
    KnownFailure::new(
        RuleId::WriteSize,
        "the weight is the body alone, so an empty body is `Created(0)`",
    ),
    KnownFailure::new(
        RuleId::StreamTag,
        "`lookup_streaming_write` panics once the key was purged: the tag is looked for below the key",
    ),
    KnownFailure::new(
        RuleId::StreamTagUnknown,
        "a tag that is unknown, or of another length than eight bytes, is a panic",
    ),
    KnownFailure::new(
        RuleId::StreamTagNone,
        "`lookup_streaming_write` without a tag is a panic",
    ),
    KnownFailure::new(
        RuleId::StreamAbort,
        "a dropped writer looks like one that is done: the truncated body ends with a clean `None`, \
         https://github.com/cloudflare/pingora/issues/932",
    ),
    KnownFailure::new(
        RuleId::PurgeResult,
        "a dropped write leaves an empty map behind, which a purge takes for an entry",
    ),
    KnownFailure::new(
        RuleId::PurgeLive,
        "`finish` after a purge panics: it unwraps the write's place in the map, which the purge took",
    ),
    KnownFailure::new(RuleId::PurgeRewrite, "consequence of PURGE-LIVE"),
    KnownFailure::new(
        RuleId::UpdateAbsent,
        "`update_meta` of an absent key panics: `no meta found`",
    ),
    KnownFailure::new(
        RuleId::UpdateRace,
        "consequence of UPDATE-ABSENT: a purge between the two is a panic",
    ),
    KnownFailure::new(
        RuleId::ModelSequence,
        "consequence of the others: the shortest sequence is a start and a finish, WRITE-SIZE",
    ),
    KnownFailure::new(
        RuleId::ModelSchedule,
        "consequence of STREAM-TAG-UNKNOWN: the tag of a write that was finished meanwhile is a panic",
    ),
];
