//! Prints what was expected and seen as a table, line by line as it comes.

const NAME: usize = 26;
const CELL: usize = 42;

/// The heading of the columns.
pub fn heading() -> String {
    let rule = [
        "-".repeat(NAME),
        "-".repeat(CELL),
        "-".repeat(CELL),
        "-".repeat(15),
    ]
    .join("  ");
    format!(
        "{:NAME$}  {:CELL$}  {:CELL$}  verdict\n{rule}",
        "what", "expected", "seen"
    )
}

/// One line of the table, as many lines of text as its longest cell needs.
pub fn row(name: &str, expected: &str, seen: &str, verdict: &str) -> String {
    let (names, expected, seen) = (wrap(name, NAME), wrap(expected, CELL), wrap(seen, CELL));
    let lines = names.len().max(expected.len()).max(seen.len());
    let cell = |cells: &[String], line: usize| cells.get(line).cloned().unwrap_or_default();
    let text = (0..lines).map(|line| {
        let verdict = if line == 0 { verdict } else { "" };
        let (name, expected, seen) = (cell(&names, line), cell(&expected, line), cell(&seen, line));
        format!("{name:NAME$}  {expected:CELL$}  {seen:CELL$}  {verdict}")
            .trim_end()
            .to_owned()
    });
    text.collect::<Vec<_>>().join("\n")
}

/// Breaks `text` between words; a word that is longer than `width` stays whole.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_cells_go_on_below_and_the_verdict_stands_in_the_first_line() {
        let long = "word ".repeat(20);
        let row = row("name", &long, "short", "ok");
        let lines: Vec<_> = row.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(
            lines[0].starts_with("name ") && lines[0].ends_with("  ok"),
            "{row}"
        );
        assert!(
            lines[1].trim().starts_with("word") && lines[1].trim().ends_with("word"),
            "{row}"
        );
    }
}
