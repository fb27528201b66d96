//! One trial for each rule, as libtest runs them.

use super::command;
use crate::context::Options;
use crate::harness::Harness;
use crate::outcome::{Status, Verdict};
use crate::report;
use crate::rules::{Rule, rules};
use crate::runner::Run;
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Lists the trials. What runs each trial in a process of its own, as cargo-nextest does, sees a trial that ignores itself
/// as passed; so those that will be ignored for certain are listed as ignored.
pub(super) fn list(harness: Arc<impl Harness>, options: Options, arguments: &Arguments) -> ExitCode {
    let run = Run::prepare(harness, options);
    let marked = trials(None).into_iter().zip(rules());
    let marked = marked.map(|(trial, rule)| trial.with_ignored_flag(run.will_ignore(rule)));
    libtest_mimic::run(arguments, marked.collect()).exit_code()
}

/// What the trials of a run share.
#[derive(Clone)]
pub(super) struct Judging {
    run: Arc<Run>,
    verdicts: Arc<Mutex<Vec<Verdict>>>,
    fail_fast: bool,
}

impl Judging {
    pub(super) fn new(run: Arc<Run>, fail_fast: bool) -> Self {
        Judging {
            run,
            verdicts: Arc::default(),
            fail_fast,
        }
    }

    /// The verdicts so far, in the order in which they came.
    pub(super) fn verdicts(&self) -> MutexGuard<'_, Vec<Verdict>> {
        self.verdicts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_over(&self) -> bool {
        self.fail_fast
            && self
                .verdicts()
                .iter()
                .any(|verdict| report::is_bad(&verdict.status))
    }
}

pub(super) fn trials(judging: Option<&Judging>) -> Vec<Trial> {
    let trial = |rule: &'static Rule| {
        let judging = judging.cloned();
        Trial::ignorable_test(rule.trial_name(), move || {
            let Some(judging) = judging else {
                return Ok(Completion::ignored());
            };
            if judging.is_over() {
                return Ok(Completion::ignored_with(
                    "not run, since another rule failed before",
                ));
            }
            let verdict = judging.run.judge(rule);
            let completion = completion(rule, &verdict, &judging.run);
            judging.verdicts().push(verdict);
            completion
        })
    };
    rules().iter().map(trial).collect()
}

fn completion(rule: &Rule, verdict: &Verdict, run: &Run) -> Result<Completion, Failed> {
    if let Some(text) = failure_text(rule, verdict, run) {
        return Err(Failed::from(text));
    }
    Ok(match &verdict.status {
        Status::Skipped { reason } => Completion::ignored_with(reason),
        Status::Untested { reason } => Completion::ignored_with(format!("untested: {reason}")),
        Status::Known { reason } => Completion::ignored_with(format!("known failure: {reason}")),
        Status::Unmet => Completion::ignored_with("a SHOULD that does not hold, see below"),
        Status::Pass | Status::Fail | Status::KnownPasses | Status::HarnessError { .. } => {
            Completion::Completed
        }
    })
}

/// What to print of a verdict that fails the run; `None` for one that does not.
pub(super) fn failure_text(rule: &Rule, verdict: &Verdict, run: &Run) -> Option<String> {
    match &verdict.status {
        Status::KnownPasses => Some(format!(
            "{} is listed as a known failure of {}, and passes: take it off the list",
            rule.id,
            run.harness.name()
        )),
        Status::HarnessError { reason } => Some(format!("the harness, not the backend: {reason}")),
        Status::Fail => Some(format!(
            "{}\n  repeat    {}",
            verdict.explain(),
            report::repeat(&command(), rule, &run.options)
        )),
        Status::Pass
        | Status::Known { .. }
        | Status::Unmet
        | Status::Skipped { .. }
        | Status::Untested { .. } => None,
    }
}
