//! Folders for stores, whose files are emptied at once but removed at the end only: ext4 without a journal does not give the
//! inode of a file that was removed lately to another, and looks at each of them for every new file. Who comes next
//! would be measured by what was removed before.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::Mutex;
use tempfile::TempDir;

static EMPTIED: Mutex<Vec<TempDir>> = Mutex::new(Vec::new());

/// A folder that is emptied when this is dropped.
#[derive(Debug)]
pub struct Folder(Option<TempDir>);

impl Folder {
    /// A new one in this directory.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub fn new_in(dir: &Path, name: &str) -> io::Result<Self> {
        let made = tempfile::Builder::new().prefix(name).tempdir_in(dir);
        made.map(|dir| Folder(Some(dir)))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.as_ref().map_or(Path::new(""), TempDir::path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let Some(dir) = self.0.take() else { return };
        // What cannot be emptied is removed at the end like the rest.
        let _ = empty(dir.path());
        if let Ok(mut emptied) = EMPTIED.lock() {
            emptied.push(dir);
        }
    }
}

/// Gives up the contents of all files in a folder.
fn empty(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            empty(&entry.path())?;
        } else if kind.is_file() {
            File::options().write(true).open(entry.path())?.set_len(0)?;
        }
    }
    Ok(())
}

/// Removes what is left of all folders that were emptied.
pub fn remove_emptied() {
    if let Ok(mut emptied) = EMPTIED.lock() {
        emptied.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_empty_at_once_and_gone_at_the_end() {
        let all = tempfile::tempdir().unwrap();
        let folder = Folder::new_in(all.path(), "store").unwrap();
        let file = folder.path().join("deep/file");
        fs::create_dir(folder.path().join("deep")).unwrap();
        fs::write(&file, "contents").unwrap();
        drop(folder);
        assert_eq!(fs::metadata(&file).unwrap().len(), 0);
        remove_emptied();
        assert_eq!(fs::read_dir(all.path()).unwrap().count(), 0);
    }
}
