//! What a run of cargo-mutants came to: who found each change, and whether what survives is what is listed.

use crate::shell::{Step, root};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

const LIST: &str = "conformance/MUTANTS.md";

/// How often each judge found a mutant of one crate.
#[derive(Default)]
struct Count {
    all: usize,
    unviable: usize,
    by_suite: usize,
    by_tests_alone: usize,
    by_timeout: usize,
    survived: usize,
}

/// Prints who found what, and fails on survivors that are not listed with their reason; after a run over all, also on listed
/// ones that no longer survive.
pub(super) fn report(output: &Path, whole: bool) -> Step {
    let path = output.join("mutants.out");
    let read = |file: &Path| fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()));
    let outcomes: Value = serde_json::from_str(&read(&path.join("outcomes.json"))?)
        .map_err(|error| format!("what cargo-mutants wrote: {error}"))?;
    let mut counts: BTreeMap<String, Count> = BTreeMap::new();
    let mut survivors = Vec::new();
    for outcome in outcomes["outcomes"].as_array().into_iter().flatten() {
        let mutant = &outcome["scenario"]["Mutant"];
        let Some(name) = mutant["name"].as_str() else {
            continue;
        };
        let count = counts.entry(text(&mutant["package"]).to_owned()).or_default();
        count.all += 1;
        match text(&outcome["summary"]) {
            "Unviable" => count.unviable += 1,
            "Timeout" => count.by_timeout += 1,
            "CaughtMutant" => {
                let log = read(&path.join(text(&outcome["log_path"])))?;
                match log.contains("-p forebay-memory --test suite`") {
                    true => count.by_suite += 1,
                    false => count.by_tests_alone += 1,
                }
            }
            _ => {
                count.survived += 1;
                survivors.push(without_place(name));
            }
        }
    }
    print(&counts);
    compare(&survivors, &listed(&read(&root().join(LIST))?), whole)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// `file: change in function`: lines move with every edit.
fn without_place(name: &str) -> String {
    let mut parts = name.splitn(4, ':');
    let (file, change) = (parts.next().unwrap_or_default(), parts.nth(2).unwrap_or_default());
    format!("{file}: {}", change.trim())
}

fn print(counts: &BTreeMap<String, Count>) {
    println!(
        "| Crate | Mutants | do not compile | found by the suite | by unit tests alone | by time-out | survive |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|");
    for (name, count) in counts {
        let Count {
            all,
            unviable,
            by_suite,
            by_tests_alone,
            by_timeout,
            survived,
        } = count;
        println!(
            "| `{name}` | {all} | {unviable} | {by_suite} | {by_tests_alone} | {by_timeout} | {survived} |"
        );
    }
}

/// The survivors of the list: the first cells of the rows below its last heading.
fn listed(list: &str) -> Vec<String> {
    let rows = list.rsplit("\n## ").next().unwrap_or_default().lines();
    rows.filter_map(|row| row.strip_prefix("| `")?.split_once("` |"))
        .map(|(name, _)| name.replace("\\|", "|"))
        .collect()
}

fn compare(survivors: &[String], listed: &[String], whole: bool) -> Step {
    let new: Vec<_> = survivors.iter().filter(|name| !listed.contains(name)).collect();
    let gone: Vec<_> = listed.iter().filter(|name| !survivors.contains(name)).collect();
    if !new.is_empty() {
        return Err(format!("survive, and {LIST} does not say why: {new:#?}"));
    }
    if whole && !gone.is_empty() {
        return Err(format!("listed in {LIST}, and do not survive: {gone:#?}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mutant_is_known_by_its_file_and_its_change() {
        let name = "crates/live/src/body.rs:50:29: replace || with && in LiveBody::push";
        let known = without_place(name);
        assert_eq!(
            known,
            "crates/live/src/body.rs: replace || with && in LiveBody::push"
        );
        let list = "## What survives\n\n| Mutant | Why |\n|---|---|\n| `crates/live/src/body.rs: replace \\|\\| with && in \
                    LiveBody::push` | none |\n";
        let one = [known];
        assert_eq!(listed(list), one);
        assert!(compare(&one, &one, true).is_ok());
        assert!(compare(&one, &[], false).is_err());
        assert!(compare(&[], &one, true).is_err());
        assert!(compare(&[], &one, false).is_ok());
    }
}
