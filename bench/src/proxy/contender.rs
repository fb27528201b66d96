//! A contender: a proxy that is started for the measurement from a directory of its own, and stopped after it.

use super::scenario::Load;
use super::{field, ours};
use crate::folder::Folder;
use rustix::process::{Pid, Signal, kill_process_group};
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a contender may take to listen, and to end.
const PATIENCE: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(20);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    ForebayMemory,
    ForebayDisk,
    /// Without copies in memory.
    ForebayDiskAlone,
    MemCache,
    /// `forebay-proxy` over a storage that keeps nothing.
    Nothing,
    /// `forebay-proxy` over a storage that has one response.
    One,
    /// `forebay-proxy` with requests that bypass its cache.
    Off,
    Nginx,
    Varnish,
    TrafficServer,
    Squid,
}

impl Kind {
    pub(super) const ALL: [Kind; 11] = [
        Kind::ForebayMemory,
        Kind::ForebayDisk,
        Kind::ForebayDiskAlone,
        Kind::MemCache,
        Kind::Nothing,
        Kind::One,
        Kind::Off,
        Kind::Nginx,
        Kind::Varnish,
        Kind::TrafficServer,
        Kind::Squid,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::ForebayMemory => "forebay-proxy in memory",
            Kind::ForebayDisk => "forebay-proxy on disk",
            Kind::ForebayDiskAlone => "the same proxy, no copies in memory",
            Kind::MemCache => "the same proxy with MemCache",
            Kind::Nothing => "the same proxy, nothing kept",
            Kind::One => "the same proxy, one response",
            Kind::Off => "the same proxy without cache",
            Kind::Nginx => "nginx",
            Kind::Varnish => "Varnish",
            Kind::TrafficServer => "Apache Traffic Server",
            Kind::Squid => "Squid",
        }
    }

    pub(super) fn caches(self) -> bool {
        !matches!(self, Kind::Off | Kind::Nothing)
    }

    /// Without a cache a range is the origin's to serve, and ours serves none; what keeps nothing has fills alone, to which
    /// copies in memory make no difference; what has one response has hits of one object alone.
    pub(super) fn takes_part_in(self, load: Load) -> bool {
        match self {
            Kind::Off => load != Load::Range,
            Kind::Nothing => load.misses(),
            Kind::One => load == Load::HitOne,
            Kind::ForebayDiskAlone => !load.misses(),
            _ => true,
        }
    }

    /// What a reader of its fills has to know.
    pub(super) fn note_on_fills(self, is_full: bool) -> Option<&'static str> {
        match self {
            Kind::Off => Some("passed on, not stored"),
            Kind::Nothing => Some("a fill beside its storage"),
            Kind::MemCache if is_full => Some("has no bound, and is never full"),
            _ => None,
        }
    }

    /// Header lines that its requests need beside the scenario's.
    pub(super) fn lines(self) -> &'static [(&'static str, &'static str)] {
        match self {
            // A precondition that only the origin can evaluate: the proxy passes it on and leaves its cache alone.
            Kind::Off => &[("If-Match", "*")],
            _ => &[],
        }
    }

    /// Where its program is, or what to do to have it.
    fn program(self) -> Result<PathBuf, String> {
        match self {
            Kind::ForebayMemory | Kind::ForebayDisk | Kind::ForebayDiskAlone | Kind::Off => ours::proxy(),
            Kind::MemCache => ours::over("memcache"),
            Kind::Nothing => ours::over("nothing"),
            Kind::One => ours::over("one"),
            Kind::Nginx => installed("nginx", "nginx-light"),
            Kind::Varnish => installed("varnishd", "varnish"),
            Kind::TrafficServer => installed("traffic_server", "trafficserver"),
            Kind::Squid => installed("squid", "squid"),
        }
    }
}

/// Everything that a contender's configuration depends on.
pub(super) struct Site<'a> {
    pub(super) program: PathBuf,
    pub(super) listen: SocketAddr,
    pub(super) origin: SocketAddr,
    /// What it may store.
    pub(super) capacity_mib: u64,
    pub(super) directory: &'a Path,
}

pub(super) struct Contender {
    pub(super) kind: Kind,
    pub(super) address: SocketAddr,
    child: Child,
    directory: Folder,
}

impl Contender {
    /// Starts it with room for so much, and waits until it listens.
    pub(super) fn start(kind: Kind, origin: SocketAddr, capacity_mib: u64) -> Result<Self, String> {
        let program = kind.program()?;
        let directory = Folder::new_in(&std::env::temp_dir(), "forebay-bench")
            .map_err(|error| format!("a temporary directory: {error}"))?;
        let address = free_address().map_err(|error| format!("a free port: {error}"))?;
        let site = Site {
            program,
            listen: address,
            origin,
            capacity_mib,
            directory: directory.path(),
        };
        let mut command = match kind {
            Kind::ForebayMemory | Kind::Off | Kind::MemCache | Kind::Nothing | Kind::One => {
                Ok(ours::in_memory(&site))
            }
            Kind::ForebayDisk => Ok(ours::on_disk(&site)),
            Kind::ForebayDiskAlone => Ok(ours::on_disk_alone(&site)),
            Kind::Nginx => field::nginx(&site),
            Kind::Varnish => Ok(field::varnish(&site)),
            Kind::TrafficServer => field::traffic_server(&site),
            Kind::Squid => field::squid(&site),
        }
        .map_err(|error| format!("the configuration of {}: {error}", kind.name()))?;
        let child = spawn(&mut command, directory.path())?;
        let mut contender = Contender {
            kind,
            address,
            child,
            directory,
        };
        contender.wait_until_it_listens()?;
        Ok(contender)
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn wait_until_it_listens(&mut self) -> Result<(), String> {
        let name = self.kind.name();
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(self.address).is_err() {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("{name} ended at once, {status}: {}", self.output()));
            }
            if Instant::now() > deadline {
                return Err(format!(
                    "{name} did not listen within {PATIENCE:?}: {}",
                    self.output()
                ));
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    /// The end of what it printed.
    fn output(&self) -> String {
        let text = std::fs::read_to_string(self.directory.path().join("output")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(5).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join(" | ")
    }
}

impl Drop for Contender {
    /// Ends it with all its children: it leads a process group.
    fn drop(&mut self) {
        let group = Pid::from_child(&self.child);
        // Fails where it has ended already.
        let _ = kill_process_group(group, Signal::TERM);
        let deadline = Instant::now() + PATIENCE / 4;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(LOOK);
        }
        let _ = kill_process_group(group, Signal::KILL);
        let _ = self.child.wait();
    }
}

fn spawn(command: &mut Command, directory: &Path) -> Result<Child, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let cannot = |error| format!("{program}: {error}");
    let output = File::create(directory.join("output")).map_err(cannot)?;
    let errors = output.try_clone().map_err(cannot)?;
    command
        .current_dir(directory)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .spawn()
        .map_err(cannot)
}

/// A port that was free a moment ago.
fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

/// A program of the system; its administrators' folders are not on everyone's PATH.
fn installed(program: &str, package: &str) -> Result<PathBuf, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
        .ok_or_else(|| format!("not installed (Debian: apt-get install {package})"))
}
