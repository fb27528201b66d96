//! `cargo xtask mutants`: small changes to the memory adapter, each of which a test has to notice.

use crate::shell::{Step, cargo, run, target_dir};

/// The version of cargo-mutants that the figures in conformance/MUTANTS.md are of.
const VERSION: &str = "27.1.0";

/// Runs cargo-mutants, or installs it with `--install`; what else is given goes to it, for instance `--shard 0/8`.
pub(crate) fn command(args: &[String]) -> Step {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    if args == ["--install"] {
        return run(cargo(&[
            "install",
            "cargo-mutants",
            "--locked",
            "--version",
            VERSION,
        ]));
    }
    let output = target_dir().join("mutants");
    let output = output.to_string_lossy();
    let mut whole = vec![
        "mutants",
        "--package",
        "forebay-memory",
        "--package",
        "forebay-live",
    ];
    // The judges, the quickest first, since the first that finds fault is the last that runs: the crates' own tests, then
    // the suite against the memory storage. It is a target of the memory crate, so that nothing else is linked.
    whole.extend(["--test-package", "forebay-live,forebay-memory"]);
    whole.extend(["--profile", "mutants"]);
    // Without a run on what is not mutated: that would be without the suite.
    whole.extend(["--baseline", "skip", "--timeout", "60", "--build-timeout", "600"]);
    whole.extend(["--output", &output]);
    whole.extend(args);
    whole.extend([
        "--",
        "--no-fail-fast",
        "--lib",
        "--test",
        "live",
        "--test",
        "memory",
        "--test",
        "suite",
    ]);
    let mut mutants = cargo(&whole);
    // A SHOULD that no longer holds counts too.
    mutants.env("FOREBAY_CONFORMANCE_ARGS", "--strict --fail-fast --hang-after 5");
    run(mutants).map_err(|why| format!("{why}; without cargo-mutants: cargo xtask mutants --install"))
}
