//! The adapters in configurations other than the default one, under the whole contract.

mod backends;

use backends::disk::Disk;
use backends::memory::Memory;
use forebay_conformance::{Harness, Options, Report, judge};
use forebay_disk::{DiskOptions, Sync};
use forebay_memory::MemoryOptions;
use rstest::rstest;
use std::time::Duration;

/// Judged by every rule but the one that takes longest and is the same in any configuration, with fewer cases than in a run
/// of one backend.
fn judged(harness: impl Harness) -> Report {
    let options = Options {
        cases: 20,
        ..Options::default()
    };
    judge(harness, options, |rule| rule.id != "PERSIST-CORRUPT")
}

fn expect_good(report: Report) {
    assert!(
        report.is_good(),
        "{}",
        forebay_conformance::report::failures(&[report], false)
    );
}

#[rstest]
#[case::as_it_comes(MemoryOptions::new)]
#[case::little_in_flight(|capacity| MemoryOptions::new(capacity).in_flight_bytes(8 << 20))]
fn memory_keeps_every_rule(#[case] options: fn(u64) -> MemoryOptions) {
    expect_good(judged(Memory { options }));
}

#[rstest]
#[case::never(Some(Sync::Never), |options| options)]
#[case::now_and_then(Some(Sync::Interval(Duration::from_secs(5))), |options| options)]
#[case::often(Some(Sync::Interval(Duration::from_millis(1))), |options| options)]
#[case::always(Some(Sync::Always), |options| options)]
#[case::little_in_flight(None, |options: DiskOptions| options.in_flight_bytes(4 << 20))]
#[case::with_a_memory_tier(None, |options: DiskOptions| options.memory_tier_bytes(16 << 20))]
fn disk_keeps_every_rule(#[case] sync: Option<Sync>, #[case] options: fn(DiskOptions) -> DiskOptions) {
    expect_good(judged(Disk { options, sync }));
}
