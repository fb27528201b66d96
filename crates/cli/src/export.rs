//! `forebay export`: a line of JSON for each entry.

use crate::{Failure, Outcome, in_words, key};
use forebay_disk::survey::{Description, Entry, Survey};
use serde_json::{Map, Value, json};
use std::io::Write;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

pub(crate) fn run(dir: PathBuf, out: &mut dyn Write) -> Result<Outcome, Failure> {
    let survey = Survey::of(dir)?;
    for segment in survey.segments() {
        for entry in &segment.entries {
            let mut line = of_record(entry);
            match survey.describe(entry) {
                Ok(Some(description)) => of_description(&description, &mut line),
                Ok(None) => continue, // evicted meanwhile
                Err(error) => drop(line.insert("damaged".to_owned(), json!(in_words(&error)))),
            }
            writeln!(out, "{}", Value::Object(line))?;
        }
    }
    Ok(Outcome::Fine)
}

fn of_record(entry: &Entry) -> Map<String, Value> {
    let fields = [
        ("key", json!(hex::encode(entry.key()))),
        ("entry_id", json!(entry.generation())),
        ("segment", json!(entry.segment())),
        ("disk_bytes", json!(entry.bytes())),
        ("body_bytes", json!(entry.body_bytes())),
        ("body_in_file", json!(entry.body_in_file())),
    ];
    fields
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn of_description(description: &Description, line: &mut Map<String, Value>) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let known = |bytes: &[u8]| (!bytes.is_empty()).then(|| text(bytes));
    let meta = &description.meta;
    let headers: Vec<_> = meta
        .head()
        .headers()
        .map(|(name, value)| [text(name), text(value)])
        .collect();
    for (name, value) in [
        ("url", json!(key::url_of(&description.primary))),
        ("namespace", json!(known(&description.namespace))),
        ("primary", json!(known(&description.primary))),
        ("created_unix_ms", json!(unix_ms(meta.created()))),
        ("updated_unix_ms", json!(unix_ms(meta.updated()))),
        ("fresh_until_unix_ms", json!(unix_ms(meta.fresh_until()))),
        (
            "stale_while_revalidate_sec",
            json!(meta.stale_while_revalidate_sec()),
        ),
        ("stale_if_error_sec", json!(meta.stale_if_error_sec())),
        ("variance", json!(meta.variance().map(hex::encode))),
        ("status", json!(meta.head().status())),
        ("headers", json!(headers)),
    ] {
        line.insert(name.to_owned(), value);
    }
}

/// Before 1970 it is negative.
fn unix_ms(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        Err(error) => i64::try_from(error.duration().as_millis()).map_or(i64::MIN, |before| -before),
    }
}
