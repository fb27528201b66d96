//! What changes a store. There is one writer, and whoever has it works alone: the store's thread, or a caller whose change is one
//! short write to a file that is open (`at_once`). The order in which operations are done is the order in the log and the
//! order in which they take effect, so that memory and disk never disagree about what came last.

mod ahead;
mod append;
mod at_once;
mod evict;
mod full;
mod operations;
mod outlive;
mod publish;
mod queue;
mod recycle;
mod refound;
mod sync;

pub(crate) use publish::slot_of;
pub(crate) use queue::Queue;

use crate::format::StoreId;
use crate::format::footer::Item;
use crate::format::label::Label;
use crate::ghosts::Ghosts;
use crate::index::Slot;
use crate::ring::Ring;
use crate::segment::Segment;
use crate::spare::Room;
use crate::spill::Spill;
use crate::store::{Spilled, Store};
use bytes::Bytes;
use forebay_core::{CacheEntryId, ErrorKind, HashBinary, PurgeOutcome, PurgeType, Result};
use forebay_live::LiveGuard;
use full::Full;
use recycle::Recycle;
use std::collections::{HashMap, HashSet};
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::Poll;
use std::time::SystemTime;
use sync::{Names, Syncing, Unsynced};
use tokio::sync::oneshot;

/// Where an operation's result goes. Nobody may be waiting for it any more.
pub(crate) type Reply<T> = oneshot::Sender<Result<T>>;

/// What the writer can be asked for.
pub(crate) enum Op {
    /// Admit an entry.
    Commit(Box<Commit>),
    /// Remove an entry, whatever its generation or only this one.
    Purge {
        key: HashBinary,
        only: Option<CacheEntryId>,
        purge_type: PurgeType,
        reply: Reply<PurgeOutcome>,
    },
    /// Give an entry another meta.
    Rewrite {
        key: HashBinary,
        only: Option<CacheEntryId>,
        change: Change,
        reply: Reply<PurgeOutcome>,
    },
    /// Drop an entry that was found damaged, unless the slot is another by now; whether it was dropped.
    Heal {
        key: HashBinary,
        slot: Slot,
        what: &'static str,
        reply: Reply<bool>,
    },
    /// Make room for so many bytes of a body file.
    Reserve {
        bytes: u64,
        /// Whether the file is still to be made.
        takes_spare: bool,
        reply: Reply<Room>,
    },
    /// A body file could not be written: see to it, if that is possible; whether it may be tried again.
    SeeTo { error: io::Error, reply: Reply<bool> },
    /// Something may be due: a sync has ended, or how much is free is to be looked at.
    Due,
}

/// An entry to admit. The guard keeps the write findable until the index has the entry.
pub(crate) struct Commit {
    pub(crate) guard: LiveGuard<Spilled>,
    pub(crate) label: Label,
    pub(crate) body: CommitBody,
    pub(crate) body_len: u64,
    pub(crate) reply: Reply<u64>,
}

impl Commit {
    /// How much of the body its record has.
    fn inline_bytes(&self) -> u64 {
        match self.body {
            CommitBody::Inline { .. } => self.body_len,
            CommitBody::File { .. } => 0,
        }
    }

    /// Whether it has a file that is not to be kept.
    fn leaves_a_file(&self) -> bool {
        matches!(self.body, CommitBody::File { .. }) && self.guard.is_purged()
    }
}

/// Where the body of an entry to admit is.
pub(crate) enum CommitBody {
    Inline { chunks: Vec<Bytes>, table: Vec<u64> },
    File { spill: Spill, table_checksum: u64 },
}

/// What becomes of a meta.
pub(crate) enum Change {
    /// This one, encoded.
    Replace(Bytes),
    /// The same, not fresh any more at that time.
    Expire(SystemTime),
}

/// The writer's own state.
pub(crate) struct Writer {
    store: Arc<Store>,
    /// The ring that is appended to: the one on probation, but for what outlives a segment.
    ring: Ring,
    /// Its newest segment; the batch goes there.
    active: Option<Active>,
    /// The newest segment of the other ring.
    idle: Option<Active>,
    /// The numbers that come next, by ring.
    next_segments: [u32; 2],
    batch: Batch,
    unsynced: Unsynced,
    /// Keys that left the index without a tombstone, since it could not be written, or since that was when the store was
    /// opened; with the generation that it is for. It is written before anything else as soon as the disk lets it.
    owed: HashMap<HashBinary, u64>,
    /// Logs whose end is a write that failed and could not be taken back, and where they are to end.
    uncut: Vec<(Arc<Segment>, u64)>,
    ghosts: Ghosts,
    /// The sync that is being made.
    syncing: Option<Syncing>,
    /// How many segments were removed.
    removed: u64,
    /// How many at the last one of the main ring.
    main_removed: u64,
    /// What is durable by name.
    durable: Names,
    /// Whether a tombstone could not be written that has to outlive its segment.
    unburied: bool,
    /// Whether what was moved to the main ring overrules something older there, and may not be durable yet: no segment on
    /// probation goes before it is.
    main_overrules: bool,
    /// Whether files of the store were seen to be gone, by somebody else's doing.
    files_are_gone: bool,
    /// Whether the entries of before are to be dropped, since the directory was emptied.
    was_emptied: bool,
    full: Full,
    recycle: Recycle,
}

