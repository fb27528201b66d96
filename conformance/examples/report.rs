//! Renders what backends' runs wrote with `--json`: as text, and as HTML, JUnit XML and a README's table where asked.

use forebay_conformance::report::{self, BEGIN, END, Report};
use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str = "\
usage: report [--html FILE] [--junit FILE] [--readme FILE --spec LINK] [--badge FILE [--badge-of NAME,..]]
              [--known] [--kept REPORT.json].. REPORT.json..

  --html FILE    a page: rules by backends, and failures with their steps
  --junit FILE   the same for CI systems
  --readme FILE  puts a table between the markers in FILE; --spec says where SPEC.md is, as seen from there
  --badge FILE   an SVG picture of how many rules hold, for the backends that --badge-of names, or all
  --kept FILE    a report from some time ago: rules that are newer are untested; after the others
  --known        known failures and unmet SHOULDs in full too";

#[derive(Default)]
struct Wanted {
    html: Option<PathBuf>,
    junit: Option<PathBuf>,
    readme: Option<PathBuf>,
    spec: Option<String>,
    badge: Option<PathBuf>,
    badge_of: Option<String>,
    known: bool,
    reports: Vec<PathBuf>,
    kept: Vec<PathBuf>,
}

fn main() -> ExitCode {
    match wanted().and_then(|wanted| render(&wanted)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn wanted() -> Result<Wanted, String> {
    let mut wanted = Wanted::default();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || {
            arguments
                .next()
                .ok_or(format!("{argument} needs a value\n\n{USAGE}"))
        };
        match argument.as_str() {
            "--html" => wanted.html = Some(value()?.into()),
            "--junit" => wanted.junit = Some(value()?.into()),
            "--readme" => wanted.readme = Some(value()?.into()),
            "--spec" => wanted.spec = Some(value()?),
            "--badge" => wanted.badge = Some(value()?.into()),
            "--badge-of" => wanted.badge_of = Some(value()?),
            "--kept" => wanted.kept.push(value()?.into()),
            "--known" => wanted.known = true,
            flag if flag.starts_with('-') => return Err(format!("{flag}: no such argument\n\n{USAGE}")),
            file => wanted.reports.push(file.into()),
        }
    }
    match wanted.reports.is_empty() {
        true => Err(format!("no report to render\n\n{USAGE}")),
        false => Ok(wanted),
    }
}

fn render(wanted: &Wanted) -> Result<(), String> {
    let mut reports = Vec::new();
    for path in &wanted.reports {
        reports.push(read(path)?);
    }
    for path in &wanted.kept {
        reports.push(read(path)?.filled_up());
    }
    print!(
        "{}\n{}",
        report::table(&reports),
        report::failures(&reports, wanted.known)
    );
    if let Some(path) = &wanted.html {
        write(path, &report::html(&reports))?;
    }
    if let Some(path) = &wanted.junit {
        write(path, &report::junit(&reports))?;
    }
    if let Some(path) = &wanted.badge {
        write(
            path,
            &report::badge(&chosen(&reports, wanted.badge_of.as_deref())?),
        )?;
    }
    if let Some(path) = &wanted.readme {
        let block = report::markdown(&reports, wanted.spec.as_deref().unwrap_or("SPEC.md"))?;
        let old = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let new = report::replace_block(&old, &block)
            .ok_or_else(|| format!("{}: needs the lines {BEGIN} and {END}", path.display()))?;
        write(path, &new)?;
    }
    Ok(())
}

fn read(path: &PathBuf) -> Result<Report, String> {
    let json = std::fs::read_to_string(path).map_err(|error| error.to_string());
    let report = json.and_then(|json| Report::from_json(&json));
    report.map_err(|error| format!("{}: {error}", path.display()))
}

/// The reports on these backends, in this order.
fn chosen(reports: &[Report], names: Option<&str>) -> Result<Vec<Report>, String> {
    let Some(names) = names else {
        return Ok(reports.to_vec());
    };
    let find = |name: &str| reports.iter().find(|report| report.backend == name).cloned();
    names
        .split(',')
        .map(|name| find(name).ok_or_else(|| format!("--badge-of: no report on {name:?}")))
        .collect()
}

fn write(path: &PathBuf, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    println!("wrote {}", path.display());
    Ok(())
}
