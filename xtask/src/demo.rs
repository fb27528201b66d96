//! `cargo xtask demo`: builds proxy and demo, then becomes the demo.

use crate::shell::{cargo, exit, run as run_step, target_dir};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

/// Builds with progress, then runs the demo with `args` in place of this process, so that Ctrl-C reaches it alone.
pub(crate) fn run(args: &[String]) -> ExitCode {
    if let Err(why) = run_step(cargo(&[
        "build",
        "--release",
        "-p",
        "forebay-proxy",
        "-p",
        "forebay-demo",
    ])) {
        return exit(Err(why));
    }
    let release = target_dir().join("release");
    let demo = release.join("forebay-demo");
    let error = Command::new(&demo)
        .arg("--proxy")
        .arg(release.join("forebay-proxy"))
        .args(args)
        .exec();
    exit(Err(format!("{}: {error}", demo.display())))
}
