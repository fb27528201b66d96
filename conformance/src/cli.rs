//! The suite as the `main` of a test target: one trial per rule.

mod arguments;
mod soak;
mod trials;

use crate::context::Options;
use crate::harness::Harness;
use crate::outcome::Verdict;
use crate::report::{self, Report};
use crate::rules::{Rule, rules};
use crate::runner::Run;
use arguments::Own;
use libtest_mimic::Arguments;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use trials::{Judging, list, trials};

/// Judges a backend, as the `main` of a test target with `harness = false`.
///
/// Arguments are those of any Rust test, plus `--strict` (a SHOULD fails the run), `--cases N`, `--seed N`,
/// `--hang-after SECONDS`, `--json FILE` (the report, for [`report`](mod@crate::report)), `--badge FILE` (a picture for
/// a README), `--show-known` (known failures in full), `--paste` (failures come with a `#[test]` that shows them again),
/// `--fail-fast` (the first failure ends the run) and `--soak 10m` (again and again with fresh seeds). A filter is a rule's
/// id, a part of it, or an area: `stream::`. What stands in `FOREBAY_CONFORMANCE_ARGS` goes before them, for tools that pass
/// no arguments on. A filter of no rule is an error, and so is a run that checked none.
///
/// `--list` marks the rules that do not concern the backend, so that cargo-nextest, which runs each trial in a process of its
/// own, skips them. What only a check finds out (a known failure that fails, a SHOULD that does not hold, an entry that
/// is never evicted) it shows as passed: a test cannot tell nextest that it was ignored. `cargo test` tells.
pub fn main(harness: impl Harness) -> ExitCode {
    let own = match Own::take(given_arguments()) {
        Ok(own) => own,
        Err(error) => return usage(&error),
    };
    if own.help {
        print!("{}", arguments::HELP);
    }
    let program = std::env::args_os().next().unwrap_or_default();
    let mut arguments = Arguments::from_iter(std::iter::once(program).chain(own.others));
    if let Err(error) = name_in_full(&mut arguments) {
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
    // cargo-nextest runs each rule in a process of its own, also one that turns out not to concern the backend.
    let alone = std::env::var_os("NEXTEST").is_some() && arguments.exact;
    if !report.checks_any() && !alone {
        return usage("no rule was checked: all that the filter matches were ignored, for the reasons above");
    }
    match !report.has_failures() && trials_passed {
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
    let judging = Judging::new(run.clone(), fail_fast);
    let conclusion = libtest_mimic::run(arguments, trials(Some(&judging)));
    let report = report_of(&run, std::mem::take(&mut *judging.verdicts()));
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

/// Lets `--exact` take a rule's id alone, and refuses what names no rule: a check that is misspelt would never run.
fn name_in_full(arguments: &mut Arguments) -> Result<(), String> {
    let exact = arguments.exact;
    for filter in arguments.filter.iter_mut().chain(&mut arguments.skip) {
        if exact && let Some(rule) = Rule::find(filter.rsplit("::").next().unwrap_or_default()) {
            *filter = rule.trial_name();
        }
        let is_meant = |name: String| match exact {
            true => name == *filter,
            false => name.contains(filter.as_str()),
        };
        if !rules().iter().any(|rule| is_meant(rule.trial_name())) {
            return Err(format!("there is no rule {filter:?}; see SPEC.md, or --list"));
        }
    }
    Ok(())
}

fn usage(error: &str) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::from(2)
}
