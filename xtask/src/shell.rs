//! Running cargo from the root of the repository.

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Instant;

/// A step that failed, in one line.
pub(crate) type Step = Result<(), String>;

pub(crate) fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

pub(crate) fn target_dir() -> PathBuf {
    root().join(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// The cargo that runs this, in the root of the repository.
pub(crate) fn cargo(args: &[&str]) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(args).current_dir(root());
    cargo
}

/// Runs a command to its end, and says what it is and how long it took.
pub(crate) fn run(mut command: Command) -> Step {
    let words: Vec<_> = command.get_args().map(|arg| arg.to_string_lossy()).collect();
    let shown = format!("cargo {}", words.join(" "));
    eprintln!("\n── {shown}");
    let started = Instant::now();
    let status = command
        .status()
        .map_err(|error| format!("{shown}: cannot be run: {error}"))?;
    eprintln!("── {shown}: {status}, {:.0?}", started.elapsed());
    if status.success() {
        Ok(())
    } else {
        Err(format!("{shown}: {status}"))
    }
}

pub(crate) fn exit(step: Step) -> ExitCode {
    match step {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("xtask: {why}");
            ExitCode::FAILURE
        }
    }
}
