//! A file system that remembers what was made durable, and can show what a power cut would have left.
//!
//! It makes every change in the real file system, and writes it down. From the record it makes, elsewhere, a directory as
//! it may be after a cut at any step: what was synced is there; of everything else, chance decides ([`PowerCut`]).

mod cut;
mod tree;

use super::{File, Io, OpenMode, PathKind, RealIo};
use std::ffi::OsString;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tree::{Change, FileId, Tree};

/// When the power is cut, and what chance makes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PowerCut {
    /// How many changes and syncs had come to an end ([`CrashIo::steps`]).
    pub step: usize,
    /// What is decided by chance is decided by this: which writes that were not synced are lost, and which sectors of
    /// 512 bytes of those that are lost in part.
    pub seed: u64,
    /// What may become of names that were not synced.
    pub names: Names,
}

/// What may become of files made, moved and removed since their directory was last synced. A move is never half done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// They are lost from some point on, as with a journal of metadata (ext4, XFS, Btrfs, APFS, ZFS).
    InOrder,
    /// Any of them is lost: all that POSIX promises.
    AnyOrder,
}

/// The real file system below one directory, with a record. Clones share it.
#[derive(Debug, Clone)]
pub struct CrashIo {
    record: Arc<Mutex<Record>>,
}

#[derive(Debug)]
struct Record {
    root: PathBuf,
    /// What was there at first; it counts as durable.
    base: Tree,
    /// What is there now, names only: which file a path means.
    now: Tree,
    steps: Vec<Change>,
}

#[derive(Debug)]
struct CrashFile {
    io: CrashIo,
    /// `None` for a file outside of the root.
    id: Option<FileId>,
    file: Arc<dyn File>,
}

impl CrashIo {
    /// Records what changes below `root`, a directory. It and what is there are taken for durable.
    ///
    /// # Errors
    /// What reading `root` fails with.
    pub fn new(root: impl Into<PathBuf>) -> io::Result<Self> {
        let root = root.into();
        let base = Tree::read(&root)?;
        let record = Record {
            now: base.clone(),
            root,
            base,
            steps: Vec::new(),
        };
        Ok(CrashIo {
            record: Arc::new(Mutex::new(record)),
        })
    }

    /// How many changes and syncs there were.
    pub fn steps(&self) -> usize {
        self.record().steps.len()
    }

    /// The last step before `step` that was a sync of this directory.
    pub fn last_sync_of(&self, dir: &Path, step: usize) -> Option<usize> {
        let record = self.record();
        let dir = record.relative(dir)?;
        let before = &record.steps[..step.min(record.steps.len())];
        before
            .iter()
            .rposition(|change| matches!(change, Change::SyncDir(of) if *of == dir))
    }

    /// Makes what the power cut leaves, in `into`, which must not be there yet.
    ///
    /// # Errors
    /// What writing to `into` fails with.
    pub fn cut(&self, cut: &PowerCut, into: &Path) -> io::Result<()> {
        let record = self.record();
        let steps = &record.steps[..cut.step.min(record.steps.len())];
        cut::left(&record.base, steps, cut).write(into)
    }

    /// The steps before `step`, in words, last first: for a report.
    pub fn describe(&self, step: usize, count: usize) -> Vec<String> {
        let record = self.record();
        let before = record.steps[..step.min(record.steps.len())].iter();
        before
            .rev()
            .take(count)
            .map(|change| format!("{change:?}"))
            .collect()
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a change and writes it down, in one go, so that the record has the order of the file system.
    fn change(
        &self,
        path: &Path,
        make: impl FnOnce() -> io::Result<()>,
        of: impl FnOnce(PathBuf) -> Change,
    ) -> io::Result<()> {
        let mut record = self.record();
        make()?;
        if let Some(path) = record.relative(path) {
            record.add(of(path));
        }
        Ok(())
    }
}

impl Record {
    fn relative(&self, path: &Path) -> Option<PathBuf> {
        path.strip_prefix(&self.root).ok().map(Path::to_owned)
    }

    fn add(&mut self, change: Change) {
        self.now.apply_name(&change);
        self.steps.push(change);
    }
}

impl Io for CrashIo {
    fn list(&self, dir: &Path) -> io::Result<Vec<(OsString, PathKind)>> {
        RealIo.list(dir)
    }

    fn kind(&self, path: &Path) -> io::Result<Option<PathKind>> {
        RealIo.kind(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.change(path, || RealIo.create_dir(path), Change::CreateDir)
    }

    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let mut record = self.record();
        let file = RealIo.open(path, mode)?;
        let id = record.relative(path).map(|path| match record.now.file(&path) {
            Some(id) => id,
            None => {
                let id = record.now.new_id();
                record.add(Change::Create(path, id));
                id
            }
        });
        let io = self.clone();
        Ok(Arc::new(CrashFile { io, id, file }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut record = self.record();
        RealIo.rename(from, to)?;
        if let (Some(from), Some(to)) = (record.relative(from), record.relative(to)) {
            let id = record.now.file(&from);
            record.add(Change::Rename(from, to, id));
        }
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.change(path, || RealIo.remove_file(path), Change::RemoveFile)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        // The real one is spared: only the record is to be durable.
        self.change(path, || RealIo.list(path).map(drop), Change::SyncDir)
    }
}

impl CrashFile {
    fn change<T>(
        &self,
        make: impl FnOnce() -> io::Result<T>,
        of: impl FnOnce(FileId, &T) -> Change,
    ) -> io::Result<T> {
        let mut record = self.io.record();
        let made = make()?;
        if let Some(id) = self.id {
            record.add(of(id, &made));
        }
        Ok(made)
    }
}

impl File for CrashFile {
    fn len_bytes(&self) -> io::Result<u64> {
        self.file.len_bytes()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }

    fn read_at_nowait(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at_nowait(buffer, offset)
    }

    fn write_at(&self, buffers: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        self.change(
            || self.file.write_at(buffers, offset),
            |id, written| {
                let bytes = buffers.iter().flat_map(|buffer| buffer.iter().copied());
                Change::Write(id, offset as usize, bytes.take(*written).collect())
            },
        )
    }

    fn set_len(&self, len_bytes: u64) -> io::Result<()> {
        self.change(
            || self.file.set_len(len_bytes),
            |id, ()| Change::SetLen(id, len_bytes as usize),
        )
    }

    fn sync(&self) -> io::Result<()> {
        self.change(|| Ok(()), |id, ()| Change::Sync(id)) // as in `sync_dir`
    }

    fn try_lock(&self) -> io::Result<bool> {
        self.file.try_lock()
    }

    fn is_at(&self, path: &Path) -> io::Result<bool> {
        self.file.is_at(path)
    }
}
