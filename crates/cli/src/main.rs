//! The `forebay` program: looks into the directory of a disk store, checks it, and purges from it.

mod export;
mod inspect;
mod key;
mod purge;
mod verify;

use clap::{Parser, Subcommand};
use forebay_core::Error;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Looks into the directory of a forebay disk store.
///
/// inspect, verify and export take no lock and change nothing: they work beside the process that has the store, and show
/// what was there when they came by.
///
/// Exit codes: 0, done; 1, damage was found, or there is no such entry; 2, it could not be done.
#[derive(Debug, Parser)]
#[command(name = "forebay", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show what a store holds: segments, entries, bytes live and dead, ages, sizes
    #[command(after_help = "Example:\n  forebay inspect /var/cache/forebay")]
    Inspect {
        /// The directory of the store
        dir: PathBuf,
    },
    /// Read and check everything that is stored; list what is damaged
    ///
    /// What is damaged costs its own entry alone, and the response that it is met in: the store drops it then, and it can be
    /// stored again. Nothing has to be repaired. Exit code 1 if there is damage.
    #[command(after_help = "Example:\n  forebay verify /var/cache/forebay && echo whole")]
    Verify {
        /// The directory of the store
        dir: PathBuf,
    },
    /// Remove entries of a store that no process has open
    ///
    /// Beside a running proxy, ask the proxy: curl -X PURGE http://HOST/PATH. Exit code 1 if there is no such entry.
    #[command(
        after_help = "Examples:\n  forebay purge /var/cache/forebay http://example.org/logo.png\n  \
                            forebay purge /var/cache/forebay --prefix http://example.org/images/\n  \
                            forebay purge /var/cache/forebay ac10f2aef117729f8dad056b3059eb7e"
    )]
    Purge {
        /// The directory of the store
        dir: PathBuf,
        /// What to remove: a key of 32 hex digits, as `export` prints it; a URL that forebay-proxy has served; or the
        /// primary key of an entry, as text. A URL or a text stands for all variants of a response,
        /// in whatever namespace
        #[arg(value_parser = clap::builder::NonEmptyStringValueParser::new())]
        key: String,
        /// Remove every entry of which the URL or the primary key begins with KEY, as `export` prints them. Keys of more
        /// than 4 KiB are not kept as text, and none begins so; nor does what is damaged, which nobody is served
        #[arg(long)]
        prefix: bool,
    },
    /// Print a line of JSON for each entry: key, URL, sizes, times, response head
    #[command(
        after_help = "Example:\n  forebay export /var/cache/forebay | jq -r 'select(.body_bytes > 1e6) | .url // .key'"
    )]
    Export {
        /// The directory of the store
        dir: PathBuf,
    },
}

/// What a command has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Fine,
    /// Damage, or nothing to purge.
    Not,
}

/// Why a command ended early.
#[derive(Debug)]
enum Failure {
    /// Nobody reads what is printed.
    Output(io::Error),
    /// The store, in a line.
    Store(String),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure::Output(error)
    }
}

impl From<Box<Error>> for Failure {
    fn from(error: Box<Error>) -> Self {
        Failure::Store(in_words(&error))
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("warn")).init();
    let mut out = BufWriter::new(io::stdout().lock());
    let done = run(arguments.command, &mut out).and_then(|outcome| {
        out.flush()?;
        Ok(outcome)
    });
    match done {
        Ok(Outcome::Fine) => ExitCode::SUCCESS,
        Ok(Outcome::Not) => ExitCode::from(1),
        // `forebay export DIR | head` has had enough.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(Failure::Output(error)) => fail(&format!("cannot write the output: {error}")),
        Err(Failure::Store(what)) => fail(&what),
    }
}

fn run(command: Command, out: &mut dyn Write) -> Result<Outcome, Failure> {
    match command {
        Command::Inspect { dir } => inspect::run(dir, out),
        Command::Verify { dir } => verify::run(dir, out),
        Command::Purge { dir, key, prefix } => purge::run(dir, &key, prefix, out),
        Command::Export { dir } => export::run(dir, out),
    }
}

fn fail(what: &str) -> ExitCode {
    // Not `eprintln`, which panics where nobody reads.
    let _ = writeln!(io::stderr(), "forebay: {what}");
    ExitCode::from(2)
}

/// What an error says, without pingora's classification of it.
fn in_words(error: &Error) -> String {
    let what = error
        .context
        .as_ref()
        .map_or_else(|| error.etype().as_str(), |context| context.as_str());
    match &error.cause {
        Some(cause) => format!("{what} ({cause})"),
        None => what.to_owned(),
    }
}
