//! `cargo xtask fuzz`: the targets of `fuzz/`, guided by coverage, all at once.
//!
//! libFuzzer comes as a crate, and what cargo-fuzz asks the compiler for are flags that the stable one has: the targets
//! are built here without either.

use crate::shell::{Step, cargo, root, run};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

const TARGETS: [&str; 4] = ["record", "footer", "meta", "store"];
const SECONDS: u32 = 60;
/// As part of `cargo xtask test`.
const SECONDS_IN_TEST: u32 = 15;
/// The compiler counts which edges are taken, and tells libFuzzer what is compared with what.
const RUSTFLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Cdebug-assertions -Ccodegen-units=1 --cfg fuzzing";
const TARGET_DIR: &str = "fuzz/target";
/// A file system in memory, where there is one: a store is made and opened twenty times as fast there.
const MEMORY: &str = "/dev/shm";

pub(crate) fn command(args: &[String]) -> Step {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        [] => fuzz(&TARGETS, SECONDS),
        [target] => fuzz(one(target)?, SECONDS),
        [target, seconds] => {
            let seconds = seconds.parse();
            fuzz(
                one(target)?,
                seconds.map_err(|_| format!("fuzz: {}: not a number of seconds", args[1]))?,
            )
        }
        _ => Err("fuzz: takes a target and a number of seconds".to_owned()),
    }
}

/// As part of `cargo xtask test`: a machine without a C++ compiler may skip it, unless it is a CI's.
pub(crate) fn in_test() -> Step {
    if has_compiler() || std::env::var_os("CI").is_some() {
        return fuzz(&TARGETS, SECONDS_IN_TEST);
    }
    eprintln!("\n── fuzz: SKIPPED, but for the replay of the corpus among the tests: {NO_COMPILER}");
    Ok(())
}

const NO_COMPILER: &str = "libFuzzer is C++, and there is no c++ (Debian: apt-get install g++)";

fn has_compiler() -> bool {
    Command::new("c++")
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success())
}

fn one(target: &str) -> Result<&'static [&'static str], String> {
    let at = TARGETS.iter().position(|known| *known == target);
    at.map(|at| &TARGETS[at..=at])
        .ok_or_else(|| format!("fuzz: no target \"{target}\"; there are {}", TARGETS.join(", ")))
}

fn fuzz(targets: &[&str], seconds: u32) -> Step {
    if !has_compiler() {
        return Err(format!("fuzz: {NO_COMPILER}"));
    }
    let host = host()?;
    // With a target named, the flags are for the targets alone, and not for what builds them.
    let mut build = cargo(&[
        "build",
        "--release",
        "--bins",
        "--manifest-path",
        "fuzz/Cargo.toml",
    ]);
    build
        .args(["--target-dir", TARGET_DIR, "--target", &host])
        .env("RUSTFLAGS", RUSTFLAGS);
    run(build)?;
    let binaries = root().join(TARGET_DIR).join(host).join("release");
    eprintln!("\n── fuzz: {} for {seconds} s", targets.join(", "));
    let started: Result<Vec<_>, String> = targets
        .iter()
        .map(|target| Ok((target, start(&binaries, target, seconds)?)))
        .collect();
    let ended: Vec<Step> = started?
        .into_iter()
        .map(|(target, child)| end(target, child))
        .collect();
    ended.into_iter().collect()
}

/// What is new goes into `target/`; the corpus that is kept is read, and stays small.
fn start(binaries: &Path, target: &str, seconds: u32) -> Result<Child, String> {
    let (found, log) = (folder("corpus").join(target), log_of(target));
    for dir in [&found, &folder("artifacts")] {
        fs::create_dir_all(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    }
    let log = File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
    let mut fuzz = Command::new(binaries.join(target));
    fuzz.current_dir(root())
        .arg(found)
        .arg(format!("fuzz/corpus/{target}"))
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!(
            "-artifact_prefix={}/{target}-",
            folder("artifacts").display()
        ))
        .stderr(log);
    if Path::new(MEMORY).is_dir() {
        fuzz.env("TMPDIR", MEMORY);
    }
    fuzz.spawn().map_err(|error| format!("fuzz {target}: {error}"))
}

/// Waits for it; what it says last is how much it has tried, or what it has found.
fn end(target: &str, mut child: Child) -> Step {
    let status = child.wait().map_err(|error| format!("fuzz {target}: {error}"))?;
    let log = fs::read_to_string(log_of(target)).unwrap_or_default();
    if status.success() {
        eprintln!("   {target}: {}", log.lines().last().unwrap_or_default());
        return Ok(());
    }
    eprintln!("{log}");
    Err(format!(
        "fuzz {target}: {status}; keep what it has written into {} as a file of fuzz/corpus/{target}",
        folder("artifacts").display()
    ))
}

fn folder(name: &str) -> PathBuf {
    root().join(TARGET_DIR).join(name)
}

fn log_of(target: &str) -> PathBuf {
    root().join(TARGET_DIR).join(format!("{target}.log"))
}

fn host() -> Result<String, String> {
    let output = Command::new("rustc").arg("-vV").current_dir(root()).output();
    let text = output.map_err(|error| format!("rustc -vV: {error}"))?.stdout;
    let text = String::from_utf8_lossy(&text);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned)
        .ok_or_else(|| "rustc -vV: names no host".to_owned())
}
