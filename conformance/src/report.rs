//! What a run came to: the verdicts, as a table, as text, and as JSON.

use crate::outcome::{Status, Verdict};
use crate::rules::{Area, Capability, Rule};
use serde::Serialize;
use std::fmt::Write;

/// The verdicts on one backend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The version of the suite.
    pub suite_version: String,
    /// The backend.
    pub backend: String,
    /// The seed of what was random.
    pub seed: u64,
    /// What the backend can do.
    pub capabilities: Vec<Capability>,
    /// One verdict for each rule that was asked for.
    pub verdicts: Vec<Verdict>,
}

impl Report {
    /// The ids of the rules that are broken, known or not; SHOULDs among them.
    pub fn broken(&self) -> Vec<&str> {
        let broken = |v: &&Verdict| matches!(v.status, Status::Fail | Status::Known { .. } | Status::Unmet);
        self.verdicts
            .iter()
            .filter(broken)
            .map(|v| v.rule.as_str())
            .collect()
    }

    /// Whether the run is one to be content with: nothing fails, and the list of known failures is right.
    pub fn is_good(&self) -> bool {
        let bad = |v: &Verdict| {
            matches!(
                v.status,
                Status::Fail | Status::KnownPasses | Status::HarnessError { .. }
            )
        };
        !self.verdicts.is_empty() && !self.verdicts.iter().any(bad)
    }

    /// The report as JSON.
    ///
    /// # Errors
    /// None that this data can cause.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self)
    }

    fn count(&self, area: Area, matches: impl Fn(&Status) -> bool) -> usize {
        let in_area = |v: &&Verdict| Rule::find(&v.rule).is_some_and(|rule| rule.area == area);
        self.verdicts
            .iter()
            .filter(in_area)
            .filter(|v| matches(&v.status))
            .count()
    }
}

type Column = (&'static str, fn(&Status) -> bool);

const COLUMNS: [Column; 7] = [
    ("pass", |s| matches!(s, Status::Pass)),
    ("fail", |s| matches!(s, Status::Fail | Status::KnownPasses)),
    ("known", |s| matches!(s, Status::Known { .. })),
    ("should", |s| matches!(s, Status::Unmet)),
    ("skipped", |s| matches!(s, Status::Skipped { .. })),
    ("untested", |s| matches!(s, Status::Untested { .. })),
    ("harness", |s| matches!(s, Status::HarnessError { .. })),
];

/// Areas by outcomes, for each backend.
pub fn table(reports: &[Report]) -> String {
    let mut out = String::new();
    for report in reports {
        // Writing to a String does not fail.
        let _ = write!(out, "{:<14}", report.backend);
        for (title, _) in COLUMNS {
            let _ = write!(out, "{title:>9}");
        }
        out.push('\n');
        for area in Area::ALL {
            let _ = write!(out, "  {area:<12}");
            for (_, matches) in COLUMNS {
                let _ = match report.count(*area, matches) {
                    0 => write!(out, "{:>9}", "·"),
                    count => write!(out, "{count:>9}"),
                };
            }
            out.push('\n');
        }
    }
    out
}

/// What is known to be broken, and which SHOULDs do not hold, one a line.
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
    out
}
