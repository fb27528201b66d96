//! The suite as the `main` of a test target: one trial per rule.

use crate::context::Options;
use crate::harness::Harness;
use crate::outcome::{Status, Verdict};
use crate::report::{self, Report};
use crate::rules::{Rule, rules};
use crate::runner::Run;
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Judges a backend, as the `main` of a test target with `harness = false`.
///
/// Arguments are those of any Rust test, plus `--strict` (a SHOULD fails the run), `--cases N`, `--seed N`,
/// `--hang-after SECONDS` and `--json FILE`. A filter is a rule's id, a part of it, or an area: `stream::`.
pub fn main(harness: impl Harness) -> ExitCode {
    let own = match Own::take(std::env::args_os().skip(1)) {
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
    if arguments.list {
        return libtest_mimic::run(&arguments, trials(None)).exit_code();
    }
    let run = Arc::new(Run::prepare(Arc::new(harness), own.options));
    if let Some(error) = run.probe_error() {
        println!("what the backend can do could not be found out: {error}");
    }
    let verdicts = Arc::default();
    let conclusion = libtest_mimic::run(&arguments, trials(Some((run.clone(), Arc::clone(&verdicts)))));
    let report = report_of(&run, std::mem::take(&mut *lock(&verdicts)));
    print!(
        "{}{}",
        report::table(std::slice::from_ref(&report)),
        report::remarks(&report)
    );
    if let Some(path) = own.json
        && let Err(error) = report
            .to_json()
            .map_err(Into::into)
            .and_then(|json| std::fs::write(&path, json))
    {
        return usage(&format!("cannot write the report to {}: {error}", path.display()));
    }
    if report.verdicts.is_empty() {
        return usage("no rule was run: the filter matches none");
    }
    conclusion.exit_code()
}

/// Judges a backend by every rule for which `filter` is true.
pub fn judge(harness: impl Harness, options: Options, filter: impl Fn(&Rule) -> bool) -> Report {
    let run = Run::prepare(Arc::new(harness), options);
    let verdicts = rules()
        .iter()
        .filter(|rule| filter(rule))
        .map(|rule| run.judge(rule))
        .collect();
    report_of(&run, verdicts)
}

fn report_of(run: &Run, mut verdicts: Vec<Verdict>) -> Report {
    let place = |verdict: &Verdict| rules().iter().position(|rule| rule.id == verdict.rule);
    verdicts.sort_by_key(place);
    Report {
        suite_version: env!("CARGO_PKG_VERSION").to_owned(),
        backend: run.harness.name().to_owned(),
        seed: run.options.seed,
        capabilities: run.capabilities(),
        verdicts,
    }
}

type Verdicts = Arc<Mutex<Vec<Verdict>>>;

fn lock(verdicts: &Verdicts) -> std::sync::MutexGuard<'_, Vec<Verdict>> {
    verdicts.lock().unwrap_or_else(PoisonError::into_inner)
}

fn trials(run: Option<(Arc<Run>, Verdicts)>) -> Vec<Trial> {
    let trial = |rule: &'static Rule| {
        let run = run.clone();
        Trial::ignorable_test(rule.trial_name(), move || {
            let Some((run, verdicts)) = run else {
                return Ok(Completion::ignored());
            };
            let verdict = run.judge(rule);
            let completion = completion(rule, &verdict, &run);
            lock(&verdicts).push(verdict);
            completion
        })
    };
    rules().iter().map(trial).collect()
}

fn completion(rule: &Rule, verdict: &Verdict, run: &Run) -> Result<Completion, Failed> {
    match &verdict.status {
        Status::Pass => Ok(Completion::Completed),
        Status::Skipped { reason } => Ok(Completion::ignored_with(reason)),
        Status::Untested { reason } => Ok(Completion::ignored_with(format!("untested: {reason}"))),
        Status::Known { reason } => Ok(Completion::ignored_with(format!("known failure: {reason}"))),
        Status::Unmet => Ok(Completion::ignored_with("a SHOULD that does not hold, see below")),
        Status::KnownPasses => Err(Failed::from(format!(
            "{} is listed as a known failure of {}, and passes: take it off the list",
            rule.id,
            run.harness.name()
        ))),
        Status::HarnessError { reason } => {
            Err(Failed::from(format!("the harness, not the backend: {reason}")))
        }
        Status::Fail => {
            let failures: Vec<_> = verdict.failures.iter().map(ToString::to_string).collect();
            let repeat = repeat_command(rule, &run.options);
            Err(Failed::from(format!(
                "{}\n  repeat    {repeat}",
                failures.join("\n\n")
            )))
        }
    }
}

/// The line that runs this rule alone again.
fn repeat_command(rule: &Rule, options: &Options) -> String {
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
    let Options { cases, seed, .. } = options;
    format!(
        "cargo test{package} --test {target} -- --exact {} --seed {seed} --cases {cases}",
        rule.trial_name()
    )
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

/// The suite's own arguments; the others are libtest's.
struct Own {
    options: Options,
    json: Option<PathBuf>,
    others: Vec<OsString>,
}

impl Own {
    fn take(mut arguments: impl Iterator<Item = OsString>) -> Result<Self, String> {
        let mut own = Own {
            options: Options::default(),
            json: None,
            others: Vec::new(),
        };
        while let Some(argument) = arguments.next() {
            let mut value = || {
                arguments
                    .next()
                    .ok_or(format!("{} needs a value", argument.to_string_lossy()))
            };
            match argument.to_str() {
                Some("--strict") => own.options.strict = true,
                Some("--cases") => own.options.cases = number(&argument, value()?)?,
                Some("--seed") => own.options.seed = number(&argument, value()?)?,
                Some("--hang-after") => {
                    own.options.hang_after = Duration::from_secs(number(&argument, value()?)?)
                }
                Some("--json") => own.json = Some(value()?.into()),
                _ => own.others.push(argument),
            }
        }
        Ok(own)
    }
}

fn number<T: std::str::FromStr>(name: &OsString, value: OsString) -> Result<T, String> {
    let value = value.to_string_lossy();
    value
        .parse()
        .map_err(|_| format!("{} takes a number, not {value:?}", name.to_string_lossy()))
}
