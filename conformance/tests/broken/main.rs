//! The suite has teeth: every broken backend of the catalogue fails the rule that it breaks.

mod body;
mod defect;
#[path = "../backends/disk.rs"]
mod disk;
mod faulty;
mod forgetful;
mod hopping;
mod lossy;
mod matrix;
mod on_drop;
mod pasted;
mod persistent;
mod race;
mod renumbered;
mod storage;
mod write;

use defect::{CATALOGUE, Defect};
use forebay_conformance::{
    Capabilities, Capability, Gauges, Harness, Opened, Options, Report, Rule, Site, Status, async_trait,
    judge,
};
use forebay_core::Storage;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use storage::BrokenStorage;

struct Broken {
    name: String,
    defect: Defect,
}

#[async_trait]
impl Harness for Broken {
    fn name(&self) -> &str {
        &self.name
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new().bounded(1 << 20).without_background()
    }

    async fn open(&self, site: &Site) -> Opened {
        let capacity_bytes = site.capacity_bytes().map(|capacity| capacity as usize);
        Ok(Arc::new(BrokenStorage::new(self.defect, capacity_bytes)))
    }

    fn gauges(&self, storage: &dyn Storage) -> Gauges {
        storage
            .as_any()
            .downcast_ref()
            .map(BrokenStorage::gauges)
            .unwrap_or_default()
    }
}

fn judged(defect: Defect, filter: impl Fn(&Rule) -> bool) -> Report {
    judged_with(defect, Options::default(), filter)
}

fn judged_with(defect: Defect, options: Options, filter: impl Fn(&Rule) -> bool) -> Report {
    let name = format!("{defect:?}");
    let options = Options {
        hang_after: Duration::from_secs(1),
        ..options
    };
    judge(Broken { name, defect }, options, filter)
}

#[test]
fn without_a_defect_every_rule_holds() {
    assert_eq!(judged(Defect::None, |_| true).broken(), Vec::<&str>::new());
}

/// With `KILL_MATRIX=FILE`, every defect is judged by every rule, and what it breaks is written there; that takes minutes.
#[test]
fn every_defect_fails_the_rule_that_it_breaks() {
    let matrix = matrix::wanted();
    let mut reports = Vec::new();
    for (defect, rule) in CATALOGUE {
        let report = judged(*defect, |r| matrix.is_some() || r.id == *rule);
        reports.push((*defect, *rule, report));
    }
    if let Some(path) = matrix {
        matrix::write(&path, &reports);
    }
    let missed: Vec<_> = reports
        .iter()
        .filter(|(_, rule, report)| !report.broken().contains(rule))
        .map(|(defect, rule, _)| (defect, rule))
        .collect();
    assert!(
        missed.is_empty(),
        "defects that their rule's check does not find: {missed:?}"
    );
}

#[test]
fn every_checked_rule_has_a_defect() {
    let proven: BTreeSet<&str> = CATALOGUE
        .iter()
        .map(|(_, rule)| *rule)
        .chain(matrix::alone().map(|(_, rule)| rule))
        .collect();
    for rule in &proven {
        assert!(Rule::find(rule).is_some(), "{rule} is no rule");
    }
    let checked = forebay_conformance::rules()
        .iter()
        .filter(|rule| rule.untested.is_none());
    let bare: Vec<_> = checked
        .map(|rule| rule.id.as_str())
        .filter(|id| !proven.contains(id))
        .collect();
    assert!(bare.is_empty(), "checked rules that no defect breaks: {bare:?}");
}

/// `rules.toml` names broken backends; they have to be there, and to be of that rule.
#[test]
fn the_broken_backends_that_a_rule_names_are_in_the_catalogue() {
    let named = |rule: &str, name: &String| {
        let own = CATALOGUE.iter().map(|(defect, of)| (format!("{defect:?}"), *of));
        let mut all = own.chain(matrix::alone());
        all.any(|(defect, of)| defect == *name && of == rule)
    };
    for rule in forebay_conformance::rules() {
        let unknown = rule.broken.iter().find(|name| !named(&rule.id, name));
        assert_eq!(unknown, None, "{}", rule.id);
        assert_eq!(rule.broken.is_empty(), rule.untested.is_some(), "{}", rule.id);
    }
}

/// Without threads no clock is needed to see it.
#[test]
fn a_call_that_only_wakes_itself_is_found_by_a_budget_of_polls() {
    let report = judged(Defect::MissNeverEnds, |rule| rule.id == "LOOKUP-MISS");
    let actual = &report.verdicts[0].failures[0].actual;
    assert!(actual.contains("polled 100000 times"), "{actual}");
}

/// Who has nothing to read and says so by empty chunks would keep a check busy for ever.
#[test]
fn a_read_that_never_comes_on_is_found_by_a_budget_of_chunks() {
    for rule in ["STREAM-PREFIX", "STREAM-EOF", "STREAM-ABORT"] {
        let report = judged(Defect::EmptyChunksWhileItWaits, |r| r.id == rule);
        assert_eq!(report.broken(), [rule]);
    }
}

/// Checks that read to the end went on until the memory was full.
#[test]
fn a_body_without_an_end_is_found_by_a_budget_of_bytes() {
    for rule in [
        "READ-BOUNDED",
        "READ-NONEMPTY",
        "READ-CANCEL",
        "LOOKUP-CONCURRENT",
    ] {
        let report = judged(Defect::BodyNeverEnds, |r| r.id == rule);
        assert_eq!(report.broken(), [rule]);
        let actual = &report.verdicts[0].failures[0].actual;
        assert!(actual.ends_with(" bytes and no end"), "{actual}");
    }
}

/// The suite made a shorter tag of it, and its own panic was told as the backend's.
#[test]
fn a_tag_without_bytes_is_told_as_what_it_is() {
    let report = judged(Defect::EmptyTag, |rule| rule.id == "STREAM-TAG-UNKNOWN");
    let failure = &report.verdicts[0].failures[0];
    assert!(
        failure.expected.starts_with("Ok(None) for the tag []"),
        "{failure}"
    );
}

/// A skip is never a pass.
#[test]
fn a_model_without_a_case_is_skipped() {
    let options = Options {
        cases: 0,
        ..Options::default()
    };
    let report = judged_with(Defect::None, options, |rule| rule.id.starts_with("MODEL-"));
    for verdict in report.verdicts {
        assert!(matches!(verdict.status, Status::Skipped { .. }), "{verdict:?}");
    }
}

/// Capabilities are not taken on trust: who can seek and denies it is told so.
#[test]
fn a_capability_that_is_denied_is_told() {
    let report = judged(Defect::DeniesSeek, |rule| rule.id == "SEEK-RANGE");
    assert_eq!(report.undeclared, [Capability::Seek], "{:?}", report.capabilities);
    assert!(judged(Defect::None, |_| false).undeclared.is_empty());
}

/// A mistake that only shows between the polls of others is told with the calls of each client beside each other.
#[test]
fn a_broken_schedule_is_drawn_as_lanes() {
    let report = judged(Defect::PurgeChecksThenActs, |rule| rule.id == "MODEL-SCHEDULE");
    let failures: Vec<_> = report
        .verdicts
        .iter()
        .flat_map(|verdict| &verdict.failures)
        .collect();
    let [failure] = failures[..] else {
        panic!("{failures:?}")
    };
    assert!(failure.actual.contains(", Invalidation) -> true"), "{failure}");
    let lanes = failure.steps.iter().filter(|step| step.contains(" | "));
    assert!((3..=8).contains(&lanes.count()), "{failure}");
}
