//! What a check comes to, and what a failure tells.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What a step of a check gives: a value, or the end of the check.
pub(crate) type Checked<T> = Result<T, Stop>;

/// Why a check ends before its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stop {
    /// A rule is broken: the check's own, or the one named.
    Broken {
        rule: Option<&'static str>,
        expected: String,
        actual: String,
    },
    /// The rule does not concern this backend.
    Skip(String),
    /// The harness failed, not the backend.
    Harness(String),
}

/// The check's rule is broken.
pub(crate) fn broken<T>(expected: impl Into<String>, actual: impl Into<String>) -> Checked<T> {
    Err(Stop::Broken {
        rule: None,
        expected: expected.into(),
        actual: actual.into(),
    })
}

/// Breaks the check's rule unless the condition holds.
pub(crate) fn ensure(holds: bool, expected: impl Into<String>, actual: impl Into<String>) -> Checked<()> {
    if holds { Ok(()) } else { broken(expected, actual) }
}

/// What a check found out about a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "status")]
pub enum Status {
    /// The rule holds as far as the check sees.
    Pass,
    /// The rule is broken.
    Fail,
    /// The rule is broken, and that was known.
    Known {
        /// The reason that the harness gives.
        reason: String,
    },
    /// The rule was known to be broken and no longer is: the list of known failures is wrong.
    KnownPasses,
    /// A SHOULD does not hold.
    #[serde(rename = "should")]
    Unmet,
    /// The rule does not concern the backend.
    Skipped {
        /// Which capability it lacks.
        reason: String,
    },
    /// There is no check of the rule.
    Untested {
        /// Why.
        reason: String,
    },
    /// The harness could not do its part.
    HarnessError {
        /// What it said.
        reason: String,
    },
}

/// A broken rule, with what it takes to understand and repeat it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The rule that is broken.
    pub rule: String,
    /// What the contract asks for.
    pub expected: String,
    /// What the backend did.
    pub actual: String,
    /// The calls that led there.
    pub steps: Vec<String>,
    /// The seed of what was random.
    pub seed: u64,
    /// The calls of several clients, each in a lane, where the check had several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lanes: Option<Lanes>,
    /// A `#[test]` that shows the failure again, to be pasted beside the harness.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub test: String,
}

/// Calls of several clients in time order. Time is counted in polls.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lanes {
    /// What was done before the clients began.
    pub before: String,
    /// How many clients there are.
    pub clients: usize,
    /// Their calls, by their first polls.
    pub calls: Vec<LaneCall>,
    /// What was done when the clients were done.
    pub after: String,
}

/// A call of one client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneCall {
    /// Which client, from 1 on.
    pub client: usize,
    /// Its first poll.
    pub first_poll: usize,
    /// Its last poll; that of the first where it never went on.
    pub last_poll: usize,
    /// What was called, and what it came to.
    pub text: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(rule) = crate::Rule::find(&self.rule) {
            writeln!(f, "{}: {}", rule.id, rule.text)?;
            writeln!(f, "  why       {}", rule.intent)?;
            writeln!(f, "  contract  {}", rule.link())?;
        }
        writeln!(f, "  expected  {}", self.expected)?;
        writeln!(f, "  actual    {}", self.actual)?;
        for (number, step) in self.steps.iter().enumerate() {
            let label = if number == 0 { "steps" } else { "" };
            writeln!(f, "  {label:<8}  {step}")?;
        }
        write!(f, "  seed      {}", self.seed)
    }
}

/// The verdict on one rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The rule.
    pub rule: String,
    /// How it stands.
    #[serde(flatten)]
    pub status: Status,
    /// What was broken, if anything was.
    pub failures: Vec<Failure>,
    /// The rules, broken as well, of which the failure is probably a consequence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub follows_from: Vec<String>,
    /// What limits the word of the check, if anything does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// How long the check took, in milliseconds.
    #[serde(default)]
    pub took_ms: u64,
}

impl Verdict {
    /// Whether the rule is broken: known or not, MUST or SHOULD.
    pub fn is_broken(&self) -> bool {
        matches!(self.status, Status::Fail | Status::Known { .. } | Status::Unmet)
    }

    /// The failures in words. Those that follow from another rule say so, in place of steps that repeat that rule's.
    pub fn explain(&self) -> String {
        let failures = self.failures.iter();
        if self.follows_from.is_empty() {
            let notes = self.notes.iter().map(|note| format!("\n  note      {note}"));
            let failures = failures.map(ToString::to_string).collect::<Vec<_>>().join("\n\n");
            return failures + &notes.collect::<String>();
        }
        let roots = self.follows_from.join(", ");
        let mut out = format!("{}: probably a consequence of {roots}, broken as well", self.rule);
        for failure in failures {
            out.push_str(&format!(
                "\n  expected  {}\n  actual    {}",
                failure.expected, failure.actual
            ));
        }
        out
    }
}
