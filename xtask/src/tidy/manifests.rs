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
    all_taken(found);
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

/// Every dependency of the workspace is one of some member's.
fn all_taken(found: &mut Vec<String>) {
    let members =
        ["bench", "crates", "conformance", "demo", "xtask"].map(|folder| files(folder, "Cargo.toml"));
    let members = members.iter().flatten();
    let members: Vec<Table> = members
        .filter(|path| !APART.iter().any(|apart| path.starts_with(apart)))
        .filter_map(|path| read(path).parse().ok()) // what is no manifest is found elsewhere
        .collect();
    let workspace: Table = read("Cargo.toml").parse().unwrap_or_default();
    for dependency in untaken(&workspace, &members) {
        found.push(format!(
            "Cargo.toml: no member takes {dependency} from [workspace.dependencies]"
        ));
    }
}

/// The workspace's dependencies that no member takes from it.
fn untaken(workspace: &Table, members: &[Table]) -> Vec<String> {
    let all = workspace
        .get("workspace")
        .and_then(|workspace| workspace.get("dependencies"))
        .and_then(Value::as_table);
    let is_taken = |dependency: &str| {
        let specs = members.iter().flat_map(of_all_targets).flat_map(|of| {
            ["dependencies", "dev-dependencies", "build-dependencies"]
                .map(|table| of.get(table).and_then(|table| table.get(dependency)))
        });
        specs
            .flatten()
            .any(|spec| spec.get("workspace") == Some(&Value::Boolean(true)))
    };
    let names = all.into_iter().flat_map(Table::keys);
    names.filter(|name| !is_taken(name)).cloned().collect()
}

/// Where a manifest has tables of dependencies: itself, and what it has for some targets alone.
fn of_all_targets(manifest: &Table) -> impl Iterator<Item = &Table> {
    let targets = manifest.get("target").and_then(Value::as_table);
    let of_some = targets
        .into_iter()
        .flat_map(Table::values)
        .filter_map(Value::as_table);
    std::iter::once(manifest).chain(of_some)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_is_taken_by_a_member_that_has_it_from_the_workspace() {
        let workspace = "[workspace.dependencies]\na = \"1\"\nb = \"1\"\nc = \"1\"\nd = \"1\"\ne = \"1\""
            .parse()
            .unwrap();
        let members = [
            "[dependencies]\na.workspace = true\nd = { path = \"../d\" }",
            "[dev-dependencies]\nb = { workspace = true, features = [\"e\"] }",
            "[target.'cfg(unix)'.dependencies]\ne.workspace = true",
        ];
        let members = members.map(|member| member.parse().unwrap());
        assert_eq!(untaken(&workspace, &members), ["c", "d"]);
    }
}
