//! Round after round with fresh seeds, until a time is over or a rule breaks.

use super::report_of;
use super::trials::failure_text;
use crate::context::Options;
use crate::harness::Harness;
use crate::report::Report;
use crate::rules::{Rule, rules};
use crate::runner::Run;
use libtest_mimic::Arguments;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Judges the rules that the arguments pick, the seed growing by one with every round. Ends with the first round that is
/// not good, and gives that round's report; otherwise the last one's.
pub(super) fn soak(
    harness: Arc<impl Harness>,
    options: Options,
    limit: Duration,
    arguments: &Arguments,
) -> Report {
    let picked: Vec<&Rule> = rules().iter().filter(|rule| picks(arguments, rule)).collect();
    let started = Instant::now();
    let mut options = options;
    for round in 1u64.. {
        let round_started = Instant::now();
        let run = Run::prepare(harness.clone(), options.clone());
        let mut verdicts = Vec::new();
        for rule in &picked {
            let verdict = run.judge(rule);
            if let Some(text) = failure_text(rule, &verdict, &run) {
                println!("{}\n{text}\n", rule.trial_name());
            }
            verdicts.push(verdict);
        }
        let report = report_of(&run, verdicts);
        let over = started.elapsed() >= limit || report.verdicts.is_empty();
        println!(
            "soak: round {round}, seed {}: {} rules, {} cases, {:.1?}; {:.0?} of {limit:?}{}",
            options.seed,
            report.verdicts.len(),
            options.cases,
            round_started.elapsed(),
            started.elapsed(),
            if report.is_good() { "" } else { ": FAILED" }
        );
        if over || !report.is_good() {
            return report;
        }
        options.seed = options.seed.wrapping_add(1);
    }
    unreachable!("the rounds end with the time")
}

/// What libtest-mimic would run.
fn picks(arguments: &Arguments, rule: &Rule) -> bool {
    let name = rule.trial_name();
    let is_in = |filter: &String| match arguments.exact {
        true => name == *filter,
        false => name.contains(filter.as_str()),
    };
    arguments.filter.as_ref().is_none_or(is_in) && !arguments.skip.iter().any(is_in)
}
