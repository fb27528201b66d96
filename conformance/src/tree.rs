//! Copies of directories.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{ErrorKind, Result};
use std::path::Path;

/// Copies what is in one directory to another, which is empty.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            std::fs::create_dir(&target)?;
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// Copies a directory in which somebody may be at work; `false` where the copy may be of no one moment.
///
/// Each file is read twice, and all of them once before any of them again: if nothing differs, then between the two all was as
/// it was copied, at once.
pub(crate) fn copy_of_one_moment(from: &Path, to: &Path) -> Result<bool> {
    match copy(from, to).and_then(|()| is_same(from, to)) {
        // What was there when the names were read need not be there still.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        result => result,
    }
}

fn is_same(one: &Path, other: &Path) -> Result<bool> {
    let names = names(one)?;
    if names != self::names(other)? {
        return Ok(false);
    }
    for (name, is_dir) in names {
        let (one, other) = (one.join(&name), other.join(&name));
        let same = match is_dir {
            true => is_same(&one, &other)?,
            false => std::fs::read(one)? == std::fs::read(other)?,
        };
        if !same {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What is in a directory, and whether that is one.
fn names(dir: &Path) -> Result<BTreeMap<OsString, bool>> {
    let name = |entry: Result<std::fs::DirEntry>| {
        let entry = entry?;
        Ok((entry.file_name(), entry.file_type()?.is_dir()))
    };
    std::fs::read_dir(dir)?.map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    fn dirs() -> [TempDir; 2] {
        let [from, to] = [(), ()].map(|()| TempDir::new().unwrap());
        std::fs::create_dir(from.path().join("below")).unwrap();
        std::fs::write(from.path().join("below/file"), "bytes").unwrap();
        [from, to]
    }

    #[test]
    fn a_copy_is_the_same_until_something_changes() {
        let [from, to] = dirs();
        assert!(copy_of_one_moment(from.path(), to.path()).unwrap());
        std::fs::write(to.path().join("below/file"), "bits?").unwrap();
        assert!(!is_same(from.path(), to.path()).unwrap());
        std::fs::write(to.path().join("below/file"), "bytes").unwrap();
        std::fs::write(from.path().join("below/new"), "").unwrap();
        assert!(!is_same(from.path(), to.path()).unwrap());
    }

    /// As a file that is removed between its name and its copy, which was an error.
    #[test]
    fn a_name_without_a_file_is_for_another_try() {
        let [from, to] = dirs();
        std::os::unix::fs::symlink("nowhere", from.path().join("gone")).unwrap();
        assert!(!copy_of_one_moment(from.path(), to.path()).unwrap());
    }
}
