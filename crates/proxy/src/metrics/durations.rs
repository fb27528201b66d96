//! Counts durations by how long they are.

use std::time::Duration;

use forebay_live::Counter;

/// What the durations of each count are at most, in microseconds and as Prometheus writes it.
const BOUNDS: [(u64, &str); 11] = [
    (500, "0.0005"),
    (1_000, "0.001"),
    (5_000, "0.005"),
    (10_000, "0.01"),
    (50_000, "0.05"),
    (100_000, "0.1"),
    (500_000, "0.5"),
    (1_000_000, "1"),
    (5_000_000, "5"),
    (10_000_000, "10"),
    (60_000_000, "60"),
];

/// A histogram.
#[derive(Debug, Default)]
pub(crate) struct Durations {
    /// By the bound; the last are beyond all of them.
    counts: [Counter; BOUNDS.len() + 1],
    micros: Counter,
}

impl Durations {
    /// Counts one.
    pub(crate) fn add(&self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let at = BOUNDS.partition_point(|(bound, _)| *bound < micros);
        self.counts[at].add(1);
        self.micros.add(micros);
    }

    /// How many are at most as long as each bound, and the last: how many there are.
    pub(super) fn cumulated(&self) -> Vec<(&'static str, u64)> {
        let bounds = BOUNDS.iter().map(|(_, bound)| *bound).chain(["+Inf"]);
        let mut sum = 0;
        let counts = self.counts.iter().map(|count| {
            sum += count.get();
            sum
        });
        bounds.zip(counts).collect()
    }

    /// All of them together.
    pub(super) fn sum(&self) -> Duration {
        Duration::from_micros(self.micros.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_duration_counts_for_every_bound_that_it_is_within() {
        let durations = Durations::default();
        for micros in [0, 500, 501, 70_000_000] {
            durations.add(Duration::from_micros(micros));
        }
        let cumulated = durations.cumulated();
        assert_eq!(cumulated[..2], [("0.0005", 2), ("0.001", 3)]);
        assert_eq!(cumulated[10..], [("60", 3), ("+Inf", 4)]);
        assert_eq!(durations.sum(), Duration::from_micros(70_001_001));
    }
}
