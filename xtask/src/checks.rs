//! `cargo xtask test`: everything that must pass, cheapest first.

use crate::fuzz;
use crate::guards;
use crate::shell::{Step, cargo, run};
use crate::tidy;

pub(crate) fn test() -> Step {
    run(cargo(&["fmt", "--all", "--check"]))?;
    tidy::report()?;
    run(cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--quiet",
        "--",
        "--deny",
        "warnings",
    ]))?;
    // The peers are built for nothing else.
    run(cargo(&[
        "clippy",
        "--package",
        "forebay-bench",
        "--all-targets",
        "--features",
        "peers",
        "--quiet",
        "--",
        "--deny",
        "warnings",
    ]))?;
    run(cargo(&["test", "--workspace", "--no-fail-fast"]))?;
    let stores = ["--package", "forebay-memory", "--package", "forebay-disk"];
    run(cargo(
        &[
            &["test", "--lib", "--features", "metrics"],
            &stores[..],
            &["metrics"],
        ]
        .concat(),
    ))?;
    let mut docs = cargo(&["doc", "--workspace", "--all-features", "--no-deps", "--quiet"]);
    docs.env("RUSTDOCFLAGS", "--deny warnings");
    run(docs)?;
    fuzz::in_test()?;
    guards::in_test()
}
