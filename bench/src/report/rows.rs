//! Ours beside each peer, row by row.

use super::figure::Figure;
use super::words;
use crate::measurement::Unit;
use crate::stats;

/// The whole table of an area: ratios first, then medians with their spread.
pub fn table(figures: &[Figure]) -> Vec<Vec<String>> {
    let head = [
        "operation",
        "size",
        "at a time",
        "ours",
        "beside",
        "times better",
        "CPU",
        "ours takes",
        "beside takes",
        "note",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    // CPU time has a column of its own beside the wall time.
    let is_main =
        |figure: &&Figure| figure.unit != Unit::CpuNanosecondsPerOperation || !has_wall(figures, figure);
    for ours in figures.iter().filter(|figure| figure.is_ours()).filter(is_main) {
        let mut others = figures.iter().filter(|other| ours.faces(other)).peekable();
        if others.peek().is_none() {
            rows.push(row(figures, ours, None));
        }
        rows.extend(others.map(|other| row(figures, ours, Some(other))));
    }
    rows
}

fn has_wall(figures: &[Figure], cpu: &Figure) -> bool {
    let wall = Figure {
        unit: Unit::NanosecondsPerOperation,
        ..cpu.clone()
    };
    figures
        .iter()
        .any(|figure| figure.contender == wall.contender && figure.is_same_work(&wall))
}

fn row(figures: &[Figure], ours: &Figure, other: Option<&Figure>) -> Vec<String> {
    let times = |ratio: Option<f64>| ratio.map_or("–".to_owned(), words::significant);
    let cpu = |figure: &Figure| {
        let wanted = Figure {
            unit: Unit::CpuNanosecondsPerOperation,
            ..figure.clone()
        };
        figures
            .iter()
            .find(|f| f.contender == wanted.contender && f.is_same_work(&wanted))
    };
    let cpu_ratio = other.and_then(|other| cpu(ours)?.advantage(cpu(other)?));
    let note = match other {
        Some(other) => other.note.clone(),
        None => ours.note.clone(),
    };
    vec![
        ours.operation.clone(),
        ours.size_bytes.map_or(String::new(), words::size),
        ours.concurrency.to_string(),
        ours.contender.clone(),
        other.map_or(String::new(), |other| other.contender.clone()),
        times(other.and_then(|other| ours.advantage(other))),
        times(cpu_ratio),
        taken(ours),
        other.map_or(String::new(), taken),
        note.unwrap_or_default(),
    ]
}

/// Median and spread.
fn taken(figure: &Figure) -> String {
    match (figure.median(), stats::spread(&figure.rounds)) {
        (Some(median), Some(spread)) if figure.rounds.len() > 1 => {
            format!("{} ±{:.0} %", words::value(median, figure.unit), spread * 100.0)
        }
        (Some(median), _) => words::value(median, figure.unit),
        (None, _) => "cannot".to_owned(),
    }
}

/// The short table: ratios alone, a column for each size. Rows without any are left out.
pub fn matrix(figures: &[Figure]) -> Vec<Vec<String>> {
    let mut sizes: Vec<u64> = figures.iter().filter_map(|figure| figure.size_bytes).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let head = ["operation", "at a time", "ours", "beside"].map(str::to_owned);
    let mut rows = vec![
        [
            head.to_vec(),
            sizes.iter().map(|size| words::size(*size)).collect(),
        ]
        .concat(),
    ];
    let wall = |figure: &&Figure| figure.unit == Unit::NanosecondsPerOperation && figure.size_bytes.is_some();
    for ours in figures.iter().filter(|figure| figure.is_ours()).filter(wall) {
        for other in figures.iter().filter(|other| ours.faces(other)) {
            let Some(ratio) = ours.advantage(other) else {
                continue;
            };
            let name = [
                &ours.operation,
                &ours.concurrency.to_string(),
                &ours.contender,
                &other.contender,
            ];
            let name = name.map(String::clone);
            let at = rows.iter().position(|row| row[..4] == name).unwrap_or_else(|| {
                rows.push([name.to_vec(), vec!["–".to_owned(); sizes.len()]].concat());
                rows.len() - 1
            });
            let column = sizes.iter().position(|size| Some(*size) == ours.size_bytes);
            if let Some(column) = column {
                rows[at][4 + column] = words::significant(ratio);
            }
        }
    }
    rows
}
