//! The size of a directory on disk, measured by walking it while a store works in it.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

/// The lengths of all files below `root`, in bytes. Files that vanish during the walk count nothing.
///
/// # Errors
/// A directory that cannot be read.
pub fn size_bytes(root: &Path) -> io::Result<u64> {
    let mut total = 0;
    let mut pending = vec![root.to_owned()];
    while let Some(directory) = pending.pop() {
        let entries = match fs::read_dir(&directory) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => pending.push(entry.path()),
                Ok(metadata) => total += metadata.len(),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(total)
}
