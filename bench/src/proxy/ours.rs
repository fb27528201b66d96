//! Our proxy, and the same proxy over other storages.

use super::contender::Site;
use std::path::PathBuf;
use std::process::Command;

/// Builds all of them, with progress.
pub(super) fn build() -> Result<(), String> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--release", "--package", "forebay-proxy"]);
    cargo.arg("--bins");
    for example in ["memcache", "nothing", "one"] {
        cargo.args(["--example", example]);
    }
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    match cargo.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("the build of forebay-proxy: {status}")),
        Err(error) => Err(format!("cargo: {error}")),
    }
}

pub(super) fn proxy() -> Result<PathBuf, String> {
    built("forebay-proxy")
}

/// The proxy over another storage: an example of its crate.
pub(super) fn over(example: &str) -> Result<PathBuf, String> {
    built(&format!("examples/{example}"))
}

pub(super) fn in_memory(site: &Site<'_>) -> Command {
    let mut command = base(site);
    command.args(["--memory-capacity", &format!("{}MiB", site.capacity_mib)]);
    command
}

pub(super) fn on_disk(site: &Site<'_>) -> Command {
    let mut command = base(site);
    command.arg("--cache-dir").arg(site.directory.join("cache"));
    command.args(["--disk-capacity", &format!("{}MiB", site.capacity_mib)]);
    command
}

pub(super) fn on_disk_alone(site: &Site<'_>) -> Command {
    let mut command = on_disk(site);
    command.args(["--memory-capacity", "0"]);
    command
}

fn base(site: &Site<'_>) -> Command {
    let mut command = Command::new(&site.program);
    command.args(["--listen", &site.listen.to_string()]);
    command.args(["--origin", &format!("http://{}", site.origin)]);
    command.args(["--threads", "1"]);
    command
}

/// Below the folder of release builds, in which this program may lie itself.
fn built(name: &str) -> Result<PathBuf, String> {
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    let release = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .join(target)
        .join("release");
    let program = release.join(name);
    match program.canonicalize() {
        Ok(program) => Ok(program),
        Err(error) => Err(format!("{}: {error}", program.display())),
    }
}
