//! What this repository can do, as commands: dispatch only.

mod bench;
mod checks;
mod conformance;
mod demo;
mod shell;
mod tidy;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask <command>

  test                    everything that must pass: formatting, tidy, lints, tests, docs
  tidy                    the rules of the repository that a machine can check
  conformance [BACKEND..] the storage contract against our backends and pingora's MemCache
                          (memory, disk, pingora-memcache, reference; all of them by default);
                          what follows -- goes to the suite, for instance -- --strict SEEK;
                          a table and the failures, and more in target/conformance/report.html
  conformance --readme    the same for all backends, and puts the table into README.md
  conformance --spec      writes conformance/SPEC.md anew from rules.toml
  demo [--keep]           a proxy on disk before a small origin, driven over real sockets;
                          --keep leaves both running and prints what to try
  bench [AREA..]          ours and the peers, measured side by side; without an area, all of them;
                          tables on the terminal, and a report with plots in target/bench/;
                          --quick is rough and short, --list names the areas
  bench --readme [AREA..] the same with the report in docs/bench/ and its plots and ratios in README.md";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let Some((command, rest)) = args.split_first() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match command.as_str() {
        "test" if rest.is_empty() => shell::exit(checks::test()),
        "tidy" if rest.is_empty() => shell::exit(tidy::report()),
        "conformance" => shell::exit(conformance::command(rest)),
        "demo" => demo::run(rest),
        "bench" => shell::exit(bench::command(rest)),
        "help" | "-h" | "--help" => {
            println!("{USAGE}");
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!(
                "cargo xtask {}: no such command or argument\n\n{USAGE}",
                args.join(" ")
            );
            ExitCode::from(2)
        }
    }
}
