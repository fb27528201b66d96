//! A report from made-up figures: tables, goals and plots say what the figures say.

use super::*;
use crate::measurement::Unit;

fn figure(area: &'static str, operation: &str, size: u64, contender: &str, rounds: &[f64]) -> Measurement {
    Measurement {
        area,
        operation: operation.to_owned(),
        size_bytes: Some(size),
        concurrency: 1,
        contender: contender.to_owned(),
        unit: Unit::NanosecondsPerOperation,
        rounds: rounds.to_vec(),
        note: rounds.is_empty().then(|| "cannot seek".to_owned()),
    }
}

fn sample() -> Report {
    let mut report = Report::default();
    let mut measured = Vec::new();
    for (at, size) in [1 << 10, 128 << 10, 1 << 20].into_iter().enumerate() {
        let slower = 10_f64.powi(at as i32 + 1);
        measured.push(figure(
            "bridge",
            "hit",
            size,
            "forebay-memory, bridge",
            &[1000.0, 1100.0, 900.0],
        ));
        measured.push(figure(
            "bridge",
            "hit",
            size,
            "MemCache",
            &[1000.0 * slower, 1100.0 * slower, 900.0 * slower],
        ));
        measured.push(figure("bridge", "hit", size, "forebay-memory", &[400.0; 3]));
        measured.push(figure(
            "bridge",
            "hit",
            size,
            "pingora's types alone",
            &[500.0; 3],
        ));
        measured.push(figure(
            "bridge",
            "range",
            size,
            "forebay-memory, bridge",
            &[100.0],
        ));
        measured.push(figure("bridge", "range", size, "MemCache", &[]));
    }
    let cpu = Measurement {
        unit: Unit::CpuNanosecondsPerOperation,
        ..measured[1].clone()
    };
    measured.push(cpu);
    report.replace("bridge", measured, true);
    report
}

#[test]
fn a_row_has_ours_beside_a_peer_with_the_ratio_first() {
    let report = sample();
    let rows = rows::table(&report.areas["bridge"].figures);
    let row = rows
        .iter()
        .find(|row| row[1] == "1 KiB" && row[4] == "MemCache")
        .unwrap();
    let expected = [
        "hit",
        "1 KiB",
        "1",
        "forebay-memory, bridge",
        "MemCache",
        "10.0",
        "–",
        "1.00 µs ±5 %",
    ];
    assert_eq!(row[..8], expected);
}

#[test]
fn who_cannot_do_it_stands_in_the_table_with_the_reason() {
    let report = sample();
    let rows = rows::table(&report.areas["bridge"].figures);
    let row = rows
        .iter()
        .find(|row| row[0] == "range" && row[4] == "MemCache")
        .unwrap();
    assert_eq!(
        (row[5].as_str(), row[8].as_str(), row[9].as_str()),
        ("–", "cannot", "cannot seek")
    );
}

#[test]
fn the_short_table_has_a_column_for_each_size() {
    let matrix = rows::matrix(&sample().areas["bridge"].figures);
    assert_eq!(matrix[0][4..], ["1 KiB", "128 KiB", "1 MiB"]);
    let row = matrix
        .iter()
        .find(|row| row[0] == "hit" && row[3] == "MemCache")
        .unwrap();
    assert_eq!(row[4..], ["10.0", "100", "1000"]);
}

#[test]
fn the_short_table_leaves_out_who_cannot_do_it() {
    let matrix = rows::matrix(&sample().areas["bridge"].figures);
    assert!(matrix.iter().all(|row| row[0] != "range"), "{matrix:?}");
}

#[test]
fn the_readme_says_of_each_area_when_it_was_measured() {
    let mut report = sample();
    let policy = figure("policy", "hit", 1 << 10, "forebay-disk", &[1.0]);
    report.replace("policy", vec![policy], true);
    let section = markdown::section(&report, "docs/bench");
    for area in ["bridge", "policy"] {
        let line = section
            .lines()
            .find(|line| line.starts_with(&format!("- {area}: ")));
        assert!(line.is_some_and(|line| line.contains(" GMT")), "{section}");
    }
}

