//! The only door to the file system: two small traits, so that tests can make every call fail.

mod crash;
mod faulty;
mod real;

pub use crash::{CrashIo, Names, PowerCut};
pub use faulty::{Call, Fault, FaultyIo, Operation};
pub use real::RealIo;

use std::ffi::{OsString, c_long};
use std::fmt::Debug;
use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;

/// What a path names. Symbolic links are not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link, a socket, a device.
    Other,
}

/// How a file is opened. A symbolic link in its place is an error in every case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMode {
    /// To read; it must be there.
    Read,
    /// To read and write a file that must not be there yet.
    CreateNew,
    /// To read and write, made empty where it is absent.
    ReadWrite,
}

/// What a store asks of a file system.
pub trait Io: Debug + Send + Sync + 'static {
    /// The names in a directory.
    fn list(&self, dir: &Path) -> io::Result<Vec<(OsString, PathKind)>>;
    /// What a path names; `None` if nothing is there.
    fn kind(&self, path: &Path) -> io::Result<Option<PathKind>>;
    /// Makes a directory that only its owner can enter (0700).
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// Opens a file; a new one is only its owner's (0600).
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>>;
    /// As `open` to read, of a file whose names are in memory already; an error where that cannot be told.
    fn open_nowait(&self, _path: &Path) -> io::Result<Arc<dyn File>> {
        Err(io::ErrorKind::Unsupported.into())
    }
    /// Moves a file within the store.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a directory durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// How many bytes are free for this user in the file system that a directory is on; an error where that cannot be told.
    fn free_bytes(&self, _dir: &Path) -> io::Result<u64> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// What a store asks of an open file. Offsets and lengths are in bytes.
pub trait File: Debug + Send + Sync {
    /// The length of the file.
    fn len_bytes(&self) -> io::Result<u64>;
    /// Reads some bytes at an offset; 0 at the end of the file.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// As `read_at`, of bytes that are in memory already; `WouldBlock` or `Unsupported` where that cannot be told.
    fn read_at_nowait(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes some of the buffers at an offset.
    fn write_at(&self, buffers: &[IoSlice<'_>], offset: u64) -> io::Result<usize>;
    /// Cuts or extends the file.
    fn set_len(&self, len_bytes: u64) -> io::Result<()>;
    /// Makes the bytes of the file durable.
    fn sync(&self) -> io::Result<()>;
    /// Takes the lock of the file for as long as it is open; `false` if another has it.
    fn try_lock(&self) -> io::Result<bool>;
    /// Whether a path still names this file; `NotFound` if it names nothing.
    fn is_at(&self, path: &Path) -> io::Result<bool>;
}

/// Whether a call failed for want of room on the disk, or in the quota.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

/// Whether a call failed for want of open files.
pub(crate) fn is_out_of_files(error: &io::Error) -> bool {
    use rustix::io::Errno;
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

/// How often this thread has waited for anything so far, where the system counts that.
#[cfg(target_os = "linux")]
pub(crate) fn thread_waits() -> Option<c_long> {
    use nix::sys::resource::{UsageWho, getrusage};
    let usage = getrusage(UsageWho::RUSAGE_THREAD).ok()?;
    Some(usage.voluntary_context_switches())
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn thread_waits() -> Option<c_long> {
    None
}

/// How many buffers one system call takes (`IOV_MAX` of Linux).
const BUFFERS_MAX: usize = 1024;

/// Fills the buffer; a file that ends before is `UnexpectedEof`.
pub(crate) fn read_full(file: &dyn File, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !buffer.is_empty() {
        match file.read_at(buffer, offset) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => {
                buffer = &mut buffer[n..];
                offset += n as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Fills the buffer with what is in memory already; where that is not all, or cannot be told, an error.
pub(crate) fn read_full_nowait(file: &dyn File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    match file.read_at_nowait(buffer, offset)? {
        n if n == buffer.len() => Ok(()),
        _ => Err(io::ErrorKind::WouldBlock.into()),
    }
}

/// Writes all of the buffers, in as many calls as it takes.
pub(crate) fn write_full<B: AsRef<[u8]>>(file: &dyn File, buffers: &[B], mut offset: u64) -> io::Result<()> {
    for group in buffers.chunks(BUFFERS_MAX) {
        let mut slices: Vec<IoSlice<'_>> = group.iter().map(|b| IoSlice::new(b.as_ref())).collect();
        let mut rest = &mut slices[..];
        IoSlice::advance_slices(&mut rest, 0); // drops leading empty buffers
        while !rest.is_empty() {
            match file.write_at(rest, offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => {
                    IoSlice::advance_slices(&mut rest, n);
                    offset += n as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}
