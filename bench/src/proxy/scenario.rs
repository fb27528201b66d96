//! What is asked of every contender: which objects, how large, over how many connections.

/// A kind of load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Load {
    /// Hits of one object.
    HitOne,
    /// Hits of a thousand objects in turn.
    HitSet,
    /// Ranges out of the middle of one object.
    Range,
    /// Each request of a URL of its own: a fill.
    Misses,
    /// The same in a store that is full: each fill evicts.
    MissesWhenFull,
}

impl Load {
    /// Whether each request is to be a miss.
    pub(super) fn misses(self) -> bool {
        matches!(self, Load::Misses | Load::MissesWhenFull)
    }
}

/// What a store may hold: twice what the hits of any scenario need, or little enough to be full soon.
const CAPACITY_MIB: u64 = 2 << 10;
const SOON_FULL_MIB: u64 = 256;
/// The same for small objects, of which it takes many.
const SOON_FULL_OF_SMALL_MIB: u64 = 64;

/// Objects of a set.
const SET_OBJECTS: usize = 1_000;

#[derive(Debug, Clone, Copy)]
pub(super) struct Scenario {
    pub(super) load: Load,
    pub(super) size_bytes: usize,
    pub(super) connections: usize,
}

impl Scenario {
    /// What is measured for one size; `quick` leaves out what takes long.
    pub(super) fn of_size(size_bytes: usize, quick: bool) -> Vec<Self> {
        let scenario = |load, connections| Scenario {
            load,
            size_bytes,
            connections,
        };
        let mut scenarios = vec![scenario(Load::HitOne, 32)];
        if !quick {
            scenarios.push(scenario(Load::HitOne, 256));
            scenarios.push(scenario(Load::HitSet, 32));
            if size_bytes >= 128 << 10 {
                scenarios.push(scenario(Load::Range, 32));
            }
        }
        // Last: it fills the stores.
        scenarios.push(scenario(Load::Misses, 32));
        scenarios.push(scenario(Load::MissesWhenFull, 32));
        scenarios
    }

    /// What the stores of this scenario may hold.
    pub(super) fn capacity_mib(&self) -> u64 {
        match self.load {
            Load::MissesWhenFull if self.size_bytes < 128 << 10 => SOON_FULL_OF_SMALL_MIB,
            Load::MissesWhenFull => SOON_FULL_MIB,
            _ => CAPACITY_MIB,
        }
    }

    pub(super) fn name(&self) -> &'static str {
        match self.load {
            Load::HitOne => "hit one",
            Load::HitSet => "hit 1000",
            Load::Range => "range",
            Load::Misses => "fill",
            Load::MissesWhenFull => "fill, full store",
        }
    }

    /// How many objects are there before the load begins.
    pub(super) fn objects(&self) -> usize {
        match self.load {
            Load::HitOne | Load::Range => 1,
            Load::HitSet => SET_OBJECTS,
            Load::Misses | Load::MissesWhenFull => 0,
        }
    }

    pub(super) fn path(&self, index: usize) -> String {
        format!("/{}/object-{index}", self.size_bytes)
    }

    /// What the URLs of misses begin with; a number follows.
    pub(super) fn miss_path(&self, run: u64) -> String {
        format!("/{}/miss-{}-{run}-", self.size_bytes, std::process::id())
    }

    /// The bytes that are asked for: a sixteenth out of the middle, or all.
    pub(super) fn range(&self) -> std::ops::Range<usize> {
        match self.load {
            Load::Range => self.size_bytes / 2..self.size_bytes / 2 + self.size_bytes / 16,
            _ => 0..self.size_bytes,
        }
    }

    /// The value of the request's `Range`, where it has one.
    pub(super) fn range_field(&self) -> Option<String> {
        let range = self.range();
        (self.load == Load::Range).then(|| format!("bytes={}-{}", range.start, range.end - 1))
    }
}
