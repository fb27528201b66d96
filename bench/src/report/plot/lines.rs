//! A plot of lines over the size of the object, both axes logarithmic.

use super::svg::{Anchor, OTHERS, Svg};
use crate::report::words;

/// One contender.
#[derive(Debug, Clone)]
pub(super) struct Series {
    pub(super) name: String,
    pub(super) is_ours: bool,
    /// Size in bytes, time in nanoseconds.
    pub(super) points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 72.0;
const RIGHT: f64 = WIDTH - 190.0;
const TOP: f64 = 56.0;
const BOTTOM: f64 = HEIGHT - 40.0;
const LABEL_STEP: f64 = 16.0;

pub(super) fn draw(title: &str, series: &[Series]) -> String {
    let points = || series.iter().flat_map(|series| &series.points);
    let sizes = Axis::over(points().map(|point| point.0), LEFT, RIGHT);
    let times = Axis::over(points().map(|point| point.1), BOTTOM, TOP);
    let mut svg = Svg::new(WIDTH, HEIGHT, title);
    svg.text(
        16.0,
        44.0,
        "time per operation; less is better",
        "faint",
        Anchor::Start,
    );
    grid(&mut svg, points().map(|point| point.0), &sizes, &times);
    let mut labels = Vec::new();
    let mut others = 0;
    for series in series {
        let is_first_of_ours = series.is_ours && !labels.iter().any(|(_, _, colour, _)| *colour == 0);
        let of_line = if is_first_of_ours { 0 } else { 1 + others % OTHERS };
        others += usize::from(!is_first_of_ours);
        let at: Vec<_> = series
            .points
            .iter()
            .map(|(x, y)| (sizes.at(*x), times.at(*y)))
            .collect();
        let width = if series.is_ours { 3.0 } else { 1.5 };
        svg.path(&at, &format!("l{of_line} line"), width);
        at.iter()
            .for_each(|point| svg.dot(*point, &format!("f{of_line}")));
        if let Some((_, y)) = at.last() {
            labels.push((*y, series.name.clone(), of_line, series.is_ours));
        }
    }
    name(&mut svg, labels);
    svg.finish()
}

fn grid(svg: &mut Svg, sizes_present: impl Iterator<Item = f64>, sizes: &Axis, times: &Axis) {
    let mut present: Vec<_> = sizes_present.collect();
    present.sort_by(f64::total_cmp);
    present.dedup();
    for size in present {
        let x = sizes.at(size);
        svg.rule((x, TOP), (x, BOTTOM), "rule");
        svg.text(
            x,
            BOTTOM + 20.0,
            &words::size(size as u64),
            "faint",
            Anchor::Middle,
        );
    }
    for power in 0..=12 {
        let time = 10_f64.powi(power);
        if times.contains(time) {
            let y = times.at(time);
            svg.rule((LEFT, y), (RIGHT, y), "rule");
            svg.text(LEFT - 8.0, y + 4.0, &round_time(time), "faint", Anchor::End);
        }
    }
}

/// A power of ten, without digits that say nothing.
fn round_time(nanoseconds: f64) -> String {
    words::time(nanoseconds)
        .replacen(".00", "", 1)
        .replacen(".0", "", 1)
}

/// Names at the ends of the lines, moved apart where they would overlap.
fn name(svg: &mut Svg, mut labels: Vec<(f64, String, usize, bool)>) {
    labels.sort_by(|a, b| a.0.total_cmp(&b.0));
    for at in 1..labels.len() {
        labels[at].0 = labels[at].0.max(labels[at - 1].0 + LABEL_STEP);
    }
    // What was pushed out at the bottom goes up again.
    let mut lowest = BOTTOM + 4.0;
    for label in labels.iter_mut().rev() {
        label.0 = label.0.min(lowest);
        lowest = label.0 - LABEL_STEP;
    }
    for (y, name, colour, is_ours) in labels {
        let weight = if is_ours { " bold" } else { "" };
        svg.text(
            RIGHT + 12.0,
            y + 4.0,
            &name,
            &format!("f{colour}{weight}"),
            Anchor::Start,
        );
    }
}

struct Axis {
    least: f64,
    most: f64,
    from: f64,
    to: f64,
}

impl Axis {
    fn over(values: impl Iterator<Item = f64>, from: f64, to: f64) -> Self {
        let positive = values.filter(|value| *value > 0.0);
        let (least, most) = positive.fold((f64::MAX, f64::MIN), |(a, b), v| (a.min(v), b.max(v)));
        Axis {
            least,
            most: most.max(least * 2.0),
            from,
            to,
        }
    }

    fn contains(&self, value: f64) -> bool {
        (self.least..=self.most).contains(&value)
    }

    fn at(&self, value: f64) -> f64 {
        let share = (value / self.least).ln() / (self.most / self.least).ln();
        self.from + share * (self.to - self.from)
    }
}
