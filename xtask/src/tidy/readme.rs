//! The README's table of backends has the form of today's rules and backends; what it says is the suite's to find out.

use super::read;
use crate::conformance::{BACKENDS, BADGE, BADGE_OF, published_names};
use toml::{Table, Value};

const BEGIN: &str = "<!-- conformance table: begin -->";
const END: &str = "<!-- conformance table: end -->";
const REMEDY: &str = "run `cargo xtask conformance --readme`";

pub(super) fn check(found: &mut Vec<String>) {
    let readme = read("README.md");
    let block = readme
        .split_once(BEGIN)
        .and_then(|(_, rest)| rest.split_once(END))
        .map(|(block, _)| block);
    match block {
        Some(block) => {
            found.extend(wrong(block).map(|what| format!("README.md: {what}: {REMEDY}")));
            let says = badge_of(block);
            if !read(BADGE).contains(&says) {
                found.push(format!("{BADGE}: does not say {says:?}: {REMEDY}"));
            }
        }
        None => found.push(format!("README.md: without the lines {BEGIN} and {END}")),
    }
}

/// The first thing that is not as it should be.
fn wrong(block: &str) -> Option<String> {
    let mut rows = block.lines().filter(|line| line.starts_with('|')).map(|line| {
        let cells = line.trim_matches('|').split('|').map(str::trim);
        cells.collect::<Vec<_>>()
    });
    let ours = BACKENDS.iter().map(|(name, _)| *name);
    let backends: Vec<_> = ours.chain(published_names()).collect();
    let head = rows.next().unwrap_or_default();
    if head.get(1..) != Some(&backends[..]) {
        return Some(format!("the table's backends are not {}", backends.join(", ")));
    }
    let areas = areas();
    // The line below the head, and the sum at the end.
    let rows: Vec<_> = rows.skip(1).collect();
    if rows.len() != areas.len() + 1 {
        return Some(format!(
            "the table has not one row for each of {} areas",
            areas.len()
        ));
    }
    let too_many = rows.iter().zip(&areas).find(|(row, (_, rules))| {
        row[1..].iter().any(|cell| match cell.split_once('/') {
            Some((passed, checked)) => {
                let number = |text: &str| text.parse::<usize>().unwrap_or(usize::MAX);
                number(passed) > number(checked) || number(checked) > *rules
            }
            None => *cell != "–",
        })
    });
    if let Some((row, (area, rules))) = too_many {
        return Some(format!("{row:?} does not fit the area {area} of {rules} rules"));
    }
    let spec = read("conformance/SPEC.md").to_lowercase();
    let links = block.split("conformance/SPEC.md#").skip(1);
    let mut ids = links.filter_map(|link| link.split(')').next()).skip(areas.len());
    ids.find(|id| !spec.contains(&format!("### {id}\n")))
        .map(|id| format!("there is no rule {id}"))
}

/// What the badge has to say by the table's last row.
fn badge_of(block: &str) -> String {
    let sums = block.lines().find(|line| line.starts_with("| **all** |"));
    let cells: Vec<_> = sums
        .unwrap_or_default()
        .split('|')
        .skip(2)
        .map(str::trim)
        .collect();
    let score = |name: &str| {
        let place = BACKENDS.iter().position(|(backend, _)| *backend == name);
        place
            .and_then(|place| cells.get(place))
            .copied()
            .unwrap_or_default()
    };
    let said: Vec<_> = BADGE_OF
        .split(',')
        .map(|name| format!("{} {name}", score(name)))
        .collect();
    said.join(" · ")
}

/// The areas in their order, with the number of their rules.
fn areas() -> Vec<(String, usize)> {
    let rules = read("conformance/rules.toml")
        .parse::<Table>()
        .unwrap_or_default();
    let mut areas: Vec<(String, usize)> = Vec::new();
    for rule in rules.get("rule").and_then(Value::as_array).into_iter().flatten() {
        let area = rule.get("area").and_then(Value::as_str).unwrap_or_default();
        match areas.iter_mut().find(|(name, _)| name == area) {
            Some((_, count)) => *count += 1,
            None => areas.push((area.to_owned(), 1)),
        }
    }
    areas
}
