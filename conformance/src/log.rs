//! The calls of a check, recorded as they happen.

use crate::outcome::Lanes;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Enough to see what happened; a check of a thousand calls shows its last ones.
const STEPS_MAX: usize = 60;

#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Inner>>);

#[derive(Default, Clone)]
struct Inner {
    steps: Vec<String>,
    names: HashMap<&'static str, u32>,
    progress: u64,
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
        inner.steps.push(step);
        StepId(inner.steps.len() - 1)
    }

    pub(crate) fn end(&self, StepId(index): StepId, result: &str) {
        let mut inner = self.inner();
        inner.progress += 1;
        if let Some(step) = inner.steps.get_mut(index) {
            step.push_str(" -> ");
            step.push_str(result);
        }
    }

    pub(crate) fn note(&self, text: String) {
        self.begin(text);
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
        inner.steps.clear();
        inner.names.clear();
        (inner.lanes, inner.case) = (None, None);
    }

    pub(crate) fn steps(&self) -> Vec<String> {
        let inner = self.inner();
        let left_out = inner.steps.len().saturating_sub(STEPS_MAX);
        let mut steps = inner.steps[left_out..].to_vec();
        if left_out > 0 {
            steps.insert(0, format!("… {left_out} steps before"));
        }
        steps
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot(self.inner().clone())
    }

    /// Puts back what was there.
    pub(crate) fn restore(&self, Snapshot(then): Snapshot) {
        let mut inner = self.inner();
        *inner = Inner {
            progress: inner.progress + 1,
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

    /// A number that grows as long as the check goes on.
    pub(crate) fn progress(&self) -> u64 {
        self.inner().progress
    }
}
