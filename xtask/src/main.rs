//! What this repository can do, as commands: dispatch only.

mod checks;
mod conformance;
mod demo;
mod mutants;
mod shell;
mod tidy;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask <command>

  test                    everything that must pass: formatting, tidy, lints, tests, docs
  tidy                    the rules of the repository that a machine can check
  conformance [BACKEND..] the storage contract against our backends and pingora's MemCache
                          (memory, disk, pingora-memcache, pingora-memcache-0.8, reference; all by default);
                          what follows -- goes to the suite, for instance -- --strict SEEK;
                          a table and the failures, and more in target/conformance/report.html
  conformance --published [BACKEND..]
                          the same for storages that others publish, which are built for it (pingap-file)
  conformance --readme    the same for all of ours, and puts the table into README.md, the badge into docs/
  conformance --kill-matrix
                          judges every broken backend by every rule, and writes conformance/KILL-MATRIX.md
  conformance --spec      writes conformance/SPEC.md anew from rules.toml
  mutants [--install]     cargo-mutants on the memory adapter, judged by the suite; that takes an hour or two
  demo [--keep]           a proxy on disk before a small origin, driven over real sockets;
                          --keep leaves both running and prints what to try";

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
        "mutants" => shell::exit(mutants::command(rest)),
        "demo" => demo::run(rest),
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
