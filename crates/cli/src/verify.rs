//! `forebay verify`: reads and checks everything, and lists what is damaged.

use crate::{Failure, Outcome};
use bytesize::ByteSize;
use forebay_disk::survey::Survey;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::Write;
use std::path::PathBuf;

pub(crate) fn run(dir: PathBuf, out: &mut dyn Write) -> Result<Outcome, Failure> {
    let survey = Survey::of(&dir)?;
    let (entries, bytes) = (survey.len(), survey.live_bytes());
    // It draws to stderr, and only where that is a terminal.
    let bar = ProgressBar::new(bytes).with_style(style());
    let damaged = survey.verify(&mut |bytes| bar.inc(bytes))?;
    bar.finish_and_clear();
    for damage in &damaged {
        writeln!(out, "{damage}")?;
    }
    let looked = format!("{entries} entries, {}", ByteSize::b(bytes));
    if damaged.is_empty() {
        writeln!(out, "{}: {looked}: all whole", dir.display())?;
        return Ok(Outcome::Fine);
    }
    let count = damaged.len();
    writeln!(
        out,
        "{}: {looked}: {count} damaged; the store drops each when it meets it",
        dir.display()
    )?;
    Ok(Outcome::Not)
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}
