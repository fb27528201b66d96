//! The template for authors of backends names crates that there are, where they are; its test is one of the suite's targets.

use super::read;
use toml::{Table, Value};

const MANIFEST: &str = "conformance/template/Cargo.toml";

pub(super) fn check(found: &mut Vec<String>) {
    // As `cargo generate` fills it in.
    let made = read(MANIFEST).replace("{{project-name}}", "my-backend-conformance");
    match made.parse::<Table>() {
        Ok(manifest) => {
            let (version, repository) = (of_workspace("version"), of_workspace("repository"));
            for (name, spec) in manifest
                .get("dependencies")
                .and_then(Value::as_table)
                .into_iter()
                .flatten()
            {
                let is_ours = ["forebay-conformance", "forebay-pingora"].contains(&name.as_str());
                // A version of a registry, or our repository: before a release there is no version anywhere.
                let is_there = match (spec.as_str(), spec.get("git").and_then(Value::as_str)) {
                    (Some(spec), _) => version.starts_with(spec),
                    (None, git) => git == Some(&repository),
                };
                if !is_ours || !is_there {
                    found.push(format!(
                        "{MANIFEST}: {name} {spec}, where ours is {version} in {repository}"
                    ));
                }
            }
        }
        Err(error) => found.push(format!("{MANIFEST}: {error}")),
    }
    if made.contains("{{") {
        found.push(format!("{MANIFEST}: has a placeholder other than the name"));
    }
    if !read("conformance/Cargo.toml").contains("path = \"template/tests/conformance.rs\"") {
        found.push(
            "conformance/Cargo.toml: the template's test is no target, so nothing compiles it".to_owned(),
        );
    }
}

fn of_workspace(field: &str) -> String {
    let manifest = read("Cargo.toml").parse::<Table>().unwrap_or_default();
    let package = manifest
        .get("workspace")
        .and_then(|workspace| workspace.get("package"));
    let value = package
        .and_then(|package| package.get(field))
        .and_then(Value::as_str);
    value.unwrap_or_default().to_owned()
}
