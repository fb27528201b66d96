//! Reports as JUnit XML, which CI systems read.

use super::{Report, escape, reason};
use crate::outcome::{Status, Verdict};
use crate::rules::Rule;
use std::fmt::Write;

/// One test suite per backend, one test case per rule. A known failure and an unmet SHOULD are *skipped* with the reason.
pub fn junit(reports: &[Report]) -> String {
    let mut out = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"forebay-conformance\">\n",
    );
    for report in reports {
        let count = |matches: fn(&Status) -> bool| report.count(None, matches);
        // Writing to a String does not fail.
        let _ = writeln!(
            out,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{}\">",
            escape(&report.backend),
            report.verdicts.len(),
            count(|s| matches!(s, Status::Fail | Status::KnownPasses)),
            count(|s| matches!(s, Status::HarnessError { .. })),
            count(is_skipped),
            seconds(report.verdicts.iter().map(|v| v.took_ms).sum()),
        );
        for verdict in &report.verdicts {
            case(&mut out, report, verdict);
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

fn is_skipped(status: &Status) -> bool {
    matches!(
        status,
        Status::Skipped { .. } | Status::Untested { .. } | Status::Known { .. } | Status::Unmet
    )
}

fn case(out: &mut String, report: &Report, verdict: &Verdict) {
    let area = Rule::find(&verdict.rule).map(|rule| rule.area.to_string());
    let _ = write!(
        out,
        "    <testcase classname=\"{}.{}\" name=\"{}\" time=\"{}\"",
        escape(&report.backend),
        area.unwrap_or_default(),
        escape(&verdict.rule),
        seconds(verdict.took_ms),
    );
    let element = match &verdict.status {
        Status::Pass => {
            out.push_str("/>\n");
            return;
        }
        Status::Fail | Status::KnownPasses => "failure",
        Status::HarnessError { .. } => "error",
        Status::Known { .. } | Status::Unmet | Status::Skipped { .. } | Status::Untested { .. } => "skipped",
    };
    let first = verdict.failures.first();
    let message = reason(&verdict.status).or(first.map(|failure| failure.actual.as_str()));
    // Some readers ask for a type where something failed.
    let kind = match &verdict.status {
        Status::Fail | Status::KnownPasses => " type=\"contract\"",
        Status::HarnessError { .. } => " type=\"harness\"",
        _ => "",
    };
    let _ = write!(
        out,
        ">\n      <{element}{kind} message=\"{}\"",
        // An attribute's line ends would be read as spaces.
        escape(&message.unwrap_or_default().replace('\n', " "))
    );
    if verdict.failures.is_empty() {
        out.push_str("/>\n");
    } else {
        let _ = writeln!(out, ">{}</{element}>", escape(&verdict.explain()));
    }
    out.push_str("    </testcase>\n");
}

fn seconds(millis: u64) -> String {
    format!("{}.{:03}", millis / 1000, millis % 1000)
}
