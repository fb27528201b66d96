//! What HTTP asks of a cache beyond hits: what must not be stored, what is removed, and what each response says.

use super::Seen;
use crate::proxy::{Proxy, Settings};
use crate::stage::{Fetched, Stage, fetch};
use crate::{Failure, ports};

pub(super) fn purge(stage: &mut Stage) -> Result<Seen, Failure> {
    let path = "/text/purged";
    stage.get(path)?;
    let hit = stage.get(path)?;
    let purged = stage.fetch("PURGE", path, &[])?;
    let after = stage.get(path)?;
    let absent = stage.fetch("PURGE", "/text/never-stored", &[])?;
    let (hit, after) = (hit.verdict(), after.verdict());
    Ok(format!(
        "{hit}; PURGE {}; {after}; PURGE of an absent one {}",
        purged.status, absent.status
    )
    .into())
}

pub(super) fn unstorable(stage: &mut Stage) -> Result<Seen, Failure> {
    let mut seen = Vec::new();
    for policy in ["no-store", "private"] {
        let path = format!("/cc/{policy}/page");
        let (first, second) = (stage.get(&path)?, stage.get(&path)?);
        if first.body == second.body {
            return Err(format!("{policy}: the same answer was given twice").into());
        }
        seen.push(format!("{policy} {}, {}", first.verdict(), second.verdict()));
    }
    Ok(seen.join("; ").into())
}

pub(super) fn cache_status(stage: &mut Stage) -> Result<Seen, Failure> {
    let path = "/text/status";
    let validated = "/etag/status";
    let nobody = ports::free()?;
    let lost = Proxy::start(Settings {
        origin: nobody,
        ..stage.proxy.settings().clone()
    })?;
    stage.get(path)?;
    stage.get(validated)?;
    let got = [
        ("GET", stage.get(path)?),
        ("HEAD", stage.fetch("HEAD", path, &[])?),
        ("GET", stage.fetch("GET", path, &[("Range", "bytes=0-3")])?),
        ("GET", stage.get("/absent")?),
        (
            "POST",
            stage.fetch("POST", "/text/posted", &[("Content-Length", "0")])?,
        ),
        (
            "GET",
            stage.fetch("GET", validated, &[("If-None-Match", "\"v1\"")])?,
        ),
        ("GET", fetch(&lost, "GET", path, &[])?),
        (
            "GET",
            stage.fetch("GET", "/text/not-cached", &[("Cache-Control", "only-if-cached")])?,
        ),
        ("PURGE", stage.fetch("PURGE", path, &[])?),
    ];
    let named = |(method, response): &(&str, Fetched)| {
        let value = response.field("cache-status");
        let complaint = if value.starts_with("forebay; ") {
            String::new()
        } else {
            format!(" NOT, but {value:?}")
        };
        format!("{method} {}{complaint}", response.status)
    };
    Ok(format!("on {}", got.iter().map(named).collect::<Vec<_>>().join(", ")).into())
}
