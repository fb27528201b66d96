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

/// What others publish: the backends by their test targets, and the features that build them.
const PUBLISHED: [(&str, &str, &str); 3] = [
    ("pingap-file", "pingap_file", "pingap"),
    ("grapsus-disk", "grapsus_disk", "grapsus"),
    ("grapsus-hybrid", "grapsus_hybrid", "grapsus"),
];
/// What they came to last, for the README's table: nobody builds a proxy of others for that.
const KEPT: &str = "conformance/published/reports";
const PUBLISHED_MANIFEST: &str = "conformance/published/Cargo.toml";

/// The picture in the README, and the backends that it counts: those that are ours to keep right.
pub(crate) const BADGE: &str = "docs/conformance.svg";
pub(crate) const BADGE_OF: &str = "disk,memory";

const EXAMPLE: [&str; 5] = ["run", "--quiet", "--package", "forebay-conformance", "--example"];

/// A backend, and how cargo tests it.
struct Target {
    name: &'static str,
    cargo: Vec<String>,
}

pub(crate) fn command(args: &[String]) -> Step {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let (args, for_suite) = match args.iter().position(|arg| *arg == "--") {
        Some(at) => (&args[..at], &args[at + 1..]),
        None => (&args[..], &args[..0]),
    };
    // A name is enough; `--backend` before it says the same.
    let named = args
        .iter()
        .map(|arg| arg.strip_prefix("--backend=").unwrap_or(arg))
        .filter(|arg| *arg != "--backend")
        .collect::<Vec<_>>();
    match &named[..] {
        ["--spec"] => example("spec", &[]),
        ["--kill-matrix"] => kill_matrix(),
        ["--readme"] => test_backends(&ours(), &[], true),
        ["--published", "--keep", chosen @ ..] if for_suite.is_empty() => {
            let chosen = choose(published(), chosen)?;
            test_backends(&chosen, &[], false).and_then(|()| keep(&chosen))
        }
        ["--published", chosen @ ..] => test_backends(&choose(published(), chosen)?, for_suite, false),
        chosen => test_backends(&choose(ours(), chosen)?, for_suite, false),
    }
}

fn ours() -> Vec<Target> {
    let cargo = |target| ["test", "--package", "forebay-conformance", "--test", target];
    BACKENDS
        .iter()
        .map(|(name, target)| Target {
            name,
            cargo: cargo(target).map(str::to_owned).to_vec(),
        })
        .collect()
}

/// They share the target directory, so that pingora is not built a third time.
fn published() -> Vec<Target> {
    let target_dir = target_dir().to_string_lossy().into_owned();
    PUBLISHED
        .iter()
        .map(|(name, target, feature)| Target {
            name,
            cargo: [
                "test",
                "--manifest-path",
                PUBLISHED_MANIFEST,
                "--target-dir",
                &target_dir,
                "--features",
                feature,
                "--test",
                target,
            ]
            .map(str::to_owned)
            .to_vec(),
        })
        .collect()
}

/// The backends of others, in the order of the table.
pub(crate) fn published_names() -> impl Iterator<Item = &'static str> {
    PUBLISHED.iter().map(|(name, ..)| *name)
}

/// Puts the reports of a run where the README's table takes them from.
fn keep(targets: &[Target]) -> Step {
    for Target { name, .. } in targets {
        let file = format!("{name}.json");
        let kept = root().join(KEPT).join(&file);
        fs::copy(target_dir().join("conformance").join(file), &kept)
            .map_err(|error| format!("{}: {error}", kept.display()))?;
    }
    Ok(())
}

/// Those of these names, or all where there is none.
fn choose(targets: Vec<Target>, chosen: &[&str]) -> Result<Vec<Target>, String> {
    let known: Vec<_> = targets.iter().map(|target| target.name).collect();
    match chosen.iter().find(|name| !known.contains(name)) {
        Some(&("--readme" | "--spec" | "--kill-matrix" | "--keep")) => {
            Err("--readme, --spec and --kill-matrix stand alone, and --keep behind --published".to_owned())
        }
        Some(unknown) => Err(format!(
            "no backend \"{unknown}\"; there are {}",
            known.join(", ")
        )),
        None => Ok(targets
            .into_iter()
            .filter(|target| chosen.is_empty() || chosen.contains(&target.name))
            .collect()),
    }
}

fn test_backends(targets: &[Target], for_suite: &[&str], readme: bool) -> Step {
    let folder = target_dir().join("conformance");
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut failed = Vec::new();
    let mut reports = Vec::new();
    for Target { name, cargo: args } in targets {
        let json = folder.join(format!("{name}.json"));
        // One from an earlier run must not stand for this one.
        let _ = fs::remove_file(&json);
        let json_arg = json.to_string_lossy();
        let mut args: Vec<&str> = args.iter().map(String::as_str).collect();
        args.push("--");
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
        Err(format!("not as it should be: {}; see above", failed.join(", ")))
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
        let [readme, badge] = ["README.md", BADGE].map(|file| text(root().join(file)));
        args.extend(["--readme", &readme, "--spec", "conformance/SPEC.md"].map(str::to_owned));
        args.extend(["--badge", &badge, "--badge-of", BADGE_OF].map(str::to_owned));
        let kept = |name| text(root().join(KEPT).join(format!("{name}.json")));
        args.extend(published_names().flat_map(|name| ["--kept".to_owned(), kept(name)]));
    }
    args.extend(reports.iter().cloned().map(text));
    example("report", &args)
}

/// Judges every defect of the suite's catalogue by every rule.
fn kill_matrix() -> Step {
    let mut judged = cargo(&[
        "test",
        "--package",
        "forebay-conformance",
        "--test",
        "broken",
        "every_defect_fails_the_rule_that_it_breaks",
        "--",
        "--nocapture",
    ]);
    judged.env("KILL_MATRIX", "KILL-MATRIX.md");
    run(judged)
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
