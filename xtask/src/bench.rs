//! `cargo xtask bench`: ours and the peers, measured side by side.

use crate::shell::{Step, cargo, root, run, target_dir};

/// The bench with all its peers: nothing else builds them, and the lints of `cargo xtask test` check them.
const BENCH: [&str; 9] = [
    "run",
    "--quiet",
    "--release",
    "--package",
    "forebay-bench",
    "--features",
    "peers",
    "--",
    "--data",
];

pub(crate) fn command(args: &[String]) -> Step {
    let data = target_dir().join("bench-data").to_string_lossy().into_owned();
    let (docs, rough) = (root().join("docs/bench"), target_dir().join("bench"));
    let readme = root().join("README.md").to_string_lossy().into_owned();
    // What is not for the docs leaves them alone.
    let for_docs = args.iter().any(|arg| arg == "--readme");
    let out = if for_docs { docs } else { rough }.to_string_lossy().into_owned();
    let mut all = BENCH.to_vec();
    all.extend([&*data, "--out", &out]);
    for arg in args {
        all.push(arg);
        if arg == "--readme" {
            all.push(&readme);
        }
    }
    run(cargo(&all))
}
