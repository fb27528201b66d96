//! Backends that are right in a way of their own are not blamed.

mod around;
mod churn;
#[path = "../backends/disk.rs"]
mod disk;
mod hops;
mod lagging;
mod locks;
mod mirrored;
mod picky;
mod ring;
mod sockets;

use forebay_conformance::{Harness, Options, judge};

/// Every one of these rules is checked, and holds.
fn expect_kept(harness: impl Harness, rules: &[&str]) {
    let options = Options {
        cases: 30,
        ..Options::default()
    };
    let report = judge(harness, options, |rule| rules.contains(&rule.id.as_str()));
    assert_eq!(report.verdicts.len(), rules.len());
    for verdict in &report.verdicts {
        assert_eq!(
            verdict.status,
            forebay_conformance::Status::Pass,
            "{}\n{}",
            verdict.rule,
            verdict.explain()
        );
    }
}
