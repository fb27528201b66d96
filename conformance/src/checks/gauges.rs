//! What a storage counts of itself, before something came and went and after it.

use crate::context::{Context, Opened};
use crate::harness::Gauges;
use crate::outcome::{Checked, broken};
use crate::poll::Patience;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long threads of the backend may take to see that something is gone.
const SETTLES_WITHIN: Duration = Duration::from_secs(3);
/// Who reads the same so often, with so much time between, is at rest.
const READINGS: u32 = 3;
const REST: Duration = Duration::from_millis(50);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// The gauges, once they are at rest.
pub(super) async fn gauges_at_rest(cx: &Context, store: &Opened) -> Gauges {
    match cx.gauges(store) {
        none if none.is_empty() => none,
        _ => at_rest(cx, || cx.gauges(store)).await,
    }
}

/// No gauge may stay above what it was. One that is below only had something to tidy up before.
pub(super) async fn gauges_return_to(cx: &Context, store: &Opened, before: &Gauges) -> Checked<()> {
    returns_to(cx, before, || cx.gauges(store), gauges_grown).await
}

/// The same where nothing is written nor evicted, so that there are as many entries as before.
pub(super) async fn gauges_return_to_the_same_entries(
    cx: &Context,
    store: &Opened,
    before: &Gauges,
) -> Checked<()> {
    let changed =
        |before: &Gauges, after: &Gauges| gauges_grown(before, after) || after.entries != before.entries;
    returns_to(cx, before, || cx.gauges(store), changed).await
}

pub(super) fn gauges_grown(before: &Gauges, after: &Gauges) -> bool {
    let more = |of: fn(&Gauges) -> Option<u64>| of(after) > of(before);
    more(|g| g.live_writes)
        || more(|g| g.live_bytes)
        || more(|g| g.open_handlers)
        || more(|g| g.entries)
        || more(|g| g.stored_bytes)
}

/// What `read` reads when nothing changes any more: at once where the backend has no threads.
pub(super) async fn at_rest<T: PartialEq>(cx: &Context, read: impl Fn() -> T) -> T {
    let (mut last, mut equal) = (read(), 1);
    let deadline = deadline(cx);
    while equal < READINGS && Instant::now() < deadline {
        sleep(REST).await;
        let now = read();
        equal = if now == last { equal + 1 } else { 1 };
        last = now;
    }
    last
}

/// Nothing has grown, as `grown` has it, or in a while not any more.
pub(super) async fn returns_to<T: std::fmt::Debug>(
    cx: &Context,
    before: &T,
    read: impl Fn() -> T,
    grown: impl Fn(&T, &T) -> bool,
) -> Checked<()> {
    let deadline = deadline(cx);
    loop {
        let after = read();
        if !grown(before, &after) {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return broken(format!("as before: {before:?}"), format!("{after:?}"));
        }
        sleep(LOOK_EVERY).await;
    }
}

fn deadline(cx: &Context) -> Instant {
    let limit = match cx.caller().patience {
        Patience::Clock(limit) => limit.min(SETTLES_WITHIN),
        Patience::WhileWoken => Duration::ZERO,
    };
    Instant::now() + limit
}
