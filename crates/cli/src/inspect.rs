//! `forebay inspect`: what a store holds, in tables.

use crate::{Failure, Outcome};
use bytesize::ByteSize;
use forebay_disk::survey::{FORMAT_VERSION, SegmentSurvey, Survey};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// The rows of the table of ages: what is younger than this, in seconds.
const AGES: [(&str, u64); 6] = [
    ("under a minute", 60),
    ("under an hour", 3600),
    ("under a day", 86_400),
    ("under a week", 7 * 86_400),
    ("under a month", 30 * 86_400),
    ("older", u64::MAX),
];

pub(crate) fn run(dir: PathBuf, out: &mut dyn Write) -> Result<Outcome, Failure> {
    let survey = Survey::of(&dir)?;
    write!(out, "{}: format version {FORMAT_VERSION}", dir.display())?;
    match survey.last_owner() {
        Some(pid) => writeln!(out, ", last opened by process {pid}")?,
        None => writeln!(out)?,
    }
    writeln!(
        out,
        "\n{:<8} {:<9} {:>8} {:>8} {:>10} {:>10} {:>6} {:>7} {:>7}",
        "segment", "ring", "records", "entries", "live", "dead", "sealed", "oldest", "newest"
    )?;
    let now = SystemTime::now();
    let mut sum = Sum::default();
    for segment in survey.segments() {
        let ages = sum.add(&survey, &segment, now);
        let age = |age: Option<&Duration>| age.map_or("-".to_owned(), |age| in_words(*age));
        writeln!(
            out,
            "{:<8} {:<9} {:>8} {:>8} {:>10} {:>10} {:>6} {:>7} {:>7}",
            segment.name,
            if segment.on_probation { "probation" } else { "main" },
            segment.records,
            segment.entries.len(),
            size(segment.live_bytes()),
            size(segment.dead_bytes()),
            if segment.sealed { "yes" } else { "no" },
            age(ages.iter().max()),
            age(ages.iter().min()),
        )?;
    }
    sum.write(out)?;
    Ok(Outcome::Fine)
}

/// What is counted over all segments.
#[derive(Default)]
struct Sum {
    segments: u64,
    entries: u64,
    live: u64,
    dead: u64,
    stale: u64,
    damaged: u64,
    ages: [Row; AGES.len()],
    sizes: BTreeMap<u32, Row>,
}

#[derive(Default, Clone, Copy)]
struct Row {
    entries: u64,
    bytes: u64,
}

impl Row {
    fn add(&mut self, bytes: u64) {
        self.entries += 1;
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

impl Sum {
    /// Counts a segment; the ages of its entries.
    fn add(&mut self, survey: &Survey, segment: &SegmentSurvey, now: SystemTime) -> Vec<Duration> {
        self.segments += 1;
        self.live = self.live.saturating_add(segment.live_bytes());
        self.dead = self.dead.saturating_add(segment.dead_bytes());
        self.damaged += segment.damaged.len() as u64;
        let mut ages = Vec::new();
        for entry in &segment.entries {
            self.entries += 1;
            let body_bytes = entry.body_bytes();
            // 0, then up to 1 KiB, 2 KiB, 4 KiB and so on.
            let class = match body_bytes {
                0 => 0,
                bytes => {
                    bytes
                        .div_ceil(1024)
                        .max(1)
                        .checked_next_power_of_two()
                        .map_or(64, u64::trailing_zeros)
                        + 1
                }
            };
            self.sizes.entry(class).or_default().add(body_bytes);
            let meta = match survey.describe(entry) {
                Ok(Some(description)) => description.meta,
                Ok(None) => continue, // evicted meanwhile
                Err(_) => {
                    self.damaged += 1;
                    continue;
                }
            };
            self.stale += u64::from(!meta.is_fresh(now));
            let age = now.duration_since(meta.created()).unwrap_or_default();
            let row = AGES.iter().position(|(_, below)| age.as_secs() < *below);
            self.ages[row.unwrap_or(AGES.len() - 1)].add(body_bytes);
            ages.push(age);
        }
        ages
    }

    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(
            out,
            "\n{} segments, {} entries ({} stale, {} damaged), {} live and {} dead",
            self.segments,
            self.entries,
            self.stale,
            self.damaged,
            size(self.live),
            size(self.dead)
        )?;
        writeln!(out, "\n{:<16} {:>8} {:>10}", "stored", "entries", "bodies")?;
        for ((name, _), row) in AGES.iter().zip(&self.ages) {
            writeln!(out, "{name:<16} {:>8} {:>10}", row.entries, size(row.bytes))?;
        }
        writeln!(out, "\n{:<16} {:>8} {:>10}", "body", "entries", "bodies")?;
        for (class, row) in &self.sizes {
            let name = match class {
                0 => "empty".to_owned(),
                class => format!("up to {}", size(1024u64.saturating_mul(1 << (class - 1).min(53)))),
            };
            writeln!(out, "{name:<16} {:>8} {:>10}", row.entries, size(row.bytes))?;
        }
        Ok(())
    }
}

fn size(bytes: u64) -> String {
    ByteSize::b(bytes).to_string()
}

/// An age in its largest unit.
fn in_words(age: Duration) -> String {
    let secs = age.as_secs();
    match secs {
        0..60 => format!("{secs} s"),
        60..3600 => format!("{} min", secs / 60),
        3600..86_400 => format!("{} h", secs / 3600),
        _ => format!("{} d", secs / 86_400),
    }
}
