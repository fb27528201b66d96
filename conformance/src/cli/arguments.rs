//! The suite's own arguments, taken from among those of libtest.

use crate::context::Options;
use std::ffi::OsString;
use std::fmt::Display;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What the help says of them, before libtest's own.
pub(super) const HELP: &str = "\
The storage contract, one test for each rule. FILTER is a rule's id, a part of it, or an area: stream::

Options of the suite:
      --cases N               random sequences, and random schedules (200)
      --seed N                what is random is made from it (1)
      --soak 10m              round after round with fresh seeds, until the time is over or a rule breaks
      --strict                a SHOULD that does not hold fails the run
      --fail-fast             the first failure ends the run
      --hang-after SECONDS    how long a call may take (20)
      --paste                 failures come with a #[test] that shows them again
      --show-known            known failures in full
      --json FILE             the report, for rendering
      --badge FILE            a badge (SVG) for a README

Those of every Rust test:

";

/// The suite's own arguments; the others are libtest's.
#[derive(Debug)]
pub(super) struct Own {
    pub(super) options: Options,
    pub(super) json: Option<PathBuf>,
    pub(super) badge: Option<PathBuf>,
    pub(super) soak: Option<Duration>,
    /// Whether known failures and unmet SHOULDs are printed in full.
    pub(super) show_known: bool,
    /// Whether failures come with a test to paste.
    pub(super) paste: bool,
    /// Whether the first failure ends the run.
    pub(super) fail_fast: bool,
    /// Whether libtest will print its help, and end.
    pub(super) help: bool,
    pub(super) others: Vec<OsString>,
}

impl Own {
    pub(super) fn take(mut arguments: impl Iterator<Item = OsString>) -> Result<Self, String> {
        let mut own = Own {
            options: Options::default(),
            json: None,
            badge: None,
            soak: None,
            show_known: false,
            paste: false,
            fail_fast: false,
            help: false,
            others: Vec::new(),
        };
        let mut seed = None;
        while let Some(argument) = arguments.next() {
            let mut value = || {
                arguments
                    .next()
                    .ok_or(format!("{} needs a value", argument.to_string_lossy()))
            };
            match argument.to_str() {
                Some("--strict") => own.options.strict = true,
                Some("--show-known") => own.show_known = true,
                Some("--paste") => own.paste = true,
                Some("--fail-fast") => own.fail_fast = true,
                Some("--cases") => {
                    own.options.cases = number::<NonZeroU32>(&argument, value()?)?.get();
                }
                Some("--seed") => seed = Some(number(&argument, value()?)?),
                Some("--hang-after") => {
                    own.options.hang_after = Duration::from_secs(number(&argument, value()?)?)
                }
                Some("--soak") => own.soak = Some(duration(&value()?.to_string_lossy())?),
                Some("--json") => own.json = Some(value()?.into()),
                Some("--badge") => own.badge = Some(value()?.into()),
                Some("-h" | "--help") => {
                    own.help = true;
                    own.others.push(argument);
                }
                _ => own.others.push(argument),
            }
        }
        own.options.seed = match (seed, own.soak) {
            (Some(seed), _) => seed,
            (None, None) => own.options.seed,
            (None, Some(_)) => fresh_seed(),
        };
        Ok(own)
    }
}

fn number<T: FromStr<Err: Display>>(name: &OsString, value: OsString) -> Result<T, String> {
    let value = value.to_string_lossy();
    value.parse().map_err(|error| {
        format!(
            "{} takes a number, not {value:?}: {error}",
            name.to_string_lossy()
        )
    })
}

/// A time as people write it: `90s`, `10m`, `2h`.
fn duration(text: &str) -> Result<Duration, String> {
    let units = [("s", 1), ("m", 60), ("h", 3600)];
    let parsed = units.iter().find_map(|(unit, seconds)| {
        let count: u64 = text.strip_suffix(unit)?.parse().ok()?;
        count.checked_mul(*seconds)
    });
    match parsed {
        Some(seconds) if seconds > 0 => Ok(Duration::from_secs(seconds)),
        _ => Err(format!(
            "--soak takes a time such as 90s, 10m or 2h, not {text:?}"
        )),
    }
}

/// A soak that always began at one seed would see the same cases every night. In seconds: it is typed in again by people.
fn fresh_seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(1, |now| now.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(arguments: &[&str]) -> Result<Own, String> {
        Own::take(arguments.iter().map(OsString::from))
    }

    #[test]
    fn what_is_not_the_suites_is_left_to_libtest() {
        let own = take(&["--exact", "--seed", "7", "SEEK-AGAIN", "--soak", "10m"]).unwrap();
        assert_eq!(own.others, ["--exact", "SEEK-AGAIN"]);
        assert_eq!((own.options.seed, own.soak), (7, Some(Duration::from_secs(600))));
    }

    #[test]
    fn a_value_that_is_none_is_an_error_that_names_the_argument() {
        for wrong in [
            &["--soak", "10"][..],
            &["--soak", "0m"],
            &["--soak", "99999999999999999999h"],
            &["--soak"],
            &["--cases", "many"],
            &["--cases", "0"],
        ] {
            let error = take(wrong).unwrap_err();
            assert!(error.contains(wrong[0]), "{error}");
        }
    }
}
