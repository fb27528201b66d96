//! Copies of directories.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{ErrorKind, Read, Result};
use std::path::Path;

/// How much of a file is in memory at a time.
const BLOCK_BYTES: usize = 64 << 10;

/// Errors of whoever walks a tree that changes meanwhile.
const CHANGED: [ErrorKind; 3] = [
    ErrorKind::NotFound,
    ErrorKind::AlreadyExists,
    ErrorKind::NotADirectory,
];

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
        // What was there when the names were read need not be there still, nor be what it was; a name may be read twice.
        Err(error) if CHANGED.contains(&error.kind()) => Ok(false),
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
            false => is_same_file(&one, &other)?,
        };
        if !same {
            return Ok(false);
        }
    }
    Ok(true)
}

fn is_same_file(one: &Path, other: &Path) -> Result<bool> {
    let (mut one, mut other) = (File::open(one)?, File::open(other)?);
    let mut blocks = [(); 2].map(|()| Vec::with_capacity(BLOCK_BYTES));
    loop {
        for (file, block) in [&mut one, &mut other].into_iter().zip(&mut blocks) {
            block.clear();
            file.take(BLOCK_BYTES as u64).read_to_end(block)?;
        }
        let [one, other] = &blocks;
        if one != other {
            return Ok(false);
        }
        if one.is_empty() {
            return Ok(true);
        }
    }
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

    /// As a directory that is made anew while the names are read.
    #[test]
    fn a_name_that_comes_twice_is_for_another_try() {
        let [from, to] = dirs();
        std::fs::create_dir(to.path().join("below")).unwrap();
        assert!(!copy_of_one_moment(from.path(), to.path()).unwrap());
    }

    #[test]
    fn files_of_several_blocks_are_compared_to_their_last_byte() {
        let [one, other] = dirs();
        let [one, other] = [one, other].map(|dir| (dir.path().join("file"), dir));
        let mut bytes = vec![7; 2 * BLOCK_BYTES];
        std::fs::write(&one.0, &bytes).unwrap();
        std::fs::write(&other.0, &bytes).unwrap();
        assert!(is_same_file(&one.0, &other.0).unwrap());
        bytes[2 * BLOCK_BYTES - 1] = 8;
        std::fs::write(&other.0, &bytes).unwrap();
        assert!(!is_same_file(&one.0, &other.0).unwrap());
        bytes[2 * BLOCK_BYTES - 1] = 7;
        bytes.push(7);
        std::fs::write(&other.0, &bytes).unwrap();
        assert!(!is_same_file(&one.0, &other.0).unwrap());
    }
}
