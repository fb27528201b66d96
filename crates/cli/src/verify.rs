//! `forebay verify`: reads and checks everything, and lists what is damaged.

use crate::{Failure, Outcome, key};
use bytesize::ByteSize;
use forebay_disk::survey::{Damage, Survey};
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
        match url_of(&survey, damage) {
            Some(url) => writeln!(out, "{damage}: {url}")?,
            None => writeln!(out, "{damage}")?,
        }
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

/// The URL, or else the primary key, of what is damaged, where its record still tells.
fn url_of(survey: &Survey, damage: &Damage) -> Option<String> {
    let primary = survey.describe(damage.entry.as_ref()?).ok()??.primary;
    let text = || String::from_utf8_lossy(&primary).escape_debug().to_string();
    key::url_of(&primary).or_else(|| (!primary.is_empty()).then(text))
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}
