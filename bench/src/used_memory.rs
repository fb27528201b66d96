//! Memory as it is on a machine that has been up for a while: next to nothing is free, and what nobody uses holds files.
//!
//! A virtual machine may have given its free pages back to the host (free page reporting). Whoever takes one then waits for the
//! host, several times as long as for any other page. A contender that keeps taking new memory would be measured by that, and
//! one that uses its own again would not. So free memory is filled with the page cache of a file of holes first, which
//! the kernel gives up for whoever needs memory.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

const READ_BYTES: usize = 1 << 20;
/// So often it is looked how much is free.
const LOOK_BYTES: u64 = 64 << 20;
/// What stays free: more than the kernel keeps by itself, so that it does not have to make room at once.
const FREE_SHARE: u64 = 32;

/// A file of holes.
#[derive(Debug)]
pub struct UsedMemory {
    file: Option<File>,
    /// How far it was read. It goes on there: what lies before may still be in memory.
    at: AtomicU64,
}

impl UsedMemory {
    /// With the file in this directory; it has no name, and occupies nothing there. For a quick run, memory stays as it is.
    ///
    /// # Errors
    /// Where the file cannot be made.
    pub fn new(quick: bool, dir: &Path) -> io::Result<Self> {
        let mut memory = UsedMemory {
            file: None,
            at: AtomicU64::new(0),
        };
        if !quick {
            let file = tempfile::tempfile_in(dir)?;
            file.set_len(2 * kib_of("MemTotal").unwrap_or_default() * 1024)?;
            memory.file = Some(file);
            eprintln!("bench: fills free memory with page cache; the first time takes a while");
            memory.fill();
        }
        Ok(memory)
    }

    /// Fills what is free, where the system says how much that is. Where it cannot, it says so and goes on.
    pub fn fill(&self) {
        if let Some(file) = &self.file
            && let Err(error) = self.read(file)
        {
            eprintln!("bench: free memory stays as it is: {error}");
        }
    }

    fn read(&self, file: &File) -> io::Result<()> {
        let Some(total) = kib_of("MemTotal") else {
            return Ok(());
        };
        let mut buffer = vec![0; READ_BYTES];
        let (file_bytes, mut at) = (2 * total * 1024, self.at.load(Ordering::Relaxed));
        // At most what there is of memory: some file systems keep no pages of holes.
        for read_bytes in (0..total * 1024).step_by(READ_BYTES) {
            if read_bytes % LOOK_BYTES == 0 && kib_of("MemFree").is_none_or(|free| free < total / FREE_SHARE)
            {
                break;
            }
            file.read_at(&mut buffer, at)?;
            at = (at + READ_BYTES as u64) % file_bytes;
        }
        self.at.store(at, Ordering::Relaxed);
        Ok(())
    }
}

/// A line of `/proc/meminfo`, in KiB.
fn kib_of(name: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_system_says() {
        if cfg!(target_os = "linux") {
            let (total, free) = (kib_of("MemTotal").unwrap(), kib_of("MemFree").unwrap());
            assert!(free > 0 && free < total);
        }
        assert_eq!(kib_of("Mem"), None);
    }
}
