//! The contract as data: `rules.toml`, parsed.

use serde::Deserialize;
use std::fmt;
use std::sync::OnceLock;

/// The enum of the rules, and what each is called.
macro_rules! ids {
    ($($(#[$doc:meta])* $variant:ident = $id:literal,)*) => {
        /// A rule of the contract by its name, as `rules.toml` has them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum RuleId {
            $($(#[$doc])* $variant,)*
        }

        impl RuleId {
            /// Every rule, in the order of the contract.
            pub const ALL: &[RuleId] = &[$(RuleId::$variant),*];

            /// Its name: `SEEK-OPEN-END`.
            pub const fn as_str(self) -> &'static str {
                match self { $(RuleId::$variant => $id,)* }
            }
        }
    };
}

mod id;

pub use id::RuleId;

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One rule of the contract.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name, for good: never reused, never given another meaning.
    pub id: String,
    /// Which part of the interface it is about.
    pub area: Area,
    /// Whether breaking it fails a backend.
    pub level: Level,
    /// What a backend must be able to do for the rule to concern it.
    #[serde(default)]
    pub capability: Option<Capability>,
    /// What kind of promise it is.
    pub class: Class,
    /// The version of the contract that brought it.
    pub since: String,
    /// The rule.
    pub text: String,
    /// The part of a MUST rule that is only a SHOULD.
    #[serde(default)]
    pub should: Option<String>,
    /// Why it is a rule, and how it is meant where its text leaves that open.
    pub intent: String,
    /// The typical defect that breaks it.
    pub breaks: String,
    /// The check of it, as a path below the suite's checks.
    #[serde(default)]
    pub check: Option<String>,
    /// Broken backends that the check has to find, by their names in the catalogue.
    #[serde(default)]
    pub broken: Vec<String>,
    /// Why there is no check of it.
    #[serde(default)]
    pub untested: Option<String>,
    /// Rules that its check leans on: where one of them is broken, a failure of this rule is probably a consequence.
    #[serde(default)]
    pub follows_from: Vec<String>,
}

impl Rule {
    /// The rule of this id.
    pub fn find(id: &str) -> Option<&'static Rule> {
        rules().iter().find(|rule| rule.id == id)
    }

    /// Where it stands for people to read.
    pub fn link(&self) -> String {
        let spec = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/conformance/SPEC.md");
        format!("{spec}#{}", self.id.to_lowercase())
    }

    /// The name of its trial: `area::ID`.
    pub fn trial_name(&self) -> String {
        format!("{}::{}", self.area, self.id)
    }
}

/// Every rule, in the order of the contract.
///
/// # Panics
/// If the file that was built in is not what it has to be, which a test rules out.
pub fn rules() -> &'static [Rule] {
    static RULES: OnceLock<Vec<Rule>> = OnceLock::new();
    RULES.get_or_init(|| {
        parse(include_str!("../rules.toml")).expect("rules.toml parses: tests::the_file_is_sound")
    })
}

fn parse(text: &str) -> Result<Vec<Rule>, toml::de::Error> {
    #[derive(Deserialize)]
    struct File {
        rule: Vec<Rule>,
    }
    toml::from_str::<File>(text).map(|file| file.rule)
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, serde::Serialize)]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $text)] $variant,)*
        }

        impl $name {
            /// Every value, in order.
            pub const ALL: &[$name] = &[$($name::$variant),*];
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(match self { $($name::$variant => $text,)* })
            }
        }
    };
}

words! {
    /// The part of the interface that a rule is about.
    Area {
        /// Finding entries.
        Lookup = "lookup",
        /// Reading bodies.
        Read = "read",
        /// Reading ranges.
        Seek = "seek",
        /// Admitting entries.
        Write = "write",
        /// Following writes in progress.
        Stream = "stream",
        /// Purging, expiring, updating.
        Purge = "purge",
        /// Capacity, memory, leaks.
        Bounds = "bounds",
        /// What survives a restart.
        Persistence = "persistence",
        /// All of them together.
        Model = "model",
    }
}

words! {
    /// Whether breaking a rule fails a backend.
    Level {
        /// It does.
        Must = "must",
        /// It does under `--strict`, and is reported always.
        Should = "should",
    }
}

words! {
    /// What a backend can do beyond the minimum.
    Capability {
        /// Lookups follow writes in progress (`support_streaming_partial_write`).
        Stream = "stream",
        /// Hits can seek (`can_seek`).
        Seek = "seek",
        /// Hits can seek for several ranges (`can_seek_multipart`).
        Multipart = "multipart",
        /// Followers can seek (`can_seek`).
        StreamSeek = "stream-seek",
        /// Entries survive a restart (declared).
        Persist = "persist",
        /// A capacity holds (declared).
        Bounded = "bounded",
        /// Handlers tell their `entry_id`.
        EntryId = "entry-id",
        /// `expire` keeps the entry.
        Expire = "expire",
        /// I/O faults can be injected (declared).
        Faults = "faults",
        /// Power cuts can be made from a record of the I/O (declared).
        Power = "power",
    }
}

words! {
    /// What kind of promise a rule is.
    Class {
        /// Nothing wrong happens.
        Safety = "safety",
        /// Something does happen.
        Liveness = "liveness",
        /// It stays so.
        Durability = "durability",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn the_file_is_sound() {
        let rules = parse(include_str!("../rules.toml")).unwrap();
        let mut seen = HashSet::new();
        for rule in &rules {
            assert!(seen.insert(&rule.id), "{} stands there twice", rule.id);
            for text in [&rule.text, &rule.intent] {
                assert!(text.ends_with('.'), "{}: not a sentence: {text}", rule.id);
            }
        }
    }

    #[test]
    fn a_rule_follows_from_rules_that_stand_for_themselves() {
        for rule in rules() {
            for root in &rule.follows_from {
                let found = Rule::find(root);
                assert!(
                    found.is_some(),
                    "{} follows from {root}, which is no rule",
                    rule.id
                );
                assert!(
                    found.is_some_and(|root| root.follows_from.is_empty()),
                    "{} follows from {root}, which follows from others: name those",
                    rule.id
                );
            }
        }
    }

    #[test]
    fn every_rule_has_a_check_or_says_why_not() {
        for rule in rules() {
            let checked = crate::checks::find(&rule.id).is_some();
            assert_ne!(
                checked,
                rule.untested.is_some(),
                "{}: checked is {checked}",
                rule.id
            );
        }
    }

    #[test]
    fn a_rule_names_its_check() {
        for (id, name) in crate::checks::NAMES {
            let named = Rule::find(id).and_then(|rule| rule.check.as_deref());
            assert_eq!(named, Some(*name), "{id}");
        }
    }

    #[test]
    fn every_check_is_of_a_rule() {
        let mut seen = HashSet::new();
        for (id, _) in crate::checks::CHECKS {
            assert!(Rule::find(id).is_some(), "{id} is not in rules.toml");
            assert!(seen.insert(id), "{id} has two checks");
        }
    }
}
