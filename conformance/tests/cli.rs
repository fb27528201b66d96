//! What an author sees on the command line: this program runs itself as the suite over storages that are used badly.

#[path = "cli/subject.rs"]
mod subject;

use libtest_mimic::{Arguments, Failed, Trial};
use std::process::{Command, ExitCode};

/// Names the storage; without it this is a test target of its own.
const SUBJECT: &str = "FOREBAY_SUBJECT";

fn main() -> ExitCode {
    if let Ok(name) = std::env::var(SUBJECT) {
        return subject::judge(&name);
    }
    let trials = CASES.iter().map(|case| {
        let name = case.what.replace(' ', "_");
        Trial::test(name, || case.run())
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

/// A run of the suite, and what it has to come to.
struct Case {
    what: &'static str,
    subject: &'static str,
    arguments: &'static [&'static str],
    exit: i32,
    /// What it has to say, and what it must not.
    says: &'static [&'static str],
    never: &'static [&'static str],
}

impl Case {
    fn run(&self) -> Result<(), Failed> {
        let program = std::env::current_exe()?;
        let output = Command::new(program)
            .args(self.arguments)
            .env(SUBJECT, self.subject)
            .env_remove("NEXTEST")
            .env_remove("FOREBAY_CONFORMANCE_ARGS")
            .output()?;
        let text = [output.stdout, output.stderr].map(|out| String::from_utf8_lossy(&out).into_owned());
        let text = text.concat();
        let missing = self.says.iter().find(|words| !text.contains(**words));
        let unwanted = self.never.iter().find(|words| text.contains(**words));
        if output.status.code() == Some(self.exit) && missing.is_none() && unwanted.is_none() {
            return Ok(());
        }
        Err(format!(
            "exit {:?}, where {} was expected; missing: {missing:?}; unwanted: {unwanted:?}\n{text}",
            output.status.code(),
            self.exit
        )
        .into())
    }
}

/// A test target that failed, and one that was used badly.
const FAILED: i32 = 101;
const USAGE: i32 = 2;

