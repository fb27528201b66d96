//! The suite as plain tests: a `#[test]` per rule, for those who want no test target of their own.

use crate::context::Options;
use crate::harness::Harness;
use crate::outcome::Status;
use crate::panics;
use crate::report;
use crate::rules::Rule;
use crate::runner::Run;
use std::sync::Arc;

/// Makes `tests!` and the list of its tests. Its first argument is a dollar, for the inner macro's own.
macro_rules! one_for_each {
    ($dollar:tt $(#[$doc:meta])* $($name:ident)*) => {
        $(#[$doc])*
        #[macro_export]
        macro_rules! tests {
            ($dollar harness:expr) => {
                $(
                    #[test]
                    fn $name() {
                        $dollar crate::assert_rule($dollar harness, stringify!($name));
                    }
                )*
            };
        }

        #[cfg(test)]
        const NAMES: &[&str] = &[$(stringify!($name)),*];
    };
}

one_for_each! { $
    /// One `#[test]` per rule of the contract, `seek_open_end` for SEEK-OPEN-END, on the harness that the expression gives.
    ///
    /// A plain test cannot be ignored while it runs: one of a rule that does not concern the backend prints why, and
    /// counts as passed. [`main`](fn@crate::main) tells the difference, and takes seeds and filters by area.
    ///
    /// ```
    /// # use forebay_conformance::{Harness, Opened, Site, async_trait, reference::ReferenceStorage};
    /// # use std::sync::Arc;
    /// struct Mine;
    ///
    /// #[async_trait]
    /// impl Harness for Mine {
    ///     fn name(&self) -> &str {
    ///         "mine"
    ///     }
    ///     async fn open(&self, _site: &Site) -> Opened {
    ///         Ok(Arc::new(ReferenceStorage::new()))
    ///     }
    /// }
    ///
    /// mod contract {
    ///     forebay_conformance::tests!(super::Mine);
    /// }
    /// # fn main() {}
    /// ```
    lookup_miss lookup_roundtrip lookup_meta_exact lookup_variance lookup_stale lookup_unused
    lookup_concurrent lookup_cancel lookup_self_heal read_eof read_nonempty read_bounded read_cancel
    read_survives_update read_survives_purge read_finish_any seek_range seek_open_end seek_clamp
    seek_empty seek_invalid seek_again seek_multipart seek_stable seek_unsupported seek_live
    write_atomic write_drop write_eof_optional write_after_eof write_size write_refused
    write_replace write_concurrent write_cancel write_err_usable stream_tag stream_tag_stable
    stream_tag_unknown stream_tag_none stream_visible stream_prefix stream_wake stream_eof
    stream_abort stream_outlive stream_meta stream_count purge_gone purge_result purge_exact_key
    purge_live purge_rewrite purge_no_leak purge_entry purge_cancel expire_stale update_meta update_absent
    update_race bound_capacity bound_hot bound_reader bound_no_prealloc bound_leak persist_clean
    persist_crash persist_power persist_corrupt persist_foreign model_sequence model_schedule
}

/// Judges one rule, by its id or by the name of its test, with the default options.
///
/// # Panics
/// If the backend breaks the rule, with the failure in words; if the harness cannot do its part; if there is no such rule.
/// A known failure does not panic, and panics once it passes.
pub fn assert_rule(harness: impl Harness, rule: &str) {
    assert_rule_with(harness, rule, Options::default());
}

/// As [`assert_rule`], with other options.
///
/// # Panics
/// As [`assert_rule`].
pub fn assert_rule_with(harness: impl Harness, rule: &str, options: Options) {
    panics::this_thread_reports();
    let id = rule.to_uppercase().replace('_', "-");
    let Some(rule) = Rule::find(&id) else {
        panic!("there is no rule {id}; see SPEC.md");
    };
    let run = Run::prepare(Arc::new(harness), options);
    let verdict = run.judge(rule);
    let detail = verdict.explain();
    let reason = report::reason(&verdict.status).unwrap_or_default();
    match verdict.status {
        Status::Pass => {}
        Status::Fail | Status::KnownPasses => panic!("{id}: {reason}\n{detail}"),
        Status::HarnessError { reason } => panic!("{id}: the harness, not the backend: {reason}"),
        Status::Unmet | Status::Known { .. } | Status::Skipped { .. } | Status::Untested { .. } => {
            println!("{id}: {} {reason}\n{detail}", report::word(&verdict.status));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_test_for_each_rule() {
        let named: Vec<_> = NAMES
            .iter()
            .map(|name| name.to_uppercase().replace('_', "-"))
            .collect();
        let rules: Vec<_> = crate::rules().iter().map(|rule| rule.id.clone()).collect();
        assert_eq!(named, rules, "the list in plain.rs differs from rules.toml");
    }
}
