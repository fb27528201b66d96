//! The suite as the `main` of a test target: one trial per rule.

mod arguments;
mod soak;

use crate::context::Options;
use crate::harness::Harness;
use crate::outcome::{Status, Verdict};
use crate::report::{self, Report};
use crate::rules::{Rule, rules};
use crate::runner::Run;
use arguments::Own;
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

/// Judges a backend, as the `main` of a test target with `harness = false`.
///
/// Arguments are those of any Rust test, plus `--strict` (a SHOULD fails the run), `--cases N`, `--seed N`,
/// `--hang-after SECONDS`, `--json FILE` (the report, for [`report`](mod@crate::report)), `--badge FILE` (a picture for
/// a README), `--show-known` (known failures in full), `--paste` (failures come with a `#[test]` that shows them again),
/// `--fail-fast` (the first failure ends the run) and `--soak 10m` (again and again with fresh seeds). A filter is a rule's id, a part of it, or an area: `stream::`.
/// What stands in `FOREBAY_CONFORMANCE_ARGS` goes before them, for tools that pass no arguments on.
///
/// `--list` marks the rules that do not concern the backend, so that cargo-nextest, which runs each trial in a process of its
/// own, skips them. What only a check finds out (a known failure that fails, a SHOULD that does not hold, an entry that
/// is never evicted) it shows as passed: a test cannot tell nextest that it was ignored. `cargo test` tells.
pub fn main(harness: impl Harness) -> ExitCode {
    let own = match Own::take(given_arguments()) {
        Ok(own) => own,
        Err(error) => return usage(&error),
    };
    let program = std::env::args_os().next().unwrap_or_default();
    let mut arguments = Arguments::from_iter(std::iter::once(program).chain(own.others));
    if let Err(error) = name_in_full(&mut arguments) {
        return usage(&error);
    }
    if let Err(error) = known_rules(&harness) {
        return usage(&error);
    }
    let harness = Arc::new(harness);
    if arguments.list {
        return list(harness, own.options, &arguments);
    }
    let (report, trials_passed) = match own.soak {
        Some(limit) => (soak::soak(harness, own.options, limit, &arguments), true),
        None => judge_by_trials(harness, own.options, own.fail_fast, &arguments),
    };
    print!("{}", report::outcomes(&report));
    match own.show_known {
        true => print!("\n{}", report::known(&report)),
        false => print!("{}", report::remarks(&report)),
    }
    if own.paste {
        print!("{}", report::tests_to_paste(&report));
    }
    if let Some(path) = own.json
        && let Err(error) = report
            .to_json()
            .map_err(Into::into)
            .and_then(|json| std::fs::write(&path, json))
    {
        return usage(&format!("cannot write the report to {}: {error}", path.display()));
    }
    if let Some(path) = &own.badge
        && let Err(error) = write_badge(&report, path)
    {
        return usage(&error);
    }
    if report.verdicts.is_empty() {
        return usage("no rule was run: the filter matches none");
    }
    match report.is_good() && trials_passed {
        true => ExitCode::SUCCESS,
        // What every Rust test target exits with.
        false => ExitCode::from(101),
    }
}

fn given_arguments() -> impl Iterator<Item = OsString> {
    let always = std::env::var("FOREBAY_CONFORMANCE_ARGS").unwrap_or_default();
    let always: Vec<_> = always.split_whitespace().map(OsString::from).collect();
    always.into_iter().chain(std::env::args_os().skip(1))
}

/// A badge that counted the rules of a filter alone would say too much.
fn write_badge(report: &Report, path: &Path) -> Result<(), String> {
    if !report.is_complete() {
        return Err("--badge is about every rule: run it without a filter".to_owned());
    }
    let svg = report::badge(std::slice::from_ref(report));
    std::fs::write(path, svg)
        .map_err(|error| format!("cannot write the badge to {}: {error}", path.display()))
}

/// Lists the trials. What runs each trial in a process of its own, as cargo-nextest does, sees a trial that ignores itself
/// as passed; so those that will be ignored for certain are listed as ignored.
fn list(harness: Arc<impl Harness>, options: Options, arguments: &Arguments) -> ExitCode {
    let run = Run::prepare(harness, options);
    let marked = trials(None).into_iter().zip(rules());
    let marked = marked.map(|(trial, rule)| trial.with_ignored_flag(run.will_ignore(rule)));
    libtest_mimic::run(arguments, marked.collect()).exit_code()
}

