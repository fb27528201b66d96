//! A directory that was emptied while its store was open: the store goes on in it, with nothing.

use super::Writer;
use super::outlive::Keep;
use crate::recovery;
use crate::ring::Ring;
use std::path::PathBuf;

impl Writer {
    /// Makes the directories of the store again where they are gone, and drops all entries, whose files are gone with them;
    /// whether anything was made. Where the LOCK alone is gone, it is taken again, and nothing is dropped.
    pub(super) fn refound(&mut self) -> bool {
        let (store, root) = (self.store.clone(), self.store.layout.root().display());
        let (io, layout) = (store.io(), &store.layout);
        let is_gone = |dir: PathBuf| matches!(io.kind(&dir), Ok(None));
        let is_emptied = is_gone(layout.segments()) || is_gone(layout.bodies());
        if self.full.evicting || !is_emptied && !is_gone(layout.lock()) {
            return false;
        }
        if let Err(error) = recovery::claim_again(&store) {
            self.store.counters.write_errors.add(1);
            log::warn!("files of the store in {root} were removed, and cannot be made again: {error}");
            return false;
        }
        if !is_emptied {
            log::warn!("the LOCK of the store in {root} was removed: it is taken again");
            return true;
        }
        log::warn!(
            "the directory of the store in {root} was emptied: it is made again, and old entries are gone"
        );
        self.drop_retired_log();
        while self.drop_spare() {}
        // The main ring first: then nothing needs a tombstone there.
        for ring in [Ring::Main, Ring::Probation] {
            while let Some(oldest) = self.store.segments.oldest(ring) {
                if let Err(error) = self.evict(&oldest, Keep::Nothing) {
                    let _ = self.failed("drop a segment that is gone", error);
                    break;
                }
            }
        }
        self.owed.clear();
        true
    }
}
