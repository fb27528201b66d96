//! The proxy under test: its flags, its addresses, its directory, and the ways in which it ends and starts again.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use crate::cleanup::ScratchDir;
use crate::client::Client;
use crate::process::{Next, Process};
use crate::{Failure, metrics, ports};

/// How long a proxy may take to listen, to end after SIGTERM, to refuse its flags.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// Another process may take a port between its choice and its use.
const ATTEMPTS: usize = 5;

/// Where the proxy keeps what it has stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    /// In a directory of its own.
    Disk,
    /// In memory.
    Memory,
}

/// How to start a proxy.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The `forebay-proxy` executable.
    pub binary: PathBuf,
    /// The origin that it asks.
    pub origin: SocketAddr,
    /// Where it stores.
    pub store: Store,
    /// How much, in MiB.
    pub capacity_mib: u64,
    /// Further flags, as they are.
    pub flags: Vec<String>,
}

/// A running `forebay-proxy`; dropping it kills the process and removes the directory.
#[derive(Debug)]
pub struct Proxy {
    settings: Settings,
    listen: SocketAddr,
    admin: SocketAddr,
    process: Process,
    // After the process: nobody writes into it any more when it is removed.
    directory: ScratchDir,
}

impl Proxy {
    /// Starts a proxy with an empty store and returns when it listens.
    ///
    /// # Errors
    /// If it ends, or does not listen in time; with what it wrote to stderr.
    pub fn start(settings: Settings) -> Result<Self, Failure> {
        let mut attempt = 1;
        loop {
            let (listen, admin, directory) = (ports::free()?, ports::free()?, ScratchDir::new()?);
            match launch(&settings, listen, admin, directory.path()) {
                Err(failure) if attempt < ATTEMPTS && failure.to_string().contains("in use") => attempt += 1,
                Err(failure) => return Err(failure),
                Ok(process) => {
                    return Ok(Self {
                        settings,
                        listen,
                        admin,
                        process,
                        directory,
                    });
                }
            }
        }
    }

    /// A client of the proxy's own address.
    pub fn client(&self) -> Client {
        Client::new(self.listen)
    }

    /// How it was started.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Where it serves.
    pub fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// Where it answers `/healthz`, `/readyz` and `/metrics`.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// The directory that holds a disk store's files.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// What it wrote to stderr since it listens.
    pub fn said(&self) -> Vec<String> {
        self.process.said()
    }

    /// Ends the process as a crash does, and starts it again on what it left.
    ///
    /// # Errors
    /// If it does not listen again in time.
    pub fn crash_and_restart(&mut self) -> Result<(), Failure> {
        self.process.kill()?;
        self.relaunch()
    }

    /// Ends the process by SIGTERM, and starts it again. Returns how it had ended.
    ///
    /// # Errors
    /// If it does not end, or not listen again, in time.
    pub fn terminate_and_restart(&mut self) -> Result<ExitStatus, Failure> {
        self.terminate()?;
        self.restart_when_ended()
    }

    /// Sends SIGTERM and returns at once.
    ///
    /// # Errors
    /// If the process has ended already.
    pub fn terminate(&self) -> Result<(), Failure> {
        self.process.terminate()
    }

    /// Waits for the end of the process, and starts it again. Returns how it had ended.
    ///
    /// # Errors
    /// If it does not end, or not listen again, in time.
    pub fn restart_when_ended(&mut self) -> Result<ExitStatus, Failure> {
        let ended = self.process.ended(PATIENCE);
        let (status, _) = ended.map_err(|failure| failure.during("waiting for its end"))?;
        self.relaunch()?;
        Ok(status)
    }

    /// The sum of the samples of one metric.
    ///
    /// # Errors
    /// If the admin address does not answer, or knows no such metric.
    pub fn metric(&self, name: &str) -> Result<f64, Failure> {
        let mut response = Client::new(self.admin).get("/metrics")?;
        let text = String::from_utf8_lossy(&response.rest()?).into_owned();
        metrics::sum(&text, name).ok_or_else(|| Failure::Other(format!("/metrics has no {name}")))
    }

    /// Waits until no request is being served and no handler of the store is open: what was answered so far is counted
    /// and stored by then, since a client has its last byte before the proxy is done with the request.
    ///
    /// # Errors
    /// If something is still open at the deadline.
    pub fn settle(&self) -> Result<(), Failure> {
        let until = Instant::now() + PATIENCE;
        for gauge in ["forebay_open_requests", "forebay_store_open_handlers"] {
            while self.metric(gauge)? > 0.0 {
                if Instant::now() > until {
                    return Err(Failure::Deadline(format!(
                        "{gauge} stays above 0 with no client there"
                    )));
                }
                std::thread::sleep(Duration::from_millis(2));
            }
        }
        Ok(())
    }

    fn relaunch(&mut self) -> Result<(), Failure> {
        let launched = launch(&self.settings, self.listen, self.admin, self.directory.path());
        self.process = launched.map_err(|failure| failure.during("restart"))?;
        Ok(())
    }
}

/// Starts the process and waits for the line that says that it listens. That the line names the address makes it
/// proof: a connection alone could have reached another process.
fn launch(
    settings: &Settings,
    listen: SocketAddr,
    admin: SocketAddr,
    directory: &Path,
) -> Result<Process, Failure> {
    let mut process = Process::spawn(&mut command(settings, listen, admin, directory))?;
    let address = listen.to_string();
    let until = Instant::now() + PATIENCE;
    let mut said = Vec::new();
    loop {
        match process.next(until.saturating_duration_since(Instant::now())) {
            Ok(Next::Line(line)) if line.contains("listening") && line.contains(&address) => {
                return Ok(process);
            }
            Ok(Next::Line(line)) => said.push(line),
            Ok(Next::Ended(status)) => {
                return Err(format!("the proxy ended, {status}: {}", said.join(" | ")).into());
            }
            Err(_) => {
                let why = format!(
                    "the proxy does not say that it listens, only: {}",
                    said.join(" | ")
                );
                return Err(Failure::Deadline(why));
            }
        }
    }
}

fn command(settings: &Settings, listen: SocketAddr, admin: SocketAddr, directory: &Path) -> Command {
    let Settings {
        binary,
        origin,
        store,
        capacity_mib,
        flags,
    } = settings;
    let mut command = Command::new(binary);
    command.args(flags);
    command.args(["--origin", &format!("http://{origin}")]);
    command.args(["--listen", &listen.to_string(), "--admin", &admin.to_string()]);
    match store {
        Store::Disk => {
            command.arg("--cache-dir").arg(directory);
            command.args(["--disk-capacity", &format!("{capacity_mib}MiB")]);
        }
        Store::Memory => {
            command.args(["--memory-capacity", &format!("{capacity_mib}MiB")]);
        }
    }
    command
}
