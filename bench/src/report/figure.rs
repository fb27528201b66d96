//! One figure as it is kept in the report.

use crate::measurement::{Measurement, Unit};
use crate::stats;
use serde::{Deserialize, Serialize};

/// A [`Measurement`] that can be read back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of Measurement")]
pub struct Figure {
    pub area: String,
    pub operation: String,
    pub size_bytes: Option<u64>,
    pub concurrency: usize,
    pub contender: String,
    pub unit: Unit,
    pub rounds: Vec<f64>,
    pub note: Option<String>,
}

impl From<Measurement> for Figure {
    fn from(m: Measurement) -> Self {
        Figure {
            area: m.area.to_owned(),
            operation: m.operation,
            size_bytes: m.size_bytes,
            concurrency: m.concurrency,
            contender: m.contender,
            unit: m.unit,
            rounds: m.rounds,
            note: m.note,
        }
    }
}

impl Figure {
    /// The median of the rounds.
    pub fn median(&self) -> Option<f64> {
        stats::median(&self.rounds)
    }

    /// Whether it is one of ours, to be compared with others.
    pub fn is_ours(&self) -> bool {
        match self.area.as_str() {
            // There, the native calls are what the bridge is measured against.
            "bridge" => self.contender.ends_with(BRIDGED),
            _ => self.contender.starts_with("forebay"),
        }
    }

    /// Whether both are of the same work, and may be compared.
    pub fn is_same_work(&self, other: &Figure) -> bool {
        let of = |f: &Figure| {
            (
                f.area.clone(),
                f.operation.clone(),
                f.size_bytes,
                f.concurrency,
                f.unit,
            )
        };
        of(self) == of(other)
    }

    /// Whether the other is to stand beside this one of ours.
    pub fn faces(&self, other: &Figure) -> bool {
        let is_its_native = self.contender.strip_suffix(BRIDGED) == Some(&other.contender);
        self.is_same_work(other)
            && !other.is_ours()
            && (!other.contender.starts_with("forebay") || is_its_native)
    }

    /// How many times better this is than the other: above 1, it takes less time or memory, or does more.
    pub fn advantage(&self, other: &Figure) -> Option<f64> {
        stats::median(&self.advantages(other))
    }

    /// The same round by round.
    pub(super) fn advantages(&self, other: &Figure) -> Vec<f64> {
        match is_less_better(self.unit) {
            true => stats::ratios(&other.rounds, &self.rounds),
            false => stats::ratios(&self.rounds, &other.rounds),
        }
    }
}

/// How contenders behind the bridge are called: the store, and this.
const BRIDGED: &str = ", bridge";

fn is_less_better(unit: Unit) -> bool {
    match unit {
        Unit::NanosecondsPerOperation
        | Unit::CpuNanosecondsPerOperation
        | Unit::NanosecondsAtMedian
        | Unit::NanosecondsAtPercentile99
        | Unit::BytesPerEntry
        | Unit::Bytes
        | Unit::Ratio => true,
        Unit::OperationsPerSecond | Unit::BytesPerSecond | Unit::HitRatio => false,
    }
}
