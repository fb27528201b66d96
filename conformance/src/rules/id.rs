//! The rules as an enum. Made from `rules.toml` by `cargo xtask conformance --spec`; not to be edited.

ids! {
    /// A key that was never written is `Ok(None)`, not an error.
    LookupMiss = "LOOKUP-MISS",
    /// After `finish`, a lookup returns the meta that was written, and the body byte for byte, for any body size (0, 1, chunk edges, larger than any internal buffer) and any chunking.
    LookupRoundtrip = "LOOKUP-ROUNDTRIP",
    /// Every persisted field of the meta comes back exactly: sub-second times, all header lines with repeated names and order, status, variance, opaque bytes. Extensions may be lost.
    LookupMetaExact = "LOOKUP-META-EXACT",
    /// Keys are told apart by the combined hash: same primary and other variance are two entries; neither read, purge nor update of one touches the other.
    LookupVariance = "LOOKUP-VARIANCE",
    /// A stale entry is returned; freshness is the caller's decision.
    LookupStale = "LOOKUP-STALE",
    /// A handler that is dropped unread, without `finish`, changes nothing and leaks nothing.
    LookupUnused = "LOOKUP-UNUSED",
    /// Any number of handlers on one entry read independently.
    LookupConcurrent = "LOOKUP-CONCURRENT",
    /// Dropping a pending `lookup` changes nothing and leaks nothing.
    LookupCancel = "LOOKUP-CANCEL",
    /// A damaged entry is a miss (`Ok(None)`), is reported once, and can be written again. Its bytes are never served.
    LookupSelfHeal = "LOOKUP-SELF-HEAL",
    /// `None` means the whole body was delivered, never a failure. It stays `None`.
    ReadEof = "READ-EOF",
    /// A chunk is not empty.
    ReadNonempty = "READ-NONEMPTY",
    /// A chunk is at most 1 MiB, so that a big body costs no big buffer.
    ReadBounded = "READ-BOUNDED",
    /// Dropping a pending `read_body` loses no byte: the next call goes on where the last completed one ended.
    ReadCancel = "READ-CANCEL",
    /// An open handler survives `update_meta` and `expire`.
    ReadSurvivesUpdate = "READ-SURVIVES-UPDATE",
    /// A handler opened before a purge, an eviction or a replacement never yields other bytes and never a short EOF: it reads to the end or errors.
    ReadSurvivesPurge = "READ-SURVIVES-PURGE",
    /// `finish` is legal at any point, after zero reads too, and with the entry gone. It does not change the entry of a newer generation.
    ReadFinishAny = "READ-FINISH-ANY",
    /// `seek(a, Some(b))` then yields exactly `\[a, b)`.
    SeekRange = "SEEK-RANGE",
    /// `seek(a, None)` reads to the end of the body, whatever was sought before.
    SeekOpenEnd = "SEEK-OPEN-END",
    /// `b` beyond the body is clamped to its length.
    SeekClamp = "SEEK-CLAMP",
    /// `a == b` and `a == len` are empty ranges: `Ok`, then `None`.
    SeekEmpty = "SEEK-EMPTY",
    /// `a > len` or `b < a` is an error, never a panic, and leaves the handler as usable as before.
    SeekInvalid = "SEEK-INVALID",
    /// Seeking again works at any time: before reading, half way, after `None`; ranges may overlap and go back.
    SeekAgain = "SEEK-AGAIN",
    /// `seek_multipart` obeys every SEEK rule; each part yields exactly its bytes.
    SeekMultipart = "SEEK-MULTIPART",
    /// `can_seek` and `can_seek_multipart` give one answer for a handler's life.
    SeekStable = "SEEK-STABLE",
    /// Where `can_seek` is false, `seek` is an error, never a panic.
    SeekUnsupported = "SEEK-UNSUPPORTED",
    /// On a live write, a range not yet written waits for it; an aborted write ends the wait with an error.
    SeekLive = "SEEK-LIVE",
    /// The old entry, or none, is what a reader that is not following the write sees until `finish`; then the new one, whole: meta and body always of one generation.
    WriteAtomic = "WRITE-ATOMIC",
    /// Dropping the handler before `finish` admits nothing, whenever it happens: before the first byte, between writes, in the middle of an await, after `eof`.
    WriteDrop = "WRITE-DROP",
    /// `finish` completes the entry with or without an `eof = true` write before it; the eof write may be empty; empty non-eof writes change nothing.
    WriteEofOptional = "WRITE-EOF-OPTIONAL",
    /// A write after eof is an error, never a panic, and the entry is not corrupted.
    WriteAfterEof = "WRITE-AFTER-EOF",
    /// `Created(n)`: n is positive for a stored entry and equals `get_eviction_weight` of a later full hit.
    WriteSize = "WRITE-SIZE",
    /// An entry that was not stored (too large, no room) is an `Err` or reported refused, never `Ok(Created(0))`; the old entry is untouched or gone, never mixed.
    WriteRefused = "WRITE-REFUSED",
    /// Writing an existing key replaces it; the shorter new body has no tail of the old one.
    WriteReplace = "WRITE-REPLACE",
    /// Writers of one key do not disturb each other: what wins is one of the written bodies, whole, with its own meta.
    WriteConcurrent = "WRITE-CONCURRENT",
    /// Dropping a pending `get_miss_handler`, `write_body` or `finish` leaves the entry wholly old or wholly new.
    WriteCancel = "WRITE-CANCEL",
    /// A failed `write_body` or `finish` admits nothing, and the storage goes on serving other keys.
    WriteErrUsable = "WRITE-ERR-USABLE",
    /// From the moment `get_miss_handler` returns, `lookup_streaming_write` with its tag finds that write, until the handler is finished or dropped, also when the key was purged or other writers came and went.
    StreamTag = "STREAM-TAG",
    /// The tag does not change while the handler lives, and no two live writes share one.
    StreamTagStable = "STREAM-TAG-STABLE",
    /// A tag that is unknown, stale, empty, of a wrong length, or of another key's write is `Ok(None)`, never another write's body and never a panic.
    StreamTagUnknown = "STREAM-TAG-UNKNOWN",
    /// Without a tag, `lookup_streaming_write` behaves as `lookup`.
    StreamTagNone = "STREAM-TAG-NONE",
    /// From the moment `get_miss_handler` returns, a plain `lookup` follows a live write of the key, ahead of an older entry.
    StreamVisible = "STREAM-VISIBLE",
    /// What a follower has read is at every moment a prefix of what that one writer wrote; bytes appear in order, none twice, none missing, for any number of followers joining at any time.
    StreamPrefix = "STREAM-PREFIX",
    /// A waiting follower wakes on the next write, on eof, on `finish` and on drop.
    StreamWake = "STREAM-WAKE",
    /// A follower sees `None` after the last byte once the writer wrote eof or finished, not before.
    StreamEof = "STREAM-EOF",
    /// A follower of a write dropped before eof and finish gets an `Err`, after the bytes already written or at once, never `None`.
    StreamAbort = "STREAM-ABORT",
    /// A follower reads on to the end after the writer finished and was dropped, also when the entry was then replaced, purged or evicted.
    StreamOutlive = "STREAM-OUTLIVE",
    /// A follower gets the meta given to that write.
    StreamMeta = "STREAM-META",
    /// `is_stream_hit` is true for a follower and false for a stored hit; `should_count_access` is false for a follower.
    StreamCount = "STREAM-COUNT",
    /// A lookup that starts after `purge` returned does not find the purged entry, now or ever.
    PurgeGone = "PURGE-GONE",
    /// `true` exactly if an entry or a live write of that key was visible and this call removed it.
    PurgeResult = "PURGE-RESULT",
    /// Nothing but that key (combined hash) is touched.
    PurgeExactKey = "PURGE-EXACT-KEY",
    /// A purge during a write panics nobody, and followers and the tagged reader of that write go on undisturbed. With `Eviction` the write goes on as if nothing had been.
    PurgeLive = "PURGE-LIVE",
    /// A write that starts after the purge is admitted and found.
    PurgeRewrite = "PURGE-REWRITE",
    /// Writing and purging any number of keys returns the storage to its starting size.
    PurgeNoLeak = "PURGE-NO-LEAK",
    /// Purging an entry by its id removes that generation and no other; an older id purges nothing. `entry_id` is the same on the miss handler and on later hits.
    PurgeEntry = "PURGE-ENTRY",
    /// Dropping a pending `purge`, `expire` or `update_meta` leaves the entry wholly as it was or wholly as the call makes it, and nothing else.
    PurgeCancel = "PURGE-CANCEL",
    /// After `expire` the entry is still found, is not fresh, keeps its body and its stale windows. Not `expire`: the caller is told that it was purged instead.
    ExpireStale = "EXPIRE-STALE",
    /// `update_meta` on a stored entry returns `true`; the next lookup has the new meta and the unchanged body.
    UpdateMeta = "UPDATE-META",
    /// On an absent key it is `Ok(false)`: nothing is created and nothing panics.
    UpdateAbsent = "UPDATE-ABSENT",
    /// Racing with a purge it never resurrects the entry; racing with a new write it never brings back the body or the meta of the entry that was replaced. It names a key and not a generation: under way when a write ends, it may come after it, and is then an update of the new entry.
    UpdateRace = "UPDATE-RACE",
    /// Stored bytes, meta and overhead counted, never exceed the declared capacity after a `finish` returned, under any sequence.
    BoundCapacity = "BOUND-CAPACITY",
    /// An entry read often survives a scan of cold entries twice the capacity.
    BoundHot = "BOUND-HOT",
    /// Evicting an entry under an open reader follows READ-SURVIVES-PURGE.
    BoundReader = "BOUND-READER",
    /// Memory follows the bytes received, not what a header promises.
    BoundNoPrealloc = "BOUND-NO-PREALLOC",
    /// After all handlers are gone, open files, temporary files and in-flight memory return to where they were.
    BoundLeak = "BOUND-LEAK",
    /// After a clean close and reopen, every finished entry is there, exact, with updates, expiries and purges applied.
    PersistClean = "PERSIST-CLEAN",
    /// After a kill at any moment and a reopen, each key is a whole finished version or a miss; entries whose `finish` had returned are there (process crash), purged ones are not; unfinished writes left nothing behind, on disk either.
    PersistCrash = "PERSIST-CRASH",
    /// With any suffix of unsynced writes lost or torn, the reopen succeeds, and no wrong, mixed or resurrected bytes are ever served; what may be missing is bounded by the declared durability.
    PersistPower = "PERSIST-POWER",
    /// With any stored file truncated, bit-flipped, emptied or removed, open succeeds, damaged entries are misses, the rest is intact, nothing panics, and memory stays bounded.
    PersistCorrupt = "PERSIST-CORRUPT",
    /// Files that are not the storage's own are left alone; a directory of an unknown format version, or one in use, by another process or by another storage of the same one, is refused with an error that says so.
    PersistForeign = "PERSIST-FOREIGN",
    /// Any sequence of operations on one task gives results that the reference model allows.
    ModelSequence = "MODEL-SEQUENCE",
    /// Any interleaving of operations of several clients, cancelled or not, is linearizable per key.
    ModelSchedule = "MODEL-SCHEDULE",
}
