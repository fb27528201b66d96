//! `cargo xtask demo`: builds proxy and demo, then becomes the demo.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

/// Builds with progress, then runs the demo with `args` in place of this process, so that Ctrl-C reaches it alone.
pub(crate) fn run(args: &[String]) -> ExitCode {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--release", "-p", "forebay-proxy", "-p", "forebay-demo"]);
    match build.current_dir(root()).status() {
        Ok(status) if status.success() => {}
        Ok(_) => return ExitCode::FAILURE,
        Err(error) => return fail(&format!("cargo cannot be run: {error}")),
    }
    let release = target_dir().join("release");
    let error = Command::new(release.join("forebay-demo"))
        .arg("--proxy")
        .arg(release.join("forebay-proxy"))
        .args(args)
        .exec();
    fail(&format!("{}: {error}", release.join("forebay-demo").display()))
}

fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn target_dir() -> PathBuf {
    root().join(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

fn fail(why: &str) -> ExitCode {
    eprintln!("xtask: {why}");
    ExitCode::FAILURE
}
