//! A file system whose calls fail as a test says.

use super::{File, Io, OpenMode, PathKind, RealIo};
use std::ffi::OsString;
use std::fmt;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};

/// What a call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Listing a directory, or asking what a path names.
    Look,
    /// Opening a file to read.
    Open,
    /// Making a file or a directory, or opening a file to write.
    Create,
    /// Reading, or asking for a length.
    Read,
    /// Writing, or setting a length.
    Write,
    /// Moving a file.
    Rename,
    /// Removing a file.
    Remove,
    /// Making something durable.
    Sync,
}

/// One call, before it is made.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// What it does.
    pub operation: Operation,
    /// To which file or directory.
    pub path: &'a Path,
    /// How many calls there were before it.
    pub number: u64,
}

/// What happens instead of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The call fails with this number of the operating system (`5` is EIO, `28` is ENOSPC, on every Unix).
    Errno(i32),
    /// A read or write moves so many bytes at most.
    Short(usize),
}

type Plan = dyn Fn(&Call<'_>) -> Option<Fault> + Send + Sync;

/// The real file system, with faults, and with everything in memory as far as it tells. Clones share the plan and the count
/// of calls.
#[derive(Clone, Default)]
pub struct FaultyIo {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    plan: RwLock<Option<Box<Plan>>>,
    calls: AtomicU64,
    /// Tells what the file system has free.
    free: RwLock<Option<Box<dyn Fn() -> u64 + Send + Sync>>>,
    /// Whether it keeps to itself what memory has.
    is_silent: bool,
}

#[derive(Debug)]
struct FaultyFile {
    io: FaultyIo,
    path: PathBuf,
    file: Arc<dyn File>,
}

impl FaultyIo {
    /// The real file system, without faults yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// One that cannot tell what memory has, as overlayfs.
    pub fn without_nowait() -> Self {
        FaultyIo {
            shared: Arc::new(Shared {
                is_silent: true,
                ..Shared::default()
            }),
        }
    }

    /// From now on, asks `plan` before every call.
    pub fn set_plan(&self, plan: impl Fn(&Call<'_>) -> Option<Fault> + Send + Sync + 'static) {
        *self
            .shared
            .plan
            .write()
            .unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(Box::new(plan));
    }

    /// From now on, says that so many bytes are free; until then, it cannot tell.
    pub fn set_free(&self, free_bytes: impl Fn() -> u64 + Send + Sync + 'static) {
        *self
            .shared
            .free
            .write()
            .unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(Box::new(free_bytes));
    }

    /// From now on, nothing fails.
    pub fn heal(&self) {
        *self
            .shared
            .plan
            .write()
            .unwrap_or_else(|poisoned| poisoned.into_inner()) = None;
    }

    /// How many calls there were.
    pub fn calls(&self) -> u64 {
        self.shared.calls.load(Ordering::Relaxed)
    }

    /// Counts a call; how many bytes it may move.
    fn call(&self, operation: Operation, path: &Path) -> io::Result<usize> {
        let number = self.shared.calls.fetch_add(1, Ordering::Relaxed);
        let plan = self
            .shared
            .plan
            .read()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        match plan.as_ref().and_then(|plan| {
            plan(&Call {
                operation,
                path,
                number,
            })
        }) {
            None => Ok(usize::MAX),
            Some(Fault::Short(bytes)) => Ok(bytes),
            Some(Fault::Errno(errno)) => Err(io::Error::from_raw_os_error(errno)),
        }
    }
}

impl fmt::Debug for FaultyIo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultyIo")
            .field("calls", &self.calls())
            .finish_non_exhaustive()
    }
}

impl Io for FaultyIo {
    fn list(&self, dir: &Path) -> io::Result<Vec<(OsString, PathKind)>> {
        self.call(Operation::Look, dir)?;
        RealIo.list(dir)
    }

    fn kind(&self, path: &Path) -> io::Result<Option<PathKind>> {
        self.call(Operation::Look, path)?;
        RealIo.kind(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.call(Operation::Create, path)?;
        RealIo.create_dir(path)
    }

    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let operation = match mode {
            OpenMode::Read => Operation::Open,
            OpenMode::CreateNew | OpenMode::ReadWrite => Operation::Create,
        };
        self.call(operation, path)?;
        let file = RealIo.open(path, mode)?;
        Ok(Arc::new(FaultyFile {
            io: self.clone(),
            path: path.to_owned(),
            file,
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call(Operation::Rename, from)?;
        RealIo.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.call(Operation::Remove, path)?;
        RealIo.remove_file(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.call(Operation::Sync, path)?;
        RealIo.sync_dir(path)
    }

    fn free_bytes(&self, _dir: &Path) -> io::Result<u64> {
        let free = self
            .shared
            .free
            .read()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        free.as_ref()
            .map_or(Err(io::ErrorKind::Unsupported.into()), |free| Ok(free()))
    }
}

impl FaultyFile {
    fn read(
        &self,
        buffer: &mut [u8],
        read: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let len_bytes = self.io.call(Operation::Read, &self.path)?.min(buffer.len());
        read(&mut buffer[..len_bytes])
    }
}

impl File for FaultyFile {
    fn len_bytes(&self) -> io::Result<u64> {
        self.io.call(Operation::Read, &self.path)?;
        self.file.len_bytes()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.read(buffer, |buffer| self.file.read_at(buffer, offset))
    }

    fn read_at_nowait(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        match self.io.shared.is_silent {
            true => Err(io::ErrorKind::Unsupported.into()),
            false => self.read_at(buffer, offset),
        }
    }

    fn write_at(&self, buffers: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        match self.io.call(Operation::Write, &self.path)? {
            usize::MAX => self.file.write_at(buffers, offset),
            len_bytes => {
                let first = buffers.iter().find(|b| !b.is_empty());
                let first = first.map_or(&[][..], |b| &b[..b.len().min(len_bytes)]);
                self.file.write_at(&[IoSlice::new(first)], offset)
            }
        }
    }

    fn set_len(&self, len_bytes: u64) -> io::Result<()> {
        self.io.call(Operation::Write, &self.path)?;
        self.file.set_len(len_bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.io.call(Operation::Sync, &self.path)?;
        self.file.sync()
    }

    fn try_lock(&self) -> io::Result<bool> {
        self.file.try_lock()
    }

    fn is_at(&self, path: &Path) -> io::Result<bool> {
        self.io.call(Operation::Look, path)?;
        self.file.is_at(path)
    }
}
