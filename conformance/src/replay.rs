//! Cases of the models as tests of their own: what `--paste` prints runs by these.

pub mod schedule;
pub mod sequence;

use crate::context::{Context, Options};
use crate::harness::Harness;
use crate::outcome::Checked;
use crate::panics;
use crate::rules::Rule;
use crate::runner::Run;
use std::sync::Arc;

/// Runs a case once, as a case of that rule.
///
/// # Panics
/// If the backend breaks a rule by it, with the failure in words.
fn assert_case(
    harness: impl Harness,
    rule: &'static str,
    case: impl FnOnce(&Context) -> Checked<()> + Send + 'static,
) {
    panics::this_thread_reports();
    let Some(rule) = Rule::find(rule) else {
        panic!("there is no rule {rule}; see SPEC.md");
    };
    let run = Run::prepare(Arc::new(harness), Options::default());
    if let Some(failure) = run.case(rule, Box::new(case)) {
        panic!("{failure}");
    }
}

/// The name of a harness, as it stands in the file that made it.
pub(crate) fn short_name<H>() -> String {
    let whole = std::any::type_name::<H>();
    let without_arguments = whole.split('<').next().unwrap_or(whole);
    without_arguments.rsplit("::").next().unwrap_or(whole).to_owned()
}

/// What repeats a failure of a rule that has no cases, or none to show: its check, with the same seed.
pub(crate) fn of_rule(rule: &str, options: &Options) -> String {
    let Options {
        cases, seed, strict, ..
    } = options;
    format!(
        "    let options = forebay_conformance::Options {{ cases: {cases}, seed: {seed}, strict: {strict}, ..Default::default() }};\n    \
         forebay_conformance::assert_rule_with(HARNESS, {rule:?}, options);\n"
    )
}

/// A whole `#[test]` around what repeats a failure.
pub(crate) fn test(harness: &str, rule: &str, seed: u64, actual: &str, case: &str) -> String {
    let name = rule.to_lowercase().replace('-', "_");
    let actual = actual.replace('\n', " ");
    let body = case.replace("HARNESS", harness);
    format!("/// {rule}: {actual}\n#[test]\nfn {name}_of_seed_{seed}() {{\n{body}}}\n")
}
