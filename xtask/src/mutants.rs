//! `cargo xtask mutants`: small changes to the memory adapter, each of which a test has to notice.

mod account;

use crate::shell::{Step, cargo, run, target_dir};

/// The version of cargo-mutants that the figures in conformance/MUTANTS.md are of.
const VERSION: &str = "27.1.0";

/// Runs cargo-mutants, or installs it with `--install`; `--account` tells the last run's figures again. What else is given
/// goes to it, for instance `--shard 0/8`.
pub(crate) fn command(args: &[String]) -> Step {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let folder = target_dir().join("mutants");
    match args[..] {
        ["--install"] => {
            return run(cargo(&[
                "install",
                "cargo-mutants",
                "--locked",
                "--version",
                VERSION,
            ]));
        }
        ["--account"] => return account::report(&folder, false),
        _ => {}
    }
    // Figures of an earlier run must not stand for this one.
    let _ = std::fs::remove_dir_all(folder.join("mutants.out"));
    let output = folder.to_string_lossy();
    let mut whole =
        "mutants --package forebay-memory --package forebay-live --features metrics --profile mutants"
            .split(' ')
            .collect::<Vec<_>>();
    // The judges. The suite is a target of the memory crate, so that nothing is linked that tests other storages.
    whole.extend(["--test-package", "forebay-live,forebay-memory"]);
    // Without a run on what is not mutated: `cargo xtask test` does that.
    whole.extend(["--baseline", "skip", "--timeout", "60", "--build-timeout", "600"]);
    whole.extend(["--output", &output]);
    whole.extend(&args);
    // All of them judge each mutant, so that the figures tell what the suite finds by itself.
    whole.extend("-- --no-fail-fast --lib --test live --test memory --test suite".split(' '));
    let mut mutants = cargo(&whole);
    // A SHOULD that no longer holds counts too.
    mutants.env("FOREBAY_CONFORMANCE_ARGS", "--strict --fail-fast --hang-after 5");
    let ran = run(mutants);
    if !folder.join("mutants.out/outcomes.json").exists() {
        return ran.map_err(|why| format!("{why}; without cargo-mutants: cargo xtask mutants --install"));
    }
    // It fails where anything survives or takes too long; here what survives has to be what is listed.
    let is_part = |arg: &&str| {
        ["--shard", "--file", "--re", "--exclude"]
            .iter()
            .any(|part| arg.starts_with(part))
    };
    account::report(&folder, !args.iter().any(is_part))
}