fn judge_by_trials(
    harness: Arc<impl Harness>,
    options: Options,
    fail_fast: bool,
    arguments: &Arguments,
) -> (Report, bool) {
    let run = Arc::new(Run::prepare(harness, options));
    if let Some(error) = run.probe_error() {
        println!("what the backend can do could not be found out: {error}");
    }
    let judging = Judging {
        run: run.clone(),
        verdicts: Arc::default(),
        fail_fast,
    };
    let conclusion = libtest_mimic::run(arguments, trials(Some(&judging)));
    let report = report_of(&run, std::mem::take(&mut *lock(&judging.verdicts)));
    // A trial that panicked, which no backend can make happen, has no verdict.
    (report, !conclusion.has_failed())
}

/// Judges a backend by every rule for which `filter` is true.
pub fn judge(harness: impl Harness, options: Options, filter: impl Fn(&Rule) -> bool) -> Report {
    crate::panics::this_thread_reports();
    let run = Run::prepare(Arc::new(harness), options);
    let verdicts = rules()
        .iter()
        .filter(|rule| filter(rule))
        .map(|rule| run.judge(rule))
        .collect();
    Report {
        command: String::new(),
        ..report_of(&run, verdicts)
    }
}

fn report_of(run: &Run, mut verdicts: Vec<Verdict>) -> Report {
    let place = |verdict: &Verdict| rules().iter().position(|rule| rule.id == verdict.rule);
    verdicts.sort_by_key(place);
    Report {
        suite_version: env!("CARGO_PKG_VERSION").to_owned(),
        backend: run.harness.name().to_owned(),
        command: command(),
        seed: run.options.seed,
        cases: run.options.cases,
        strict: run.options.strict,
        capabilities: run.capabilities(),
        undeclared: run.undeclared(),
        probe_error: run.probe_error().map(str::to_owned),
        verdicts,
    }
}

type Verdicts = Arc<Mutex<Vec<Verdict>>>;

fn lock(verdicts: &Verdicts) -> std::sync::MutexGuard<'_, Vec<Verdict>> {
    verdicts.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the trials of a run share.
#[derive(Clone)]
struct Judging {
    run: Arc<Run>,
    verdicts: Verdicts,
    fail_fast: bool,
}

impl Judging {
    fn is_over(&self) -> bool {
        self.fail_fast
            && lock(&self.verdicts)
                .iter()
                .any(|verdict| report::is_bad(&verdict.status))
    }
}

fn trials(judging: Option<&Judging>) -> Vec<Trial> {
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
            lock(&judging.verdicts).push(verdict);
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
fn failure_text(rule: &Rule, verdict: &Verdict, run: &Run) -> Option<String> {
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

/// The command that runs this test target.
fn command() -> String {
    let program = std::env::args_os().next().map(PathBuf::from).unwrap_or_default();
    let stem = program
        .file_stem()
        .map(|stem| stem.to_string_lossy().into_owned())
        .unwrap_or_default();
    // Cargo names a test's executable `target-hash`.
    let target = stem.rsplit_once('-').map_or(stem.as_str(), |(target, _)| target);
    let package = std::env::var("CARGO_PKG_NAME")
        .map(|name| format!(" -p {name}"))
        .unwrap_or_default();
    format!("cargo test{package} --test {target}")
}

/// Lets `--exact` take a rule's id alone, and refuses one that does not exist.
fn name_in_full(arguments: &mut Arguments) -> Result<(), String> {
    let Some(filter) = arguments.filter.as_mut().filter(|_| arguments.exact) else {
        return Ok(());
    };
    let id = filter.rsplit("::").next().unwrap_or_default();
    match Rule::find(id) {
        Some(rule) => {
            *filter = rule.trial_name();
            Ok(())
        }
        None => Err(format!("there is no rule {id:?}; see SPEC.md, or --list")),
    }
}

fn known_rules(harness: &impl Harness) -> Result<(), String> {
    let unknown = harness
        .known_failures()
        .iter()
        .find(|known| Rule::find(known.rule).is_none());
    match unknown {
        Some(known) => Err(format!(
            "the known failures of {} name {:?}, which is no rule",
            harness.name(),
            known.rule
        )),
        None => Ok(()),
    }
}

fn usage(error: &str) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::from(2)
}
