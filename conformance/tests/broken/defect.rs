//! The catalogue: each defect, and the rule whose check has to find it.

macro_rules! catalogue {
    ($($defect:ident breaks $rule:literal,)*) => {
        /// One small, realistic mistake.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Defect {
            /// No mistake: the reference.
            None,
            $($defect,)*
        }

        /// Each defect with its rule.
        pub(crate) const CATALOGUE: &[(Defect, &str)] = &[$((Defect::$defect, $rule),)*];
    };
}

catalogue! {
    MissIsError breaks "LOOKUP-MISS",
    LosesLastChunk breaks "LOOKUP-ROUNDTRIP",
    TimesInSeconds breaks "LOOKUP-META-EXACT",
    KeyedByPrimary breaks "LOOKUP-VARIANCE",
    HidesStale breaks "LOOKUP-STALE",
    WeightCountsLookups breaks "LOOKUP-UNUSED",
    SharedCursor breaks "LOOKUP-CONCURRENT",
    ReadsAgainAfterEnd breaks "READ-EOF",
    EmptyChunks breaks "READ-NONEMPTY",
    OneChunk breaks "READ-BOUNDED",
    LosesCancelledChunk breaks "READ-CANCEL",
    DiesOnUpdate breaks "READ-SURVIVES-UPDATE",
    MixesGenerations breaks "READ-SURVIVES-PURGE",
    FinishResurrects breaks "READ-FINISH-ANY",
    FinishRemoves breaks "READ-FINISH-ANY",
    EndInclusive breaks "SEEK-RANGE",
    KeepsOldEnd breaks "SEEK-OPEN-END",
    EndNotClamped breaks "SEEK-CLAMP",
    EmptyRangeIsError breaks "SEEK-EMPTY",
    BackwardsRange breaks "SEEK-INVALID",
    BackwardsPanics breaks "SEEK-INVALID",
    InvalidSeekMoves breaks "SEEK-INVALID",
    SeekOnce breaks "SEEK-AGAIN",
    MultipartOverreads breaks "SEEK-MULTIPART",
    FlipsCanSeek breaks "SEEK-STABLE",
    SeekPanics breaks "SEEK-UNSUPPORTED",
    LiveSeekShort breaks "SEEK-LIVE",
    MetaEarly breaks "WRITE-ATOMIC",
    PublishesOnDrop breaks "WRITE-DROP",
    RemovesOldOnDrop breaks "WRITE-DROP",
    NeedsEof breaks "WRITE-EOF-OPTIONAL",
    EmptyWriteEnds breaks "WRITE-EOF-OPTIONAL",
    PanicsAfterEof breaks "WRITE-AFTER-EOF",
    AppendsAfterEof breaks "WRITE-AFTER-EOF",
    WeightOfBody breaks "WRITE-SIZE",
    Phantom breaks "WRITE-REFUSED",
    KeepsOldTail breaks "WRITE-REPLACE",
    WritersShareBody breaks "WRITE-CONCURRENT",
    HalfPublished breaks "WRITE-CANCEL",
    TagHiddenByPurge breaks "STREAM-TAG",
    TagReused breaks "STREAM-TAG-STABLE",
    TagOfAnyKey breaks "STREAM-TAG-UNKNOWN",
    ShortTagPanics breaks "STREAM-TAG-UNKNOWN",
    TagNonePanics breaks "STREAM-TAG-NONE",
    HidesPartials breaks "STREAM-VISIBLE",
    StoredBeforeLive breaks "STREAM-VISIBLE",
    ReadsTwice breaks "STREAM-PREFIX",
    LostWakeupOnWrite breaks "STREAM-WAKE",
    LostWakeupOnFinish breaks "STREAM-WAKE",
    LostWakeupOnDrop breaks "STREAM-WAKE",
    OneWaiter breaks "STREAM-WAKE",
    EarlyEof breaks "STREAM-EOF",
    AbortIsEof breaks "STREAM-ABORT",
    DiesAtFinish breaks "STREAM-OUTLIVE",
    FollowerGetsOldMeta breaks "STREAM-META",
    CountsFollowers breaks "STREAM-COUNT",
    LazyPurge breaks "PURGE-GONE",
    LiveSurvivesPurge breaks "PURGE-GONE",
    AlwaysTrue breaks "PURGE-RESULT",
    PurgesAllVariants breaks "PURGE-EXACT-KEY",
    FinishAfterPurgePanics breaks "PURGE-LIVE",
    FinishAfterPurgeAdmits breaks "PURGE-LIVE",
    TombstoneTooStrong breaks "PURGE-REWRITE",
    RemembersPurgedKeys breaks "PURGE-NO-LEAK",
    IgnoresId breaks "PURGE-ENTRY",
    ExpireDeletes breaks "EXPIRE-STALE",
    UpdateLosesBody breaks "UPDATE-META",
    UpdateCreates breaks "UPDATE-ABSENT",
    UpdateResurrects breaks "UPDATE-RACE",
    CountsBodiesOnly breaks "BOUND-CAPACITY",
    Fifo breaks "BOUND-HOT",
    EvictionTruncates breaks "BOUND-READER",
    TrustsContentLength breaks "BOUND-NO-PREALLOC",
    ForgetsDroppedWrites breaks "BOUND-LEAK",
    ExpiryOutlivesEntry breaks "MODEL-SEQUENCE",
}
