//! A plot of horizontal bars in groups.

use super::svg::{Anchor, Svg};
use crate::report::words;

/// One bar.
#[derive(Debug, Clone)]
pub(super) struct Bar {
    pub(super) group: String,
    pub(super) label: String,
    pub(super) value: f64,
    pub(super) is_ours: bool,
}

/// How a value becomes a length.
#[derive(Debug)]
pub(super) enum Scale {
    /// Logarithmic to both sides of 1: faster to the right, slower to the left.
    Ratio,
    /// From nothing to all.
    Share,
}

const WIDTH: f64 = 760.0;
const LEFT: f64 = 230.0;
const RIGHT: f64 = WIDTH - 80.0;
const TOP: f64 = 48.0;
const STEP: f64 = 20.0;
const GAP: f64 = 10.0;

pub(super) fn draw(title: &str, bars: &[Bar], scale: &Scale) -> String {
    let groups = bars.chunk_by(|a, b| a.group == b.group).count();
    let bottom = TOP + bars.len() as f64 * STEP + groups as f64 * GAP;
    let mut svg = Svg::new(WIDTH, bottom + 34.0, title);
    let axis = Axis::new(bars, scale);
    for (value, label) in axis.ticks() {
        let x = axis.x(value);
        let is_origin = value == axis.origin;
        svg.rule(
            (x, TOP - 6.0),
            (x, bottom),
            if is_origin { "one" } else { "rule" },
        );
        svg.text(x, bottom + 18.0, &label, "faint", Anchor::Middle);
    }
    let mut y = TOP;
    for group in bars.chunk_by(|a, b| a.group == b.group) {
        svg.text(16.0, y + 14.0, &group[0].group, "ink bold", Anchor::Start);
        for bar in group {
            draw_bar(&mut svg, &axis, bar, y);
            y += STEP;
        }
        y += GAP;
    }
    svg.finish()
}

fn draw_bar(svg: &mut Svg, axis: &Axis<'_>, bar: &Bar, y: f64) {
    svg.text(LEFT - 10.0, y + 14.0, &bar.label, "faint", Anchor::End);
    let (from, to) = (axis.x(axis.origin), axis.x(bar.value));
    let is_worse = bar.value < axis.origin;
    let colour = match (is_worse, bar.is_ours) {
        (true, _) => "f8",
        (false, true) => "f0",
        (false, false) => "f6",
    };
    svg.bar(
        from.min(to),
        y + 3.0,
        (to - from).abs().max(1.0),
        STEP - 6.0,
        colour,
    );
    let text = match axis.scale {
        Scale::Ratio => format!("{}×", words::significant(bar.value)),
        Scale::Share => format!("{:.1} %", bar.value * 100.0),
    };
    svg.text(to.max(from) + 6.0, y + 14.0, &text, "ink", Anchor::Start);
}

struct Axis<'a> {
    scale: &'a Scale,
    origin: f64,
    least: f64,
    most: f64,
}

impl<'a> Axis<'a> {
    fn new(bars: &[Bar], scale: &'a Scale) -> Self {
        let values = || bars.iter().map(|bar| bar.value).filter(|value| *value > 0.0);
        let (least, most, origin) = match scale {
            Scale::Ratio => (values().fold(1.0, f64::min), values().fold(10.0, f64::max), 1.0),
            Scale::Share => (0.0, 1.0, 0.0),
        };
        Axis {
            scale,
            origin,
            least,
            most,
        }
    }

    fn x(&self, value: f64) -> f64 {
        let share = match self.scale {
            Scale::Share => value / self.most,
            Scale::Ratio => (value.max(self.least) / self.least).ln() / (self.most / self.least).ln(),
        };
        LEFT + share.clamp(0.0, 1.0) * (RIGHT - LEFT)
    }

    fn ticks(&self) -> Vec<(f64, String)> {
        match self.scale {
            Scale::Share => (0..=5)
                .map(|fifth| (f64::from(fifth) / 5.0, format!("{} %", fifth * 20)))
                .collect(),
            Scale::Ratio => {
                let powers = (-4..=6).map(|power| 10_f64.powi(power));
                let within = powers.filter(|tick| (self.least..=self.most).contains(tick));
                within.map(|tick| (tick, format!("{tick}×"))).collect()
            }
        }
    }
}
