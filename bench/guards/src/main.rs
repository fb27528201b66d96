//! Runs one hot path so many times: what `cargo xtask guards` puts under callgrind.

use forebay_guards::{AnyError, Guarded, HotPath};
use std::process::ExitCode;

const USAGE: &str = "usage: forebay-guards --list | <path> <operations>";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("forebay-guards: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[&str]) -> Result<(), AnyError> {
    match args {
        ["--list"] => {
            HotPath::ALL.iter().for_each(|path| println!("{}", path.name()));
            Ok(())
        }
        [path, operations] => {
            let path = HotPath::from_name(path).ok_or_else(|| format!("no path {path}; {USAGE}"))?;
            Guarded::prepare(path)?.run(operations.parse()?)
        }
        _ => Err(USAGE.into()),
    }
}
