//! Plays the scenarios against a real proxy and prints the table; `cargo xtask demo` builds both and runs it.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use forebay_demo::proxy::Store;
use forebay_demo::scenarios::{self, Scenario};
use forebay_demo::stage::{Scale, Stage};
use forebay_demo::{Failure, cleanup, table};

const USAGE: &str = "usage: forebay-demo --proxy FOREBAY_PROXY_BINARY [--keep]";

fn main() -> ExitCode {
    let Some(flags) = flags() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match run(&flags) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("forebay-demo: {failure}");
            ExitCode::FAILURE
        }
    }
}

struct Flags {
    proxy: PathBuf,
    keep: bool,
}

fn flags() -> Option<Flags> {
    let mut proxy = None;
    let mut keep = false;
    let mut args = std::env::args_os().skip(1);
    while let Some(arg) = args.next() {
        match arg.to_str()? {
            "--proxy" => proxy = Some(PathBuf::from(args.next()?)),
            "--keep" => keep = true,
            _ => return None,
        }
    }
    Some(Flags { proxy: proxy?, keep })
}

/// True if all was seen as expected.
fn run(flags: &Flags) -> Result<bool, Failure> {
    cleanup::on_signals()?;
    show_step("starting the origin and the proxy");
    let mut stage = Stage::set(&flags.proxy, Store::Disk, Scale::DEMO, show_progress)?;
    clear_progress();
    println!(
        "forebay-proxy on {}, storing on disk, before an origin on {}\n",
        stage.proxy.listen(),
        stage.origin.addr()
    );
    println!("{}", table::heading());
    let scenarios = scenarios::all();
    let differing = scenarios
        .iter()
        .filter(|scenario| !line(scenario, &mut stage))
        .count();
    match differing {
        0 => println!("\nall {} lines as expected", scenarios.len()),
        differing => println!("\n{differing} of {} lines DIFFER", scenarios.len()),
    }
    if flags.keep {
        keep(&stage);
    }
    Ok(differing == 0)
}

/// Plays one scenario and prints its line; true if it was as expected.
fn line(scenario: &Scenario, stage: &mut Stage) -> bool {
    show_step(scenario.name);
    let begun = Instant::now();
    let seen = scenario.play(stage);
    clear_progress();
    let good = seen.facts == scenario.expected;
    let figures = if seen.figures.is_empty() {
        String::new()
    } else {
        format!(" ({})", seen.figures)
    };
    let verdict = format!(
        "{:7} {:5.1} s",
        if good { "ok" } else { "DIFFERS" },
        begun.elapsed().as_secs_f64()
    );
    println!(
        "{}",
        table::row(
            scenario.name,
            scenario.expected,
            &(seen.facts + &figures),
            &verdict
        )
    );
    good
}

/// Leaves everything running for a person with curl, until a signal ends this process and what it started.
fn keep(stage: &Stage) {
    let (proxy, admin) = (stage.proxy.listen(), stage.proxy.admin());
    println!(
        "
proxy, origin and store ({}) stay until you press Ctrl-C. To try:
  curl -i http://{proxy}/text/hi                                        # again: a hit
  curl -i -X PURGE http://{proxy}/text/hi
  curl -s http://{proxy}/bytes/52428800/large | wc -c
  curl -s -D - -o /dev/null -r 1000-1999 http://{proxy}/bytes/52428800/large
  curl -s -D - -o /dev/null http://{proxy}/slow/by-hand                 # in two terminals at once
  curl -s -o /dev/null http://{proxy}/dies/length/by-hand               # curl: (18); again: whole
  curl -i -H 'Accept-Language: de' http://{proxy}/vary/by-hand
  curl -i http://{proxy}/etag/by-hand                                   # again: revalidated by a 304
  curl -s http://{admin}/metrics",
        stage.proxy.directory().display()
    );
    loop {
        std::thread::park();
    }
}

fn show_step(what: &str) {
    if std::io::stderr().is_terminal() {
        show_progress(what);
    } else {
        eprintln!("... {what}");
    }
}

/// Shows where a step is, in place; where no line can replace another, the steps are enough.
fn show_progress(what: &str) {
    let mut err = std::io::stderr();
    if err.is_terminal() {
        // Progress that cannot be shown is no reason to stop.
        let _ = write!(err, "\r\x1b[K... {what}").and_then(|()| err.flush());
    }
}

fn clear_progress() {
    let mut err = std::io::stderr();
    if err.is_terminal() {
        let _ = write!(err, "\r\x1b[K").and_then(|()| err.flush());
    }
}
