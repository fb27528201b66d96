//! Several clients, driven poll by poll as a schedule says, and what the contract allows them to see.

mod case;
mod client;
mod lane;
mod lanes;
mod linearize;
mod reader;
mod record;
mod state;
mod writer;

pub(crate) use case::{Case, case};
pub(crate) use record::Record;

use crate::context::Context;
use crate::ops::{Store, show_hang};
use crate::outcome::{Checked, Lanes, Stop, broken};
use crate::poll::{Hang, POLLS_MAX, Patience, Stepped, runtimes_turn};
use crate::replay::schedule::{Call, Step, whole};
use case::KEYS;
use client::Client;
use forebay_core::Storage;
use std::future::poll_fn;
use std::task::Poll;

/// The clients, and the suite itself before and after them.
const LANES: usize = 5;

/// The case as lanes, and the same as lines of text.
pub(crate) fn draw(record: &Record) -> (Lanes, Vec<String>) {
    let record = record.lock();
    (lanes::calls(&record.rows), lanes::draw(&record.rows))
}

/// Runs the case on a new storage, and explains what it came to.
pub(crate) async fn run(cx: &Context, case: &Case, record: &Record) -> Checked<()> {
    let opened = cx.fresh().await?;
    let store = &opened.store;
    let keys = (0..).zip(case.stored);
    let before: Vec<Step> = keys
        .filter_map(|(key, size)| Some(case::put(key, size?)))
        .flatten()
        .collect();
    run_together(store, record, &[(0, &before)], &[]).await?;
    let clients: Vec<_> = (1..).zip(case.clients.iter().map(Vec::as_slice)).collect();
    run_together(store, record, &clients, &case.turns).await?;
    let look = |key| [Call::Lookup { key }, Call::ReadAll].map(whole);
    let after: Vec<Step> = (0..KEYS as u8).flat_map(look).collect();
    run_together(store, record, &[(0, &after)], &[]).await?;
    let events = std::mem::take(&mut record.lock().events);
    let streams = store.storage.support_streaming_partial_write();
    (0..KEYS as u8).try_for_each(|key| linearize::explain(key, &events, streams))
}

struct Running<'a> {
    lane: usize,
    future: Stepped<'a, Checked<()>>,
    begun: bool,
}

/// Drives the lanes to their ends.
async fn run_together(
    store: &Store,
    record: &Record,
    lanes: &[(usize, &[Step])],
    turns: &[u8],
) -> Checked<()> {
    let storage: &dyn Storage = &*store.storage;
    let start = |(lane, ops): &(usize, &'_ [Step])| (*lane, ops.to_vec());
    let scripts: Vec<_> = lanes.iter().map(start).collect();
    let mut running: Vec<_> = scripts
        .iter()
        .map(|(lane, ops)| Running {
            lane: *lane,
            future: Stepped::new(Client::new(*lane, record, storage).run(ops)),
            begun: false,
        })
        .collect();
    let mut turns = turns.iter();
    while !running.is_empty() {
        let able: Vec<_> = (0..running.len())
            .filter(|at| !running[*at].begun || running[*at].future.is_woken())
            .collect();
        let next = match able.get(turns_choice(&able, &mut turns)) {
            Some(next) => *next,
            None => {
                // Who yielded is woken when the runtime comes round.
                runtimes_turn().await;
                if running.iter().any(|one| one.future.is_woken()) {
                    continue;
                }
                match without_hope(&running, record) {
                    Some(next) => next,
                    None => {
                        wait(&running, store, record).await?;
                        continue;
                    }
                }
            }
        };
        if record.lock().now as usize >= POLLS_MAX {
            return broken("the clients come to an end", show_hang(Hang::Spins));
        }
        let lane = running[next].lane;
        store.caller.log.note(format!("a poll of {}", lanes::name(lane)));
        record.lock().tick(lane);
        running[next].begun = true;
        record.lock().resume(lane);
        match running[next].future.poll() {
            Poll::Ready(result) => {
                result?;
                running.remove(next);
            }
            Poll::Pending => record.lock().pend(lane),
        }
    }
    Ok(())
}

fn turns_choice<'t>(able: &[usize], turns: &mut impl Iterator<Item = &'t u8>) -> usize {
    // One that has no choice takes no turn: schedules stay short.
    match able.len() {
        0 | 1 => 0,
        count => turns.next().map_or(0, |turn| *turn as usize % count),
    }
}

/// Where everybody waits for bytes that nobody is going to write, the first of them gives up.
fn without_hope(running: &[Running<'_>], record: &Record) -> Option<usize> {
    let mut record = record.lock();
    if !running.iter().all(|one| record.waits_for_a_writer(one.lane)) {
        return None;
    }
    if let Some(waiting) = &mut record.waiting[running.first()?.lane] {
        waiting.hopeless = true;
    }
    Some(0)
}

/// Waits until somebody is woken; nobody ever is where there are no threads.
async fn wait(running: &[Running<'_>], store: &Store, record: &Record) -> Checked<()> {
    let woken = poll_fn(|cx| {
        let woken = running.iter().any(|one| {
            one.future.tell(cx.waker());
            one.future.is_woken()
        });
        if woken { Poll::Ready(()) } else { Poll::Pending }
    });
    let in_time = match store.caller.patience {
        Patience::WhileWoken => false,
        Patience::Clock(limit) => tokio::time::timeout(limit, woken).await.is_ok(),
    };
    if in_time {
        return Ok(());
    }
    let record = record.lock();
    let stuck = running.iter().find(|one| !record.waits_for_a_writer(one.lane));
    let what = stuck.and_then(|one| {
        let waiting = record.waiting[one.lane].as_ref()?;
        Some(format!("{}'s {}", lanes::name(one.lane), waiting.what))
    });
    let what = what.unwrap_or_else(|| "a call".to_owned());
    let hang = match store.caller.patience {
        Patience::WhileWoken => Hang::NotWoken,
        Patience::Clock(_) => Hang::TooLong,
    };
    broken(format!("{what} comes to an end"), show_hang(hang))
}

/// What a failure of this check says first where it may not happen again.
pub(crate) fn caveat(cx: &Context) -> Option<&'static str> {
    cx.harness.capabilities().background.then_some(
        "best effort: the backend may have threads (see `Capabilities::without_background`), so that the same schedule may come to \
         something else",
    )
}

/// Whether the case ended in waiting, which takes its time.
pub(crate) fn is_hang(stop: &Stop) -> bool {
    matches!(stop, Stop::Broken { actual, .. } if actual.starts_with(crate::ops::HANGS))
}
