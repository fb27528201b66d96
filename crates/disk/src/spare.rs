//! Body files of evicted segments that the next bodies write over: their pages and blocks are there already.

use crate::io::{File, Io, OpenMode};
use crate::spill::Reservation;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A body file whose entry has gone with its segment. Dropped before it is used, it removes the file.
pub(crate) struct Spare {
    io: Arc<dyn Io>,
    path: PathBuf,
    /// Whose body is in it.
    pub(crate) generation: u64,
    pub(crate) len_bytes: u64,
    /// What it occupies; `None` once it is somebody's again.
    room: Option<Reservation>,
    _counted: Reservation,
}

impl Spare {
    pub(crate) fn room_bytes(&self) -> u64 {
        self.room.as_ref().map_or(0, Reservation::bytes)
    }

    /// Gives the file another path, and opens it to be written over; the room that it has, and no file where somebody still
    /// reads it, or where it cannot be had. Blocks on the disk.
    pub(crate) fn take_over(
        mut self,
        path: &Path,
        readers: &Readers,
    ) -> (Option<Arc<dyn File>>, Option<Reservation>) {
        let file = self.rename_unread(path, readers);
        if file.is_none() {
            self.remove();
        }
        (file, self.room.take())
    }

    fn rename_unread(&mut self, path: &Path, readers: &Readers) -> Option<Arc<dyn File>> {
        self.io.rename(&self.path, path).ok()?;
        self.path = path.to_owned();
        // Looked at after the rename: whoever comes later finds no file of that generation.
        if readers.any(self.generation) {
            return None;
        }
        self.io.open(&self.path, OpenMode::ReadWrite).ok()
    }

    fn remove(&self) {
        if let Err(error) = self.io.remove_file(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            // It is removed when the store is opened next.
            log::warn!(
                "cannot remove {}, of no use any more: {error}",
                self.path.display()
            );
        }
    }
}

impl Drop for Spare {
    fn drop(&mut self) {
        if self.room.is_some() {
            self.remove();
        }
    }
}

/// Room for a body that has outgrown memory.
pub(crate) enum Room {
    Free(Reservation),
    /// In a file that it may write over.
    Spare(Spare),
}

/// The spare files.
#[derive(Default)]
pub(crate) struct Spares {
    /// Those that may be written over at once, by what they occupy and generation.
    ready: Mutex<BTreeMap<(u64, u64), Spare>>,
    /// What all occupy, those that are not ready included.
    total_bytes: Arc<AtomicU64>,
}

impl std::fmt::Debug for Spares {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spares")
            .field("total_bytes", &self.total_bytes)
            .finish_non_exhaustive()
    }
}

impl Spares {
    /// A spare file that is not ready yet: the one at `path`, with the body of a generation in it.
    pub(crate) fn retire(
        &self,
        io: Arc<dyn Io>,
        path: PathBuf,
        generation: u64,
        len_bytes: u64,
        room: Reservation,
    ) -> Spare {
        Spare {
            io,
            path,
            generation,
            len_bytes,
            _counted: Reservation::new(self.total_bytes.clone(), room.bytes()),
            room: Some(room),
        }
    }

    /// Makes it ready.
    pub(crate) fn add(&self, spare: Spare) {
        let order = (spare.room_bytes(), spare.generation);
        self.ready.lock().insert(order, spare);
    }

    /// The shortest that occupies so many bytes.
    pub(crate) fn take(&self, bytes: u64) -> Option<Spare> {
        let mut spares = self.ready.lock();
        let fitting = spares.range((bytes, 0)..).next().map(|(key, _)| *key);
        fitting.and_then(|key| spares.remove(&key))
    }

    pub(crate) fn take_longest(&self) -> Option<Spare> {
        self.ready.lock().pop_last().map(|(_, spare)| spare)
    }

    /// What all occupy, those that are not ready included.
    pub(crate) fn total_bytes(&self) -> u64 {
        self.total_bytes.load(Ordering::Acquire)
    }
}

/// How many read the body file of which generation. Who reads enters before opening the file, and whoever would write over
/// it looks after having moved it out of the readers' sight.
#[derive(Debug, Default)]
pub(crate) struct Readers(Mutex<HashMap<u64, usize>>);

impl Readers {
    pub(crate) fn enter(self: &Arc<Self>, generation: u64) -> Reading {
        *self.0.lock().entry(generation).or_default() += 1;
        Reading {
            readers: self.clone(),
            generation,
        }
    }

    pub(crate) fn any(&self, generation: u64) -> bool {
        self.0.lock().contains_key(&generation)
    }
}

/// Keeps a body file from being written over.
#[derive(Debug)]
pub(crate) struct Reading {
    readers: Arc<Readers>,
    generation: u64,
}

impl Drop for Reading {
    fn drop(&mut self) {
        let mut readers = self.readers.0.lock();
        if let Some(count) = readers.get_mut(&self.generation) {
            *count -= 1;
            if *count == 0 {
                readers.remove(&self.generation);
            }
        }
    }
}
