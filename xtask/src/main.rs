//! What this repository can do, as commands: dispatch only.

mod demo;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.split_first() {
        Some((command, rest)) if command == "demo" => demo::run(rest),
        _ => {
            eprintln!("usage: cargo xtask demo [--keep]");
            ExitCode::from(2)
        }
    }
}
