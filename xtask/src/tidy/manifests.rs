//! What depends on what, and why.

use super::{files, read};
use toml::{Table, Value};

const ADAPTERS: [&str; 2] = ["forebay-memory", "forebay-disk"];
/// No members of the workspace: what others publish, and what becomes the crate of somebody else.
const APART: [&str; 2] = ["conformance/published/", "conformance/template/"];
/// pingora-error is the error type of the core; the rest of pingora is the bridge's and the proxy's.
const PINGORA: [&str; 7] = [
    "pingora-cache",
    "pingora-cache-0-8",
    "pingora-core",
    "pingora-error-0-8",
    "pingora-http",
    "pingora-http-0-8",
    "pingora-proxy",
];

pub(super) fn check(found: &mut Vec<String>) {
    reasons(found);
    for folder in ["crates", "conformance", "demo", "xtask"] {
        for path in files(folder, "Cargo.toml") {
            let path = path.to_string_lossy();
            if APART.iter().any(|apart| path.starts_with(apart)) {
                continue;
            }
            match read(&*path).parse::<Table>() {
                Ok(manifest) => crate_manifest(&path, &manifest, found),
                Err(error) => found.push(format!("{path}: {error}")),
            }
        }
    }
}

/// Every dependency from outside has its reason beside it.
fn reasons(found: &mut Vec<String>) {
    let manifest = read("Cargo.toml");
    let dependencies = manifest
        .lines()
        .skip_while(|line| *line != "[workspace.dependencies]")
        .skip(1);
    for line in dependencies.take_while(|line| !line.starts_with('[')) {
        let is_ours = line.contains("path = ");
        if line.contains(" = ") && !line.starts_with('#') && !is_ours && !line.contains(" # ") {
            found.push(format!(
                "Cargo.toml: a dependency without a reason beside it: {line}"
            ));
        }
    }
}

fn crate_manifest(path: &str, manifest: &Table, found: &mut Vec<String>) {
    let name = manifest
        .get("package")
        .and_then(|p| p.get("name"))
        .and_then(Value::as_str)
        .unwrap_or(path);
    let of = |table: &str| {
        manifest
            .get(table)
            .and_then(Value::as_table)
            .cloned()
            .unwrap_or_default()
    };
    for (dependency, spec) in of("dependencies") {
        let is = |group: &[&str]| group.contains(&dependency.as_str());
        if is(&ADAPTERS) && !["forebay-proxy", "forebay-cli"].contains(&name) {
            found.push(format!(
                "{path}: {name} depends on the adapter {dependency}; only the proxy and the command may"
            ));
        }
        if is(&PINGORA) && !["forebay-pingora", "forebay-proxy"].contains(&name) {
            found.push(format!(
                "{path}: {name} depends on {dependency}; pingora is the bridge's and the proxy's"
            ));
        }
        if dependency.starts_with("forebay-") && name == "forebay-core" {
            found.push(format!(
                "{path}: the core depends on {dependency}; arrows point inward"
            ));
        }
        from_workspace(path, &dependency, &spec, found);
    }
    for (dependency, spec) in of("dev-dependencies") {
        if !dependency.starts_with("forebay-") {
            from_workspace(path, &dependency, &spec, found);
        } else if spec.get("path").is_none() || spec.get("version").is_some() {
            found.push(format!(
                "{path}: {dependency} is for tests: name it by its path alone. Our crates test each other in circles, \
                 which cannot be published; what has no version is left out of a package"
            ));
        }
    }
    for (dependency, spec) in of("build-dependencies") {
        from_workspace(path, &dependency, &spec, found);
    }
    if manifest.get("lints").and_then(|l| l.get("workspace")) != Some(&Value::Boolean(true)) {
        found.push(format!("{path}: does not take the workspace's lints"));
    }
}

fn from_workspace(path: &str, dependency: &str, spec: &Value, found: &mut Vec<String>) {
    if spec.get("workspace") != Some(&Value::Boolean(true)) {
        found.push(format!(
            "{path}: {dependency} is not taken from [workspace.dependencies]"
        ));
    }
}
