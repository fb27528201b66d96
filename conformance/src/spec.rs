//! SPEC.md, the contract for people, made from `rules.toml`.

use crate::rules::{Area, Level, Rule, rules};
use std::fmt::Write;

/// The text of SPEC.md.
pub fn render() -> String {
    let mut out = String::from(INTRODUCTION);
    for area in Area::ALL {
        let mut of_area = rules().iter().filter(|rule| rule.area == *area).peekable();
        if of_area.peek().is_none() {
            continue;
        }
        // Writing to a String does not fail.
        let _ = write!(out, "\n## {}\n", title(*area));
        for rule in of_area {
            let _ = write!(out, "\n{}", section(rule));
        }
    }
    out
}

/// The text of `src/rules/id.rs`: the rules as an enum.
pub fn render_ids() -> String {
    let mut out = String::from(
        "//! The rules as an enum. Made from `rules.toml` by `cargo xtask conformance --spec`; not to be edited.\n\nids! {\n",
    );
    for rule in rules() {
        // Docs are Markdown; what would be a link to nowhere is none.
        let text = rule.text.replace('[', "\\[").replace(']', "\\]");
        let _ = write!(
            out,
            "    /// {text}\n    {} = {:?},\n",
            variant(&rule.id),
            rule.id
        );
    }
    out.push_str("}\n");
    out
}

/// `SeekOpenEnd` for SEEK-OPEN-END.
fn variant(id: &str) -> String {
    let words = id
        .split('-')
        .map(|word| word[..1].to_owned() + &word[1..].to_lowercase());
    words.collect()
}

fn section(rule: &Rule) -> String {
    let mut out = format!("### {}\n", rule.id);
    let level = match rule.level {
        Level::Must => "MUST",
        Level::Should => "SHOULD",
    };
    let capability = match rule.capability {
        Some(capability) => format!(", with `{capability}`"),
        None => String::new(),
    };
    let _ = write!(
        out,
        "*{level}{capability} · {} · since {}*\n\n{}\n",
        rule.class, rule.since, rule.text
    );
    if let Some(should) = &rule.should {
        let _ = writeln!(out, "SHOULD: {should}");
    }
    let _ = write!(out, "\n{} Typical defect: {}.\n", rule.intent, rule.breaks);
    if let Some(check) = &rule.check {
        let _ = write!(
            out,
            "\nChecked by `{check}`; proven by {}.\n",
            rule.broken.join(", ")
        );
    }
    if !rule.follows_from.is_empty() {
        let _ = write!(
            out,
            "\nWhere {} is broken, a failure here is probably a consequence.\n",
            rule.follows_from.join(" or ")
        );
    }
    if let Some(reason) = &rule.untested {
        let _ = write!(out, "\nNot tested: {reason}.\n");
    }
    out
}

pub(crate) fn title(area: Area) -> &'static str {
    match area {
        Area::Lookup => "Lookup",
        Area::Read => "Read",
        Area::Seek => "Seek",
        Area::Write => "Write",
        Area::Stream => "Streaming a write in progress",
        Area::Purge => "Purge, expire, update",
        Area::Bounds => "Bounds",
        Area::Persistence => "Persistence",
        Area::Model => "All together",
    }
}

const INTRODUCTION: &str = "\
<!-- Made from rules.toml by `cargo xtask conformance --spec`. Change that file, not this one. -->
# The storage contract

What every backend of an HTTP cache must do, rule by rule. The conformance suite checks a backend against it.

**MUST** fails a backend. **SHOULD** fails it under `--strict` only, and is always reported. A rule with a capability
concerns the backends that have it: `stream` (`support_streaming_partial_write`), `seek` (`can_seek`), `multipart`
(`can_seek_multipart`), `stream-seek` (`can_seek` of a follower), `entry-id` (handlers tell it) and `expire` (it keeps the
entry) are read from the backend itself; `persist`, `bounded`, `faults` and `power` are declared.

How a cache core calls a storage:
- hit: `lookup` (up to twice with Vary), `should_count_access`, `get_eviction_weight`, `entry_id`, `can_seek`, `seek`,
  `read_body` until it has what it needs, `finish`. On any error the handler is just dropped.
- miss: `get_miss_handler`, with `stream` then `streaming_write_tag` and `lookup_streaming_write`, `write_body` again and
  again, `finish`. Every abort is a drop, also in the middle of an await.
";

#[cfg(test)]
mod tests {
    #[test]
    fn the_committed_spec_is_that_of_the_rules() {
        assert!(
            super::render() == include_str!("../SPEC.md"),
            "SPEC.md differs from rules.toml: run `cargo xtask conformance --spec`"
        );
    }

    #[test]
    fn the_committed_enum_is_that_of_the_rules() {
        assert!(
            super::render_ids() == include_str!("rules/id.rs"),
            "src/rules/id.rs differs from rules.toml: run `cargo xtask conformance --spec`"
        );
    }

    #[test]
    fn what_failures_link_to_is_there() {
        for rule in crate::rules() {
            let (_, anchor) = rule
                .link()
                .rsplit_once('#')
                .map(|(page, at)| (page.to_owned(), at.to_owned()))
                .unwrap();
            let headings = include_str!("../SPEC.md")
                .lines()
                .filter_map(|line| line.strip_prefix("### "));
            assert_eq!(
                headings
                    .filter(|heading| heading.to_lowercase() == anchor)
                    .count(),
                1,
                "{anchor}"
            );
        }
    }
}
