//! The kill matrix: which rules find which defect, and how many random cases that takes.

use super::{judged_with, persistent};
use crate::defect::{CATALOGUE, Defect};
use crate::{faulty, hopping};
use forebay_conformance::{Options, Report};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The checks that draw random cases until one fails.
const RANDOM: [&str; 2] = ["MODEL-SEQUENCE", "MODEL-SCHEDULE"];
/// How many cases are tried, in turn; the last is the suite's default.
const LADDER: [u32; 8] = [1, 2, 5, 10, 20, 50, 100, 200];

const HEAD: &str = "\
<!-- Made by `cargo xtask conformance --kill-matrix`. -->
# The kill matrix

Each defect of the suite's own catalogue ([tests/broken](tests/broken)) is one small mistake in a backend that is otherwise
correct. It has to be found by the check of the rule that it breaks. Beside that rule stands what else finds it, and how many
random cases `MODEL-SEQUENCE` and `MODEL-SCHEDULE` need (of 200, seed 1), where they find it.

| Defect | Breaks | Found by these too | Cases: sequence | Cases: schedule |
|---|---|---|--:|--:|
";

const REST: &str = "
Storages that persist, whose disk fails, or whose reads take a hop, are judged by the rule alone:

| Defect | Breaks |
|---|---|
";

/// Where the matrix is asked for: `KILL_MATRIX=FILE`, from the crate's folder.
pub(crate) fn wanted() -> Option<PathBuf> {
    let path = std::env::var_os("KILL_MATRIX")?;
    Some(Path::new(env!("CARGO_MANIFEST_DIR")).join(path))
}

/// The lines of the defects with the reports on them, all rules asked for.
pub(crate) fn write(path: &Path, reports: &[(Defect, &str, Report)]) {
    let mut out = HEAD.to_owned();
    for (defect, rule, report) in reports {
        let broken = report.broken();
        let others: Vec<_> = broken.iter().copied().filter(|other| other != rule).collect();
        let [sequence, schedule] = RANDOM.map(|random| match broken.contains(&random) {
            true => cases_needed(*defect, random),
            false => "–".to_owned(),
        });
        let line = format!(
            "| {defect:?} | {} | {} | {sequence} | {schedule} |\n",
            link(rule),
            others.join(", ")
        );
        print!("{line}");
        out.push_str(&line);
    }
    out.push_str(REST);
    for (defect, rule) in alone() {
        out.push_str(&format!("| {defect} | {} |\n", link(rule)));
    }
    std::fs::write(path, out).unwrap();
}

/// The defects that are judged by their rule alone.
pub(crate) fn alone() -> impl Iterator<Item = (String, &'static str)> {
    persistent::catalogue()
        .chain(faulty::catalogue())
        .chain(hopping::catalogue())
}

fn cases_needed(defect: Defect, rule: &str) -> String {
    let finds = |cases: &&u32| {
        let options = Options {
            cases: **cases,
            ..Options::default()
        };
        !judged_with(defect, options, |r| r.id == rule).broken().is_empty()
    };
    let [.., most] = LADDER;
    LADDER.iter().find(finds).unwrap_or(&most).to_string()
}

fn link(rule: &str) -> String {
    format!("[{rule}](SPEC.md#{})", rule.to_lowercase())
}

#[test]
fn the_published_matrix_has_the_defects_of_the_catalogue() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/KILL-MATRIX.md");
    let text = std::fs::read_to_string(path).unwrap();
    let published: BTreeSet<String> = text
        .lines()
        .filter_map(|line| {
            let (defect, rest) = line.strip_prefix("| ")?.split_once(" | [")?;
            Some(format!("{defect} {}", rest.split_once(']')?.0))
        })
        .collect();
    let ours = CATALOGUE
        .iter()
        .map(|(defect, rule)| (format!("{defect:?}"), *rule))
        .chain(alone())
        .map(|(defect, rule)| format!("{defect} {rule}"))
        .collect();
    assert_eq!(
        published, ours,
        "run `cargo xtask conformance --kill-matrix`, which writes KILL-MATRIX.md anew"
    );
}
