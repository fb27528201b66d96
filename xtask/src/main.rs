//! What this repository can do, as commands: dispatch only.

mod bench;
mod checks;
mod conformance;
mod demo;
mod fuzz;
mod guards;
mod mutants;
mod shell;
mod soak;
mod tidy;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask <command>

  test                    everything that must pass: formatting, tidy, lints, tests, docs, fuzz, guards
  tidy                    the rules of the repository that a machine can check
  conformance [BACKEND..] the storage contract against our backends and pingora's MemCache
                          (memory, disk, pingora-memcache, pingora-memcache-0.8, reference; all by default;
                          `--backend memory` says the same as `memory`);
                          what follows -- goes to the suite, for instance -- --strict SEEK;
                          a table and the failures, and more in target/conformance/report.html
  conformance --published [BACKEND..]
                          the same for storages that others publish, which are built for it (pingap-file, grapsus-disk,
                          grapsus-hybrid; the last two take minutes, and protoc); --keep behind it keeps the results
                          for the README's table
  conformance --readme    the same for all of ours, and puts the table into README.md, the badge into docs/
  conformance --kill-matrix
                          judges every broken backend by every rule, and writes conformance/KILL-MATRIX.md
  conformance --spec      writes conformance/SPEC.md anew from rules.toml
  soak crash [ROUNDS]     a process with a disk store is killed at random moments (200 times by default)
  fuzz [TARGET [SECONDS]] the targets of fuzz/ (record, footer, meta, store) at once, a minute by default, guided by
                          coverage; takes a C++ compiler; `test` makes a fixed number of runs, the same
                          every time
  mutants [--install]     cargo-mutants on the memory adapter, judged by the suite and the crates' own tests; half an hour;
                          fails where something survives that conformance/MUTANTS.md does not list; --account tells
                          the last run's figures again
  guards [--update]       instructions of the hot paths, counted by valgrind, against the figures in
                          bench/guards/instructions.toml; --update writes them down anew
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
        "soak" => shell::exit(soak::command(rest)),
        "fuzz" => shell::exit(fuzz::command(rest)),
        "mutants" => shell::exit(mutants::command(rest)),
        "guards" => shell::exit(guards::command(rest)),
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
