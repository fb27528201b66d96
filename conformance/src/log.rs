//! The calls of a check, recorded as they happen.

use crate::outcome::Lanes;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Enough to see what happened; a check of a thousand calls shows its last ones.
const STEPS_MAX: usize = 60;

#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Inner>>);

#[derive(Default, Clone)]
struct Inner {
    /// The last of them, and how many there were before.
    steps: VecDeque<String>,
    left_out: usize,
    names: HashMap<&'static str, u32>,
    progress: u64,
    longest_body: usize,
    lanes: Option<Lanes>,
    case: Option<String>,
}

/// What was in a log at some moment.
pub(crate) struct Snapshot(Inner);

/// Where to add a call's result.
#[derive(Clone, Copy)]
pub(crate) struct StepId(usize);

impl Log {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        // A panic of the backend never happens under this lock, and a log is of use after any other.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn begin(&self, step: String) -> StepId {
        let mut inner = self.inner();
        inner.progress += 1;
        inner.steps.push_back(step);
        // Whatever a backend keeps a check at, what is kept of it stays small.
        if inner.steps.len() > STEPS_MAX {
            inner.steps.pop_front();
            inner.left_out += 1;
        }
        StepId(inner.left_out + inner.steps.len() - 1)
    }

    pub(crate) fn end(&self, StepId(index): StepId, result: &str) {
        let mut inner = self.inner();
        inner.progress += 1;
        let at = index.checked_sub(inner.left_out);
        if let Some(step) = at.and_then(|at| inner.steps.get_mut(at)) {
            step.push_str(" -> ");
            step.push_str(result);
        }
    }

    pub(crate) fn note(&self, text: String) {
        self.begin(text);
    }

    /// The check goes on, with nothing that is worth a step.
    pub(crate) fn goes_on(&self) {
        self.inner().progress += 1;
    }

    /// The next name of a kind: h1, h2, …
    pub(crate) fn name(&self, kind: &'static str) -> String {
        let mut inner = self.inner();
        let count = inner.names.entry(kind).or_default();
        *count += 1;
        format!("{kind}{count}")
    }

    /// Forgets everything, for the next case of a series.
    pub(crate) fn clear(&self) {
        let mut inner = self.inner();
        (inner.steps, inner.left_out) = Default::default();
        inner.names.clear();
        (inner.lanes, inner.case) = (None, None);
    }

    pub(crate) fn steps(&self) -> Vec<String> {
        let inner = self.inner();
        let left_out = (inner.left_out > 0).then(|| format!("… {} steps before", inner.left_out));
        left_out.into_iter().chain(inner.steps.iter().cloned()).collect()
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot(self.inner().clone())
    }

    /// Puts back what was there.
    pub(crate) fn restore(&self, Snapshot(then): Snapshot) {
        let mut inner = self.inner();
        *inner = Inner {
            progress: inner.progress + 1,
            longest_body: inner.longest_body,
            ..then
        };
    }

    /// The steps are several clients' beside each other.
    pub(crate) fn set_lanes(&self, lanes: Lanes) {
        self.inner().lanes = Some(lanes);
    }

    pub(crate) fn lanes(&self) -> Option<Lanes> {
        self.inner().lanes.clone()
    }

    /// The lines of a test that runs the case again.
    pub(crate) fn set_case(&self, lines: String) {
        self.inner().case = Some(lines);
    }

    pub(crate) fn case(&self) -> Option<String> {
        self.inner().case.clone()
    }

    /// A body of that many bytes is being written.
    pub(crate) fn writes_body(&self, len_bytes: usize) {
        let mut inner = self.inner();
        inner.longest_body = inner.longest_body.max(len_bytes);
    }

    /// The length of the longest body so far, over all cases.
    pub(crate) fn longest_body(&self) -> usize {
        self.inner().longest_body
    }

    /// A number that grows as long as the check goes on.
    pub(crate) fn progress(&self) -> u64 {
        self.inner().progress
    }
}
