//! `cargo xtask conformance`: the storage contract against the backends of this repository.

use crate::shell::{Step, cargo, run};

/// Backends by the names of their test targets in the conformance crate.
const BACKENDS: [(&str, &str); 3] = [
    ("memory", "memory"),
    ("disk", "disk"),
    ("pingora-memcache", "pingora_memcache"),
];
const SPEC: [&str; 6] = [
    "run",
    "--quiet",
    "--package",
    "forebay-conformance",
    "--example",
    "spec",
];

pub(crate) fn command(args: &[String]) -> Step {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    if args == ["--spec"] {
        return run(cargo(&SPEC));
    }
    let (chosen, for_suite) = match args.iter().position(|arg| *arg == "--") {
        Some(at) => (&args[..at], &args[at + 1..]),
        None => (&args[..], &args[..0]),
    };
    match chosen
        .iter()
        .find(|name| !BACKENDS.iter().any(|(known, _)| known == *name))
    {
        Some(unknown) => {
            let known: Vec<_> = BACKENDS.iter().map(|(name, _)| *name).collect();
            Err(format!(
                "no backend \"{unknown}\"; there are {}",
                known.join(", ")
            ))
        }
        None => test_backends(chosen, for_suite),
    }
}

fn test_backends(chosen: &[&str], for_suite: &[&str]) -> Step {
    let mut failed = Vec::new();
    for (name, target) in BACKENDS
        .iter()
        .filter(|(name, _)| chosen.is_empty() || chosen.contains(name))
    {
        let mut args = vec!["test", "--package", "forebay-conformance", "--test", target, "--"];
        args.extend(for_suite);
        if run(cargo(&args)).is_err() {
            failed.push(*name);
        }
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(format!("the contract is broken by: {}", failed.join(", ")))
    }
}