#[test]
fn goals_are_reached_missed_or_not_measured() {
    let report = sample();
    let table = goals::table(&report.figures());
    let of = |text: &str| {
        let row = table
            .iter()
            .find(|row| row[0].contains(text))
            .unwrap_or_else(|| panic!("no goal {text}"));
        (row[1].clone(), row[3].clone())
    };
    assert_eq!(of("hit of 1 KiB at least 4 times"), ("10.0".into(), "yes".into()));
    assert_eq!(
        of("bridge: at most 1.5 µs on a hit in memory"),
        ("600 ns".into(), "yes".into())
    );
    let bounded = table
        .iter()
        .find(|row| row[0].contains("hit of 1 KiB at least 4"));
    assert_eq!(bounded.unwrap()[4], "20.0");
    assert_eq!(of("never slower"), ("10.0".into(), "yes".into()));
    assert_eq!(of("range of 1 KiB"), ("–".into(), "not measured".into()));
    let of_other_areas = table.iter().any(|row| row[0].contains("forebay-proxy"));
    assert!(!of_other_areas, "{table:?}");
}

#[test]
fn a_goal_that_lies_among_the_rounds_is_barely_reached_or_missed() {
    let standing = |mem_cache: &[f64]| {
        let mut report = sample();
        let figures = [
            figure("bridge", "hit", 1 << 10, "forebay-memory, bridge", &[100.0; 5]),
            figure("bridge", "hit", 1 << 10, "MemCache", mem_cache),
        ];
        report.replace("bridge", figures.to_vec(), false);
        let table = goals::table(&report.figures());
        let row = table
            .into_iter()
            .find(|row| row[0].contains("hit of 1 KiB at least 4"));
        row.map(|row| row[1..4].join("; ")).expect("it is a goal")
    };
    let rounds = [380.0, 390.0, 410.0, 420.0, 430.0];
    assert_eq!(standing(&rounds), "4.10; 3.90 to 4.20; yes, barely");
    assert_eq!(standing(&rounds.map(|it| it - 20.0)), "3.90; 3.70 to 4.00; NO");
    assert_eq!(
        standing(&rounds.map(|it| it - 15.0)),
        "3.95; 3.75 to 4.05; NO, barely"
    );
    assert_eq!(standing(&rounds.map(|it| it + 20.0)), "4.30; 4.10 to 4.40; yes");
}

#[test]
fn a_report_is_written_read_back_and_put_into_a_readme() {
    let folder = tempfile::tempdir().unwrap();
    let (docs, readme) = (folder.path().join("docs/bench"), folder.path().join("README.md"));
    let mut report = sample();
    let to_the_last_digit = figure(
        "policy",
        "hit",
        1 << 10,
        "forebay-disk",
        &[1_008.581_063_152_308_5],
    );
    report.replace("policy", vec![to_the_last_digit], false);
    report.write(&docs).unwrap();
    let again = Report::load(&docs).unwrap();
    assert_eq!(again.terminal(), report.terminal());
    assert_eq!(again.figures(), report.figures());

    std::fs::write(&readme, format!("before\n{BEGIN}\nold\n{END}\nafter\n")).unwrap();
    report.put_into(&readme, &docs).unwrap();
    let text = std::fs::read_to_string(&readme).unwrap();
    assert!(text.starts_with("before\n") && text.ends_with("\nafter\n") && !text.contains("old"));
    assert!(text.contains("(docs/bench/bridge-hit.svg)"), "{text}");
    report.put_into(&readme, &docs).unwrap();
    assert_eq!(
        std::fs::read_to_string(&readme).unwrap(),
        text,
        "a second time changes nothing"
    );

    std::fs::write(&readme, "no markers").unwrap();
    assert!(
        report
            .put_into(&readme, &docs)
            .unwrap_err()
            .to_string()
            .contains(BEGIN)
    );
}

#[test]
fn plots_have_a_mark_for_every_figure_and_a_title() {
    let report = sample();
    let plots: BTreeMap<_, _> = plot::all(&report.figures()).into_iter().collect();
    let hits = &plots["bridge-hit.svg"];
    assert_eq!(hits.matches("<circle").count(), 12);
    assert_eq!(hits.matches("<polyline").count(), 4);
    assert!(plots["bridge-memory-ratios.svg"].contains(">1000×</text>"));
    assert!(
        plots
            .values()
            .all(|svg| svg.starts_with("<svg") && svg.contains("title") && !svg.contains("NaN"))
    );
}
