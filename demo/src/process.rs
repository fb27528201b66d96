//! A child process whose stderr is read line by line and whose end can be waited for with a deadline.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use crate::{Failure, cleanup};

/// A running child; dropping it kills it.
#[derive(Debug)]
pub struct Process {
    /// `None` once it was waited for.
    child: Option<Child>,
    /// Its stderr; disconnected when the process has ended.
    lines: Receiver<String>,
}

/// What a wait for a line ended with.
#[derive(Debug)]
pub enum Next {
    /// A line of stderr, without its end.
    Line(String),
    /// The process has ended.
    Ended(ExitStatus),
}

impl Process {
    /// Starts `command`, with nothing to read and its stdout thrown away.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn spawn(command: &mut Command) -> Result<Self, Failure> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let program = command.get_program().to_string_lossy().into_owned();
        let started = cleanup::remember_child(|| command.spawn());
        let mut child = started.map_err(|error| format!("{program}: {error}"))?;
        let stderr = child.stderr.take();
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in stderr
                .into_iter()
                .flat_map(|pipe| BufReader::new(pipe).split(b'\n'))
            {
                let Ok(line) = line else { return };
                // Reads on when nobody listens any more: the child must never wait for a reader of its log.
                let _ = sender.send(String::from_utf8_lossy(&line).into_owned());
            }
        });
        Ok(Self {
            child: Some(child),
            lines,
        })
    }

    /// The next line of stderr, or the end.
    ///
    /// # Errors
    /// [`Failure::Deadline`] if neither came within `patience`.
    pub fn next(&mut self, patience: Duration) -> Result<Next, Failure> {
        match self.lines.recv_timeout(patience) {
            Ok(line) => Ok(Next::Line(line)),
            Err(RecvTimeoutError::Timeout) => {
                Err(Failure::Deadline("the process neither spoke nor ended".into()))
            }
            Err(RecvTimeoutError::Disconnected) => Ok(Next::Ended(self.reap()?)),
        }
    }

    /// The lines of stderr that have come and were not taken yet.
    pub fn said(&self) -> Vec<String> {
        self.lines.try_iter().collect()
    }

    /// Waits for the end; with what it wrote to stderr meanwhile.
    ///
    /// # Errors
    /// [`Failure::Deadline`] if it still runs after `patience`.
    pub fn ended(&mut self, patience: Duration) -> Result<(ExitStatus, Vec<String>), Failure> {
        let until = Instant::now() + patience;
        let mut said = Vec::new();
        loop {
            match self.next(until.saturating_duration_since(Instant::now()))? {
                Next::Line(line) => said.push(line),
                Next::Ended(status) => return Ok((status, said)),
            }
        }
    }

    /// Sends SIGTERM.
    ///
    /// # Errors
    /// If it has ended already.
    pub fn terminate(&self) -> Result<(), Failure> {
        let child = self.child.as_ref().ok_or_else(ended_before)?;
        Ok(cleanup::terminate(child.id())?)
    }

    /// Ends it as a crash does: SIGKILL, and gone when this returns.
    ///
    /// # Errors
    /// If it cannot be waited for.
    pub fn kill(&mut self) -> Result<(), Failure> {
        if let Some(child) = &mut self.child {
            child.kill()?;
            self.reap()?;
        }
        Ok(())
    }

    fn reap(&mut self) -> Result<ExitStatus, Failure> {
        let mut child = self.child.take().ok_or_else(ended_before)?;
        Ok(cleanup::reap(&mut child)?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // What cannot be killed has ended already.
        let _ = self.kill();
    }
}

fn ended_before() -> Failure {
    Failure::Other("the process has ended before".into())
}
