//! `cargo xtask conformance`: the storage contract against the backends of this repository.

use crate::shell::{Step, cargo, root, run, target_dir};
use std::fs;
use std::path::PathBuf;

/// Backends by the names of their test targets in the conformance crate.
pub(crate) const BACKENDS: [(&str, &str); 5] = [
    ("memory", "memory"),
    ("disk", "disk"),
    ("pingora-memcache", "pingora_memcache"),
    ("pingora-memcache-0.8", "pingora_memcache_0_8"),
    ("reference", "reference"),
];

const EXAMPLE: [&str; 5] = ["run", "--quiet", "--package", "forebay-conformance", "--example"];

pub(crate) fn command(args: &[String]) -> Step {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    if args == ["--spec"] {
        return example("spec", &[]);
    }
    if args == ["--readme"] {
        return test_backends(&[], &[], true);
    }
    let (chosen, for_suite) = match args.iter().position(|arg| *arg == "--") {
        Some(at) => (&args[..at], &args[at + 1..]),
        None => (&args[..], &args[..0]),
    };
    // A name is enough; `--backend` before it says the same.
    let chosen = &chosen
        .iter()
        .map(|arg| arg.strip_prefix("--backend=").unwrap_or(arg))
        .filter(|arg| *arg != "--backend")
        .collect::<Vec<_>>()[..];
    let known = || BACKENDS.iter().map(|(name, _)| *name);
    match chosen.iter().find(|name| !known().any(|known| known == **name)) {
        Some(&("--readme" | "--spec")) => Err("--readme and --spec stand alone".to_owned()),
        Some(unknown) => Err(format!(
            "no backend \"{unknown}\"; there are {}",
            known().collect::<Vec<_>>().join(", ")
        )),
        None => test_backends(chosen, for_suite, false),
    }
}

fn test_backends(chosen: &[&str], for_suite: &[&str], readme: bool) -> Step {
    let folder = target_dir().join("conformance");
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut failed = Vec::new();
    let mut reports = Vec::new();
    for (name, target) in BACKENDS
        .iter()
        .filter(|(name, _)| chosen.is_empty() || chosen.contains(name))
    {
        let json = folder.join(format!("{name}.json"));
        // One from an earlier run must not stand for this one.
        let _ = fs::remove_file(&json);
        let json_arg = json.to_string_lossy();
        let mut args = vec!["test", "--package", "forebay-conformance", "--test", target, "--"];
        args.extend(for_suite);
        args.extend(["--json", &json_arg]);
        if run(cargo(&args)).is_err() {
            failed.push(*name);
        }
        if json.exists() {
            reports.push(json);
        }
    }
    // Without reports there is nothing to render: a list was asked for, or nothing could be built.
    if !reports.is_empty() {
        render(&folder, &reports, readme)?;
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(format!("the contract is broken by: {}", failed.join(", ")))
    }
}

fn render(folder: &std::path::Path, reports: &[PathBuf], readme: bool) -> Step {
    let text = |path: PathBuf| path.to_string_lossy().into_owned();
    let mut args = vec![
        "--html".to_owned(),
        text(folder.join("report.html")),
        "--junit".to_owned(),
        text(folder.join("junit.xml")),
    ];
    if readme {
        let readme = text(root().join("README.md"));
        args.extend(["--readme", &readme, "--spec", "conformance/SPEC.md"].map(str::to_owned));
    }
    args.extend(reports.iter().cloned().map(text));
    example("report", &args)
}

fn example(name: &str, args: &[String]) -> Step {
    let mut whole = EXAMPLE.to_vec();
    whole.push(name);
    if !args.is_empty() {
        whole.push("--");
        whole.extend(args.iter().map(String::as_str));
    }
    run(cargo(&whole))
}
