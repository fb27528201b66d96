//! Reports as a table in Markdown, which stands between two markers of a README.

use super::Report;
use crate::outcome::Status;
use crate::rules::Area;
use crate::spec;
use std::fmt::Write;

/// The line before the table.
pub const BEGIN: &str = "<!-- conformance table: begin -->";
/// The line behind the table.
pub const END: &str = "<!-- conformance table: end -->";

/// Areas by backends, passed of checked rules, and below it what each backend breaks. `spec` is where SPEC.md is.
///
/// # Errors
/// A report does not have every rule: its table would say too little.
pub fn markdown(reports: &[Report], spec: &str) -> Result<String, String> {
    if let Some(partial) = reports.iter().find(|report| !report.is_complete()) {
        return Err(format!(
            "the report on {} has {} of {} rules: run the suite without a filter",
            partial.backend,
            partial.verdicts.len(),
            crate::rules().len()
        ));
    }
    let mut out = String::from("| holds/checked |");
    for report in reports {
        // Writing to a String does not fail.
        let _ = write!(out, " {} |", report.backend);
    }
    let _ = writeln!(out, "\n|---|{}", "--:|".repeat(reports.len()));
    for area in Area::ALL {
        let title = spec::title(*area);
        let _ = write!(out, "| [{title}]({spec}#{}) |", anchor(title));
        row(&mut out, reports, Some(*area));
    }
    out.push_str("| **all** |");
    row(&mut out, reports, None);
    if reports.iter().all(|report| report.broken().is_empty()) {
        return Ok(out);
    }
    out.push_str("\n<details><summary>What each of them breaks</summary>\n");
    for report in reports {
        let broken: Vec<_> = report.verdicts.iter().filter(|v| v.is_broken()).collect();
        if broken.is_empty() {
            continue;
        }
        let link = |v: &&crate::Verdict| {
            let note = match v.status {
                Status::Unmet => " (a SHOULD)",
                Status::Fail => " (new)",
                _ => "",
            };
            format!("[{0}]({spec}#{1}){note}", v.rule, anchor(&v.rule))
        };
        let links: Vec<_> = broken.iter().map(link).collect();
        let _ = writeln!(out, "\n`{}` breaks:\n{}.", report.backend, links.join(",\n"));
    }
    out.push_str("\n</details>\n");
    Ok(out)
}

/// The text with what stands between the markers replaced; `None` without the markers, each on a line of its own.
pub fn replace_block(text: &str, block: &str) -> Option<String> {
    let begin = text.find(&format!("{BEGIN}\n"))? + BEGIN.len() + 1;
    let end = begin + text[begin..].find(END)?;
    Some(format!("{}{block}{}", &text[..begin], &text[end..]))
}

fn row(out: &mut String, reports: &[Report], area: Option<Area>) {
    for report in reports {
        let _ = match report.score(area) {
            (_, 0) => write!(out, " – |"),
            (passed, checked) => write!(out, " {passed}/{checked} |"),
        };
    }
    out.push('\n');
}

/// What a heading is called in a link.
fn anchor(heading: &str) -> String {
    let kept = heading
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}
