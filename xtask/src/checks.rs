//! `cargo xtask test`: everything that must pass, cheapest first.

use crate::fuzz;
use crate::guards;
use crate::shell::{Step, cargo, run};
use crate::tidy;

pub(crate) fn test() -> Step {
    run(cargo(&["fmt", "--all", "--check"]))?;
    tidy::report()?;
    // Each is built once: the lints have the bench's peers, which only the bench builds, the tests what is off by default.
    run(cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--features",
        "forebay-bench/peers",
        "--quiet",
        "--",
        "--deny",
        "warnings",
    ]))?;
    run(cargo(&[
        "test",
        "--workspace",
        "--features",
        "forebay-memory/metrics,forebay-disk/metrics",
        "--no-fail-fast",
    ]))?;
    let mut docs = cargo(&["doc", "--workspace", "--all-features", "--no-deps", "--quiet"]);
    docs.env("RUSTDOCFLAGS", "--deny warnings");
    run(docs)?;
    fuzz::in_test()?;
    guards::in_test()
}
