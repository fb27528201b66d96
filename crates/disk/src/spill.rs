//! Body files of writes in progress: what has outgrown memory, before the log knows of it.

use crate::format::{BLOCK_BYTES, body, checksum};
use crate::io::{File, Io, OpenMode, write_full};
use crate::spare::{Readers, Reading, Spare};
use bytes::Bytes;
use forebay_core::HashBinary;
use parking_lot::RwLock;
use std::hash::Hasher;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use twox_hash::XxHash3_64;

/// The part that followers share: they read what memory has let go of, and check it.
#[derive(Debug)]
pub(crate) struct SpillFile {
    pub(crate) file: Arc<dyn File>,
    pub(crate) seed: u64,
    /// Checksums of the whole blocks written so far.
    table: RwLock<Vec<u64>>,
    _reading: Reading,
}

impl SpillFile {
    /// Checksums of the blocks from `first` to before `until`.
    pub(crate) fn table(&self, first: usize, until: usize) -> Option<Vec<u64>> {
        self.table.read().get(first..until).map(<[u64]>::to_vec)
    }
}

/// Room on disk, given back when dropped.
#[derive(Debug)]
pub(crate) struct Reservation {
    total: Arc<AtomicU64>,
    bytes: u64,
}

impl Reservation {
    pub(crate) fn new(total: Arc<AtomicU64>, bytes: u64) -> Self {
        total.fetch_add(bytes, Ordering::AcqRel);
        Reservation { total, bytes }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes over what the other has.
    fn join(&mut self, other: &mut Reservation) {
        self.bytes += std::mem::take(&mut other.bytes);
    }

    /// All of it, so that nothing is left.
    fn take(&mut self) -> Reservation {
        Reservation {
            total: self.total.clone(),
            bytes: std::mem::take(&mut self.bytes),
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.total.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

/// The body file of one write. Dropped before it is kept, it removes the file.
pub(crate) struct Spill {
    io: Arc<dyn Io>,
    path: PathBuf,
    shared: Arc<SpillFile>,
    hasher: BlockHasher,
    len_bytes: u64,
    /// How long the file was when it was taken over; what lies behind the body are leftovers.
    taken_over_bytes: u64,
    room: Reservation,
    kept: bool,
}

impl Spill {
    /// Takes over the spare file, or makes one. The room of a spare file that cannot be had is another's then.
    fn create(step: &Step, spare: Option<Spare>, room: &mut Reservation) -> io::Result<Self> {
        let mut taken_over = None;
        if let Some(spare) = spare {
            let len_bytes = spare.len_bytes;
            let (file, its_room) = spare.take_over(&step.path, &step.readers);
            if let Some(mut its_room) = its_room {
                room.join(&mut its_room);
            }
            taken_over = file.map(|file| (file, len_bytes));
        }
        let (file, taken_over_bytes) = match taken_over {
            Some(taken_over) => taken_over,
            None => (step.io.open(&step.path, OpenMode::CreateNew)?, 0),
        };
        let shared = Arc::new(SpillFile {
            file,
            seed: step.seed,
            table: RwLock::default(),
            _reading: step.readers.enter(step.generation),
        });
        Ok(Spill {
            io: step.io.clone(),
            path: step.path.clone(),
            shared,
            hasher: BlockHasher::new(step.seed),
            len_bytes: 0,
            taken_over_bytes,
            room: room.take(),
            kept: false,
        })
    }

    pub(crate) fn shared(&self) -> &Arc<SpillFile> {
        &self.shared
    }

    pub(crate) fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    /// How much of the room that was made for it is left.
    pub(crate) fn room_bytes(&self) -> u64 {
        self.room.bytes.saturating_sub(self.len_bytes)
    }

    /// Appends to the body. Blocks on the disk.
    fn append(&mut self, chunks: &[Bytes]) -> io::Result<()> {
        write_full(&*self.shared.file, chunks, self.len_bytes)?;
        for chunk in chunks {
            self.hasher.update(chunk);
            self.len_bytes += chunk.len() as u64;
        }
        self.shared.table.write().extend(self.hasher.take_whole());
        Ok(())
    }

    /// Appends what follows the body, and ends the file; the checksum of the table. Blocks on the disk.
    fn finish(&mut self, key: &HashBinary, generation: u64) -> io::Result<u64> {
        let mut table = self.shared.table.write();
        table.extend(self.hasher.take_rest());
        let (end, table_checksum) =
            body::encode_end(key, generation, self.len_bytes, &table, self.shared.seed);
        write_full(&*self.shared.file, &[&end], self.len_bytes)?;
        let file_bytes = self.len_bytes + end.len() as u64;
        if self.taken_over_bytes > file_bytes {
            self.shared.file.set_len(file_bytes)?;
        }
        Ok(table_checksum)
    }

    /// Leaves the file where it is, as part of a segment.
    pub(crate) fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Spill {
    fn drop(&mut self) {
        if !self.kept
            && let Err(error) = self.io.remove_file(&self.path)
        {
            // It is removed when the store is opened next.
            log::warn!(
                "cannot remove {}, of a write that was given up: {error}",
                self.path.display()
            );
        }
    }
}

/// One step of a write in progress towards its file, which may be taken again where the disk was full.
pub(crate) struct Step {
    pub(crate) io: Arc<dyn Io>,
    pub(crate) path: PathBuf,
    pub(crate) seed: u64,
    pub(crate) generation: u64,
    pub(crate) readers: Arc<Readers>,
    /// How much of the body was in the file before.
    pub(crate) start: u64,
    /// What follows.
    pub(crate) chunks: Vec<Bytes>,
    /// The key, where that was the last of it.
    pub(crate) whole: Option<HashBinary>,
}

impl Step {
    /// Takes over the spare file or makes one where there is none, appends, and ends it where that was the last; the
    /// checksum of the table then. The file comes back after a failure too, as far as it came, or the room for it where there is
    /// none. Blocks on the disk.
    pub(crate) fn take(
        &self,
        spill: Option<Spill>,
        spare: Option<Spare>,
        mut room: Reservation,
    ) -> (Option<Spill>, Reservation, io::Result<u64>) {
        let created = match spill {
            Some(spill) => Ok(spill),
            None => Spill::create(self, spare, &mut room),
        };
        match created {
            Ok(mut spill) => {
                spill.room.join(&mut room);
                let done = self.write(&mut spill);
                (Some(spill), room, done)
            }
            Err(error) => (None, room, Err(error)),
        }
    }

    fn write(&self, spill: &mut Spill) -> io::Result<u64> {
        if spill.len_bytes == self.start {
            spill.append(&self.chunks)?;
        }
        match &self.whole {
            Some(key) => spill.finish(key, self.generation),
            None => Ok(0),
        }
    }
}

/// The checksum table of a whole body.
pub(crate) fn table_of(chunks: &[Bytes], seed: u64) -> Vec<u64> {
    if let [whole] = chunks {
        return whole
            .chunks(BLOCK_BYTES)
            .map(|block| checksum(block, seed))
            .collect();
    }
    let mut hasher = BlockHasher::new(seed);
    chunks.iter().for_each(|chunk| hasher.update(chunk));
    hasher.take_rest()
}

/// Computes the checksum table of a body that comes in pieces of any size.
struct BlockHasher {
    seed: u64,
    /// The block that was begun, and how much of it there is.
    begun: Option<(Box<XxHash3_64>, usize)>,
    done: Vec<u64>,
}

impl BlockHasher {
    fn new(seed: u64) -> Self {
        BlockHasher {
            seed,
            begun: None,
            done: Vec::new(),
        }
    }

    fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.begun.is_none() && bytes.len() >= BLOCK_BYTES {
                let (block, later) = bytes.split_at(BLOCK_BYTES);
                self.done.push(checksum(block, self.seed));
                bytes = later;
                continue;
            }
            let seed = self.seed;
            let begin = || (Box::new(XxHash3_64::with_seed(seed)), 0);
            let (hasher, filled) = self.begun.get_or_insert_with(begin);
            let (now, later) = bytes.split_at(bytes.len().min(BLOCK_BYTES - *filled));
            hasher.write(now);
            *filled += now.len();
            bytes = later;
            if *filled == BLOCK_BYTES {
                self.end_block();
            }
        }
    }

    fn end_block(&mut self) {
        self.done
            .extend(self.begun.take().map(|(hasher, _)| hasher.finish()));
    }

    /// The checksums of whole blocks that were not taken yet.
    fn take_whole(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.done)
    }

    /// The same, and of the last block, which may be shorter.
    fn take_rest(&mut self) -> Vec<u64> {
        self.end_block();
        self.take_whole()
    }
}
