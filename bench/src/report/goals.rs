//! What the figures must show: each goal as data, and whether it is reached.

mod list;

use super::figure::Figure;
use super::words;
use crate::measurement::Unit;
use crate::stats;
pub use list::goals;

/// One goal.
#[derive(Debug, Clone)]
pub struct Goal {
    /// In words, its bound included.
    pub what: String,
    /// What is looked at.
    pub value: Value,
    /// What it should be.
    pub bound: Bound,
    /// What it would be with the least work that there can be in place of ours, where that is measured.
    pub at_best: Option<Value>,
}

/// What a goal looks at.
#[derive(Debug, Clone)]
pub enum Value {
    /// A figure by itself.
    Of(Pick),
    /// The first as a multiple of the second.
    Ratio(Pick, Pick),
    /// By how much the first is more than the second.
    Beyond(Pick, Pick),
    /// How many times faster one contender is than another, where it is least so, in all of an area.
    WorstAdvantage(&'static str, &'static str, &'static str),
}

/// What a value should be.
#[derive(Debug, Clone, Copy)]
pub enum Bound {
    /// No more.
    AtMost(f64),
    /// No less.
    AtLeast(f64),
}

/// Names one figure.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the fields are those of Measurement")]
pub struct Pick {
    pub area: &'static str,
    pub operation: String,
    pub size_bytes: Option<u64>,
    pub concurrency: usize,
    pub contender: &'static str,
    pub unit: Unit,
}

/// How a goal stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Standing {
    /// What was measured, the median of the rounds.
    pub value: f64,
    /// The middle half of the rounds lies between these.
    pub quartiles: (f64, f64),
    /// Whether the value reaches the goal.
    pub is_reached: bool,
    /// Whether the goal lies between the quartiles: another run may say the opposite.
    pub is_close: bool,
}

impl Goal {
    /// How it stands by these figures; `None` where nothing was measured that would tell.
    pub fn standing(&self, figures: &[&Figure]) -> Option<Standing> {
        let rounds = self.value.rounds(figures)?;
        let (value, quartiles) = (stats::median(&rounds)?, stats::quartiles(&rounds)?);
        let (bound, is_reached) = match self.bound {
            Bound::AtMost(most) => (most, value <= most),
            Bound::AtLeast(least) => (least, value >= least),
        };
        Some(Standing {
            value,
            quartiles,
            is_reached,
            is_close: quartiles.0 < bound && bound < quartiles.1,
        })
    }

    /// What it would be at best by these figures: whatever ours is measured at can be reached, too.
    fn at_best(&self, figures: &[&Figure]) -> Option<f64> {
        let best = self.at_best.as_ref()?.measured(figures)?;
        let ours = self.value.measured(figures)?;
        Some(match self.bound {
            Bound::AtMost(_) => best.min(ours),
            Bound::AtLeast(_) => best.max(ours),
        })
    }

    fn unit(&self) -> Unit {
        match &self.value {
            Value::Of(pick) | Value::Beyond(pick, _) => pick.unit,
            Value::Ratio(..) | Value::WorstAdvantage(..) => Unit::Ratio,
        }
    }
}

impl Value {
    fn area(&self) -> &'static str {
        match self {
            Value::Of(pick) | Value::Ratio(pick, _) | Value::Beyond(pick, _) => pick.area,
            Value::WorstAdvantage(area, ..) => area,
        }
    }

    fn measured(&self, figures: &[&Figure]) -> Option<f64> {
        stats::median(&self.rounds(figures)?)
    }

    /// What it is in each round.
    fn rounds(&self, figures: &[&Figure]) -> Option<Vec<f64>> {
        match self {
            Value::Of(pick) => Some(pick.find(figures)?.rounds.clone()),
            Value::Ratio(a, b) => Some(stats::ratios(&a.find(figures)?.rounds, &b.find(figures)?.rounds)),
            Value::Beyond(a, b) => Some(stats::differences(
                &a.find(figures)?.rounds,
                &b.find(figures)?.rounds,
            )),
            Value::WorstAdvantage(area, ours, other) => {
                let is = |figure: &&&Figure, name: &str| figure.area == *area && figure.contender == name;
                let ours = figures.iter().filter(|figure| is(figure, ours));
                let wall = ours.filter(|figure| figure.unit == Unit::NanosecondsPerOperation);
                let ratios = wall.filter_map(|ours| {
                    let other = figures
                        .iter()
                        .find(|figure| is(figure, other) && ours.is_same_work(figure));
                    Some(ours.advantages(other?))
                });
                let by_median = |rounds: Vec<f64>| Some((stats::median(&rounds)?, rounds));
                let worst = ratios.filter_map(by_median).min_by(|a, b| a.0.total_cmp(&b.0));
                worst.map(|(_, rounds)| rounds)
            }
        }
    }
}

impl Pick {
    fn find<'a>(&self, figures: &[&'a Figure]) -> Option<&'a Figure> {
        let wanted = (
            self.area,
            &self.operation,
            self.size_bytes,
            self.concurrency,
            self.contender,
            self.unit,
        );
        figures.iter().copied().find(|f| {
            (
                f.area.as_str(),
                &f.operation,
                f.size_bytes,
                f.concurrency,
                f.contender.as_str(),
                f.unit,
            ) == wanted
        })
    }
}

/// Every goal of the areas that were measured, with its figure.
pub fn table(figures: &[&Figure]) -> Vec<Vec<String>> {
    let mut rows = vec![
        [
            "goal",
            "measured",
            "middle half of the rounds",
            "reached",
            "at best",
        ]
        .map(str::to_owned)
        .to_vec(),
    ];
    let is_of_measured_area = |goal: &Goal| figures.iter().any(|figure| figure.area == goal.value.area());
    for goal in goals().into_iter().filter(is_of_measured_area) {
        let in_words = |value: f64| words::value(value, goal.unit());
        let (value, half, reached) = match goal.standing(figures) {
            Some(standing) => (
                in_words(standing.value),
                match (in_words(standing.quartiles.0), in_words(standing.quartiles.1)) {
                    (low, high) if low == high => String::new(), // as where there is one round
                    (low, high) => format!("{low} to {high}"),
                },
                match (standing.is_reached, standing.is_close) {
                    (true, false) => "yes",
                    (true, true) => "yes, barely",
                    (false, false) => "NO",
                    (false, true) => "NO, barely",
                },
            ),
            None => ("–".to_owned(), String::new(), "not measured"),
        };
        let at_best = goal.at_best(figures).map_or(String::new(), in_words);
        rows.push(vec![goal.what, value, half, reached.to_owned(), at_best]);
    }
    rows
}
