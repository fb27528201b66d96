//! Calls that are dropped after their n-th poll, for every n until they complete.

use super::gauges::{gauges_at_rest, gauges_return_to_the_same_entries};
use super::lookup::put_others;
use crate::Capability;
use crate::content::{Version, difference, key, meta, number_of};
use crate::context::Context;
use crate::ops::Store;
use crate::outcome::{Checked, Stop, broken, ensure};
use crate::poll::at_most;
use forebay_core::{PurgeTarget, PurgeType, SpanHandle};
use std::time::SystemTime;

/// Who asks so often whether a call is done after one more poll never finds out.
const POLLS_TRIED_MAX: usize = 1000;

const SIZES: [usize; 2] = [1000, 700_000];

pub(super) async fn lookup(cx: &Context) -> Checked<()> {
    for size in SIZES {
        let (k, version) = (key("k"), Version::new(1, size));
        let store = cx.fresh().await?;
        store.put(&k, &version).await?;
        put_others(&store).await?;
        drop(store.hit(&k).await?);
        let before = gauges_at_rest(cx, &store).await;
        for polls_max in 0..POLLS_TRIED_MAX {
            let span = SpanHandle::none();
            let what = format!("lookup(k), dropped after {polls_max} polls");
            let future = at_most(polls_max, store.storage.lookup(&k, &span));
            let show = |found: &Option<_>| if found.is_some() { "done" } else { "dropped" }.to_owned();
            let done = store.caller.call(what, future, show).await?.is_some();
            store.expect(&k, &version).await?;
            store.expect_absent(&key("another")).await?;
            if done {
                break;
            }
        }
        gauges_return_to_the_same_entries(cx, &store, &before).await?;
        let purged = store.invalidate(&k).await?;
        ensure(purged, "the entry can be purged", "purge is false")?;
        store.expect_absent(&k).await?;
    }
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Call {
    Purge(PurgeType),
    Expire,
    Update,
}

const CALLS: [Call; 4] = [
    Call::Purge(PurgeType::Invalidation),
    Call::Purge(PurgeType::Eviction),
    Call::Expire,
    Call::Update,
];

pub(super) async fn changes(cx: &Context) -> Checked<()> {
    for call in CALLS {
        for size in SIZES {
            for polls_max in 0..=POLLS_TRIED_MAX {
                if polls_max == POLLS_TRIED_MAX {
                    return broken(
                        format!("{call:?} is done after some polls"),
                        format!("{polls_max} and more"),
                    );
                }
                cx.log.clear();
                let store = cx.fresh().await?;
                let version = Version::new(1, size);
                store.put(&key("k"), &version).await?;
                store.put(&key("other"), &version).await?;
                let done = call.at_most(polls_max, &store).await?;
                settled(cx, &store, call, &version, polls_max).await?;
                store.expect(&key("other"), &version).await?;
                let next = Version::new(3, 2000);
                store.put(&key("k"), &next).await?;
                store.expect(&key("k"), &next).await?;
                if done {
                    break;
                }
            }
        }
    }
    Ok(())
}

impl Call {
    /// Makes the call on `k`, dropped after that many polls; whether it was done by then.
    async fn at_most(self, polls_max: usize, store: &Store) -> Checked<bool> {
        let (k, span, new) = (key("k"), SpanHandle::none(), meta(2));
        let (compact, storage) = (k.to_compact(), &store.storage);
        let what = format!("{self:?} of k, dropped after {polls_max} polls");
        let future = async {
            match self {
                Call::Purge(purge_type) => storage.purge(&compact, purge_type, &span).await.map(drop),
                Call::Expire => {
                    let target = PurgeTarget::Active(&compact);
                    storage.expire(target, &span).await.map(drop)
                }
                Call::Update => storage.update_meta(&k, &new, &span).await.map(drop),
            }
        };
        let show = |answer: &Option<_>| if answer.is_some() { "done" } else { "dropped" }.to_owned();
        let answer = store.caller.call(what, at_most(polls_max, future), show).await?;
        answer.map_or(Ok(false), |answer| {
            crate::ops::must(&format!("{self:?}"), answer).map(|()| true)
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Is {
    Before,
    After,
}

/// Looks several times: the entry is one or the other, and does not change back.
async fn settled(cx: &Context, store: &Store, call: Call, old: &Version, polls_max: usize) -> Checked<()> {
    let mut last = Is::Before;
    for _ in 0..3 {
        let now = state_of_k(cx, store, call, old).await?;
        ensure(
            (last, now) != (Is::After, Is::Before),
            format!("what {call:?} did stays done"),
            "the entry is as it was before",
        )?;
        ensure(
            polls_max > 0 || now == Is::Before,
            format!("{call:?} that was never polled does nothing"),
            "it did",
        )?;
        last = now;
    }
    let there = store.lookup(&key("k")).await?.is_some();
    let purged = store.invalidate(&key("k")).await?;
    // A call that is applied later than it was dropped may come between.
    let may_differ = there && matches!(call, Call::Purge(_) | Call::Expire) && last == Is::Before;
    ensure(
        purged == there || may_differ,
        format!("{there} from a purge afterwards"),
        purged.to_string(),
    )
}

async fn state_of_k(cx: &Context, store: &Store, call: Call, old: &Version) -> Checked<Is> {
    let Some(mut hit) = store.lookup(&key("k")).await? else {
        let may_go = match call {
            Call::Purge(_) => true,
            Call::Expire => !cx.able.to(Capability::Expire),
            Call::Update => false,
        };
        return match may_go {
            true => Ok(Is::After),
            false => broken("the entry", "a miss"),
        };
    };
    let bytes = hit.read_to_end().await?;
    if let Some(text) = difference(&old.body, &bytes) {
        return broken("the body as it was", text);
    }
    let fresh = hit.meta.is_fresh(SystemTime::now());
    match (call, number_of(&hit.meta), fresh) {
        (_, Some(1), true) => hit.expect_meta(&old.meta).map(|()| Is::Before),
        (Call::Expire, Some(1), false) => Ok(Is::After),
        (Call::Update, Some(2), true) => hit.expect_meta(&meta(2)).map(|()| Is::After),
        (_, number, _) => Err(Stop::Broken {
            rule: None,
            expected: "the meta as it was, or as the call makes it".to_owned(),
            actual: format!("one of v{}, fresh: {fresh}", number.unwrap_or_default()),
        }),
    }
}
