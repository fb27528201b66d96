//! Sees that a contender answers what was asked, and out of its cache where that is meant, before and while it is
//! measured.

use super::client;
use super::contender::Contender;
use super::origin::{self, Origin};
use super::scenario::Scenario;

/// Of the requests of a round of hits, so many may still reach the origin: those that were under way when an entry was
/// being moved or renewed.
const ASKED_SHARE_MAX: f64 = 0.001;

/// Fills the objects of a scenario, then checks an answer byte for byte, and that the origin was not asked for it.
pub(super) fn prepare(contender: &Contender, scenario: &Scenario, origin: &Origin) -> Result<(), String> {
    let body = origin::body(scenario.size_bytes);
    if scenario.load.misses() {
        let path = scenario.miss_path(0) + "verified";
        return check(contender, &path, None, 200, &body);
    }
    for index in 0..scenario.objects() {
        check(contender, &scenario.path(index), None, 200, &body)?;
    }
    let range = scenario.range_field();
    let (status, expected) = match range {
        Some(_) => (206, &body[scenario.range()]),
        None => (200, &body[..]),
    };
    for index in 0..scenario.objects() {
        let asked_before = origin.requests();
        check(
            contender,
            &scenario.path(index),
            range.as_deref(),
            status,
            expected,
        )?;
        let asked = origin.requests() - asked_before;
        if (asked == 0) != contender.kind.caches() {
            return Err(format!(
                "object {index} was asked of the origin {asked} times where a hit was meant"
            ));
        }
    }
    Ok(())
}

fn check(
    contender: &Contender,
    path: &str,
    range: Option<&str>,
    status: u16,
    expected: &[u8],
) -> Result<(), String> {
    let range = range.map(|range| format!("Range: {range}\r\n"));
    let own: String = contender
        .kind
        .lines()
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let lines = own + &range.unwrap_or_default();
    let answer =
        client::get(contender.address, path, &lines).map_err(|error| format!("GET {path}: {error}"))?;
    if answer.status != status {
        return Err(format!("GET {path}: status {}, not {status}", answer.status));
    }
    match answer.body == expected {
        true => Ok(()),
        false => Err(format!("GET {path}: another body than the origin's")),
    }
}

/// Whether a round's requests were the hits, or the misses, that they were meant to be.
pub(super) fn were_as_meant(
    contender: &Contender,
    scenario: &Scenario,
    requests: f64,
    asked: u64,
) -> Result<(), String> {
    let asked = asked as f64;
    let are_hits = !scenario.load.misses() && contender.kind.caches();
    match are_hits {
        true if asked > requests * ASKED_SHARE_MAX => {
            Err(format!("{asked} of {requests} hits were asked of the origin"))
        }
        false if asked < requests => Err(format!("only {asked} of {requests} misses reached the origin")),
        _ => Ok(()),
    }
}
