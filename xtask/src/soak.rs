//! `cargo xtask soak`: what takes longer than a test may.

use crate::shell::{Step, cargo, run};

/// How often the crash soak kills its process.
const CRASH_ROUNDS: u32 = 200;

pub(crate) fn command(args: &[String]) -> Step {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let rounds = match args[..] {
        ["crash"] => CRASH_ROUNDS,
        ["crash", rounds] => rounds
            .parse()
            .map_err(|_| format!("soak crash {rounds}: not a number of rounds"))?,
        _ => return Err("soak: there is `cargo xtask soak crash [ROUNDS]`".to_owned()),
    };
    let mut test = cargo(&[
        "test",
        "--package",
        "forebay-disk",
        "--test",
        "crash",
        "--",
        "--nocapture",
    ]);
    test.env("FOREBAY_CRASH_ROUNDS", rounds.to_string());
    run(test)
}
