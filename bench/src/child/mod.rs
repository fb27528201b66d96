//! What is measured in a process of its own: memory, and stores that are killed.

pub mod followers;
pub mod million;
pub mod per_entry;
pub mod stream;

use crate::Failure;
use serde_json::Value;
use std::process::{Command, Stdio};

/// Runs this program as a child and takes what it answers.
///
/// # Errors
/// Where the child fails; its own words went to stderr.
pub fn ask(args: &[&str]) -> Result<Value, Failure> {
    eprintln!("bench: child {}", args.join(" "));
    let output = command(args)?.stdin(Stdio::null()).output()?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("{}: {}: {}", args.join(" "), output.status, why.trim()).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// This program as a child that answers on its stdout.
pub(crate) fn command(args: &[&str]) -> Result<Command, Failure> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .arg("child")
        .args(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Ok(command)
}

/// What a child does: measures, and says so on its stdout.
///
/// # Errors
/// What could not be measured.
pub fn run(args: &[String]) -> Result<(), Failure> {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let answer = match args[..] {
        ["memory-per-entry", contender, entries] => per_entry::measure(contender, entries.parse()?)?,
        ["fill", dir, entries, end] => million::fill(dir.as_ref(), entries.parse()?, end)?,
        ["open", dir] => million::open(dir.as_ref())?,
        ["followers", dir, store] => followers::measure(dir.as_ref(), store)?,
        ["stream", dir, bytes] => stream::measure(dir.as_ref(), bytes.parse()?)?,
        _ => return Err(format!("no such child: {}", args.join(" ")).into()),
    };
    println!("{answer}");
    Ok(())
}

/// Resident memory of this process in bytes.
///
/// # Errors
/// Where there is no Linux procfs.
pub fn resident_bytes() -> Result<u64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line
        .and_then(|line| line.split_whitespace().next())
        .ok_or("no VmRSS in /proc/self/status")?;
    Ok(kib.parse::<u64>()? * 1024)
}
