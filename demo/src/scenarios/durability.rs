//! A store that lasts and has bounds: entries outlive their process, and never take more than the capacity.

use super::{Seen, fact, times};
use crate::proxy::{Proxy, Settings};
use crate::routes::{STEP_BYTES, STEPS};
use crate::stage::{Stage, fetch, mib};
use crate::{Failure, body, directory};

pub(super) fn crash(stage: &mut Stage) -> Result<Seen, Failure> {
    let paths = fill(stage, "crash")?;
    stage.proxy.crash_and_restart()?;
    Ok(found_again(stage, &paths)?.into())
}

pub(super) fn terminate(stage: &mut Stage) -> Result<Seen, Failure> {
    let paths = fill(stage, "terminate")?;
    let status = stage.proxy.terminate_and_restart()?;
    let ended = status
        .code()
        .map_or_else(|| status.to_string(), |code| format!("exit code {code}"));
    Ok(format!("{ended}; {}", found_again(stage, &paths)?).into())
}

/// What must not come back: a fill that the crash cut off, and what was purged before it.
pub(super) fn crash_midway(stage: &mut Stage) -> Result<Seen, Failure> {
    let (cut_off, purged) = ("/slow/crash", "/text/purged-before-crash");
    stage.get(purged)?;
    stage.proxy.settle()?;
    stage.fetch("PURGE", purged, &[])?;
    stage.origin.hold(cut_off);
    stage.origin.release(cut_off, STEPS / 2);
    let mut reader = stage.proxy.client().get(cut_off)?;
    reader.read(STEPS / 2 * STEP_BYTES)?;
    stage.proxy.crash_and_restart()?;
    stage.origin.release(cut_off, STEPS);
    let (refilled, refetched) = (stage.get(cut_off)?, stage.get(purged)?);
    let whole = refilled.body == body::bytes(cut_off, 0, (STEPS * STEP_BYTES) as u64);
    let whole = fact(whole, "whole");
    Ok(format!(
        "half filled: {}, {whole}; purged: {}",
        refilled.verdict(),
        refetched.verdict()
    )
    .into())
}

/// The stored entries: one that fits a record of the log, one that has a file of its own.
fn fill(stage: &Stage, name: &str) -> Result<[(&'static str, String, u64); 2], Failure> {
    let paths = [("small", 5_000), ("large", 3 * 1024 * 1024 + 1)]
        .map(|(kind, length)| (kind, format!("/bytes/{length}/{name}"), length));
    for (_, path, _) in &paths {
        stage.get(path)?;
    }
    stage.proxy.settle()?;
    Ok(paths)
}

fn found_again(stage: &Stage, paths: &[(&str, String, u64)]) -> Result<String, Failure> {
    let mut seen = Vec::new();
    let mut asked = 0;
    for (kind, path, length) in paths {
        let got = stage.get(path)?;
        let right = fact(got.body == body::bytes(path, 0, *length), "right bytes");
        seen.push(format!("{kind} {}, {right}", got.verdict()));
        asked += stage.origin.asked(path) - 1;
    }
    Ok(format!("{}; origin {} again", seen.join("; "), times(asked)))
}

/// Fills far more than the capacity with bodies of about 1 MiB, of many lengths, and measures after each.
pub(super) fn eviction(stage: &mut Stage) -> Result<Seen, Failure> {
    let (capacity_mib, volume_mib) = (stage.scale.eviction_capacity_mib, stage.scale.eviction_volume_mib);
    let proxy = Proxy::start(Settings {
        capacity_mib,
        ..stage.proxy.settings().clone()
    })?;
    let path = |nth: u64| format!("/bytes/{}/evicted-{nth}", mib(1) - 8 * 1024 + 37 * (nth % 400));
    let mut filled = 0;
    let mut count = 0;
    let mut peak = Size::default();
    while filled < mib(volume_mib) {
        let got = fetch(&proxy, "GET", &path(count), &[])?;
        filled += got.body.len() as u64;
        count += 1;
        peak = peak.max(Size::of(&proxy)?);
        (stage.progress)(&format!("{} of {volume_mib} MiB filled", filled / mib(1)));
    }
    proxy.settle()?;
    let after = Size::of(&proxy)?;
    let mut kept_bytes = 0;
    let mut newest = false;
    for nth in 0..count {
        newest = stored_bytes(&proxy, &path(nth))?
            .inspect(|length| kept_bytes += length)
            .is_some();
    }
    let within = peak.max(after).largest() <= mib(capacity_mib);
    let used = (mib(capacity_mib) / 2..=mib(capacity_mib)).contains(&kept_bytes);
    let facts = [
        fact(
            within,
            "disk and resident size within the capacity, during and after",
        ),
        fact(used, "at least half of it holds bodies"),
        fact(newest, "the newest is there"),
    ];
    let figures = format!(
        "{capacity_mib} MiB capacity, {volume_mib} MiB filled; MiB on disk at most {}, after {}; resident at most {}; \
         bodies {}",
        in_mib(peak.on_disk_bytes),
        in_mib(after.on_disk_bytes),
        in_mib(peak.resident_bytes),
        in_mib(kept_bytes),
    );
    Ok(Seen {
        facts: facts.join("; "),
        figures,
    })
}

/// The length of the body stored for `path`, if there is one; the origin is not asked.
fn stored_bytes(proxy: &Proxy, path: &str) -> Result<Option<u64>, Failure> {
    let got = fetch(proxy, "HEAD", path, &[("Cache-Control", "only-if-cached")])?;
    match (got.status, got.field("content-length").parse()) {
        (200, Ok(length)) => Ok(Some(length)),
        (504, _) => Ok(None),
        (status, _) => Err(format!(
            "only-if-cached: {status}, Content-Length {}",
            got.field("content-length")
        )
        .into()),
    }
}

/// How large a store is, from outside and by its own account.
#[derive(Clone, Copy, Default)]
struct Size {
    on_disk_bytes: u64,
    resident_bytes: u64,
}

impl Size {
    fn of(proxy: &Proxy) -> Result<Self, Failure> {
        let resident_bytes = proxy.metric("forebay_store_resident_bytes")? as u64;
        Ok(Self {
            on_disk_bytes: directory::size_bytes(proxy.directory())?,
            resident_bytes,
        })
    }

    fn max(self, other: Self) -> Self {
        Self {
            on_disk_bytes: self.on_disk_bytes.max(other.on_disk_bytes),
            resident_bytes: self.resident_bytes.max(other.resident_bytes),
        }
    }

    fn largest(self) -> u64 {
        self.on_disk_bytes.max(self.resident_bytes)
    }
}

fn in_mib(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / mib(1) as f64)
}
