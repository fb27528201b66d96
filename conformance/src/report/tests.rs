//! What the renderings of a report have to carry.

use super::*;
use crate::outcome::Failure;

fn verdict(rule: &str, status: Status) -> Verdict {
    let broken = matches!(status, Status::Fail | Status::Known { .. } | Status::Unmet);
    let failure = Failure {
        rule: rule.to_owned(),
        expected: "b < c & d".to_owned(),
        actual: "\"<script>\" \u{1b}[31m ]]>".to_owned(),
        steps: vec!["lookup(a)".to_owned(), "purge(a) -> true".to_owned()],
        seed: 7,
        lanes: None,
        test: "#[test]\nfn a() {}\n".to_owned(),
    };
    Verdict {
        rule: rule.to_owned(),
        status,
        failures: if broken { vec![failure] } else { vec![] },
        follows_from: vec![],
        notes: vec!["best effort: a note".to_owned()],
        took_ms: 1500,
    }
}

/// A report of a backend that keeps every rule.
fn good(backend: &str) -> Report {
    Report {
        backend: backend.to_owned(),
        verdicts: rules()
            .iter()
            .map(|rule| verdict(&rule.id, Status::Pass))
            .collect(),
        ..report()
    }
}

#[test]
fn a_badge_counts_the_rules_that_hold_and_is_green_only_if_all_do() {
    let all = rules().len();
    let svg = badge(&[good("disk"), good("a<b")]);
    assert!(
        svg.contains(&format!(">{all}/{all} disk · {all}/{all} a&lt;b</text>")),
        "{svg}"
    );
    assert!(svg.contains("#2e7d32") && !svg.contains("#b3261e"), "{svg}");
    let svg = badge(&[good("disk"), report()]);
    assert!(svg.contains("#b3261e") && !svg.contains("#2e7d32"), "{svg}");
    assert!(badge(&[]).contains("#b3261e"));
}

/// A report with one of each status, and the others passing.
fn report() -> Report {
    let reason = || "a reason & https://example.org/1.".to_owned();
    let mut verdicts: Vec<_> = rules()
        .iter()
        .map(|rule| verdict(&rule.id, Status::Pass))
        .collect();
    let others = [
        Status::Fail,
        Status::Known { reason: reason() },
        Status::KnownPasses,
        Status::Unmet,
        Status::Skipped { reason: reason() },
        Status::Untested { reason: reason() },
        Status::HarnessError { reason: reason() },
    ];
    for (place, status) in verdicts.iter_mut().zip(others) {
        *place = verdict(&place.rule, status);
    }
    Report {
        suite_version: "0.1.0".to_owned(),
        backend: "a<b>".to_owned(),
        command: "cargo test --test a".to_owned(),
        seed: 7,
        cases: 200,
        strict: false,
        capabilities: vec![Capability::Stream],
        undeclared: vec![Capability::Seek],
        probe_error: None,
        verdicts,
    }
}

#[test]
fn json_there_and_back_is_the_same() {
    let report = report();
    assert_eq!(Report::from_json(&report.to_json().unwrap()), Ok(report));
}

#[test]
fn a_rule_that_this_suite_does_not_know_is_an_error_that_says_so() {
    let mut report = report();
    report.verdicts[0].rule = "LOOKUP-GONE".to_owned();
    let error = Report::from_json(&report.to_json().unwrap()).unwrap_err();
    assert!(error.contains("LOOKUP-GONE"), "{error}");
}

#[test]
fn nothing_of_a_backend_becomes_markup() {
    let page = html(&[report()]);
    assert!(!page.contains("<script"), "a backend's text became an element");
    assert!(page.contains("&lt;script&gt;") && page.contains("a&lt;b&gt;"));
    assert!(
        !page.contains("src=") && !page.contains("@import"),
        "the page loads something"
    );
    let xml = junit(&[report()]);
    assert!(
        xml.contains("&quot;&lt;script&gt;&quot;") && !xml.contains('\u{1b}'),
        "{xml}"
    );
}

