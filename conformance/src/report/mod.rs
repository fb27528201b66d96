//! What a run came to: the verdicts, read from and written as JSON.

mod badge;
mod html;
mod junit;
mod markdown;
mod text;

pub use badge::badge;
pub use html::html;
pub use junit::junit;
pub use markdown::{BEGIN, END, markdown, replace_block};
pub use text::{failures, table};

pub(crate) use text::{known, outcomes, remarks, tests_to_paste};

use crate::context::Options;
use crate::outcome::{Status, Verdict};
use crate::rules::{Area, Capability, Rule, rules};
use serde::{Deserialize, Serialize};

/// The verdicts on one backend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The version of the suite.
    pub suite_version: String,
    /// The backend.
    pub backend: String,
    /// The command that ran the suite; what it takes after `--` is not part of it. Empty where none did.
    pub command: String,
    /// The seed of what was random.
    pub seed: u64,
    /// How many random sequences the model ran.
    pub cases: u32,
    /// Whether a SHOULD failed the run.
    pub strict: bool,
    /// What the backend can do.
    pub capabilities: Vec<Capability>,
    /// What it turned out to do though it says, or is declared, that it cannot. The rules of it are not checked.
    #[serde(default)]
    pub undeclared: Vec<Capability>,
    /// Why it could not be found out what the backend can do, if so.
    #[serde(default)]
    pub probe_error: Option<String>,
    /// One verdict for each rule that was asked for, in the order of the contract.
    pub verdicts: Vec<Verdict>,
}

impl Report {
    /// Reads a report that this version of the suite wrote.
    ///
    /// # Errors
    /// What the text is not: JSON of a report, or one about the rules of this version.
    pub fn from_json(json: &str) -> Result<Self, String> {
        let report: Report =
            serde_json::from_str(json).map_err(|error| format!("not a report of the suite: {error}"))?;
        let unknown = report.verdicts.iter().find(|v| Rule::find(&v.rule).is_none());
        match unknown {
            Some(verdict) => Err(format!(
                "written by suite {}, which had a rule {:?} that suite {} has not: run the suite again",
                report.suite_version,
                verdict.rule,
                env!("CARGO_PKG_VERSION")
            )),
            None => Ok(report),
        }
    }

    /// The report with every rule of today: those that the suite did not have when it was made are untested.
    pub fn filled_up(mut self) -> Self {
        let verdicts = rules().iter().map(|rule| {
            let known = self.verdict(&rule.id).cloned();
            known.unwrap_or_else(|| Verdict {
                rule: rule.id.clone(),
                status: Status::Untested {
                    reason: format!(
                        "suite {}, which made this report, did not have it",
                        self.suite_version
                    ),
                },
                failures: Vec::new(),
                follows_from: Vec::new(),
                notes: Vec::new(),
                took_ms: 0,
            })
        });
        self.verdicts = verdicts.collect();
        self
    }

    /// The report as JSON.
    ///
    /// # Errors
    /// None that this data can cause.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self)
    }

    /// The ids of the rules that are broken, known or not; SHOULDs among them.
    pub fn broken(&self) -> Vec<&str> {
        let broken = self.verdicts.iter().filter(|v| v.is_broken());
        broken.map(|v| v.rule.as_str()).collect()
    }

    /// Whether the run is one to be content with: a rule was checked, none fails, and the list of known failures is right.
    pub fn is_good(&self) -> bool {
        self.checks_any() && !self.has_failures()
    }

    /// Whether a rule was checked. A run that skipped all of them shows nothing.
    pub fn checks_any(&self) -> bool {
        self.verdicts
            .iter()
            .any(|v| is_checked(&v.status) || is_bad(&v.status))
    }

    /// Whether anything fails the run.
    pub fn has_failures(&self) -> bool {
        self.verdicts.iter().any(|v| is_bad(&v.status))
    }

    /// Whether every rule of the contract was asked for.
    pub fn is_complete(&self) -> bool {
        self.verdicts.len() == rules().len()
    }

    /// The verdict on a rule, if it was asked for.
    pub fn verdict(&self, rule: &str) -> Option<&Verdict> {
        self.verdicts.iter().find(|verdict| verdict.rule == rule)
    }

    /// The line that shows a finding on a rule again.
    fn repeat(&self, rule: &str) -> Option<String> {
        let options = Options {
            cases: self.cases,
            seed: self.seed,
            strict: self.strict,
            ..Options::default()
        };
        let command = Some(&self.command).filter(|command| !command.is_empty())?;
        let line = repeat(command, Rule::find(rule)?, &options);
        Some(format!("{line} --show-known"))
    }

    fn count(&self, area: Option<Area>, matches: impl Fn(&Status) -> bool) -> usize {
        let in_area = |v: &&Verdict| match area {
            Some(area) => Rule::find(&v.rule).is_some_and(|rule| rule.area == area),
            None => true,
        };
        let verdicts = self.verdicts.iter().filter(in_area);
        verdicts.filter(|v| matches(&v.status)).count()
    }

    /// How many rules passed, of how many that were checked.
    fn score(&self, area: Option<Area>) -> (usize, usize) {
        (
            self.count(area, |s| *s == Status::Pass),
            self.count(area, is_checked),
        )
    }
}

/// The line that runs a rule alone again.
pub(crate) fn repeat(command: &str, rule: &Rule, options: &Options) -> String {
    let Options {
        cases, seed, strict, ..
    } = options;
    let strict = if *strict { " --strict" } else { "" };
    format!(
        "{command} -- --exact {} --seed {seed} --cases {cases}{strict}",
        rule.id
    )
}

pub(crate) fn is_bad(status: &Status) -> bool {
    matches!(
        status,
        Status::Fail | Status::KnownPasses | Status::HarnessError { .. }
    )
}

/// Whether a check came to an end.
fn is_checked(status: &Status) -> bool {
    !matches!(
        status,
        Status::Skipped { .. } | Status::Untested { .. } | Status::HarnessError { .. }
    )
}

/// What there is to say beside the failures.
pub(crate) fn reason(status: &Status) -> Option<&str> {
    match status {
        Status::Known { reason }
        | Status::Skipped { reason }
        | Status::Untested { reason }
        | Status::HarnessError { reason } => Some(reason),
        Status::KnownPasses => Some("listed as a known failure, and passes: take it off the list"),
        Status::Pass | Status::Fail | Status::Unmet => None,
    }
}

/// A status in one word or two.
pub(crate) fn word(status: &Status) -> &'static str {
    match status {
        Status::Pass => "pass",
        Status::Fail => "fail",
        Status::Known { .. } => "known",
        Status::KnownPasses => "passes, though known to fail",
        Status::Unmet => "should",
        Status::Skipped { .. } => "skipped",
        Status::Untested { .. } => "untested",
        Status::HarnessError { .. } => "harness error",
    }
}

/// Text within HTML or XML. What XML cannot carry becomes a replacement character.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests;
