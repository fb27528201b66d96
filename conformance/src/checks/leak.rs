//! Leaks: what is left when everything that was opened is gone.

use super::bounds::resident_bytes;
use super::gauges::{at_rest, gauges_grown, returns_to};
use crate::content::{Version, difference, key};
use crate::context::{Context, Opened};
use crate::harness::Gauges;
use crate::outcome::{Checked, broken, ensure};
use bytes::Bytes;
use forebay_core::PurgeType;

/// How often everything comes and goes between two looks, and before what has to stay is written anew: what comes and goes
/// in that time is less than half of the least capacity that is promised not to be filled, 64 MiB.
const ROUNDS: usize = 20;
const ROUNDS_OF_ONE_ENTRY: usize = 10;
/// How often memory is measured at most, and how often it has to be at rest.
const MEASURED: usize = 12;
const RESTS_MIN: usize = 3;

/// What a storage holds: its gauges, its files, and its open files.
#[derive(Debug, Clone, PartialEq)]
struct Held {
    gauges: Gauges,
    open_files: usize,
    files: usize,
}

fn held(cx: &Context, store: &Opened) -> Held {
    let below = store.site.dir();
    let open = |entry: std::io::Result<std::fs::DirEntry>| std::fs::read_link(entry.ok()?.path()).ok();
    let files = std::fs::read_dir("/proc/self/fd")
        .into_iter()
        .flatten()
        .filter_map(open);
    Held {
        gauges: cx.gauges(store),
        open_files: files.filter(|file| file.starts_with(&below)).count(),
        files: super::persistence::files_below(&below).len(),
    }
}

pub(super) async fn leak(cx: &Context) -> Checked<()> {
    let store = cx.fresh().await?;
    let (k, version) = (key("k"), Version::new(1, 700_000));
    store.put(&k, &version).await?;
    come_and_go(&store, &version).await?;
    let before = at_rest(cx, || held(cx, &store)).await;
    for round in 0..ROUNDS {
        keep(&store, round, &version).await?;
        come_and_go(&store, &version).await?;
    }
    returns_to(cx, &before, || held(cx, &store), grown).await?;
    let mut hit = store.hit(&k).await?;
    let bytes = hit.read_to_end().await?;
    ensure(
        difference(&version.body, &bytes).is_none(),
        "the entry is untouched",
        "it is not",
    )?;
    drop(hit);
    memory_returns(&store, &version).await
}

/// The process's memory does not grow with what comes and goes. Others of its threads take and give back memory at the same
/// time; what leaks is there each time.
async fn memory_returns(store: &Opened, version: &Version) -> Checked<()> {
    let (mut grown_bytes, mut at_rest) = (0, 0);
    for _ in 0..MEASURED {
        let Some(before) = resident_bytes() else {
            return Ok(());
        };
        for round in 0..ROUNDS {
            // Bytes of its own: the suite's bodies are all parts of one buffer.
            let own = Version {
                meta: version.meta.clone(),
                body: Bytes::copy_from_slice(&version.body),
            };
            keep(store, round, &own).await?;
            come_and_go(store, &own).await?;
        }
        let now = resident_bytes().unwrap_or(before);
        grown_bytes += now as i64 - before as i64;
        at_rest += usize::from(now < before + ROUNDS as u64 * version.body.len() as u64 / 2);
        if at_rest == RESTS_MIN {
            return Ok(());
        }
    }
    broken(
        "memory in use as before",
        format!(
            "{grown_bytes} bytes more after {} writes of {} bytes that came and went",
            ROUNDS * MEASURED,
            version.body.len()
        ),
    )
}

fn grown(before: &Held, after: &Held) -> bool {
    // A storage may begin a file now and then; one that stays behind each time is too many.
    after.files > before.files + ROUNDS / 2
        || after.open_files > before.open_files
        || gauges_grown(&before.gauges, &after.gauges)
}

/// The entry that has to stay is written anew now and then: a storage may well evict what is oldest.
async fn keep(store: &Opened, round: usize, version: &Version) -> Checked<()> {
    if round.is_multiple_of(ROUNDS_OF_ONE_ENTRY) {
        store.put(&key("k"), version).await?;
    }
    Ok(())
}

/// Everything that a bad day brings: half reads, aborted writes, followers that leave.
async fn come_and_go(store: &Opened, version: &Version) -> Checked<()> {
    let (k, other) = (key("k"), key("other"));
    let mut half = store.hit(&k).await?;
    half.read().await?;
    let unread = store.hit(&k).await?;
    for written in [0, 1000, 700_000] {
        let mut writer = store.writer(&other, version).await?;
        writer.write(version.body.slice(..written), false).await?;
        let follower = store.lookup(&other).await?;
        writer.abort();
        drop(follower);
    }
    let mut writer = store.writer(&other, version).await?;
    writer.write_at_most(1, version.body.clone(), false).await?;
    writer.abort();
    store.put(&other, version).await?;
    let reader = store.hit(&other).await?;
    store.purge(&other, PurgeType::Eviction).await?;
    drop((half, unread, reader));
    Ok(())
}
