//! The file system itself.

use super::{File, Io, OpenMode, PathKind};
use rustix::fs::{self, FlockOperation, Mode, OFlags};
use std::ffi::OsString;
use std::io::{self, IoSlice};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;

/// The file system of the machine. When a file was read last is not noted, where that can be had: it is a part of what each
/// read costs.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealIo;

#[derive(Debug)]
struct RealFile(std::fs::File);

impl Io for RealIo {
    fn list(&self, dir: &Path) -> io::Result<Vec<(OsString, PathKind)>> {
        let entries = std::fs::read_dir(dir)?;
        entries
            .map(|entry| entry.and_then(|e| Ok((e.file_name(), e.file_type()?.into()))))
            .collect()
    }

    fn kind(&self, path: &Path) -> io::Result<Option<PathKind>> {
        match std::fs::symlink_metadata(path) {
            Ok(metadata) => Ok(Some(metadata.file_type().into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        std::fs::DirBuilder::new().mode(0o700).create(path)
    }

    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let flags = match mode {
            OpenMode::Read => OFlags::RDONLY,
            OpenMode::CreateNew => OFlags::RDWR | OFlags::CREATE | OFlags::EXCL,
            OpenMode::ReadWrite => OFlags::RDWR | OFlags::CREATE,
        };
        let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let fd = fs::open(path, flags, Mode::RUSR | Mode::WUSR)?;
        // Not by the open, which could create the file before it finds that the owner is another, as over NFS.
        #[cfg(target_os = "linux")]
        let _ = fs::fcntl_setfl(&fd, OFlags::NOATIME); // of those that this sets, a file here has no other
        Ok(Arc::new(RealFile(fd.into())))
    }

    #[cfg(target_os = "linux")]
    fn open_nowait(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        use rustix::fs::{CWD, ResolveFlags};
        use rustix::io::Errno;
        // Since Linux 5.12: EAGAIN where a name would have to be read from the disk.
        let open = |more| {
            let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | more;
            fs::openat2(CWD, path, flags, Mode::empty(), ResolveFlags::CACHED)
        };
        let fd = match open(OFlags::NOATIME) {
            Err(Errno::PERM) => open(OFlags::empty()), // the file is another's
            Err(Errno::NOSYS | Errno::INVAL) => return Err(io::ErrorKind::Unsupported.into()), // an older Linux
            opened => opened,
        }?;
        Ok(Arc::new(RealFile(fd.into())))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        std::fs::File::open(path)?.sync_all()
    }

    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        let free = fs::statvfs(dir)?;
        Ok(free.f_bavail.saturating_mul(free.f_frsize))
    }
}

impl File for RealFile {
    fn len_bytes(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buffer, offset)
    }

    #[cfg(target_os = "linux")]
    fn read_at_nowait(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        use rustix::io::{Errno, ReadWriteFlags, preadv2};
        let mut buffers = [io::IoSliceMut::new(buffer)];
        match preadv2(&self.0, &mut buffers, offset, ReadWriteFlags::NOWAIT) {
            // Overlayfs, as under a container that has no volume.
            Err(Errno::OPNOTSUPP) => Err(io::ErrorKind::Unsupported.into()),
            read => Ok(read?),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn read_at_nowait(&self, _: &mut [u8], _: u64) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }

    #[cfg(target_os = "linux")]
    fn write_at(&self, buffers: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        Ok(rustix::io::pwritev(&self.0, buffers, offset)?)
    }

    #[cfg(not(target_os = "linux"))]
    fn write_at(&self, buffers: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        buffers
            .first()
            .map_or(Ok(0), |buffer| self.0.write_at(buffer, offset))
    }

    fn set_len(&self, len_bytes: u64) -> io::Result<()> {
        self.0.set_len(len_bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn try_lock(&self) -> io::Result<bool> {
        match fs::flock(&self.0, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(true),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn is_at(&self, path: &Path) -> io::Result<bool> {
        let (here, there) = (self.0.metadata()?, std::fs::symlink_metadata(path)?);
        Ok((here.dev(), here.ino()) == (there.dev(), there.ino()))
    }
}

impl From<std::fs::FileType> for PathKind {
    fn from(kind: std::fs::FileType) -> Self {
        match kind {
            kind if kind.is_file() => PathKind::File,
            kind if kind.is_dir() => PathKind::Directory,
            _ => PathKind::Other,
        }
    }
}
