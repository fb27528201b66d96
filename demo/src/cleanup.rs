//! Leaves nothing behind: knows every child process and directory in use, and removes them when a signal ends the demo.

use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// What would be left behind if the process ended now.
#[derive(Default)]
struct InUse {
    children: Vec<u32>,
    directories: Vec<PathBuf>,
}

static IN_USE: Mutex<InUse> = Mutex::new(InUse {
    children: Vec::new(),
    directories: Vec::new(),
});

/// From now on Ctrl-C, SIGTERM and SIGHUP kill the children, remove the directories, and end this process with 130.
///
/// # Errors
/// If the signals cannot be registered.
pub fn on_signals() -> std::io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    std::thread::spawn(move || {
        if signals.forever().next().is_some() {
            // Held to the end, so that no child starts and no directory appears any more.
            let in_use = in_use();
            in_use
                .children
                .iter()
                .for_each(|&id| drop(signal(id, Signal::KILL)));
            for directory in &in_use.directories {
                remove(directory);
            }
            std::process::exit(130);
        }
    });
    Ok(())
}

/// Runs `spawn` and remembers its child until [`reap`] has seen its end.
pub(crate) fn remember_child(spawn: impl FnOnce() -> std::io::Result<Child>) -> std::io::Result<Child> {
    let mut in_use = in_use();
    let child = spawn()?;
    in_use.children.push(child.id());
    Ok(child)
}

/// Waits for a child that is about to end, and forgets it: from then on its id may be another's.
pub(crate) fn reap(child: &mut Child) -> std::io::Result<ExitStatus> {
    let mut in_use = in_use();
    let status = child.wait()?;
    in_use.children.retain(|&id| id != child.id());
    Ok(status)
}

/// Sends SIGTERM to a child that was not waited for yet.
pub(crate) fn terminate(id: u32) -> std::io::Result<()> {
    signal(id, Signal::TERM)
}

/// A directory that is removed when it is dropped, and when a signal ends the process.
#[derive(Debug)]
pub struct ScratchDir {
    directory: Option<tempfile::TempDir>,
    path: PathBuf,
}

impl ScratchDir {
    /// Makes a new directory among the system's temporary ones.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn new() -> std::io::Result<Self> {
        let mut in_use = in_use();
        let directory = tempfile::Builder::new().prefix("forebay-demo-").tempdir()?;
        let path = directory.path().to_owned();
        in_use.directories.push(path.clone());
        Ok(Self {
            directory: Some(directory),
            path,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for ScratchDir {
    fn drop(&mut self) {
        drop(self.directory.take());
        in_use().directories.retain(|path| *path != self.path);
    }
}

fn in_use() -> MutexGuard<'static, InUse> {
    IN_USE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn signal(id: u32, signal: Signal) -> std::io::Result<()> {
    let pid = i32::try_from(id)
        .ok()
        .and_then(Pid::from_raw)
        .ok_or(std::io::ErrorKind::InvalidInput)?;
    Ok(kill_process(pid, signal)?)
}

/// Again while files still appear: a process that was just killed may be inside its last system call.
fn remove(directory: &Path) {
    for _ in 0..100 {
        match std::fs::remove_dir_all(directory) {
            Err(error) if error.kind() == std::io::ErrorKind::DirectoryNotEmpty => {}
            _ => return,
        }
    }
}
