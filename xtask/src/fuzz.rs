//! `cargo xtask fuzz`: the targets of `fuzz/`, guided by coverage, all at once.
//!
//! libFuzzer comes as a crate, and what cargo-fuzz asks the compiler for are flags that the stable one has: the targets
//! are built here without either.

use crate::shell::{Step, cargo, root, run};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

const TARGETS: [Target; 4] = [
    Target::new("record", 2_000_000),
    Target::new("footer", 4_000_000),
    Target::new("meta", 6_000_000),
    Target::new("store", 4_000),
];
const SECONDS: u32 = 60;

struct Target {
    name: &'static str,
    /// As part of `cargo xtask test`: some ten seconds of them.
    runs_in_test: u32,
}

impl Target {
    const fn new(name: &'static str, runs_in_test: u32) -> Self {
        Self { name, runs_in_test }
    }
}

/// For how long, and from where.
#[derive(Clone, Copy)]
enum Effort {
    /// From where the last time ended, at random.
    Seconds(u32),
    /// From the committed corpus, by one seed, without what depends on addresses: the same build tries the same inputs
    /// (but for the whole store's, which has threads), so that a test run says the same thing twice. To find what is new
    /// is for `cargo xtask fuzz`.
    SameRuns,
}
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
        [] => fuzz(&TARGETS, Effort::Seconds(SECONDS)),
        [target] => fuzz(one(target)?, Effort::Seconds(SECONDS)),
        [target, seconds] => {
            let parsed = seconds.parse();
            let parsed = parsed.map_err(|_| format!("fuzz: {seconds}: not a number of seconds"))?;
            fuzz(one(target)?, Effort::Seconds(parsed))
        }
        _ => Err("fuzz: takes a target and a number of seconds".to_owned()),
    }
}

/// As part of `cargo xtask test`: a machine without a C++ compiler may skip it, unless it is a CI's.
pub(crate) fn in_test() -> Step {
    if has_compiler() || std::env::var_os("CI").is_some() {
        return fuzz(&TARGETS, Effort::SameRuns);
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

fn one(name: &str) -> Result<&'static [Target], String> {
    let at = TARGETS.iter().position(|target| target.name == name);
    at.map(|at| &TARGETS[at..=at])
        .ok_or_else(|| format!("fuzz: no target \"{name}\"; there are {}", names(&TARGETS)))
}

fn names(targets: &[Target]) -> String {
    let names: Vec<_> = targets.iter().map(|target| target.name).collect();
    names.join(", ")
}

fn fuzz(targets: &[Target], effort: Effort) -> Step {
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
    match effort {
        Effort::Seconds(seconds) => eprintln!("\n── fuzz: {} for {seconds} s", names(targets)),
        Effort::SameRuns => eprintln!("\n── fuzz: {}, the same runs every time", names(targets)),
    }
    let started: Result<Vec<_>, String> = targets
        .iter()
        .map(|target| Ok((target.name, start(&binaries, target, effort)?)))
        .collect();
    let ended: Vec<Step> = started?
        .into_iter()
        .map(|(target, child)| end(target, child))
        .collect();
    ended.into_iter().collect()
}

/// What is new goes into `target/`; the corpus that is kept is read, and stays small.
fn start(binaries: &Path, target: &Target, effort: Effort) -> Result<Child, String> {
    let Target { name, runs_in_test } = target;
    let (found, log) = match effort {
        Effort::Seconds(_) => (folder("corpus").join(name), log_of(name)),
        Effort::SameRuns => (folder("corpus-in-test").join(name), log_of(name)),
    };
    if let Effort::SameRuns = effort
        && found.exists()
    {
        fs::remove_dir_all(&found).map_err(|error| format!("{}: {error}", found.display()))?;
    }
    for dir in [&found, &folder("artifacts")] {
        fs::create_dir_all(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    }
    let log = File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
    let mut fuzz = Command::new(binaries.join(name));
    fuzz.current_dir(root())
        .arg(found)
        .arg(format!("fuzz/corpus/{name}"))
        .arg(format!(
            "-artifact_prefix={}/{name}-",
            folder("artifacts").display()
        ))
        .stderr(log);
    match effort {
        Effort::Seconds(seconds) => fuzz.arg(format!("-max_total_time={seconds}")),
        Effort::SameRuns => fuzz
            .args(["-seed=1", "-use_cmp=0"])
            .arg(format!("-runs={runs_in_test}")),
    };
    if Path::new(MEMORY).is_dir() {
        fuzz.env("TMPDIR", MEMORY);
    }
    fuzz.spawn().map_err(|error| format!("fuzz {name}: {error}"))
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
