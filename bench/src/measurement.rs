//! One measured figure: what was done, by whom, and what each round gave.

/// One figure of one contender, with the value of every round: rounds of all contenders are interleaved (A B A B …).
#[derive(Debug, Clone, PartialEq)]
pub struct Measurement {
    /// The part of the suite: `memory`, `disk`, `bridge`, `proxy`.
    pub area: &'static str,
    /// What was done: `hit`, `miss`, `fill`, `range`, `follow 10`, …
    pub operation: String,
    /// Bytes of the body, where the operation has one.
    pub size_bytes: Option<u64>,
    /// Threads, or connections of the load generator.
    pub concurrency: usize,
    /// Who did it: `forebay-memory`, `MemCache`, `nginx`, …
    pub contender: String,
    /// Unit of the values; less is better for time and CPU, more for rates.
    pub unit: Unit,
    /// One value per round, in the order of the rounds. Empty: could not be measured, and `note` says why.
    pub rounds: Vec<f64>,
    /// What the reader must know beside the figure: warm or fresh pages, no streaming, not installed.
    pub note: Option<String>,
}

/// The unit of a measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum Unit {
    /// Wall time per operation, in nanoseconds.
    NanosecondsPerOperation,
    /// CPU time of the contender's process per operation, in nanoseconds.
    CpuNanosecondsPerOperation,
    /// Wall time that half of the operations stay below, in nanoseconds.
    NanosecondsAtMedian,
    /// Wall time that 99 of 100 operations stay below, in nanoseconds.
    NanosecondsAtPercentile99,
    /// Operations per second.
    OperationsPerSecond,
    /// Bytes per second.
    BytesPerSecond,
    /// Resident memory per entry, in bytes.
    BytesPerEntry,
    /// Share of lookups that hit, 0 to 1.
    HitRatio,
    /// Bytes, for instance of resident memory.
    Bytes,
    /// A number without a unit.
    Ratio,
}
