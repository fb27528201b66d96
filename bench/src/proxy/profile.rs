//! Where a request's CPU time goes: `perf` samples a proxy under load, and each sample is put down to whose code it was in.

use super::contender::{Contender, Kind};
use super::origin::Origin;
use super::scenario::{Load, Scenario};
use super::{ours, verify, wrk};
use crate::report::words;
use crate::used_memory::UsedMemory;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

/// The smallest and the largest bodies of the level.
const SIZES: [usize; 2] = [1 << 10, 1 << 20];
const CONNECTIONS: usize = 32;
const LOAD_SECONDS: u64 = 7;
const SAMPLED_SECONDS: u64 = 4;
const CONTENDERS: [Kind; 3] = [Kind::ForebayMemory, Kind::ForebayDisk, Kind::MemCache];

/// To whom a sample is put down: the innermost frame that one of these occurs in says it.
const OWNERS: [(&str, &[&str]); 6] = [
    (
        "sockets",
        &[
            "tcp_",
            "__sys_sendto",
            "__sys_recvfrom",
            "do_writev",
            "do_epoll",
            "ep_",
            "sock_",
        ],
    ),
    (
        "files",
        &["ext4_", "do_pwritev", "do_preadv", "vfs_", "filemap_", "do_fsync"],
    ),
    (
        "storage and bridge",
        &[
            "forebay_memory",
            "forebay_disk",
            "forebay_live",
            "forebay_core",
            "forebay_pingora",
            "pingora_cache::memory",
            "pingora_cache::meta",
        ],
    ),
    ("policy", &["forebay_proxy::p", "forebay_proxy::gathering"]),
    (
        "pingora",
        &["pingora_proxy", "pingora_core", "pingora_cache", "pingora_http"],
    ),
    ("threads and the rest", &[""]),
];

/// The shares as a Markdown table, of hits and of fills, of small and of large bodies.
///
/// # Errors
/// Where `perf` or `wrk` is not installed, or the proxies cannot be built or loaded.
pub fn table() -> Result<String, String> {
    if !wrk::is_installed() {
        return Err("wrk is not installed (Debian: apt-get install wrk)".to_owned());
    }
    ours::build()?;
    let origin = Origin::start().map_err(|error| error.to_string())?;
    let memory = UsedMemory::new(false, Path::new(".")).map_err(|error| error.to_string())?;
    let head = ["size", "work", "proxy"]
        .into_iter()
        .chain(OWNERS.map(|(owner, _)| owner));
    let mut rows = vec![head.map(str::to_owned).collect::<Vec<_>>()];
    for size_bytes in SIZES {
        for load in [Load::HitOne, Load::MissesWhenFull] {
            let scenario = Scenario {
                load,
                size_bytes,
                connections: CONNECTIONS,
            };
            for kind in CONTENDERS {
                eprintln!(
                    "profile: {}, {size_bytes} bytes, {}",
                    scenario.name(),
                    kind.name()
                );
                memory.fill();
                let shares = shares(kind, &scenario, &origin)?;
                let size = words::size(size_bytes as u64);
                let mut row = vec![size, scenario.name().to_owned(), kind.name().to_owned()];
                row.extend(shares.map(|share| format!("{:.0} %", share * 100.0)));
                rows.push(row);
            }
        }
    }
    Ok(words::markdown(&rows, 3))
}

fn shares(kind: Kind, scenario: &Scenario, origin: &Origin) -> Result<[f64; OWNERS.len()], String> {
    let contender = Contender::start(kind, origin.address, scenario.capacity_mib())?;
    verify::prepare(&contender, scenario, origin)?;
    let scratch = tempfile::tempdir().map_err(|error| error.to_string())?;
    let recorded = scratch.path().join("perf.data");
    std::thread::scope(|scope| {
        let load =
            scope.spawn(|| wrk::run(contender.address, scenario, LOAD_SECONDS, 1, &[], scratch.path()));
        // The first seconds fill the store.
        std::thread::sleep(std::time::Duration::from_secs(LOAD_SECONDS - SAMPLED_SECONDS - 1));
        record(contender.pid(), &recorded)?;
        load.join()
            .map_err(|_| "the load generator panicked".to_owned())?
    })?;
    count(&script(&recorded)?)
}

fn record(pid: u32, recorded: &Path) -> Result<(), String> {
    let status = Command::new("perf")
        .args(["record", "--quiet", "--event", "cpu-clock", "--freq", "1000"])
        .args([
            "--call-graph",
            "dwarf,24576",
            "--pid",
            &pid.to_string(),
            "--output",
        ])
        .arg(recorded)
        .args(["--", "sleep", &SAMPLED_SECONDS.to_string()])
        .stderr(Stdio::null())
        .status()
        .map_err(|error| format!("perf: {error} (Debian: apt-get install linux-perf)"))?;
    match status.success() {
        true => Ok(()),
        false => Err(format!("perf record: {status}")),
    }
}

fn script(recorded: &Path) -> Result<String, String> {
    let output = Command::new("perf")
        .args(["script", "--no-inline", "--fields", "ip,sym", "--input"])
        .arg(recorded)
        .stderr(Stdio::null())
        .output()
        .map_err(|error| format!("perf: {error}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Samples are blocks of lines, the innermost frame first.
fn count(samples: &str) -> Result<[f64; OWNERS.len()], String> {
    let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
    let stacks = samples.split("\n\n").filter(|stack| !stack.trim().is_empty());
    for stack in stacks {
        *counts.entry(owner(stack)).or_default() += 1;
    }
    let all: usize = counts.values().sum();
    if all == 0 {
        return Err("perf took no samples".to_owned());
    }
    let share = |at| *counts.get(&at).unwrap_or(&0) as f64 / all as f64;
    Ok(std::array::from_fn(share))
}

fn owner(stack: &str) -> usize {
    let of_frame = |frame: &str| {
        let owners = OWNERS[..OWNERS.len() - 1].iter();
        owners
            .enumerate()
            .find_map(|(at, (_, marks))| marks.iter().any(|mark| frame.contains(mark)).then_some(at))
    };
    stack.lines().find_map(of_frame).unwrap_or(OWNERS.len() - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_belongs_to_the_innermost_frame_that_tells() {
        let samples = "\t1 malloc\n\t2 forebay_memory::entry::Entry::new\n\t3 pingora_proxy::lib\n\n\
                       \t1 __x64\n\t2 tcp_sendmsg\n\t3 forebay_proxy::gathering::x\n\n\
                       \t1 mi_free\n\t2 pingora_http::drop\n\n\t1 futex_wait\n\n";
        assert_eq!(count(samples).unwrap(), [0.25, 0.0, 0.25, 0.0, 0.25, 0.25]);
        assert!(count("").is_err());
    }
}
