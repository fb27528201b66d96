//! What others do to the directory of a store that is open: where they have emptied it, the store goes on in it with nothing, and
//! what is another's by now is left alone.

use super::Writer;
use super::outlive::Keep;
use crate::recovery;
use crate::ring::Ring;
use crate::segment::Segment;

impl Writer {
    /// Makes the directories of the store again where they are gone, and drops all entries, whose files are gone with them;
    /// whether anything was made. Where the LOCK alone is gone, it is taken again, and nothing is dropped.
    pub(super) fn refound(&mut self) -> bool {
        if self.full.evicting {
            return false;
        }
        let (store, root) = (self.store.clone(), self.store.layout.root().display());
        self.was_emptied |= self.is_emptied();
        let lock_is_gone = matches!(store.io().kind(&store.layout.lock()), Ok(None));
        if !self.was_emptied && !lock_is_gone {
            return false;
        }
        if let Err(error) = recovery::claim_again(&store) {
            store.counters.write_errors.add(1);
            log::warn!("files of the store in {root} were removed, and cannot be made again: {error}");
            return false;
        }
        if self.was_emptied {
            log::warn!(
                "the directory of the store in {root} was emptied: it is made again, and old entries are gone"
            );
            return self.drop_all();
        }
        log::warn!("the LOCK of the store in {root} was removed: it is taken again");
        true
    }

    /// Whether somebody has removed directories or logs of the store.
    pub(super) fn is_emptied(&self) -> bool {
        let (io, layout, segments) = (self.store.io(), &self.store.layout, &self.store.segments);
        let active = [&self.active, &self.idle].into_iter().flatten();
        let mut logs: Vec<_> = active.map(|active| active.segment.number).collect();
        logs.extend(
            Ring::ALL
                .iter()
                .filter_map(|ring| segments.oldest(*ring))
                .map(|oldest| oldest.number),
        );
        let paths = logs.into_iter().map(|number| layout.log(number));
        let mut all = [layout.segments(), layout.bodies()].into_iter().chain(paths);
        all.any(|path| matches!(io.kind(&path), Ok(None)))
    }

    /// Drops all entries; `false` where that fails, and is tried again.
    fn drop_all(&mut self) -> bool {
        self.drop_retired_log();
        while self.drop_spare() {}
        self.was_emptied = false;
        // The main ring first: then nothing needs a tombstone there.
        for ring in [Ring::Main, Ring::Probation] {
            while let Some(oldest) = self.store.segments.oldest(ring) {
                if let Err(error) = self.evict(&oldest, Keep::Nothing) {
                    let _ = self.failed("drop a segment that is gone", error);
                    (self.was_emptied, self.files_are_gone) = (true, true);
                    return false;
                }
            }
        }
        self.owed.clear();
        true
    }

    /// Whether the files in the directory are another process's by now.
    pub(super) fn is_anothers(&self) -> bool {
        matches!(self.store.has_dir(), Ok(false))
    }

    /// Drops a segment of a directory that is another's by now: whatever has its names there is not this store's.
    pub(super) fn drop_without_files(&mut self, segment: &Segment) {
        self.store.segments.remove(segment.number);
        self.removed += 1;
    }
}
