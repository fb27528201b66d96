//! Reports as one HTML page: a matrix of rules by backends, and the failures with their steps.

mod lanes;

use super::{Report, escape, reason, text, word};
use crate::outcome::{Failure, Status, Verdict};
use crate::rules::{Area, Level, Rule, rules};
use crate::spec;
use std::fmt::Write;

const STYLE: &str = include_str!("style.css");

/// The page. It needs nothing from elsewhere, and follows the reader's light or dark.
pub fn html(reports: &[Report]) -> String {
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Storage contract: which backend keeps which rules</title>\n<style>\n{STYLE}</style>\n\
         <h1>The storage contract</h1>\n\
         <p class=\"lead\">Which backend keeps which rules, as forebay-conformance {} sees it. \
         A rule unfolds to its text, a mark leads to what was seen.</p>\n",
        env!("CARGO_PKG_VERSION")
    );
    cards(&mut out, reports);
    matrix(&mut out, reports);
    for (column, report) in reports.iter().enumerate() {
        findings(&mut out, column, report);
    }
    out.push_str("</html>\n");
    out
}

/// The class of a status in the style sheet, and its sign.
fn look(status: &Status) -> (&'static str, &'static str) {
    match status {
        Status::Pass => ("pass", "✓"),
        Status::Fail | Status::KnownPasses | Status::HarnessError { .. } => ("fail", "✗"),
        Status::Known { .. } => ("known", "✗"),
        Status::Unmet => ("should", "!"),
        Status::Skipped { .. } => ("none", "–"),
        Status::Untested { .. } => ("none", "?"),
    }
}

/// Whether there is something to unfold.
fn is_finding(verdict: &Verdict) -> bool {
    matches!(look(&verdict.status).0, "fail" | "known" | "should")
}

fn cards(out: &mut String, reports: &[Report]) {
    out.push_str("<div class=\"cards\">\n");
    for report in reports {
        let (passed, checked) = report.score(None);
        // Writing to a String does not fail.
        let _ = write!(
            out,
            "<section class=\"card\"><h3>{}</h3><p><span class=\"score\">{passed}</span> of {checked} checked rules hold</p>\
             <div class=\"bar\">",
            escape(&report.backend)
        );
        for class in ["pass", "fail", "known", "should", "none"] {
            match report.count(None, |status| look(status).0 == class) {
                0 => {}
                count => {
                    let _ = write!(out, "<i class=\"{class}\" style=\"flex:{count}\"></i>");
                }
            }
        }
        let can: Vec<_> = report.capabilities.iter().map(ToString::to_string).collect();
        let can = match (&report.probe_error, can.is_empty()) {
            (Some(error), _) => format!("what it can do could not be found out: {}", escape(error)),
            (None, true) => "no capability beyond the minimum".to_owned(),
            (None, false) => can.join(", "),
        };
        let denied = text::undeclared(report).map_or(String::new(), |denied| format!("<p>{denied}</p>"));
        let seconds = report
            .verdicts
            .iter()
            .map(|v| v.took_ms)
            .sum::<u64>()
            .div_ceil(1000);
        let _ = writeln!(
            out,
            "</div><p>{}</p><p>{can}</p>{denied}<p>suite {}, seed {}, {} cases{}, {seconds}&nbsp;s of checks</p></section>",
            counts(report),
            escape(&report.suite_version),
            report.seed,
            report.cases,
            if report.strict { ", strict" } else { "" },
        );
    }
    out.push_str("</div>\n");
}

fn counts(report: &Report) -> String {
    let count = |(word, matches): &text::Column| match report.count(None, matches) {
        0 => None,
        count => Some(format!("{count} {word}")),
    };
    text::COLUMNS
        .iter()
        .filter_map(count)
        .collect::<Vec<_>>()
        .join(" · ")
}

const LEGEND: &str = "\
<ul class=\"legend\">
<li><span class=\"mark pass\">✓</span>holds</li>
<li><span class=\"mark fail\">✗</span>broken</li>
<li><span class=\"mark known\">✗</span>broken, and known</li>
<li><span class=\"mark should\">!</span>a SHOULD that does not hold</li>
<li><span class=\"mark none\">–</span>does not concern the backend</li>
<li><span class=\"mark none\">?</span>no check</li>
</ul>
";

fn matrix(out: &mut String, reports: &[Report]) {
    let _ = write!(
        out,
        "<h2>Rules</h2>\n{LEGEND}<table class=\"matrix\">\n<thead><tr><th>rule</th>"
    );
    for report in reports {
        let _ = write!(out, "<th>{}</th>", escape(&report.backend));
    }
    out.push_str("</tr></thead>\n");
    for area in Area::ALL {
        let _ = write!(
            out,
            "<tbody>\n<tr class=\"area\"><th>{}</th>",
            escape(spec::title(*area))
        );
        for report in reports {
            let _ = match report.score(Some(*area)) {
                (_, 0) => write!(out, "<td></td>"),
                (passed, checked) => write!(out, "<td>{passed}/{checked}</td>"),
            };
        }
        out.push_str("</tr>\n");
        for rule in rules().iter().filter(|rule| rule.area == *area) {
            rule_row(out, rule, reports);
        }
        out.push_str("</tbody>\n");
    }
    out.push_str("</table>\n");
}

