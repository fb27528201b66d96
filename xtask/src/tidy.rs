//! `cargo xtask tidy`: the rules of the house that a machine can check. Also a test.

mod manifests;
mod readme;
mod sources;
mod template;

use crate::shell::{Step, root};
use std::fs;
use std::path::{Path, PathBuf};

/// Prints what is untidy.
pub(crate) fn report() -> Step {
    let findings = findings();
    findings.iter().for_each(|finding| eprintln!("tidy: {finding}"));
    match findings.len() {
        0 => Ok(()),
        count => Err(format!("tidy: {count} findings")),
    }
}

fn findings() -> Vec<String> {
    let mut found = Vec::new();
    manifests::check(&mut found);
    sources::check(&mut found);
    readme::check(&mut found);
    template::check(&mut found);
    ci_only_calls_xtask(&mut found);
    found
}

/// What CI runs must be what a developer can run.
fn ci_only_calls_xtask(found: &mut Vec<String>) {
    for file in [".ci/run", ".github/workflows/ci.yml"] {
        let text = read(file);
        if !text.contains("cargo xtask test") {
            found.push(format!("{file}: does not call `cargo xtask test`"));
        }
        for line in text.lines().map(|line| line.trim().trim_start_matches("- run: ")) {
            if line.starts_with("cargo ") && !line.starts_with("cargo xtask ") {
                found.push(format!("{file}: calls cargo past xtask: {line}"));
            }
        }
    }
}

/// A file of the repository, by its path from the root; what cannot be read is empty, and fails other checks.
fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_default()
}

/// Every file below a folder whose name ends so, by paths from the root, in order.
fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root().join(&folder)).into_iter().flatten().flatten() {
            let path = folder.join(entry.file_name());
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(path),
                Ok(kind) if kind.is_file() && path.to_string_lossy().ends_with(ending) => found.push(path),
                _ => {}
            }
        }
    }
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_repository_is_tidy() {
        let findings = super::findings();
        assert!(findings.is_empty(), "{}", findings.join("\n"));
    }
}
