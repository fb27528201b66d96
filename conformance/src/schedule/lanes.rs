//! A case that failed, drawn: one column for each client, one line for each poll, in time order.

use std::fmt::Write;

/// One poll of one lane, and what it did. Lane 0 is the suite, before and after the clients.
pub(super) struct Row {
    pub(super) lane: usize,
    pub(super) text: String,
}

const WIDTH_MAX: usize = 44;

pub(super) fn name(lane: usize) -> String {
    match lane {
        0 => "the suite".to_owned(),
        client => format!("client {client}"),
    }
}

/// The lines; polls that did nothing are left out.
pub(super) fn draw(rows: &[Row]) -> Vec<String> {
    let clients = rows.iter().map(|row| row.lane).max().unwrap_or(0);
    let width = |lane: usize| {
        let texts = rows.iter().filter(|row| row.lane == lane);
        let longest = texts.map(|row| row.text.chars().count()).max().unwrap_or(0);
        longest.clamp(name(lane).len(), WIDTH_MAX)
    };
    let widths: Vec<_> = (1..=clients).map(width).collect();
    let line = |poll: &str, cells: &dyn Fn(usize) -> String| {
        let mut line = format!("{poll:>4}");
        for (index, width) in widths.iter().enumerate() {
            // Writing to a String does not fail.
            let _ = write!(line, " | {:<width$}", cells(index + 1));
        }
        line.trim_end().to_owned()
    };
    let mut lines = vec![line("poll", &name)];
    let mut suite = String::new();
    for (index, row) in rows.iter().enumerate().filter(|(_, row)| !row.text.is_empty()) {
        if row.lane == 0 {
            suite.push_str(if suite.is_empty() { "" } else { "; " });
            suite.push_str(&row.text);
            continue;
        }
        if !suite.is_empty() {
            let before = format!("     before: {}", std::mem::take(&mut suite));
            lines.insert(0, before);
        }
        lines.push(line(&(index + 1).to_string(), &|lane| match lane == row.lane {
            true => row.text.clone(),
            false => String::new(),
        }));
    }
    if !suite.is_empty() {
        lines.push(format!("     after: {suite}"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_has_a_column_and_each_poll_a_line() {
        let rows = [
            (0, "put"),
            (1, "purge(k0) …"),
            (2, "lookup(k0) -> None"),
            (1, ""),
            (1, "… -> true"),
            (0, "lookup"),
        ]
        .map(|(lane, text)| Row {
            lane,
            text: text.to_owned(),
        });
        let expected = "\
            \x20    before: put\n\
            poll | client 1    | client 2\n\
            \x20  2 | purge(k0) … |\n\
            \x20  3 |             | lookup(k0) -> None\n\
            \x20  5 | … -> true   |\n\
            \x20    after: lookup";
        assert_eq!(draw(&rows).join("\n"), expected);
    }
}
