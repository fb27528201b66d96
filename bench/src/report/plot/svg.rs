//! A drawing of lines, rectangles and words, readable on light and on dark pages.

use std::fmt::Write;

/// The look: a background of its own, so that no page's background matters, in the scheme that the reader has.
const SHAPES: &str = "text{font:13px system-ui,-apple-system,'Segoe UI',sans-serif}\
.title{font-size:15px;font-weight:600}.bold{font-weight:600}.line{fill:none}.one{stroke-dasharray:4 3}";
const LIGHT: [&str; 4] = ["#ffffff", "#1f2328", "#59636e", "#d1d9e0"];
const DARK: [&str; 4] = ["#0d1117", "#f0f6fc", "#9198a1", "#3d444d"];

/// Colours of contenders, each for light and for dark; the first is ours; of a bar, the last says that ours is behind.
const COLOURS: [(&str, &str); 9] = [
    ("#0969da", "#58a6ff"),
    ("#1a7f37", "#3fb950"),
    ("#bc4c00", "#f0883e"),
    ("#8250df", "#bc8cff"),
    ("#bf3989", "#f778ba"),
    ("#7d4e00", "#d29922"),
    ("#57606a", "#8b949e"),
    ("#0a7b83", "#39c5cf"),
    ("#cf222e", "#ff7b72"),
];

/// How many colours there are for others than ours.
pub(super) const OTHERS: usize = COLOURS.len() - 1;

fn style() -> String {
    let dark = scheme(DARK, |(_, dark)| dark);
    let light = scheme(LIGHT, |(light, _)| light);
    format!("{SHAPES}{light}@media(prefers-color-scheme:dark){{{dark}}}")
}

fn scheme(
    [page, ink, faint, rule]: [&str; 4],
    of: fn((&'static str, &'static str)) -> &'static str,
) -> String {
    let page = format!(
        ".page{{fill:{page}}}.ink{{fill:{ink}}}.faint{{fill:{faint}}}.rule{{stroke:{rule}}}.one{{stroke:{faint}}}"
    );
    let colours = COLOURS.into_iter().map(of).enumerate();
    let classes = colours.map(|(at, colour)| format!(".f{at}{{fill:{colour}}}.l{at}{{stroke:{colour}}}"));
    page + &classes.collect::<String>()
}

/// Where a text stands to its point.
#[derive(Debug, Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// A drawing that grows.
#[derive(Debug)]
pub(super) struct Svg {
    width: f64,
    height: f64,
    content: String,
}

impl Svg {
    pub(super) fn new(width: f64, height: f64, title: &str) -> Self {
        let mut svg = Svg {
            width,
            height,
            content: String::new(),
        };
        svg.text(16.0, 26.0, title, "ink title", Anchor::Start);
        svg
    }

    pub(super) fn text(&mut self, x: f64, y: f64, text: &str, class: &str, anchor: Anchor) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = escaped(text);
        self.push(format_args!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" class=\"{class}\" text-anchor=\"{anchor}\">{text}</text>"
        ));
    }

    pub(super) fn rule(&mut self, from: (f64, f64), to: (f64, f64), class: &str) {
        self.push(format_args!(
            "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" class=\"{class}\"/>",
            from.0, from.1, to.0, to.1
        ));
    }

    pub(super) fn bar(&mut self, x: f64, y: f64, width: f64, height: f64, class: &str) {
        self.push(format_args!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"2\" class=\"{class}\"/>"
        ));
    }

    pub(super) fn dot(&mut self, (x, y): (f64, f64), class: &str) {
        self.push(format_args!(
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" class=\"{class}\"/>"
        ));
    }

    pub(super) fn path(&mut self, points: &[(f64, f64)], class: &str, width: f64) {
        let points: Vec<_> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        self.push(format_args!(
            "<polyline points=\"{}\" class=\"{class}\" stroke-width=\"{width}\" stroke-linejoin=\"round\"/>",
            points.join(" ")
        ));
    }

    pub(super) fn finish(self) -> String {
        let Svg {
            width,
            height,
            content,
        } = self;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
             height=\"{height}\" role=\"img\">\n<style>{}</style>\n\
             <rect class=\"page\" width=\"{width}\" height=\"{height}\" rx=\"6\"/>\n{content}</svg>\n",
            style()
        )
    }

    fn push(&mut self, element: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.content, "{element}");
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
