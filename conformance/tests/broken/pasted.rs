//! What `--paste` prints compiles, passes once the backend is mended, and fails before.

use crate::defect::Defect;
use crate::storage::BrokenStorage;
use forebay_conformance::{Harness, Opened, Options, Site, async_trait, judge};
use std::sync::Arc;

/// The same harness twice: before and after the defects were mended.
macro_rules! mine {
    ($module:ident, $defect:ident => $is:expr) => {
        mod $module {
            use super::*;

            pub(super) struct Sequential;
            pub(super) struct Concurrent;
            pub(super) struct Seeking;

            mine!(Sequential, ExpiryOutlivesEntry, $defect => $is);
            mine!(Concurrent, PurgeChecksThenActs, $defect => $is);
            mine!(Seeking, KeepsOldEnd, $defect => $is);
        }
    };
    ($harness:ident, $its:ident, $defect:ident => $is:expr) => {
        #[async_trait]
        impl Harness for $harness {
            fn name(&self) -> &str {
                stringify!($harness)
            }

            async fn open(&self, _site: &Site) -> Opened {
                let $defect = Defect::$its;
                Ok(Arc::new(BrokenStorage::new($is, None)))
            }
        }
    };
}

mine!(before, defect => defect);
mine!(mended, _defect => Defect::None);

mod kept {
    use super::mended::{Concurrent, Seeking, Sequential};

    /// MODEL-SEQUENCE: a hit of v5, with fresh until 7000000000.98765432s instead of 7000000000.987654321s
    #[test]
    fn model_sequence_of_seed_1() {
        use forebay_conformance::replay::sequence::*;
        replay(
            Sequential,
            &[
                Start { key: 0 },
                Start { key: 2 },
                Start { key: 0 },
                Finish { writer: 223 },
                Start { key: 2 },
                Finish { writer: 80 },
                Lookup { key: 2 },
            ],
        );
    }

    /// MODEL-SCHEDULE: nothing explains client 1's purge(k1, Invalidation) -> true (polls 5 to 7); at best, k1 is not stored before it
    #[test]
    fn model_schedule_of_seed_1() {
        use forebay_conformance::replay::schedule::*;
        replay(
            Concurrent,
            [None, Some(0)],
            &[
                &[whole(Purge {
                    key: 1,
                    purge_type: Invalidation,
                })],
                &[whole(Purge {
                    key: 1,
                    purge_type: Invalidation,
                })],
            ],
            &[2, 13],
        );
    }

    /// SEEK-OPEN-END: only the first 15 of 199995 bytes
    #[test]
    fn seek_open_end_of_seed_1() {
        let options = forebay_conformance::Options {
            cases: 200,
            seed: 1,
            strict: false,
            ..Default::default()
        };
        forebay_conformance::assert_rule_with(Seeking, "SEEK-OPEN-END", options);
    }
}

/// Without what rustfmt changes.
fn bare(text: &str) -> String {
    let bare: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    bare.replace(",]", "]").replace(",)", ")").replace(",}", "}")
}

/// The test that is printed for the rule, unless it stands here.
fn missing(harness: impl Harness, rule: &str) -> Option<String> {
    let report = judge(harness, Options::default(), |r| r.id == rule);
    let test = &report.verdicts[0].failures[0].test;
    (!bare(include_str!("pasted.rs")).contains(&bare(test))).then(|| test.clone())
}

#[test]
#[should_panic(expected = "PURGE-RESULT")]
fn it_fails_before_the_backend_is_mended() {
    use forebay_conformance::replay::schedule::*;
    let purge = [whole(Purge {
        key: 0,
        purge_type: Invalidation,
    })];
    replay(before::Concurrent, [Some(0), None], &[&purge, &purge], &[1, 0]);
}

#[test]
fn what_stands_here_is_what_is_printed() {
    let found = [
        missing(before::Sequential, "MODEL-SEQUENCE"),
        missing(before::Concurrent, "MODEL-SCHEDULE"),
        missing(before::Seeking, "SEEK-OPEN-END"),
    ];
    let missing: String = found.into_iter().flatten().collect();
    assert!(
        missing.is_empty(),
        "paste this into the module `kept`:\n{missing}"
    );
}