const CASES: &[Case] = &[
    Case {
        what: "an area is a filter",
        subject: "sound",
        arguments: &["stream::"],
        exit: 0,
        says: &["STREAM-WAKE", "12 passed; 0 failed"],
        never: &["SEEK-RANGE"],
    },
    Case {
        what: "an id is a filter, exact or not",
        subject: "sound",
        arguments: &["--exact", "SEEK-RANGE"],
        exit: 0,
        says: &["seek::SEEK-RANGE ... ok", "1 passed"],
        never: &[],
    },
    Case {
        what: "an id that does not exist is an error",
        subject: "sound",
        arguments: &["SEEK-NOWHERE"],
        exit: USAGE,
        says: &["there is no rule \"SEEK-NOWHERE\""],
        never: &["test result"],
    },
    Case {
        what: "an id that does not exist and is skipped is an error",
        subject: "sound",
        arguments: &["--skip", "SEEK-NOWHERE"],
        exit: USAGE,
        says: &["there is no rule \"SEEK-NOWHERE\""],
        never: &["test result"],
    },
    Case {
        what: "a run that checked nothing is an error",
        subject: "sound",
        arguments: &["persistence::"],
        exit: USAGE,
        says: &[
            "ignored (the backend has no `persist`)",
            "error: no rule was checked",
        ],
        never: &["... ok"],
    },
    Case {
        what: "the first failure ends the run if so wanted",
        subject: "opens-not",
        arguments: &["--fail-fast", "--test-threads", "1"],
        exit: FAILED,
        says: &["1 failed", "not run, since another rule failed before"],
        never: &[],
    },
    Case {
        what: "a factory that panics is told with its words",
        subject: "panics",
        arguments: &["--exact", "LOOKUP-MISS"],
        exit: FAILED,
        says: &["the harness, not the backend", "no such folder"],
        never: &[],
    },
    Case {
        what: "a factory that fails is the harness's failure",
        subject: "opens-not",
        arguments: &["--exact", "LOOKUP-MISS"],
        exit: FAILED,
        says: &["the harness, not the backend", "out of folders"],
        never: &[],
    },
    Case {
        what: "a backend that hangs breaks the rule that it hangs in",
        subject: "hangs",
        arguments: &["purge::PURGE-RESULT"],
        exit: FAILED,
        says: &[
            "PURGE-RESULT",
            "  contract  https://github.com/forebay/forebay/blob/main/conformance/SPEC.md#purge-result",
            "it hangs: it is pending, and nothing woke it",
            "purge(k, Invalidation)",
        ],
        never: &[],
    },
    Case {
        what: "a hang leaves what else the backend can do to be checked",
        subject: "hangs",
        arguments: &["SEEK-RANGE", "--exact"],
        exit: 0,
        says: &["seek::SEEK-RANGE ... ok"],
        never: &["could not be found out"],
    },
    Case {
        what: "a backend that blocks its thread breaks the rule that it blocks in",
        subject: "blocks",
        arguments: &["purge::PURGE-RESULT", "--hang-after", "1"],
        exit: FAILED,
        says: &["PURGE-RESULT", "it blocks its thread"],
        never: &[],
    },
    Case {
        what: "persistence that was declared and is not there fails",
        subject: "forgets",
        arguments: &["PERSIST-CLEAN"],
        exit: FAILED,
        says: &["PERSIST-CLEAN"],
        never: &[],
    },
    Case {
        what: "streaming that is claimed and is not there fails",
        subject: "streams-not",
        arguments: &["stream::STREAM-VISIBLE"],
        exit: FAILED,
        says: &["STREAM-VISIBLE"],
        never: &[],
    },
    Case {
        what: "a known failure does not fail the run and is not green",
        subject: "hangs-and-knows",
        arguments: &["--exact", "PURGE-RESULT"],
        exit: 0,
        says: &["ignored (known failure: purges hang, https://example.com/1)"],
        never: &["... ok"],
    },
    Case {
        what: "a known failure that passes fails the run",
        subject: "sound-and-thinks-not",
        arguments: &["--exact", "PURGE-RESULT"],
        exit: FAILED,
        says: &["listed as a known failure of sound-and-thinks-not, and passes"],
        never: &[],
    },
    Case {
        what: "a known race that shows does not fail the run",
        subject: "hangs-at-times",
        arguments: &["--exact", "PURGE-RESULT"],
        exit: 0,
        says: &["ignored (known failure: purges hang, https://example.com/1)"],
        never: &["... ok"],
    },
    Case {
        what: "a known race that does not show passes",
        subject: "sound-at-times",
        arguments: &["--exact", "PURGE-RESULT"],
        exit: 0,
        says: &["purge::PURGE-RESULT ... ok"],
        never: &[],
    },
    Case {
        what: "cases and seed are taken and told",
        subject: "forgets-ranges",
        arguments: &[
            "--exact",
            "MODEL-SEQUENCE",
            "--cases",
            "300",
            "--seed",
            "7",
            "--paste",
        ],
        exit: FAILED,
        says: &[
            "--exact MODEL-SEQUENCE --seed 7 --cases 300",
            "seed      7",
            "#[test]",
        ],
        never: &[],
    },
    Case {
        what: "a failure that follows from another says so",
        subject: "forgets-ranges",
        arguments: &["--exact", "SEEK-AGAIN"],
        exit: FAILED,
        says: &["SEEK-AGAIN: probably a consequence of SEEK-OPEN-END"],
        never: &[],
    },
    Case {
        what: "a soak goes round until its time is over",
        subject: "sound",
        arguments: &["--exact", "LOOKUP-MISS", "--soak", "1s", "--seed", "40"],
        exit: 0,
        says: &["soak: round 1, seed 40", "soak: round 2, seed 41"],
        never: &["FAILED"],
    },
    Case {
        what: "the help names the options of the suite",
        subject: "sound",
        arguments: &["--help"],
        exit: 0,
        says: &["--soak 10m", "--paste", "--test-threads"],
        never: &[],
    },
];
