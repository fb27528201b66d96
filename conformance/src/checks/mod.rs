//! The checks, one for each rule, and the table that says which is which.

mod bounds;
mod cancel;
mod corrupt;
mod faults;
mod foreign;
mod gauges;
mod ids;
mod leak;
mod lookup;
mod model;
mod persistence;
mod power;
mod purge;
mod race;
mod read;
mod seek;
mod stream;
mod tags;
mod update;
mod write;

pub(crate) use model::{run_schedule, run_sequence};

use crate::context::Context;
use crate::outcome::Checked;
use std::pin::Pin;

type Checking<'a> = Pin<Box<dyn Future<Output = Checked<()>> + 'a>>;

/// A check: one that awaits, or one that runs many cases of its own.
#[derive(Clone, Copy)]
pub(crate) enum CheckFn {
    Async(for<'a> fn(&'a Context) -> Checking<'a>),
    Sync(fn(&Context) -> Checked<()>),
}

/// The check of a rule, where there is one.
pub(crate) fn find(id: &str) -> Option<CheckFn> {
    CHECKS.iter().find(|(of, _)| *of == id).map(|(_, check)| *check)
}

macro_rules! checks {
    ($($id:literal => $check:path,)*; $($sync_id:literal => $sync:path,)*) => {
        /// Every check by its rule's id. Tests compare the ids with `rules.toml`.
        pub(crate) const CHECKS: &[(&str, CheckFn)] = &[
            $(($id, CheckFn::Async(|cx| Box::pin($check(cx)))),)*
            $(($sync_id, CheckFn::Sync($sync)),)*
        ];

        /// The names of the checks, for a test.
        #[cfg(test)]
        pub(crate) const NAMES: &[(&str, &str)] = &[
            $(($id, stringify!($check)),)*
            $(($sync_id, stringify!($sync)),)*
        ];
    };
}

checks! {
    "LOOKUP-MISS" => lookup::miss,
    "LOOKUP-ROUNDTRIP" => lookup::roundtrip,
    "LOOKUP-META-EXACT" => lookup::meta_exact,
    "LOOKUP-VARIANCE" => lookup::variance,
    "LOOKUP-STALE" => lookup::stale,
    "LOOKUP-UNUSED" => lookup::unused,
    "LOOKUP-CONCURRENT" => lookup::concurrent,
    "LOOKUP-CANCEL" => cancel::lookup,
    "LOOKUP-SELF-HEAL" => corrupt::self_heal,
    "READ-EOF" => read::eof,
    "READ-NONEMPTY" => read::nonempty,
    "READ-BOUNDED" => read::bounded,
    "READ-CANCEL" => read::cancel,
    "READ-SURVIVES-UPDATE" => read::survives_update,
    "READ-SURVIVES-PURGE" => read::survives_purge,
    "READ-FINISH-ANY" => read::finish_any,
    "SEEK-RANGE" => seek::range,
    "SEEK-OPEN-END" => seek::open_end,
    "SEEK-CLAMP" => seek::clamp,
    "SEEK-EMPTY" => seek::empty,
    "SEEK-INVALID" => seek::invalid,
    "SEEK-AGAIN" => seek::again,
    "SEEK-MULTIPART" => seek::multipart,
    "SEEK-STABLE" => seek::stable,
    "SEEK-UNSUPPORTED" => seek::unsupported,
    "SEEK-LIVE" => seek::live,
    "WRITE-ATOMIC" => write::atomic,
    "WRITE-DROP" => write::dropped,
    "WRITE-EOF-OPTIONAL" => write::eof_optional,
    "WRITE-AFTER-EOF" => write::after_eof,
    "WRITE-SIZE" => write::size,
    "WRITE-REFUSED" => bounds::refused,
    "WRITE-REPLACE" => write::replace,
    "WRITE-CONCURRENT" => write::concurrent,
    "WRITE-CANCEL" => write::cancel,
    "WRITE-ERR-USABLE" => faults::err_usable,
    "STREAM-TAG" => tags::found,
    "STREAM-TAG-STABLE" => tags::stable,
    "STREAM-TAG-UNKNOWN" => tags::unknown,
    "STREAM-TAG-NONE" => tags::none,
    "STREAM-VISIBLE" => stream::visible,
    "STREAM-PREFIX" => stream::prefix,
    "STREAM-WAKE" => stream::wake,
    "STREAM-EOF" => stream::eof,
    "STREAM-ABORT" => stream::abort,
    "STREAM-OUTLIVE" => stream::outlive,
    "STREAM-META" => stream::meta_of_the_write,
    "STREAM-COUNT" => stream::count,
    "PURGE-GONE" => purge::gone,
    "PURGE-RESULT" => purge::result,
    "PURGE-EXACT-KEY" => purge::exact_key,
    "PURGE-LIVE" => purge::live,
    "PURGE-REWRITE" => purge::rewrite,
    "PURGE-NO-LEAK" => purge::no_leak,
    "PURGE-ENTRY" => ids::entry,
    "PURGE-CANCEL" => cancel::changes,
    "EXPIRE-STALE" => update::expire_stale,
    "UPDATE-META" => update::update_meta,
    "UPDATE-ABSENT" => update::absent,
    "UPDATE-RACE" => race::update,
    "BOUND-CAPACITY" => bounds::capacity,
    "BOUND-HOT" => bounds::hot,
    "BOUND-READER" => bounds::reader,
    "BOUND-NO-PREALLOC" => bounds::no_prealloc,
    "BOUND-LEAK" => leak::leak,
    "PERSIST-CLEAN" => persistence::clean,
    "PERSIST-CRASH" => persistence::crash,
    "PERSIST-POWER" => power::cuts,
    "PERSIST-CORRUPT" => corrupt::corrupt,
    "PERSIST-FOREIGN" => foreign::foreign,
    ;
    "MODEL-SEQUENCE" => model::sequences,
    "MODEL-SCHEDULE" => model::schedules,
}
