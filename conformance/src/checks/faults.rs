//! Writes on a disk that fails at one call or the other.

use crate::Capability;
use crate::content::{Version, key};
use crate::context::{Context, Opened};
use crate::faults::IoFault;
use crate::harness::Gauges;
use crate::outcome::{Checked, Stop, broken, ensure};
use std::time::Duration;
use tokio::time::{Instant, sleep};

const EIO: IoFault = IoFault::Errno(5);
const ENOSPC: IoFault = IoFault::Errno(28);

/// What fails, and whether everything after it does as well.
const FAULTS: [(IoFault, bool); 4] = [(ENOSPC, true), (EIO, false), (EIO, true), (IoFault::Short, false)];

/// Where more calls than this belong to one write, the later ones are not tried.
const CALLS_MAX: u64 = 100;

/// How often a write is tried again while the storage refuses, and its gauges are looked at.
const POLL_EVERY: Duration = Duration::from_millis(10);

/// A storage on which a write has met a fault, and what `k` is in it now.
struct Injured {
    store: Opened,
    now: Option<Version>,
    what: String,
}

pub(super) async fn err_usable(cx: &Context) -> Checked<()> {
    for (fault, lasting) in FAULTS {
        // They are asked to write again together: a storage may refuse for a while after a fault.
        let mut injured = Vec::new();
        for (old, size) in [(None, 1000), (Some(500), 700_000), (Some(300_000), 2000)] {
            for n in 1..=CALLS_MAX {
                cx.log.clear();
                match write_with_fault(cx, n, fault, lasting, old, size).await? {
                    Some(case) => injured.push(case),
                    None if n == 1 => {
                        let reason = "a write made no call that asked the switch of the site for a fault";
                        return Err(Stop::Harness(reason.to_owned()));
                    }
                    None => break,
                }
            }
        }
        for case in injured {
            writes_again(cx, case).await?;
        }
    }
    Ok(())
}

/// Writes `k` while the n-th call fails; `None` if there were fewer.
async fn write_with_fault(
    cx: &Context,
    n: u64,
    fault: IoFault,
    lasting: bool,
    old: Option<usize>,
    size: usize,
) -> Checked<Option<Injured>> {
    let store = cx.fresh().await?;
    let (old, new) = (old.map(|size| Version::new(1, size)), Version::new(2, size));
    if let Some(old) = &old {
        store.put(&key("k"), old).await?;
    }
    for (key, version) in others() {
        store.put(&key, &version).await?;
    }
    let before = cx.gauges(&store);
    let more = if lasting { " and all after it" } else { "" };
    let what = format!("call {n}{more}: {fault:?}");
    cx.log.note(what.clone());
    store.site.faults().arm(n, fault, lasting);
    let finished = write(&store, &new).await?;
    expect_others(&store).await?;
    let now = state_of_k(&store, finished, old, &new).await?;
    let fired = store.site.faults().disarm();
    expect_others(&store).await?;
    if !fired {
        return match finished {
            true => Ok(None),
            false => broken("a write without a fault succeeds", "it fails"),
        };
    }
    settles(cx, &store, before).await?;
    Ok(Some(Injured { store, now, what }))
}

/// Entries that have nothing to do with the fault.
fn others() -> [(forebay_core::CacheKey, Version); 2] {
    [
        (key("other"), Version::new(11, 1000)),
        (key("other large"), Version::new(12, 400_000)),
    ]
}

async fn expect_others(store: &Opened) -> Checked<()> {
    for (key, version) in others() {
        store.expect(&key, &version).await?;
    }
    Ok(())
}

/// A write in two halves, up to the first error; whether there was none.
async fn write(store: &Opened, new: &Version) -> Checked<bool> {
    let Ok(mut writer) = store.try_writer(&key("k"), &new.meta).await? else {
        return Ok(false);
    };
    let half = new.body.len() / 2;
    for (part, eof) in [(0..half, false), (half..new.body.len(), true)] {
        if writer.try_write(new.body.slice(part), eof).await?.is_err() {
            writer.abort();
            return Ok(false);
        }
    }
    Ok(writer.try_finish().await?.is_ok())
}

/// What `k` is: the new entry if it was finished, else the old one, or a miss.
async fn state_of_k(
    store: &Opened,
    finished: bool,
    old: Option<Version>,
    new: &Version,
) -> Checked<Option<Version>> {
    if finished {
        store.expect(&key("k"), new).await?;
        return Ok(Some(new.clone()));
    }
    let candidates: Vec<&Version> = old.iter().collect();
    Ok(match store.which(&key("k"), &candidates).await? {
        Some(_) => old,
        None => None,
    })
}

/// The write that failed is over: nothing of it is counted any more.
async fn settles(cx: &Context, store: &Opened, before: Gauges) -> Checked<()> {
    let deadline = Instant::now() + cx.options.hang_after;
    loop {
        let now = cx.gauges(store);
        if now.live_writes <= before.live_writes && now.live_bytes <= before.live_bytes {
            return Ok(());
        }
        if Instant::now() >= deadline {
            let expected = format!("as many live writes and bytes as before the fault: {before:?}");
            return broken(expected, format!("{now:?}"));
        }
        sleep(POLL_EVERY).await;
    }
}

/// Once the disk is well again, writes are; if not at once, then soon. And a restart brings nothing else.
async fn writes_again(cx: &Context, case: Injured) -> Checked<()> {
    let Injured { mut store, now, what } = case;
    let next = Version::new(3, 600_000);
    let deadline = Instant::now() + cx.options.hang_after;
    loop {
        cx.log.clear();
        cx.log.note(format!(
            "a write met a fault ({what}); now the disk is well again"
        ));
        match store.try_put(&key("next"), &next).await? {
            Ok(_) => break,
            Err(error) if Instant::now() >= deadline => {
                let expected = format!("writes succeed {:?} after the fault", cx.options.hang_after);
                return broken(expected, format!("Err({error})"));
            }
            Err(_) => sleep(POLL_EVERY).await,
        }
    }
    store.expect(&key("next"), &next).await?;
    expect_others(&store).await?;
    if cx.able.to(Capability::Persist) {
        let site = cx.close(store).await?;
        store = super::persistence::reopen(cx, site).await?;
        store.expect(&key("next"), &next).await?;
        expect_others(&store).await?;
    }
    let candidates: Vec<&Version> = now.iter().collect();
    let found = store.which(&key("k"), &candidates).await?;
    ensure(
        found.is_some() == now.is_some(),
        "k stays as it was",
        "it is gone",
    )
}
