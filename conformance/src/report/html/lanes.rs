//! Lanes drawn: a column for each client, time downwards, and a box for each call from its first poll to its last.

use crate::outcome::{LaneCall, Lanes};
use crate::report::escape;
use std::collections::BTreeSet;
use std::fmt::Write;

pub(super) fn draw(out: &mut String, lanes: &Lanes) {
    let rows = Rows::of(lanes);
    // Writing to a String does not fail.
    let _ = write!(
        out,
        "<div class=\"lanes\" style=\"grid-template-columns: 2.5rem repeat({}, minmax(9rem, 1fr))\">",
        lanes.clients
    );
    if !lanes.before.is_empty() {
        let _ = write!(
            out,
            "<p style=\"grid-row: 1\"><b>before</b> {}</p>",
            escape(&lanes.before)
        );
    }
    out.push_str("<span class=\"head\" style=\"grid-area: 2 / 1\">poll</span>");
    for client in 1..=lanes.clients {
        let column = client + 1;
        let _ = write!(
            out,
            "<span class=\"head\" style=\"grid-area: 2 / {column}\">client {client}</span>\
             <i style=\"grid-area: 3 / {column} / {} / {column}\"></i>",
            rows.end()
        );
    }
    for poll in &rows.polls {
        let _ = write!(
            out,
            "<span class=\"poll\" style=\"grid-area: {} / 1\">{poll}</span>",
            rows.of_poll(*poll)
        );
    }
    for call in &lanes.calls {
        draw_call(out, &rows, call);
    }
    if !lanes.after.is_empty() {
        let _ = write!(
            out,
            "<p style=\"grid-row: {}\"><b>after</b> {}</p>",
            rows.end(),
            escape(&lanes.after)
        );
    }
    out.push_str("</div>");
}

fn draw_call(out: &mut String, rows: &Rows, call: &LaneCall) {
    let (text, result) = call.text.split_once(" -> ").unwrap_or((&call.text, ""));
    let class = match call.first_poll == call.last_poll {
        true => "call",
        false => "call long",
    };
    let _ = write!(
        out,
        "<div class=\"{class}\" style=\"grid-area: {} / {} / {} / {}\"><code>{}</code>",
        rows.of_poll(call.first_poll),
        call.client + 1,
        rows.of_poll(call.last_poll) + 1,
        call.client + 1,
        escape(text)
    );
    if !result.is_empty() {
        let _ = write!(out, "<code class=\"result\">→ {}</code>", escape(result));
    }
    out.push_str("</div>");
}

/// The polls at which a call begins or ends, each a row.
struct Rows {
    polls: Vec<usize>,
}

/// What was before, and the names of the clients.
const ROWS_BEFORE: usize = 3;

impl Rows {
    fn of(lanes: &Lanes) -> Self {
        let ends = |call: &LaneCall| [call.first_poll, call.last_poll];
        let polls: BTreeSet<_> = lanes.calls.iter().flat_map(ends).collect();
        Rows {
            polls: polls.into_iter().collect(),
        }
    }

    fn of_poll(&self, poll: usize) -> usize {
        ROWS_BEFORE + self.polls.partition_point(|other| *other < poll)
    }

    fn end(&self) -> usize {
        ROWS_BEFORE + self.polls.len()
    }
}
