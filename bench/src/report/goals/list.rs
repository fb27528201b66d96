//! The goals.

use super::{Bound, Goal, Pick, Value};
use crate::measurement::Unit;
use crate::report::words;
use crate::timing;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const SIZES: [u64; 5] = [KIB, 16 * KIB, 128 * KIB, MIB, 16 * MIB];
const WALL: Unit = Unit::NanosecondsPerOperation;
const CPU: Unit = Unit::CpuNanosecondsPerOperation;

const MEMORY: &str = "forebay-memory";
const DISK: &str = "forebay-disk";
const MEMORY_BRIDGE: &str = "forebay-memory, bridge";
const DISK_BRIDGE: &str = "forebay-disk, bridge";
const MEM_CACHE: &str = "MemCache";
const VERIFIED: &str = "preadv2 and its checksums";
/// What no storage on disk can do without: the key's hash, the trait, a read, its checksums.
const LEAST: &str = "a verified read by the trait";
/// What pingora has to be given takes part of a hit, whatever the storage.
const TYPES_ALONE: &str = "pingora's types alone";

/// All of them.
pub fn goals() -> Vec<Goal> {
    [
        memory(),
        disk_hits(),
        disk_writes(),
        disk_whole(),
        bridge(),
        proxy_with_other_stores(),
        proxy_and_the_field(),
    ]
    .concat()
}

fn pick(area: &'static str, operation: &str, size_bytes: u64, contender: &'static str) -> Pick {
    Pick {
        area,
        operation: operation.to_owned(),
        size_bytes: (size_bytes > 0).then_some(size_bytes),
        concurrency: 1,
        contender,
        unit: WALL,
    }
}

fn goal(what: impl Into<String>, value: Value, bound: Bound) -> Goal {
    Goal {
        what: what.into(),
        value,
        bound,
        at_best: None,
    }
}

/// A goal of [`faster`] or [`leaner`] with a bound: another that does nothing but what ours cannot do without.
fn bounded(goal: Goal, ours: &'static str, least: &'static str) -> Goal {
    let in_place = |pick: &Pick| Pick {
        contender: if pick.contender == ours {
            least
        } else {
            pick.contender
        },
        ..pick.clone()
    };
    let at_best = match &goal.value {
        Value::Ratio(a, b) => Some(Value::Ratio(in_place(a), in_place(b))),
        _ => None,
    };
    Goal { at_best, ..goal }
}

/// Ours is to be so many times as fast as another in the same work.
fn faster(
    area: &'static str,
    operation: &str,
    size: u64,
    ours: &'static str,
    other: &'static str,
    times: f64,
) -> Goal {
    let what = format!(
        "{ours}: {operation} of {} at least {times} times as fast as {other}",
        words::size(size)
    );
    let of = |contender| pick(area, operation, size, contender);
    goal(what, Value::Ratio(of(other), of(ours)), Bound::AtLeast(times))
}

fn memory() -> Vec<Goal> {
    let hit = pick("memory", "hit", KIB, MEMORY);
    let threads = timing::cores().max(2);
    let of_threads = Pick {
        concurrency: threads,
        ..hit.clone()
    };
    let per_entry = |contender| Pick {
        unit: Unit::BytesPerEntry,
        ..pick("memory", "memory per entry", KIB, contender)
    };
    vec![
        goal(
            "forebay-memory: hit of 1 KiB under 500 ns",
            Value::Of(hit.clone()),
            Bound::AtMost(500.0),
        ),
        goal(
            format!(
                "forebay-memory: {threads} threads do at least {:.1} times the hits of one",
                0.85 * threads as f64
            ),
            Value::Ratio(hit, of_threads),
            Bound::AtLeast(0.85 * threads as f64),
        ),
        goal(
            "forebay-memory: at most 450 bytes an entry beyond its body",
            Value::Of(per_entry(MEMORY)),
            Bound::AtMost(450.0),
        ),
        goal(
            "forebay-memory, bridge: no more bytes an entry than MemCache",
            Value::Ratio(per_entry(MEMORY_BRIDGE), per_entry(MEM_CACHE)),
            Bound::AtMost(1.0),
        ),
    ]
}

