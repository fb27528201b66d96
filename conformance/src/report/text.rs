//! Reports as text for a terminal.

use super::{Report, is_bad, reason, word};
use crate::outcome::{Status, Verdict};
use crate::rules::Area;
use std::fmt::Write;

/// An outcome, and whether a status is of it.
pub(super) type Column = (&'static str, fn(&Status) -> bool);

pub(super) const COLUMNS: [Column; 7] = [
    ("pass", |s| matches!(s, Status::Pass)),
    ("fail", |s| matches!(s, Status::Fail | Status::KnownPasses)),
    ("known", |s| matches!(s, Status::Known { .. })),
    ("should", |s| matches!(s, Status::Unmet)),
    ("skipped", |s| matches!(s, Status::Skipped { .. })),
    ("untested", |s| matches!(s, Status::Untested { .. })),
    ("harness error", |s| matches!(s, Status::HarnessError { .. })),
];

/// Areas by backends: how many rules hold, of how many that were checked.
pub fn table(reports: &[Report]) -> String {
    let mut out = format!("{:<14}", "holds/checked");
    let width = |report: &Report| report.backend.chars().count().max(7) + 3;
    for report in reports {
        // Writing to a String does not fail.
        let _ = write!(out, "{:>1$}", report.backend, width(report));
    }
    out.push('\n');
    for area in Area::ALL.iter().copied().map(Some).chain([None]) {
        let name = area.map_or("all".to_owned(), |area| area.to_string());
        let _ = write!(out, "  {name:<12}");
        for report in reports {
            let cell = match report.score(area) {
                (_, 0) => "·".to_owned(),
                (passed, checked) => format!("{passed}/{checked}"),
            };
            let _ = write!(out, "{cell:>0$}", width(report));
        }
        out.push('\n');
    }
    out
}

/// Every failure in words, by backends; of what is known and of SHOULDs a line each, unless `known_in_full`.
pub fn failures(reports: &[Report], known_in_full: bool) -> String {
    let mut out = String::new();
    for report in reports {
        let bad = report.verdicts.iter().filter(|verdict| is_bad(&verdict.status));
        bad.for_each(|verdict| in_full(&mut out, report, verdict));
        let rest = match known_in_full {
            true => known(report),
            false => remarks(report),
        };
        if !rest.is_empty() {
            let _ = write!(
                out,
                "{}: known failures, SHOULDs that do not hold, and notes\n{rest}\n",
                report.backend
            );
        }
    }
    out
}

/// Known failures and unmet SHOULDs in words.
pub(crate) fn known(report: &Report) -> String {
    let mut out = String::new();
    let known = report
        .verdicts
        .iter()
        .filter(|verdict| verdict.is_broken() && !is_bad(&verdict.status));
    known.for_each(|verdict| in_full(&mut out, report, verdict));
    out
}

fn in_full(out: &mut String, report: &Report, verdict: &Verdict) {
    let _ = writeln!(
        out,
        "── {} · {} · {}",
        report.backend,
        verdict.rule,
        word(&verdict.status)
    );
    if let Some(reason) = reason(&verdict.status) {
        let _ = writeln!(out, "{reason}");
    }
    if !verdict.failures.is_empty() {
        let _ = writeln!(out, "{}", verdict.explain());
    }
    out.push('\n');
}

/// For each rule that is broken, a test that shows it.
pub(crate) fn tests_to_paste(report: &Report) -> String {
    let mut out = String::new();
    for verdict in report.verdicts.iter().filter(|verdict| verdict.is_broken()) {
        // SHOULDs that do not hold are all shown by the same check.
        if let Some(failure) = verdict.failures.first() {
            let _ = write!(out, "\n// paste beside the harness\n{}", failure.test);
        }
    }
    out
}

/// What the backend can do and denies, in words.
pub(super) fn undeclared(report: &Report) -> Option<String> {
    let undeclared: Vec<_> = report.undeclared.iter().map(ToString::to_string).collect();
    let text = format!("it can, though it says that it cannot: {}", undeclared.join(", "));
    (!undeclared.is_empty()).then_some(text)
}

/// Areas by outcomes, for one backend.
pub(crate) fn outcomes(report: &Report) -> String {
    let width = report.backend.chars().count().max(13) + 1;
    let mut out = format!("{:<width$}", report.backend);
    for (title, _) in COLUMNS {
        let _ = write!(out, "{:>9}", title.split(' ').next().unwrap_or(title));
    }
    out.push('\n');
    for area in Area::ALL {
        if report.count(Some(*area), |_| true) == 0 {
            continue;
        }
        let _ = write!(out, "{:<width$}", format!("  {area}"));
        for (_, matches) in COLUMNS {
            let _ = match report.count(Some(*area), matches) {
                0 => write!(out, "{:>9}", "·"),
                count => write!(out, "{count:>9}"),
            };
        }
        out.push('\n');
    }
    out
}

/// What is known to be broken, which SHOULDs do not hold, and what checks note, one a line.
pub(crate) fn remarks(report: &Report) -> String {
    let mut out = String::new();
    for verdict in &report.verdicts {
        let line = match &verdict.status {
            Status::Known { reason } => format!("known   {}: {reason}", verdict.rule),
            Status::Unmet => match verdict.failures.first() {
                Some(failure) => format!(
                    "should  {}: {}; it is: {}",
                    verdict.rule, failure.expected, failure.actual
                ),
                None => continue,
            },
            _ => continue,
        };
        let _ = writeln!(out, "  {line}");
    }
    if let Some(undeclared) = undeclared(report) {
        let _ = writeln!(out, "  note    {undeclared}; the rules of that are not checked");
    }
    for verdict in &report.verdicts {
        for note in &verdict.notes {
            let _ = writeln!(out, "  note    {}: {note}", verdict.rule);
        }
    }
    out
}
