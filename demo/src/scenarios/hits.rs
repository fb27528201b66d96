//! What a cache is for: the second answer comes from the store, whole, in part, per variant, and after a 304.

use super::{LARGE_BYTES, LARGE_PATH, Seen, fact, times};
use crate::stage::Stage;
use crate::{Failure, body};

pub(super) fn miss_then_hit(stage: &mut Stage) -> Result<Seen, Failure> {
    let path = "/text/hello";
    let (first, second) = (stage.get(path)?, stage.get(path)?);
    if first.body != second.body || first.status != 200 || second.status != 200 {
        return Err(format!(
            "{} {:?}, then {} {:?}",
            first.status,
            first.text(),
            second.status,
            second.text()
        )
        .into());
    }
    let asked = times(stage.origin.asked(path));
    Ok(format!("{}, {}; origin {asked}", first.verdict(), second.verdict()).into())
}

pub(super) fn large_body(stage: &mut Stage) -> Result<Seen, Failure> {
    let right = body::hash(&body::bytes(LARGE_PATH, 0, LARGE_BYTES));
    let (first, second) = (stage.get(LARGE_PATH)?, stage.get(LARGE_PATH)?);
    let hashes = [body::hash(&first.body), body::hash(&second.body)];
    let length = match (first.body.len() as u64, second.body.len() as u64) {
        (LARGE_BYTES, LARGE_BYTES) => "50 MiB each".to_owned(),
        (first, second) => format!("{first} and {second} bytes"),
    };
    let hash = fact(hashes == [right, right], "hash as the origin's");
    let asked = times(stage.origin.asked(LARGE_PATH));
    let facts = format!(
        "{}, {}; {length}, {hash}; origin {asked}",
        first.verdict(),
        second.verdict()
    );
    Ok(Seen {
        facts,
        figures: format!("XXH3 {:016x}", hashes[1]),
    })
}

/// A range that begins and ends within whatever blocks a store has, and spans several.
pub(super) fn range(stage: &mut Stage) -> Result<Seen, Failure> {
    let (first, last) = (1_048_571, 3_145_729);
    stage.get(LARGE_PATH)?;
    let asked_before = stage.origin.asked(LARGE_PATH);
    let part = stage.fetch("GET", LARGE_PATH, &[("Range", &format!("bytes={first}-{last}"))])?;
    let range = part.fields.get("content-range").unwrap_or("(no Content-Range)");
    let bytes = fact(
        part.body == body::bytes(LARGE_PATH, first, last + 1),
        "right bytes",
    );
    let asked = times(stage.origin.asked(LARGE_PATH) - asked_before);
    Ok(format!(
        "{} {range}, {}, {bytes}; origin {asked}",
        part.status,
        part.verdict()
    )
    .into())
}

/// A body in a file of its own, of which the store keeps a copy once it is hot.
pub(super) fn hot(stage: &mut Stage) -> Result<Seen, Failure> {
    let (length, hits) = (700_000, 200);
    let path = format!("/bytes/{length}/hot");
    let right = body::bytes(&path, 0, length);
    stage.get(&path)?;
    let before = stage.proxy.metric("forebay_store_memory_tier_reads_total")?;
    let mut as_meant = 0;
    for _ in 0..hits {
        let got = stage.get(&path)?;
        as_meant += u32::from(got.verdict() == "hit" && got.body == right);
    }
    let by_memory = stage.proxy.metric("forebay_store_memory_tier_reads_total")? - before;
    let asked = times(stage.origin.asked(&path));
    Ok(Seen {
        facts: format!(
            "{as_meant} hits, each with the right bytes; {}; origin {asked}",
            fact(by_memory > 0.0, "memory answered")
        ),
        figures: format!("{by_memory} reads by memory"),
    })
}

pub(super) fn vary(stage: &mut Stage) -> Result<Seen, Failure> {
    let path = "/vary/greeting";
    let mut verdicts = Vec::new();
    let mut bodies = Vec::new();
    for language in ["en", "de", "en", "de"] {
        let got = stage.fetch("GET", path, &[("Accept-Language", language)])?;
        verdicts.push(format!("{language} {}", got.verdict()));
        bodies.push(got.text());
    }
    let own = bodies[0].starts_with("en:") && bodies[1].starts_with("de:") && bodies[..2] == bodies[2..];
    let asked = times(stage.origin.asked(path));
    Ok(format!(
        "{}; {}; origin {asked}",
        verdicts.join(", "),
        fact(own, "each its own body")
    )
    .into())
}

pub(super) fn revalidation(stage: &mut Stage) -> Result<Seen, Failure> {
    let path = "/etag/page";
    let (first, second) = (stage.get(path)?, stage.get(path)?);
    let request = stage
        .origin
        .last_request(path)
        .ok_or_else(|| "the origin was not asked".to_owned())?;
    let validator = request.fields.get("if-none-match").unwrap_or("nothing");
    let with_304 = second.field("cache-status").contains("fwd-status=304");
    // The body names the turn in which the origin gave it: the second answer had none.
    let from_cache = second.status == 200 && second.body == first.body && stage.origin.asked(path) == 2;
    Ok(format!(
        "{}, {}{}; origin saw If-None-Match {validator}; {}",
        first.verdict(),
        second.verdict(),
        if with_304 { " with 304" } else { "" },
        fact(from_cache, "body from cache"),
    )
    .into())
}