fn disk_hits() -> Vec<Goal> {
    let hit = |size, contender| pick("disk", "hit", size, contender);
    let loads = |contender| Pick {
        concurrency: 32,
        unit: CPU,
        ..hit(KIB, contender)
    };
    let calls = |operation| Pick {
        unit: Unit::Ratio,
        ..pick("disk", operation, 0, DISK)
    };
    let mut goals = vec![goal(
        "forebay-disk: hit of 1 KiB at most 1.5 µs beyond one preadv2",
        Value::Beyond(hit(KIB, DISK), hit(KIB, "preadv2")),
        Bound::AtMost(1500.0),
    )];
    for size in &SIZES[1..] {
        for read in ["preadv2", VERIFIED] {
            goals.push(bounded(
                faster("disk", "hit", *size, DISK, read, 0.85),
                DISK,
                LEAST,
            ));
        }
    }
    goals.extend([
        faster("disk", "hit", KIB, DISK, "file per object", 1.5),
        faster("disk", "hit", KIB, DISK, "tokio::fs::read", 8.0),
        goal(
            "forebay-disk: miss under 300 ns",
            Value::Of(pick("disk", "miss", 0, DISK)),
            Bound::AtMost(300.0),
        ),
        goal(
            "forebay-disk: a miss takes no system call",
            Value::Of(calls("system calls of a miss")),
            Bound::AtMost(0.01),
        ),
        goal(
            "forebay-disk: a hit takes one system call",
            Value::Of(calls("system calls of a hit")),
            Bound::AtMost(1.01),
        ),
        goal(
            "forebay-disk: 32 hits of 1 KiB in flight take at most a fifth of foyer's CPU time",
            Value::Ratio(loads(DISK), loads("foyer")),
            Bound::AtMost(0.2),
        ),
    ]);
    goals
}

fn disk_writes() -> Vec<Goal> {
    let fill = |pages: &str, contender| Pick {
        concurrency: 8,
        ..pick("disk", &format!("fill, {pages}"), 16 * KIB, contender)
    };
    let of_eight = |pages| {
        goal(
            format!(
                "forebay-disk: 8 writers of 16 KiB, {pages}, at least 4 times as fast as a file per object"
            ),
            Value::Ratio(fill(pages, "file per object"), fill(pages, DISK)),
            Bound::AtLeast(4.0),
        )
    };
    vec![of_eight("fresh"), of_eight("warm")]
}

fn disk_whole() -> Vec<Goal> {
    let whole = |operation, unit| Pick {
        unit,
        ..pick("store", operation, 0, DISK)
    };
    let of = |what: &str, operation, unit, most| {
        goal(what, Value::Of(whole(operation, unit)), Bound::AtMost(most))
    };
    let stream = |contender| pick("store", "stream one body", 1 << 30, contender);
    vec![
        goal(
            "forebay-disk: a body of 1 GiB streams in at 70 % of the speed of write(2)",
            Value::Ratio(stream("write(2)"), stream(DISK)),
            Bound::AtLeast(0.7),
        ),
        of(
            "forebay-disk: a streamed body and its follower take at most 8 MiB",
            "memory of one streamed body",
            Unit::Bytes,
            8.0 * MIB as f64,
        ),
        of(
            "forebay-disk: at most 60 bytes of index an entry at a million entries",
            "index per entry",
            Unit::BytesPerEntry,
            60.0,
        ),
        of(
            "forebay-disk: a million entries open in 1 s after a close",
            "open after a clean close",
            WALL,
            1e9,
        ),
        of(
            "forebay-disk: a million entries open in 3 s after SIGKILL",
            "open after SIGKILL",
            WALL,
            3e9,
        ),
        goal(
            "forebay-disk: p99 of hits while filling under 5 times that of the idle store",
            Value::Ratio(whole("hit p99, filling", WALL), whole("hit p99, idle", WALL)),
            Bound::AtMost(5.0),
        ),
        of(
            "forebay-disk: 10,000 followers on 100 slow fills: memory at most twice the bytes in flight",
            "10,000 followers on 100 slow fills: memory by bytes in flight",
            Unit::Ratio,
            2.0,
        ),
    ]
}