#[test]
fn every_rule_has_its_row_and_every_finding_its_steps() {
    let page = html(&[report()]);
    for rule in rules() {
        assert!(
            page.contains(&format!("<span class=\"id\">{}</span>", rule.id)),
            "{}",
            rule.id
        );
    }
    for link in page.split("href=\"#").skip(1) {
        let target = link.split('"').next().unwrap();
        assert!(
            page.contains(&format!("id=\"{target}\"")),
            "a link to nothing: {target}"
        );
    }
    assert_eq!(
        page.matches("<pre>lookup(a)\npurge(a) -&gt; true</pre>").count(),
        3
    );
}

#[test]
fn several_clients_are_drawn_in_lanes_and_what_is_noted_is_shown() {
    let mut report = report();
    let call = |client, first_poll, last_poll, text: &str| crate::LaneCall {
        client,
        first_poll,
        last_poll,
        text: text.to_owned(),
    };
    report.verdicts[0].failures[0].lanes = Some(crate::Lanes {
        before: "a <put>".to_owned(),
        clients: 2,
        calls: vec![
            call(1, 4, 9, "purge(k0) -> true"),
            call(2, 7, 7, "lookup(k0) -> None"),
        ],
        after: String::new(),
    });
    let page = html(std::slice::from_ref(&report));
    // The first call spans the rows of polls 4, 7 and 9; the other is within it, in its own column.
    for part in [
        "grid-area: 3 / 2 / 6 / 2\"><code>purge(k0)</code><code class=\"result\">→ true</code>",
        "grid-area: 4 / 3 / 5 / 3\"><code>lookup(k0)</code>",
        "<b>before</b> a &lt;put&gt;",
        "✓ best effort",
        "#[test]",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(page.contains("though it says that it cannot: seek"));
    assert!(remarks(&report).contains("though it says that it cannot: seek"));
    assert!(remarks(&report).contains("note    LOOKUP-MISS: best effort: a note"));
}

#[test]
fn junit_counts_what_it_lists() {
    let xml = junit(&[report()]);
    assert!(xml.contains("failures=\"2\" errors=\"1\" skipped=\"4\""), "{xml}");
    assert_eq!(xml.matches("<failure ").count(), 2);
    assert_eq!(xml.matches("<error ").count(), 1);
    assert_eq!(xml.matches("<skipped ").count(), 4);
    assert_eq!(xml.matches("<testcase ").count(), rules().len());
    assert!(xml.contains("time=\"1.500\""));
}

#[test]
fn a_consequence_names_its_root_in_place_of_the_steps() {
    let mut verdict = verdict("SEEK-AGAIN", Status::Fail);
    verdict.follows_from = vec!["SEEK-OPEN-END".to_owned()];
    let text = verdict.explain();
    assert!(
        text.contains("consequence of SEEK-OPEN-END") && text.contains("b < c & d"),
        "{text}"
    );
    assert!(!text.contains("lookup(a)"), "{text}");
}

#[test]
fn a_table_for_a_readme_needs_every_rule() {
    let mut report = report();
    let block = markdown(std::slice::from_ref(&report), "SPEC.md").unwrap();
    assert!(block.contains("| [Seek](SPEC.md#seek) | 10/10 |"), "{block}");
    assert!(
        block.contains("[LOOKUP-MISS](SPEC.md#lookup-miss) (new)"),
        "{block}"
    );
    report.verdicts.pop();
    assert!(markdown(&[report], "SPEC.md").is_err());
}

/// Reports on what others publish are kept for long.
#[test]
fn a_report_from_before_a_rule_leaves_it_untested() {
    let mut old = good("a");
    let dropped = old.verdicts.pop().unwrap();
    let filled = old.filled_up();
    assert!(filled.is_complete());
    let status = &filled.verdict(&dropped.rule).unwrap().status;
    assert!(matches!(status, Status::Untested { .. }), "{status:?}");
    assert_eq!(filled.verdicts[0], good("a").verdicts[0]);
}

#[test]
fn only_what_stands_between_the_markers_is_replaced() {
    let text = format!("before\n{BEGIN}\nold\n{END}\nbehind\n");
    let new = format!("before\n{BEGIN}\nnew\n{END}\nbehind\n");
    assert_eq!(replace_block(&text, "new\n"), Some(new));
    assert_eq!(replace_block("no markers", "new\n"), None);
}