fn rule_row(out: &mut String, rule: &Rule, reports: &[Report]) {
    let hint = match (rule.level, rule.capability) {
        (Level::Must, None) => String::new(),
        (Level::Must, Some(capability)) => format!("with {capability}"),
        (Level::Should, None) => "should".to_owned(),
        (Level::Should, Some(capability)) => format!("should, with {capability}"),
    };
    let _ = write!(
        out,
        "<tr class=\"rule\"><td><details><summary><span class=\"id\">{}</span><span class=\"hint\">{hint}</span></summary>\
         <p>{}</p>",
        rule.id,
        prose(&rule.text)
    );
    if let Some(should) = &rule.should {
        let _ = write!(out, "<p>SHOULD: {}</p>", prose(should));
    }
    let _ = write!(
        out,
        "<p class=\"soft\">{} Typical defect: {}.</p></details></td>",
        prose(&rule.intent),
        prose(&rule.breaks)
    );
    for (column, report) in reports.iter().enumerate() {
        let _ = match report.verdict(&rule.id) {
            None => write!(out, "<td></td>"),
            Some(verdict) => {
                let (class, sign) = look(&verdict.status);
                let word = word(&verdict.status);
                let title = escape(reason(&verdict.status).unwrap_or(word));
                if is_finding(verdict) {
                    let id = &rule.id;
                    write!(
                        out,
                        "<td><a class=\"mark {class}\" href=\"#b{column}-{id}\" title=\"{title}\">{sign} {word}</a></td>"
                    )
                } else {
                    let (notes, tail) = (verdict.notes.join("; "), note_in_short(verdict));
                    let title = if notes.is_empty() { title } else { escape(&notes) };
                    write!(
                        out,
                        "<td><span class=\"mark {class}\" title=\"{title}\">{sign}{tail}</span></td>"
                    )
                }
            }
        };
    }
    out.push_str("</tr>\n");
}

/// What stands beside the sign of a check that notes something: the note up to a colon, where it has one.
fn note_in_short(verdict: &Verdict) -> String {
    let first = verdict.notes.first();
    first.map_or(String::new(), |note| match note.split_once(':') {
        Some((short, _)) => format!(" {}", escape(short)),
        None => " with a note".to_owned(),
    })
}

fn findings(out: &mut String, column: usize, report: &Report) {
    let backend = escape(&report.backend);
    let found: Vec<_> = report.verdicts.iter().filter(|v| is_finding(v)).collect();
    if found.is_empty() {
        let _ = writeln!(out, "<h2>{backend}</h2>\n<p class=\"lead\">Nothing found.</p>");
        return;
    }
    let _ = writeln!(out, "<h2>{backend}: what was found</h2>");
    for verdict in found {
        let (class, sign) = look(&verdict.status);
        let first = verdict.failures.first().map(|failure| failure.actual.as_str());
        let why = reason(&verdict.status).or(first).unwrap_or_default();
        // The target is inside, so that following a link to it unfolds it.
        let _ = write!(
            out,
            "<details class=\"found\"><summary><span class=\"mark {class}\">{sign} {}</span><span class=\"id\">{}</span>\
             <span class=\"why\">{}</span></summary><div id=\"b{column}-{}\">",
            word(&verdict.status),
            verdict.rule,
            linked(why),
            verdict.rule,
        );
        for root in &verdict.follows_from {
            let _ = write!(
                out,
                "<p>Probably a consequence of <a class=\"id\" href=\"#b{column}-{root}\">{root}</a>, broken as well.</p>"
            );
        }
        for failure in &verdict.failures {
            failure_in_full(out, failure);
        }
        if let Some(line) = report.repeat(&verdict.rule) {
            let _ = write!(out, "<p>To see it again:</p><pre>{}</pre>", escape(&line));
        }
        if verdict.failures.is_empty() {
            out.push_str("<p>There are no steps to show.</p>");
        }
        for note in &verdict.notes {
            let _ = write!(out, "<p class=\"soft\">Note: {}.</p>", linked(note));
        }
        out.push_str("</div></details>\n");
    }
}

fn failure_in_full(out: &mut String, failure: &Failure) {
    out.push_str("<dl>");
    if let Some(rule) = Rule::find(&failure.rule) {
        let _ = write!(
            out,
            "<dt>rule</dt><dd><a class=\"id\" href=\"{}\">{}</a>: {}</dd><dt>why</dt><dd>{}</dd>",
            rule.link(),
            rule.id,
            prose(&rule.text),
            prose(&rule.intent)
        );
    }
    let _ = write!(
        out,
        "<dt>expected</dt><dd>{}</dd><dt>actual</dt><dd>{}</dd><dt>seed</dt><dd>{}</dd></dl>",
        escape(&failure.expected),
        escape(&failure.actual),
        failure.seed
    );
    match &failure.lanes {
        Some(lanes) => lanes::draw(out, lanes),
        None if failure.steps.is_empty() => {}
        None => {
            let _ = write!(out, "<pre>{}</pre>", escape(&failure.steps.join("\n")));
        }
    }
    if !failure.test.is_empty() {
        let _ = write!(
            out,
            "<details class=\"paste\"><summary>The same as a test to paste</summary><pre>{}</pre></details>",
            escape(&failure.test)
        );
    }
}

/// A sentence of the contract: what stands between backticks is code.
fn prose(text: &str) -> String {
    let mut out = String::new();
    for (number, part) in text.split('`').enumerate() {
        let part = escape(part);
        let _ = match number % 2 {
            0 => write!(out, "{part}"),
            _ => write!(out, "<code>{part}</code>"),
        };
    }
    out
}

/// As [`prose`], with addresses as links. They come from the backend's author, and are text like any other.
fn linked(text: &str) -> String {
    let words = prose(text);
    let link = |word: &str| {
        let address = word.trim_end_matches(['.', ',', ')', ';']);
        let rest = &word[address.len()..];
        format!("<a href=\"{address}\">{address}</a>{rest}")
    };
    let words: Vec<_> = words
        .split(' ')
        .map(|word| match word.starts_with("https://") {
            true => link(word),
            false => word.to_owned(),
        })
        .collect();
    words.join(" ")
}