fn bridge() -> Vec<Goal> {
    let hit = |contender| pick("bridge", "hit", KIB, contender);
    let mut goals = Vec::new();
    for (size, times) in [(KIB, 4.0), (128 * KIB, 15.0), (MIB, 80.0)] {
        let hit = faster("bridge", "hit", size, MEMORY_BRIDGE, MEM_CACHE, times);
        goals.push(bounded(hit, MEMORY_BRIDGE, TYPES_ALONE));
    }
    for size in SIZES {
        let range = faster("bridge", "range", size, MEMORY_BRIDGE, MEM_CACHE, 4.0);
        goals.push(bounded(range, MEMORY_BRIDGE, TYPES_ALONE));
    }
    for pages in ["fill, fresh", "fill, warm"] {
        for size in SIZES {
            goals.push(faster("bridge", pages, size, MEMORY_BRIDGE, MEM_CACHE, 1.5));
        }
    }
    for size in [KIB, 16 * KIB, 128 * KIB] {
        goals.push(faster("bridge", "hit", size, DISK_BRIDGE, MEM_CACHE, 1.0));
    }
    goals.extend([
        goal(
            "forebay-memory, bridge: never slower than MemCache, whatever is done",
            Value::WorstAdvantage("bridge", MEMORY_BRIDGE, MEM_CACHE),
            Bound::AtLeast(1.0),
        ),
        goal(
            "bridge: at most 1.5 µs on a hit in memory",
            Value::Beyond(hit(MEMORY_BRIDGE), hit(MEMORY)),
            Bound::AtMost(1500.0),
        ),
        goal(
            "bridge: at most 2.5 µs on a hit on disk",
            Value::Beyond(hit(DISK_BRIDGE), hit(DISK)),
            Bound::AtMost(2500.0),
        ),
    ]);
    goals
}

const PROXY_SIZES: [u64; 4] = [KIB, 16 * KIB, 128 * KIB, MIB];
const FILLS: [&str; 2] = ["fill", "fill, full store"];
const PROXY_MEMORY: &str = "forebay-proxy in memory";
const PROXY_DISK: &str = "forebay-proxy on disk";
/// What is stored goes through pingora's cache, whatever the storage.
const NOTHING_KEPT: &str = "the same proxy, nothing kept";
/// What is found goes through pingora's request path, whatever the storage.
const ONE_RESPONSE: &str = "the same proxy, one response";

/// One contender's CPU time per request is to be at most such a share of another's.
fn leaner(operation: &str, size: u64, ours: &'static str, other: &'static str, share: f64) -> Goal {
    let of = |contender| Pick {
        concurrency: 32,
        unit: CPU,
        ..pick("proxy", operation, size, contender)
    };
    let size = words::size(size);
    let what = format!("{ours}: CPU time per {operation} of {size} at most {share} of {other}'s");
    goal(what, Value::Ratio(of(ours), of(other)), Bound::AtMost(share))
}

fn proxy_with_other_stores() -> Vec<Goal> {
    let other = "the same proxy with MemCache";
    let mut goals = Vec::new();
    for (at, size) in PROXY_SIZES.into_iter().enumerate() {
        let in_memory = if size < 128 * KIB { 0.8 } else { 0.7 };
        let on_disk = if at == 0 { 0.85 } else { 1.0 };
        let hit = leaner("hit one", size, PROXY_MEMORY, other, in_memory);
        goals.push(bounded(hit, PROXY_MEMORY, ONE_RESPONSE));
        goals.push(leaner("hit one", size, PROXY_DISK, other, on_disk));
        for fill in FILLS {
            let fill = leaner(fill, size, PROXY_DISK, other, 0.6);
            goals.push(bounded(fill, PROXY_DISK, NOTHING_KEPT));
        }
    }
    goals
}

fn proxy_and_the_field() -> Vec<Goal> {
    let mut goals = Vec::new();
    for size in PROXY_SIZES {
        let small = ["Varnish", "Squid"].iter();
        let large = ["nginx", "Apache Traffic Server"]
            .iter()
            .filter(|_| size >= 128 * KIB);
        for other in small.chain(large) {
            let hit = leaner("hit one", size, PROXY_MEMORY, other, 1.0);
            goals.push(bounded(hit, PROXY_MEMORY, ONE_RESPONSE));
        }
        for fill in FILLS {
            for other in ["nginx", "Varnish", "Squid"] {
                goals.push(leaner(fill, size, PROXY_DISK, other, 1.0));
            }
            let beside_ats = leaner(fill, size, PROXY_DISK, "Apache Traffic Server", 1.2);
            goals.push(bounded(beside_ats, PROXY_DISK, NOTHING_KEPT));
        }
    }
    goals
}
