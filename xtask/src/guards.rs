//! `cargo xtask guards`: how many instructions the hot paths take, against the figures of `instructions.toml`.

use crate::shell::{Step, cargo, root, run, target_dir};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use toml::{Table, Value};

const BASE_FILE: &str = "bench/guards/instructions.toml";
const UPDATE: &str = "cargo xtask guards --update";
/// Each path is run this often, and twice as often; the difference is what so many operations take, without what
/// preparation and start took.
const OPERATIONS: u64 = 2_000;
/// The heap that preparation leaves behind is not always the same, and costs a little then. The least of as many counts
/// does not depend on it.
const ATTEMPTS: usize = 5;
/// What a count may differ from the base before it is a regression, unless the file says otherwise.
const TOLERANCE_PERCENT: u64 = 5;

/// What to do with the counts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Fail where a path takes more than its base and the tolerance.
    Check,
    /// Write the counts down as the new base.
    Update,
}

pub(crate) fn command(args: &[String]) -> Step {
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => guards(Mode::Check),
        ["--update"] => guards(Mode::Update),
        _ => Err(format!("guards {}: only --update is known", args.join(" "))),
    }
}

/// As part of `cargo xtask test`: a machine without valgrind may skip the guards, unless it is a CI's.
pub(crate) fn in_test() -> Step {
    if has_valgrind() || std::env::var_os("CI").is_some() {
        return guards(Mode::Check);
    }
    eprintln!("\n── guards: SKIPPED, nothing was counted: {}", no_valgrind());
    Ok(())
}

fn guards(mode: Mode) -> Step {
    if !has_valgrind() {
        return Err(format!("guards: {}", no_valgrind()));
    }
    run(cargo(&[
        "build",
        "--profile",
        "guards",
        "--package",
        "forebay-guards",
    ]))?;
    let binary = target_dir().join("guards/forebay-guards");
    let names = names(&binary)?;
    match mode {
        Mode::Update => {
            let counts = names
                .iter()
                .map(|name| Ok((name.as_str(), least(&binary, name, 0)?)));
            write_base(&counts.collect::<Result<Vec<_>, String>>()?)
        }
        Mode::Check => check(&binary, &names, &read_base()?),
    }
}

fn has_valgrind() -> bool {
    let version = Command::new("valgrind").arg("--version").output();
    version.is_ok_and(|output| output.status.success())
}

fn no_valgrind() -> &'static str {
    "valgrind is not installed (Debian: apt-get install valgrind)"
}

fn names(binary: &Path) -> Result<Vec<String>, String> {
    let output = Command::new(binary).arg("--list").output();
    let output = output.map_err(|error| format!("{}: {error}", binary.display()))?;
    Ok(String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(str::to_owned)
        .collect())
}

/// Instructions per operation of one path: the least of some counts, or the first that is good enough.
fn least(binary: &Path, name: &str, good_enough: u64) -> Result<u64, String> {
    let mut least = u64::MAX;
    for _ in 0..ATTEMPTS {
        let (once, twice) = (
            instructions(binary, name, OPERATIONS)?,
            instructions(binary, name, 2 * OPERATIONS)?,
        );
        least = least.min(twice.saturating_sub(once) / OPERATIONS);
        if least <= good_enough {
            break;
        }
    }
    Ok(least)
}

fn instructions(binary: &Path, name: &str, operations: u64) -> Result<u64, String> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(binary)
        .args([name, &operations.to_string()])
        .output()
        .map_err(|error| format!("valgrind: {error}"))?;
    let text = String::from_utf8_lossy(&output.stderr);
    match collected(&text) {
        Some(count) if output.status.success() => Ok(count),
        _ => Err(format!(
            "guards: {name} under valgrind: {}\n{text}",
            output.status
        )),
    }
}

/// The sum that callgrind prints at the end.
fn collected(text: &str) -> Option<u64> {
    let (_, rest) = text.split_once("Collected :")?;
    rest.split_whitespace().next()?.parse().ok()
}

struct Base {
    tolerance_percent: u64,
    instructions: Table,
}

fn base_path() -> PathBuf {
    root().join(BASE_FILE)
}