/// The segment that is appended to.
struct Active {
    segment: Arc<Segment>,
    /// Where the next record goes.
    end: u64,
    /// How long its file is, where that is more; what lies behind `end` are leftovers of the segment that it was taken over
    /// from, or pages that were made ahead.
    file_bytes: u64,
    /// Whether pages can be made ahead, as far as is known.
    takes_pages: bool,
    items: Vec<Item>,
}

/// Records that are written together.
#[derive(Default)]
struct Batch {
    buffers: Vec<Bytes>,
    len_bytes: u64,
    pending: Vec<Pending>,
    keys: HashSet<HashBinary>,
}

/// One record of a batch, and what follows once it is written.
struct Pending {
    item: Item,
    after: After,
}

enum After {
    Admit {
        guard: LiveGuard<Spilled>,
        spill: Option<Spill>,
        weight_bytes: u64,
        reply: Reply<u64>,
    },
    Purge {
        only: Option<CacheEntryId>,
        purge_type: PurgeType,
        reply: Reply<PurgeOutcome>,
    },
    Rewrite {
        reply: Reply<PurgeOutcome>,
    },
    Keep {
        reads: u8,
    },
    Bury,
    Heal {
        reply: Reply<bool>,
    },
    Owed,
}

impl Store {
    /// Has the writer do an operation, and waits for its result. Dropping the future does not take it back.
    pub(crate) async fn submit<T>(self: &Arc<Self>, op: impl FnOnce(Reply<T>) -> Op) -> Result<T> {
        let (reply, result) = oneshot::channel();
        let nudge = self.queue.push(op(reply), || {
            let (store, writer) = (self.clone(), Box::new(Writer::new(self.clone())));
            let thread = std::thread::Builder::new()
                .name("forebay-write".into())
                .spawn(move || store.run_writer())?;
            Ok((thread, writer))
        })?;
        if let Some(nudge) = nudge {
            // Others that are ready on this thread may bring operations as well: one write does for all of them.
            yield_once().await;
            nudge.work();
        }
        result
            .await
            .unwrap_or_else(|_| Err(ErrorKind::StorageFailed.error("the store was closed meanwhile")))
    }

    /// Drops an entry that was found damaged; whether it still was the one at that slot.
    pub(crate) async fn heal(self: &Arc<Self>, key: HashBinary, slot: Slot, what: &'static str) -> bool {
        let healed = self
            .submit(|reply| Op::Heal {
                key,
                slot,
                what,
                reply,
            })
            .await;
        healed.unwrap_or(true) // a store that is closing serves it no more either
    }

    /// What the store's thread does.
    fn run_writer(&self) {
        self.sign_lock();
        self.queue.run();
    }
}

/// Lets whatever else is ready on this thread go first, whichever executor it is of.
async fn yield_once() {
    let mut yielded = false;
    poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl Writer {
    fn new(store: Arc<Store>) -> Self {
        let owed = std::mem::take(&mut *store.owed.lock());
        Writer {
            ring: Ring::Probation,
            active: None,
            idle: None,
            next_segments: store.next_segments,
            store,
            owed,
            batch: Batch::default(),
            unsynced: Unsynced::default(),
            uncut: Vec::new(),
            ghosts: Ghosts::default(),
            syncing: None,
            removed: 1, // for what may have gone from the main ring in an earlier run
            main_removed: 1,
            durable: Names::default(),
            unburied: false,
            main_overrules: false,
            files_are_gone: false,
            was_emptied: false,
            full: Full::default(),
            recycle: Recycle::default(),
        }
    }

    /// Does what has queued up, and what is due.
    fn work(&mut self, ops: Vec<Op>) {
        self.look_at_free_room();
        self.cut_again();
        self.pay_owed();
        self.make_pages_ahead(); // those that a caller has left to be made
        for op in ops {
            self.handle(op);
            self.flush_if_large();
        }
        self.flush();
        self.merge_segments();
        self.make_pages_ahead();
        self.sync_if_due();
        if std::mem::take(&mut self.files_are_gone) {
            self.refound();
        }
    }

    /// Leaves the directory as an open likes it best.
    fn end(&mut self) {
        self.cut_again();
        self.pay_owed();
        self.seal();
        self.switch_to(self.ring.other());
        self.seal();
        self.sync();
        self.drop_retired_log();
        while self.drop_spare() {}
    }

    fn handle(&mut self, op: Op) {
        match op {
            Op::Commit(commit) => self.commit(*commit),
            Op::Purge {
                key,
                only,
                purge_type,
                reply,
            } => self.purge(key, only, purge_type, reply),
            Op::Rewrite {
                key,
                only,
                change,
                reply,
            } => self.rewrite(key, only, change, reply),
            Op::Heal {
                key,
                slot,
                what,
                reply,
            } => self.heal(key, slot, what, reply),
            Op::Reserve {
                bytes,
                takes_spare,
                reply,
            } => {
                let room = match takes_spare {
                    true => self.make_room_for_file(bytes),
                    false => self
                        .make_room(0, bytes)
                        .map(|()| self.store.reserve(bytes))
                        .map(Room::Free),
                };
                let _ = reply.send(room); // unsent, it is given back
            }
            Op::SeeTo { error, reply } => {
                self.flush();
                let _ = reply.send(Ok(self.see_to(&error)));
            }
            Op::Due => {} // looked at with what is due
        }
    }

    fn id(&self) -> StoreId {
        self.store.id
    }
}
