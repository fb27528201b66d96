//! The report as Markdown: a page of its own, and a section of the README.

use super::{Report, goals, plot, rows, words};
use std::collections::BTreeSet;

/// Everything: plots, goals, tables.
pub(super) fn page(report: &Report) -> String {
    let mut text = "# Measured side by side\n\nWritten by `cargo xtask bench`. A ratio says how many times better ours is: \
        above 1, it takes less time or memory, or does more. Before each comparison, memory that is free is filled with page cache, as \
        on a machine that has been up for a while (but for quick runs); files of what was measured before are emptied, and removed at the end \
        only. What is written in Rust is built as one piece (LTO), the peers too. \
        forebay-proxy on disk is measured as it comes, with 64 MiB of memory for copies of what is hot, and hits also without (\"no copies in \
        memory\"); Traffic Server and Squid have as much memory beside as the store may hold.\n"
        .to_owned();
    text += &plots(report, "");
    text += "\n## Goals\n\nWhere a goal lies within the middle half of the rounds, it is reached or missed *barely*: another run may say the \
        opposite. *At best*: what it would be with the least work that there can be in place of ours: no storage behind \
        pingora's trait (its own types alone), a verified read and nothing else behind forebay's, a storage that takes fills and keeps nothing, one \
        that has one response and gives it to all.\n\n";
    text += &words::markdown(&goals::table(&report.figures()), 1);
    for (name, area) in &report.areas {
        text += &format!(
            "\n## {name}\n\n{}{}. {}.\n\n",
            area.machine,
            area.remark(),
            area.machine.peers()
        );
        text += &words::markdown(&rows::table(&area.figures), 5);
    }
    text
}

/// What the README shows: the plots, and the ratios by size.
pub(super) fn section(report: &Report, folder: &str) -> String {
    let mut text = plots(report, &format!("{folder}/"));
    for (name, area) in &report.areas {
        let matrix = rows::matrix(&area.figures);
        if matrix.len() > 1 {
            text += &format!("\n<details><summary>{name}: how many times faster</summary>\n\n");
            text += &words::markdown(&matrix, 4);
            text += "\n</details>\n";
        }
    }
    text += "\nMeasured on:\n\n";
    for (name, area) in &report.areas {
        text += &format!("- {name}: {}{}\n", area.machine, area.remark());
    }
    let versions: BTreeSet<_> = report.areas.values().map(|area| area.machine.peers()).collect();
    for versions in versions {
        text += &format!("\nWith {versions}.\n");
    }
    text
}

fn plots(report: &Report, prefix: &str) -> String {
    let plots = plot::all(&report.figures());
    let images = plots.iter().map(|(name, _)| {
        let title = name.trim_end_matches(".svg").replace('-', " ");
        format!("\n![{title}]({prefix}{name})\n")
    });
    images.collect()
}
