//! A directory tree in memory: what a file system would hold if it had made certain changes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A file, whatever its name.
pub(super) type FileId = usize;

/// One step. Paths are below the root; the root itself is the empty path.
#[derive(Clone)]
pub(super) enum Change {
    CreateDir(PathBuf),
    Create(PathBuf, FileId),
    Rename(PathBuf, PathBuf, Option<FileId>),
    RemoveFile(PathBuf),
    Write(FileId, usize, Vec<u8>),
    SetLen(FileId, usize),
    Sync(FileId),
    SyncDir(PathBuf),
}

impl Change {
    /// The directories of which a sync makes the change durable; none if it is not one of names.
    pub(super) fn dirs(&self) -> Vec<&Path> {
        match self {
            Change::CreateDir(path) | Change::Create(path, _) | Change::RemoveFile(path) => {
                path.parent().into_iter().collect()
            }
            Change::Rename(from, to, _) => from.parent().into_iter().chain(to.parent()).collect(),
            _ => Vec::new(),
        }
    }

    /// The file whose bytes it changes.
    pub(super) fn file(&self) -> Option<FileId> {
        match self {
            Change::Write(id, ..) | Change::SetLen(id, _) => Some(*id),
            _ => None,
        }
    }
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::CreateDir(path) => write!(f, "make {}/", path.display()),
            Change::Create(path, id) => write!(f, "make {} (file {id})", path.display()),
            Change::Rename(from, to, _) => write!(f, "move {} to {}", from.display(), to.display()),
            Change::RemoveFile(path) => write!(f, "remove {}", path.display()),
            Change::Write(id, at, bytes) => write!(f, "write {} bytes at {at} of file {id}", bytes.len()),
            Change::SetLen(id, len) => write!(f, "cut or extend file {id} to {len} bytes"),
            Change::Sync(id) => write!(f, "sync file {id}"),
            Change::SyncDir(path) => write!(f, "sync {}/", path.display()),
        }
    }
}

/// Directories, names of files, and their bytes.
#[derive(Debug, Clone, Default)]
pub(super) struct Tree {
    dirs: BTreeSet<PathBuf>,
    names: BTreeMap<PathBuf, FileId>,
    bytes: BTreeMap<FileId, Vec<u8>>,
    next_id: FileId,
}

impl Tree {
    /// What is below a directory, and the directory itself.
    pub(super) fn read(root: &Path) -> io::Result<Self> {
        let mut tree = Tree::default();
        tree.read_below(root, PathBuf::new())?;
        Ok(tree)
    }

    fn read_below(&mut self, root: &Path, dir: PathBuf) -> io::Result<()> {
        for entry in std::fs::read_dir(root.join(&dir))? {
            let entry = entry?;
            let path = dir.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                self.read_below(root, path)?;
            } else {
                let id = self.new_id();
                self.bytes.insert(id, std::fs::read(entry.path())?);
                self.names.insert(path, id);
            }
        }
        self.dirs.insert(dir);
        Ok(())
    }

    pub(super) fn new_id(&mut self) -> FileId {
        self.next_id += 1;
        self.next_id
    }

    pub(super) fn file(&self, path: &Path) -> Option<FileId> {
        self.names.get(path).copied()
    }

    fn has_dir_of(&self, path: &Path) -> bool {
        path.parent().is_none_or(|dir| self.dirs.contains(dir))
    }

    /// Makes a change of names, where what it builds on is there; others are passed over.
    pub(super) fn apply_name(&mut self, change: &Change) {
        match change {
            Change::CreateDir(path) if self.has_dir_of(path) => {
                self.dirs.insert(path.clone());
            }
            Change::Create(path, id) if self.has_dir_of(path) => {
                self.names.insert(path.clone(), *id);
            }
            // Also where the making of `from` was lost: the name is durable, and it is one of this file.
            Change::Rename(_, to, Some(id)) if self.has_dir_of(to) => {
                self.names.retain(|_, other| other != id);
                self.names.insert(to.clone(), *id);
            }
            Change::RemoveFile(path) => {
                self.names.remove(path);
            }
            _ => {}
        }
    }

    /// Writes bytes into a file; what lies between its end and them is zero.
    pub(super) fn write_bytes(&mut self, id: FileId, at: usize, bytes: &[u8]) {
        let file = self.bytes.entry(id).or_default();
        if file.len() < at {
            file.resize(at, 0);
        }
        let (over, beyond) = bytes.split_at(bytes.len().min(file.len() - at));
        file[at..at + over.len()].copy_from_slice(over);
        file.extend_from_slice(beyond);
    }

    pub(super) fn set_len(&mut self, id: FileId, len_bytes: usize) {
        self.bytes.entry(id).or_default().resize(len_bytes, 0);
    }

    /// Lets a file be at least so long.
    pub(super) fn extend_to(&mut self, id: FileId, len_bytes: usize) {
        let file = self.bytes.entry(id).or_default();
        file.resize(file.len().max(len_bytes), 0);
    }

    /// Makes it real.
    pub(super) fn write(&self, into: &Path) -> io::Result<()> {
        for dir in &self.dirs {
            std::fs::create_dir(into.join(dir))?;
        }
        for (path, id) in &self.names {
            let bytes = self.bytes.get(id).map_or(&[][..], Vec::as_slice);
            std::fs::write(into.join(path), bytes)?;
        }
        Ok(())
    }
}
