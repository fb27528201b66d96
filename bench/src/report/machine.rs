//! Where and when something was measured, and in which versions.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::process::Command;
use std::time::SystemTime;

/// Whom to name with versions.
const PACKAGES: [&str; 8] = [
    "pingora-cache",
    "quick_cache",
    "moka",
    "foyer",
    "cacache",
    "redb",
    "fjall",
    "tokio",
];

/// The machine and the versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    cpu: String,
    cores: usize,
    memory_gib: u64,
    kernel: String,
    /// TCP's. Where it paces (BBR), our proxy does without it towards clients of the same machine, and the field does not.
    #[serde(default)]
    congestion_control: String,
    rustc: String,
    date: String,
    /// Peers by name and version.
    peers: Vec<String>,
}

impl Machine {
    /// This one, now.
    pub fn this() -> Self {
        Machine {
            cpu: line_of("/proc/cpuinfo", "model name"),
            cores: crate::timing::cores(),
            memory_gib: memory_gib(),
            kernel: release(&read("/proc/sys/kernel/osrelease")),
            congestion_control: read("/proc/sys/net/ipv4/tcp_congestion_control"),
            rustc: rustc(),
            date: httpdate::fmt_http_date(SystemTime::now()),
            peers: peers(include_str!("../../../Cargo.lock")),
        }
    }

    /// The peers with their versions.
    pub fn peers(&self) -> String {
        self.peers.join(", ")
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Machine {
            cpu,
            cores,
            memory_gib,
            kernel,
            congestion_control,
            rustc,
            date,
            ..
        } = self;
        write!(f, "{cores} cores ({cpu}), {memory_gib} GiB, Linux {kernel}")?;
        if !congestion_control.is_empty() {
            write!(f, ", TCP by {congestion_control}")?;
        }
        write!(f, ", {rustc}, {date}")
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

/// The numbers of a kernel's release: what follows them is whoever built it.
fn release(kernel: &str) -> String {
    let end = kernel.find(|c: char| !c.is_ascii_digit() && c != '.');
    kernel[..end.unwrap_or(kernel.len())].to_owned()
}

/// The value of a line `name : value`.
fn line_of(path: &str, name: &str) -> String {
    let text = read(path);
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    let value = lines
        .find(|(found, _)| found.trim() == name)
        .map(|(_, value)| value.trim());
    value.unwrap_or("unknown").to_owned()
}

fn memory_gib() -> u64 {
    let total = line_of("/proc/meminfo", "MemTotal");
    let kib: u64 = total
        .split(' ')
        .next()
        .and_then(|kib| kib.parse().ok())
        .unwrap_or_default();
    (kib + (1 << 19)) >> 20
}

fn rustc() -> String {
    let output = Command::new("rustc").arg("--version").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    text.unwrap_or_else(|_| "rustc unknown".to_owned())
}

/// Names and versions of those in a lock file.
fn peers(lock: &str) -> Vec<String> {
    let value = |line: &str, field: &str| {
        let quoted = line.strip_prefix(field)?.strip_prefix(" = \"")?;
        quoted.strip_suffix('"').map(str::to_owned)
    };
    let pairs = lock.lines().zip(lock.lines().skip(1));
    // Of several versions, the newest comes last in a lock file.
    let versions: BTreeMap<_, _> = pairs
        .filter_map(|(name, version)| Some((value(name, "name")?, value(version, "version")?)))
        .filter(|(name, _)| PACKAGES.contains(&name.as_str()))
        .collect();
    versions
        .into_iter()
        .map(|(name, version)| format!("{name} {version}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_is_named_by_its_numbers() {
        for kernel in ["6.18.44", "6.18.44-local-v1", "6.18.44+"] {
            assert_eq!(release(kernel), "6.18.44");
        }
    }

    #[test]
    fn peers_are_named_with_the_versions_of_the_lock_file() {
        let lock = "[[package]]\nname = \"redb\"\nversion = \"4.6.0\"\n\n[[package]]\nname = \"x\"\nversion = \"1\"\n";
        assert_eq!(peers(lock), ["redb 4.6.0"]);
        assert!(Machine::this().peers().contains("pingora-cache 0.9"));
    }
}
