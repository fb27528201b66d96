//! Numbers and tables as text.

use crate::measurement::Unit;

/// A size as people say it.
pub fn size(bytes: u64) -> String {
    const STEPS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match STEPS.iter().find(|(step, _)| bytes >= *step) {
        Some((step, name)) if bytes.is_multiple_of(*step) => format!("{} {name}", bytes / step),
        Some((step, name)) => format!("{} {name}", significant(bytes as f64 / *step as f64)),
        None => format!("{bytes} B"),
    }
}

/// A value with its unit.
pub fn value(value: f64, unit: Unit) -> String {
    match unit {
        Unit::NanosecondsPerOperation
        | Unit::CpuNanosecondsPerOperation
        | Unit::NanosecondsAtMedian
        | Unit::NanosecondsAtPercentile99 => time(value),
        Unit::OperationsPerSecond => format!("{}/s", scaled(value)),
        Unit::BytesPerSecond => format!("{}B/s", scaled(value)),
        Unit::BytesPerEntry => format!("{value:.0} B"),
        Unit::HitRatio => format!("{:.1} %", value * 100.0),
        Unit::Bytes => size(value.max(0.0) as u64),
        Unit::Ratio => significant(value),
    }
}

/// A time in the unit that fits.
pub fn time(nanoseconds: f64) -> String {
    const STEPS: [(f64, &str); 3] = [(1e9, "s"), (1e6, "ms"), (1e3, "µs")];
    match STEPS.iter().find(|(step, _)| nanoseconds.abs() >= *step) {
        Some((step, name)) => format!("{} {name}", significant(nanoseconds / step)),
        None => format!("{} ns", significant(nanoseconds)),
    }
}

fn scaled(value: f64) -> String {
    const STEPS: [(f64, &str); 3] = [(1e9, " G"), (1e6, " M"), (1e3, " k")];
    match STEPS.iter().find(|(step, _)| value >= *step) {
        Some((step, name)) => format!("{}{name}", significant(value / step)),
        None => format!("{} ", significant(value)),
    }
}

/// Three digits that count, and no more behind the point than they need.
pub fn significant(value: f64) -> String {
    match value.abs() {
        v if v >= 99.95 => format!("{value:.0}"),
        v if v >= 9.995 => format!("{value:.1}"),
        v if v >= 0.0995 || v == 0.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// Rows under a head, in columns, for a terminal.
pub fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<_> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"));
        text += cells.collect::<Vec<_>>().join("  ").trim_end();
        text.push('\n');
    }
    text
}

/// Rows under a head as a Markdown table; numbers, from this column on, stand right.
pub fn markdown(rows: &[Vec<String>], numbers_from: usize) -> String {
    let Some(head) = rows.first() else {
        return String::new();
    };
    let line = |cells: &[String]| {
        let escaped: Vec<_> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
        format!("| {} |\n", escaped.join(" | "))
    };
    let rule: Vec<_> = (0..head.len())
        .map(|at| if at < numbers_from { "---" } else { "--:" })
        .collect();
    let rows: String = rows[1..].iter().map(|row| line(row)).collect();
    format!("{}|{}|\n{rows}", line(head), rule.join("|"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_said_with_three_digits_and_their_unit() {
        assert_eq!(time(17.96), "18.0 ns");
        assert_eq!(time(1234.0), "1.23 µs");
        assert_eq!(time(2.5e9), "2.50 s");
        assert_eq!(size(16 << 10), "16 KiB");
        assert_eq!(size(1_500_000), "1.43 MiB");
        assert_eq!(value(0.4567, Unit::HitRatio), "45.7 %");
        assert_eq!(value(1.5e9, Unit::BytesPerSecond), "1.50 GB/s");
        assert_eq!(significant(0.012), "0.012");
    }

    #[test]
    fn tables_have_columns() {
        let rows = [["a", "ratio"], ["long", "1 | 2"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(aligned(&rows), "a     ratio\nlong  1 | 2\n");
        assert_eq!(
            markdown(&rows, 1),
            "| a | ratio |\n|---|--:|\n| long | 1 \\| 2 |\n"
        );
    }
}