fn read_base() -> Result<Base, String> {
    let unusable = |error: String| format!("{BASE_FILE}: {error}");
    let text = fs::read_to_string(base_path()).map_err(|error| unusable(error.to_string()))?;
    let table: Table = text.parse().map_err(|error| unusable(format!("{error}")))?;
    let tolerance = table.get("tolerance_percent").and_then(Value::as_integer);
    let instructions = table.get("instructions").and_then(Value::as_table);
    Ok(Base {
        tolerance_percent: tolerance
            .and_then(|percent| percent.try_into().ok())
            .unwrap_or(TOLERANCE_PERCENT),
        instructions: instructions
            .cloned()
            .ok_or_else(|| unusable("without the table [instructions]".to_owned()))?,
    })
}

fn write_base(counts: &[(&str, u64)]) -> Step {
    let tolerance_percent = read_base().map_or(TOLERANCE_PERCENT, |base| base.tolerance_percent);
    let mut text = format!(
        "# Instructions per operation of the hot paths, optimized crate by crate, counted by callgrind: written by\n\
         # `{UPDATE}`, checked by `cargo xtask guards`. More than the tolerance above one of them is a regression.\n\
         tolerance_percent = {tolerance_percent}\n\n[instructions]\n"
    );
    for (name, count) in counts {
        println!("{name:<20} {count:>8}");
        text.push_str(&format!("{name} = {count}\n"));
    }
    fs::write(base_path(), text).map_err(|error| format!("{BASE_FILE}: {error}"))
}

fn check(binary: &Path, names: &[String], base: &Base) -> Step {
    println!(
        "{:<20} {:>8} {:>8}   instructions per operation",
        "hot path", "base", "now"
    );
    let mut regressions = Vec::new();
    for name in names {
        let was = base.instructions.get(name).and_then(Value::as_integer);
        let was = was.and_then(|was| u64::try_from(was).ok());
        let now = least(binary, name, was.unwrap_or(u64::MAX))?;
        let shown = was.map_or("-".to_owned(), |was| was.to_string());
        println!("{name:<20} {shown:>8} {now:>8}");
        match judge(name, was, now, base.tolerance_percent) {
            Verdict::Regression(what) => regressions.push(what),
            Verdict::Improvement(what) => println!("  {what}"),
            Verdict::Same => {}
        }
    }
    match regressions.is_empty() {
        true => Ok(()),
        false => Err(format!("guards: {}", regressions.join("\nguards: "))),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Same,
    Improvement(String),
    Regression(String),
}

fn judge(name: &str, was: Option<u64>, now: u64, tolerance_percent: u64) -> Verdict {
    let Some(was) = was else {
        return Verdict::Regression(format!(
            "{name} takes {now} instructions and has no base in {BASE_FILE}; write it by `{UPDATE}`"
        ));
    };
    let tolerance = was * tolerance_percent / 100;
    let percent = (now.abs_diff(was) * 100).div_ceil(was.max(1));
    if now > was + tolerance {
        Verdict::Regression(format!(
            "{name} takes {now} instructions, {percent} % more than its base of {was}: find out why (valgrind \
             --tool=callgrind target/guards/forebay-guards {name} {OPERATIONS}); if it is meant, `{UPDATE}` and say why \
             in the commit"
        ))
    } else if now + tolerance < was {
        Verdict::Improvement(format!(
            "{percent} % fewer than its base: keep that by `{UPDATE}`"
        ))
    } else {
        Verdict::Same
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_exceeds_the_tolerance_is_judged() {
        assert_eq!(judge("hit", Some(1000), 1050, 5), Verdict::Same);
        assert_eq!(judge("hit", Some(1000), 950, 5), Verdict::Same);
        let Verdict::Regression(says) = judge("hit", Some(1000), 1051, 5) else {
            panic!("51 of 1000 are more than 5 %");
        };
        for part in ["hit", "1051", "1000", "6 %", UPDATE] {
            assert!(says.contains(part), "{says}");
        }
        assert!(matches!(
            judge("hit", Some(1000), 949, 5),
            Verdict::Improvement(_)
        ));
    }

    #[test]
    fn a_path_without_a_base_is_not_passed_over() {
        assert!(matches!(judge("new", None, 10, 5), Verdict::Regression(_)));
    }

    #[test]
    fn the_sum_of_callgrind_is_read() {
        let text = "==7== Events    : Ir\n==7== Collected : 123456\n==7==\n==7== I   refs:      123,456\n";
        assert_eq!(collected(text), Some(123_456));
        assert_eq!(collected("==7== command not found"), None);
    }
}
