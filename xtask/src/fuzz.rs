//! `cargo xtask fuzz`: the targets of `fuzz/`, one after the other, by cargo-fuzz.

use crate::shell::{Step, cargo, root, run};

const TARGETS: [&str; 4] = ["record", "footer", "meta", "store"];
const SECONDS: u32 = 60;

pub(crate) fn command(args: &[String]) -> Step {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let (targets, seconds) = match args[..] {
        [] => (&TARGETS[..], SECONDS),
        [target] => (one(target)?, SECONDS),
        [target, seconds] => (
            one(target)?,
            seconds
                .parse()
                .map_err(|_| format!("fuzz: {seconds}: not a number of seconds"))?,
        ),
        _ => return Err("fuzz: takes a target and a number of seconds".to_owned()),
    };
    for target in targets {
        // What is new goes into `target/`; the corpus that is kept is read, and stays small.
        let found = format!("fuzz/target/corpus/{target}");
        std::fs::create_dir_all(root().join(&found)).map_err(|error| format!("{found}: {error}"))?;
        let (kept, limit) = (
            format!("fuzz/corpus/{target}"),
            format!("-max_total_time={seconds}"),
        );
        let mut fuzz = cargo(&["fuzz", "run", target, &found, &kept, "--", &limit]);
        // cargo-fuzz asks the compiler for coverage and sanitizers, which it keeps for nightlies.
        fuzz.env("RUSTC_BOOTSTRAP", "1");
        run(fuzz).map_err(|why| format!("{why}; cargo install cargo-fuzz, if it is absent"))?;
    }
    Ok(())
}

fn one(target: &str) -> Result<&'static [&'static str], String> {
    let at = TARGETS.iter().position(|known| *known == target);
    at.map(|at| &TARGETS[at..=at])
        .ok_or_else(|| format!("fuzz: no target \"{target}\"; there are {}", TARGETS.join(", ")))
}
