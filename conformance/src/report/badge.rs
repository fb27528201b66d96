//! Reports as a badge: a small SVG picture for a README.

use super::{Report, escape};
use std::fmt::Write;

/// How wide a letter of the badge's font is on average, in hundredths of a pixel; `textLength` makes the text fit.
const LETTER_HUNDREDTHS: usize = 660;
const PADDING: usize = 10;
const GREEN: &str = "#2e7d32";
const RED: &str = "#b3261e";

/// `conformance | 67/67 disk · 62/62 memory`: the rules that hold, of those that concern a backend and have a check.
///
/// Green where all of them hold, else red. A known failure is one that does not hold.
pub fn badge(reports: &[Report]) -> String {
    let scores = reports.iter().map(|report| {
        let (passed, checked) = report.score(None);
        (passed, checked, &report.backend)
    });
    let holds = !reports.is_empty()
        && scores
            .clone()
            .all(|(passed, checked, _)| 0 < checked && passed == checked);
    let texts: Vec<_> = scores
        .map(|(passed, checked, backend)| format!("{passed}/{checked} {backend}"))
        .collect();
    svg("conformance", &texts.join(" · "), if holds { GREEN } else { RED })
}

fn svg(label: &str, message: &str, colour: &str) -> String {
    let width = |text: &str| text.chars().count() * LETTER_HUNDREDTHS / 100;
    let (label_px, message_px) = (width(label), width(message));
    let (left, right) = (label_px + 2 * PADDING, message_px + 2 * PADDING);
    let (label, message) = (escape(label), escape(message));
    let mut out = String::new();
    // Writing to a String does not fail.
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{whole}\" height=\"20\" role=\"img\" \
         aria-label=\"{label}: {message}\">\n\
         <title>{label}: {message}</title>\n\
         <clipPath id=\"round\"><rect width=\"{whole}\" height=\"20\" rx=\"3\"/></clipPath>\n\
         <g clip-path=\"url(#round)\">\n\
         <rect width=\"{left}\" height=\"20\" fill=\"#444\"/>\n\
         <rect x=\"{left}\" width=\"{right}\" height=\"20\" fill=\"{colour}\"/>\n\
         </g>\n\
         <g fill=\"#fff\" font-family=\"Verdana,DejaVu Sans,sans-serif\" font-size=\"11\">\n\
         <text x=\"{PADDING}\" y=\"14\" textLength=\"{label_px}\">{label}</text>\n\
         <text x=\"{message_x}\" y=\"14\" textLength=\"{message_px}\">{message}</text>\n\
         </g>\n\
         </svg>\n",
        whole = left + right,
        message_x = left + PADDING,
    );
    out
}
