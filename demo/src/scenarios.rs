//! The scenarios: each is a name, what is expected, and a function that plays it and says what was seen.

mod durability;
mod flags;
mod hits;
mod rules;
mod streaming;

use crate::Failure;
use crate::proxy::Store;
use crate::stage::{Stage, mib};

/// One line of the demo, and one test.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// What it is about.
    pub name: &'static str,
    /// What [`Self::play`] should report, word for word.
    pub expected: &'static str,
    /// True where the store must outlive its process.
    pub needs_disk: bool,
    act: fn(&mut Stage) -> Result<Seen, Failure>,
}

/// What a scenario saw.
#[derive(Debug)]
pub struct Seen {
    /// Compared with what is expected.
    pub facts: String,
    /// Figures that vary from run to run; may be empty.
    pub figures: String,
}

impl Scenario {
    /// Plays it; a failure on the way is what was seen.
    pub fn play(&self, stage: &mut Stage) -> Seen {
        (self.act)(stage).unwrap_or_else(|failure| Seen {
            facts: failure.to_string(),
            figures: String::new(),
        })
    }

    /// Whether it can be played with this store.
    pub fn applies_to(&self, store: Store) -> bool {
        store == Store::Disk || !self.needs_disk
    }

    const fn any(
        name: &'static str,
        act: fn(&mut Stage) -> Result<Seen, Failure>,
        expected: &'static str,
    ) -> Self {
        Self {
            name,
            expected,
            needs_disk: false,
            act,
        }
    }

    const fn disk(
        name: &'static str,
        act: fn(&mut Stage) -> Result<Seen, Failure>,
        expected: &'static str,
    ) -> Self {
        Self {
            name,
            expected,
            needs_disk: true,
            act,
        }
    }
}

impl From<String> for Seen {
    fn from(facts: String) -> Self {
        Self {
            facts,
            figures: String::new(),
        }
    }
}

/// All scenarios, in the order of the demo. They do not disturb each other: each has paths of its own.
pub fn all() -> Vec<Scenario> {
    vec![
        Scenario::any(
            "miss then hit",
            hits::miss_then_hit,
            "miss, hit; origin asked once",
        ),
        Scenario::any(
            "a 50 MiB body",
            hits::large_body,
            "miss, hit; 50 MiB each, hash as the origin's; origin asked once",
        ),
        Scenario::any(
            "a range of it from cache",
            hits::range,
            "206 bytes 1048571-3145729/52428800, hit, right bytes; origin not asked",
        ),
        Scenario::any(
            "two clients follow one slow fill",
            streaming::followers,
            "both have the first half before the origin sends the second; both get all; origin asked once",
        ),
        Scenario::disk(
            "what is asked for often is answered from memory",
            hits::hot,
            "200 hits, each with the right bytes; memory answered; origin asked once",
        ),
        Scenario::any(
            "Vary",
            hits::vary,
            "en miss, de miss, en hit, de hit; each its own body; origin asked twice",
        ),
        Scenario::any(
            "revalidation by 304",
            hits::revalidation,
            "miss, stale with 304; origin saw If-None-Match \"v1\"; body from cache",
        ),
        Scenario::any(
            "PURGE then miss",
            rules::purge,
            "hit; PURGE 200; miss; PURGE of an absent one 404",
        ),
        Scenario::any(
            "no-store and private",
            rules::unstorable,
            "no-store miss, miss; private miss, miss",
        ),
        Scenario::any(
            "Cache-Status on every response",
            rules::cache_status,
            "on GET 200, HEAD 200, GET 206, GET 404, POST 200, GET 304, GET 502, GET 504, PURGE 200",
        ),
        Scenario::disk(
            "kill -9, then hit again after restart",
            durability::crash,
            "small hit, right bytes; large hit, right bytes; origin not asked again",
        ),
        Scenario::disk(
            "kill -9 during a fill",
            durability::crash_midway,
            "half filled: miss, whole; purged: miss",
        ),
        Scenario::disk(
            "SIGTERM, then hit again after restart",
            durability::terminate,
            "exit code 0; small hit, right bytes; large hit, right bytes; origin not asked again",
        ),
        Scenario::any(
            "eviction holds the capacity",
            durability::eviction,
            "disk and resident size within the capacity, during and after; at least half of it holds bodies; the newest \
             is there",
        ),
        Scenario::any(
            "origin dies half way (Content-Length)",
            streaming::dies_with_length,
            streaming::DIES_EXPECTED,
        ),
        Scenario::any(
            "origin dies half way (chunked)",
            streaming::dies_in_chunks,
            streaming::DIES_EXPECTED,
        ),
        Scenario::any(
            "unusable flags",
            flags::refused,
            "8 of 8 end at once with code 2 and one line",
        ),
    ]
}

/// How often, in words.
fn times(count: usize) -> String {
    match count {
        0 => "not asked".into(),
        1 => "asked once".into(),
        2 => "asked twice".into(),
        count => format!("asked {count} times"),
    }
}

/// `text` if it is so, else its negation: facts read the same in both cases.
fn fact(holds: bool, text: &str) -> String {
    if holds {
        text.to_owned()
    } else {
        format!("NOT {text}")
    }
}

/// The length of the body that is called large, and the path that it has at the origin.
const LARGE_BYTES: u64 = mib(50);
const LARGE_PATH: &str = "/bytes/52428800/large";
