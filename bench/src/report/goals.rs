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
pub enum Standing {
    /// The value that was measured, and reached the goal.
    Reached(f64),
    /// The value that was measured, and did not.
    Missed(f64),
    /// Nothing was measured that would tell.
    Unknown,
}

impl Goal {
    /// How it stands by these figures.
    pub fn standing(&self, figures: &[&Figure]) -> Standing {
        match (self.value.measured(figures), self.bound) {
            (None, _) => Standing::Unknown,
            (Some(value), Bound::AtMost(most)) if value <= most => Standing::Reached(value),
            (Some(value), Bound::AtLeast(least)) if value >= least => Standing::Reached(value),
            (Some(value), _) => Standing::Missed(value),
        }
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
        match self {
            Value::Of(pick) => pick.find(figures)?.median(),
            Value::Ratio(a, b) => stats::ratio(&a.find(figures)?.rounds, &b.find(figures)?.rounds),
            Value::Beyond(a, b) => stats::difference(&a.find(figures)?.rounds, &b.find(figures)?.rounds),
            Value::WorstAdvantage(area, ours, other) => {
                let is = |figure: &&&Figure, name: &str| figure.area == *area && figure.contender == name;
                let ours = figures.iter().filter(|figure| is(figure, ours));
                let wall = ours.filter(|figure| figure.unit == Unit::NanosecondsPerOperation);
                let ratios = wall.filter_map(|ours| {
                    let other = figures
                        .iter()
                        .find(|figure| is(figure, other) && ours.is_same_work(figure));
                    ours.advantage(other?)
                });
                ratios.min_by(f64::total_cmp)
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
        ["goal", "measured", "reached", "at best"]
            .map(str::to_owned)
            .to_vec(),
    ];
    let is_of_measured_area = |goal: &Goal| figures.iter().any(|figure| figure.area == goal.value.area());
    for goal in goals().into_iter().filter(is_of_measured_area) {
        let (value, reached) = match goal.standing(figures) {
            Standing::Reached(value) => (words::value(value, goal.unit()), "yes"),
            Standing::Missed(value) => (words::value(value, goal.unit()), "NO"),
            Standing::Unknown => ("–".to_owned(), "not measured"),
        };
        let at_best = goal.at_best(figures);
        let at_best = at_best.map_or(String::new(), |value| words::value(value, goal.unit()));
        rows.push(vec![goal.what, value, reached.to_owned(), at_best]);
    }
    rows
}
