//! What can go wrong on the way to a response, so that a broken transfer is told from a clean end and from a wait.

use std::fmt;
use std::io;

/// Why a step did not show what it should have.
#[derive(Debug)]
pub enum Failure {
    /// The connection ended before the message that it announced was whole.
    Broken {
        /// Bytes of the body that had arrived in this call before the break.
        received_bytes: usize,
        /// What the transport said.
        why: String,
    },
    /// Nothing, or not enough, happened until the deadline.
    Deadline(String),
    /// Anything else: no connection, a malformed message, a process that would not start.
    Other(String),
}

impl Failure {
    /// True for a transfer that was cut off, and only for that.
    pub fn is_broken_transfer(&self) -> bool {
        matches!(self, Self::Broken { .. })
    }

    /// Adds what was being done, in front.
    pub fn during(self, what: impl fmt::Display) -> Self {
        match self {
            Self::Broken { received_bytes, why } => Self::Broken {
                received_bytes,
                why: format!("{what}: {why}"),
            },
            Self::Deadline(why) => Self::Deadline(format!("{what}: {why}")),
            Self::Other(why) => Self::Other(format!("{what}: {why}")),
        }
    }

    /// The failure of an I/O call in the middle of a message, after `received_bytes` of its body.
    pub(crate) fn of_transfer(error: &io::Error, received_bytes: usize) -> Self {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                Self::Deadline(format!("no further byte after {received_bytes} bytes"))
            }
            io::ErrorKind::InvalidData => Self::Other(error.to_string()),
            _ => Self::Broken {
                received_bytes,
                why: error.to_string(),
            },
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken { received_bytes, why } => {
                write!(f, "broken transfer after {received_bytes} bytes: {why}")
            }
            Self::Deadline(why) => write!(f, "deadline passed: {why}"),
            Self::Other(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Failure {}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Other(error.to_string())
    }
}

impl From<String> for Failure {
    fn from(why: String) -> Self {
        Self::Other(why)
    }
}
