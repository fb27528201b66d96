//! A case that failed, drawn: one column for each client, in time order.

use crate::outcome::{LaneCall, Lanes};
use std::fmt::Write;

/// One poll of one lane, and what it did. Lane 0 is the suite, before and after the clients.
#[derive(Default)]
pub(super) struct Row {
    pub(super) lane: usize,
    pub(super) text: String,
    /// It goes on with a call that was pending.
    pub(super) resumes: bool,
    /// It leaves a call pending.
    pub(super) pends: bool,
}

impl Row {
    fn line(&self) -> String {
        let (text, resumes) = (&self.text, self.resumes);
        match self.pends && !resumes {
            true => format!("{text} …"),
            false if resumes => format!("… {}", text.trim_start()),
            false => text.clone(),
        }
    }

    fn did_nothing(&self) -> bool {
        self.text.is_empty() && !self.resumes
    }
}

const WIDTH_MAX: usize = 44;

pub(super) fn name(lane: usize) -> String {
    match lane {
        0 => "the suite".to_owned(),
        client => format!("client {client}"),
    }
}

fn clients(rows: &[Row]) -> usize {
    rows.iter().map(|row| row.lane).max().unwrap_or(0)
}

/// What the suite did in these rows.
fn of_the_suite(rows: &[Row]) -> String {
    let rows = rows.iter().filter(|row| row.lane == 0 && !row.did_nothing());
    rows.map(Row::line).collect::<Vec<_>>().join("; ")
}

/// The rows before the clients, and those after them.
fn before_and_after(rows: &[Row]) -> (String, String) {
    let is_client = |row: &Row| row.lane != 0;
    match rows.iter().position(is_client) {
        Some(first) => (of_the_suite(&rows[..first]), of_the_suite(&rows[first..])),
        None => (of_the_suite(rows), String::new()),
    }
}

/// The calls of each client, from their first polls to their last.
pub(super) fn calls(rows: &[Row]) -> Lanes {
    let (before, after) = before_and_after(rows);
    let mut calls: Vec<LaneCall> = Vec::new();
    for (poll, row) in (1..).zip(rows).filter(|(_, row)| row.lane != 0) {
        let open = calls.iter_mut().rev().find(|call| call.client == row.lane);
        match open {
            Some(call) if row.resumes => {
                call.last_poll = poll;
                call.text.push_str(&row.text);
            }
            _ if row.did_nothing() => {}
            _ => calls.push(LaneCall {
                client: row.lane,
                first_poll: poll,
                last_poll: poll,
                text: row.text.clone(),
            }),
        }
    }
    Lanes {
        before,
        clients: clients(rows),
        calls,
        after,
    }
}

/// The lines; polls that did nothing are left out.
pub(super) fn draw(rows: &[Row]) -> Vec<String> {
    let clients = clients(rows);
    let width = |lane: usize| {
        let texts = rows.iter().filter(|row| row.lane == lane);
        let longest = texts.map(|row| row.line().chars().count()).max().unwrap_or(0);
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
    let (before, after) = before_and_after(rows);
    let mut lines = Vec::new();
    if !before.is_empty() {
        lines.push(format!("     before: {before}"));
    }
    if clients > 0 {
        lines.push(line("poll", &name));
    }
    let polls = (1..)
        .zip(rows)
        .filter(|(_, row)| row.lane != 0 && !row.did_nothing());
    lines.extend(polls.map(|(poll, row)| {
        line(&format!("{poll}"), &|lane| match lane == row.lane {
            true => row.line(),
            false => String::new(),
        })
    }));
    if !after.is_empty() {
        lines.push(format!("     after: {after}"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> [Row; 6] {
        let row = |lane, text: &str, resumes, pends| Row {
            lane,
            text: text.to_owned(),
            resumes,
            pends,
        };
        [
            row(0, "put", false, false),
            row(1, "purge(k0)", false, true),
            row(2, "lookup(k0) -> None", false, false),
            row(1, "", false, false),
            row(1, " -> true", true, false),
            row(0, "lookup", false, false),
        ]
    }

    #[test]
    fn each_client_has_a_column_and_each_poll_a_line() {
        let expected = "\
            \x20    before: put\n\
            poll | client 1    | client 2\n\
            \x20  2 | purge(k0) … |\n\
            \x20  3 |             | lookup(k0) -> None\n\
            \x20  5 | … -> true   |\n\
            \x20    after: lookup";
        assert_eq!(draw(&rows()).join("\n"), expected);
    }

    #[test]
    fn a_call_lasts_from_its_first_poll_to_its_last() {
        let lanes = calls(&rows());
        let told: Vec<_> = lanes
            .calls
            .iter()
            .map(|call| (call.client, call.first_poll, call.last_poll, call.text.as_str()))
            .collect();
        assert_eq!(
            told,
            [(1, 2, 5, "purge(k0) -> true"), (2, 3, 3, "lookup(k0) -> None")]
        );
        assert_eq!((lanes.before.as_str(), lanes.after.as_str()), ("put", "lookup"));
    }
}
