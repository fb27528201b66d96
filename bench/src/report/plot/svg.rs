//! A drawing of lines, rectangles and words, readable on light and on dark pages.

use std::fmt::Write;

/// The look: an own background, so that no page's background matters, and colours for both schemes.
const STYLE: &str = "\
.page{fill:#fff}.ink{fill:#1f2328}.faint{fill:#59636e}.rule{stroke:#d1d9e0}.one{stroke:#59636e;stroke-dasharray:4 3}\
.c0{--c:#0969da}.c1{--c:#1a7f37}.c2{--c:#bc4c00}.c3{--c:#8250df}.c4{--c:#bf3989}.c5{--c:#7d4e00}.c6{--c:#57606a}\
.c7{--c:#0a7b83}.c8{--c:#cf222e}\
@media(prefers-color-scheme:dark){.page{fill:#0d1117}.ink{fill:#f0f6fc}.faint{fill:#9198a1}.rule{stroke:#3d444d}\
.one{stroke:#9198a1}.c0{--c:#58a6ff}.c1{--c:#3fb950}.c2{--c:#f0883e}.c3{--c:#bc8cff}.c4{--c:#f778ba}.c5{--c:#d29922}\
.c6{--c:#8b949e}.c7{--c:#39c5cf}.c8{--c:#ff7b72}}\
.fill{fill:var(--c)}.line{stroke:var(--c);fill:none}\
text{font:13px system-ui,-apple-system,'Segoe UI',sans-serif}.title{font-size:15px;font-weight:600}.bold{font-weight:600}";

/// How many colours there are besides the first, which is ours.
pub(super) const COLOURS: usize = 9;

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
             height=\"{height}\" role=\"img\">\n<style>{STYLE}</style>\n\
             <rect class=\"page\" width=\"{width}\" height=\"{height}\" rx=\"6\"/>\n{content}</svg>\n"
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
