//! Runs one check: on a thread of its own, so that a hang or a panic of the backend is a finding and not the end.

use crate::checks;
use crate::context::{Able, Context, Options, Remarks};
use crate::harness::{Harness, KnownFailure};
use crate::log::Log;
use crate::outcome::{Checked, Failure, Status, Stop, Verdict};
use crate::panics;
use crate::replay;
use crate::rules::{Capability, Level, Rule};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// A backend, and how it is to be judged.
pub(crate) struct Run {
    pub(crate) harness: Arc<dyn Harness>,
    pub(crate) options: Options,
    /// What the harness is called where it is defined.
    in_code: String,
    able: Result<Able, String>,
}

/// How a rule stands.
struct Judged {
    status: Status,
    failures: Vec<Failure>,
    notes: Vec<String>,
}

impl From<Status> for Judged {
    fn from(status: Status) -> Self {
        Judged {
            status,
            failures: Vec::new(),
            notes: Vec::new(),
        }
    }
}

pub(crate) type Work<T> = Box<dyn FnOnce(&Context) -> Checked<T> + Send>;

/// What came of a piece of work.
type Worked<T> = (Checked<T>, Remarks);

impl Run {
    /// Finds out what the backend can do.
    pub(crate) fn prepare<H: Harness>(harness: Arc<H>, options: Options) -> Self {
        panics::watch();
        let mut run = Run {
            harness,
            options,
            in_code: replay::short_name::<H>(),
            able: Ok(Able::default()),
        };
        let (result, _) = run.guarded("probe", &Log::default(), Box::new(|cx| cx.block_on(cx.probe())));
        run.able = result.map_err(|stop| match stop {
            Stop::Broken { expected, actual, .. } => format!("expected: {expected}; actual: {actual}"),
            Stop::Skip(reason) | Stop::Harness(reason) => reason,
        });
        run
    }

    /// What the backend can do, in words.
    pub(crate) fn capabilities(&self) -> Vec<Capability> {
        self.able
            .as_ref()
            .map(|able| able.all.clone())
            .unwrap_or_default()
    }

    /// What the backend can do and says that it cannot.
    pub(crate) fn undeclared(&self) -> Vec<Capability> {
        self.able
            .as_ref()
            .map(|able| able.undeclared.clone())
            .unwrap_or_default()
    }

    /// Why it could not be found out what the backend can do, if so.
    pub(crate) fn probe_error(&self) -> Option<&str> {
        self.able.as_ref().err().map(String::as_str)
    }

    /// The verdict on one rule.
    pub(crate) fn judge(&self, rule: &'static Rule) -> Verdict {
        let started = Instant::now();
        let Judged {
            mut status,
            failures,
            notes,
        } = self.status(rule);
        let follows_from = match status {
            Status::Fail | Status::Unmet => self.roots(rule, &failures),
            _ => Vec::new(),
        };
        let of_rule = |all: &[KnownFailure]| all.iter().find(|known| known.rule.as_str() == rule.id).copied();
        let known = of_rule(self.harness.known_failures());
        let expected = known.or_else(|| of_rule(self.harness.known_races()));
        match (&status, expected) {
            (Status::Fail | Status::Unmet, Some(expected)) => {
                status = Status::Known {
                    reason: expected.reason.to_owned(),
                }
            }
            (Status::Pass, _) if known.is_some() => status = Status::KnownPasses,
            _ => {}
        }
        Verdict {
            rule: rule.id.clone(),
            status,
            failures,
            follows_from,
            notes,
            took_ms: started.elapsed().as_millis() as u64,
        }
    }

    /// The rules that a broken rule leans on and that are broken too. They are checked once more for that: trials run in
    /// any order, and only a failure pays for it.
    fn roots(&self, rule: &'static Rule, failures: &[Failure]) -> Vec<String> {
        let named = failures.iter().map(|failure| &failure.rule);
        let mut roots: Vec<&String> = named.filter(|named| **named != rule.id).collect();
        roots.extend(&rule.follows_from);
        roots.dedup();
        roots.retain(|root| {
            let root = Rule::find(root);
            root.is_some_and(|root| matches!(self.status(root).status, Status::Fail | Status::Unmet))
        });
        roots.into_iter().cloned().collect()
    }

    fn status(&self, rule: &'static Rule) -> Judged {
        let Some(check) = checks::find(&rule.id) else {
            let reason = rule.untested.clone();
            let reason = reason.unwrap_or_else(|| "there is no check of it".to_owned());
            return Status::Untested { reason }.into();
        };
        if let Some(status) = self.unable(rule) {
            return status.into();
        }
        let log = Log::default();
        let (result, remarks) = self.guarded(&rule.id, &log, Box::new(move |cx| cx.run(check)));
        let broken = match rule.level {
            Level::Should if !self.options.strict => Status::Unmet,
            Level::Must | Level::Should => Status::Fail,
        };
        let (status, failures) = match result {
            Err(Stop::Skip(reason)) => (Status::Skipped { reason }, vec![]),
            Err(Stop::Harness(reason)) => (Status::HarnessError { reason }, vec![]),
            Err(Stop::Broken {
                rule: of,
                expected,
                actual,
            }) => (broken, vec![self.failure(rule, of, expected, actual, &log)]),
            Ok(()) if remarks.unmet.is_empty() => (Status::Pass, vec![]),
            Ok(()) => {
                let status = if self.options.strict {
                    Status::Fail
                } else {
                    Status::Unmet
                };
                let unmet = remarks.unmet.into_iter();
                let failures =
                    unmet.map(|(expected, actual)| self.failure(rule, None, expected, actual, &log));
                (status, failures.collect())
            }
        };
        Judged {
            status,
            failures,
            notes: remarks.notes,
        }
    }

    /// Why the rule is not checked, as far as what the backend can do decides. Where that could not be found out, a rule
    /// that needs no capability is checked all the same.
    fn unable(&self, rule: &Rule) -> Option<Status> {
        let capability = rule.capability?;
        match &self.able {
            Ok(able) if able.to(capability) => None,
            Ok(_) => Some(Status::Skipped {
                reason: format!("the backend has no `{capability}`"),
            }),
            Err(error) => Some(Status::HarnessError {
                reason: format!("whether the backend has `{capability}` could not be found out: {error}"),
            }),
        }
    }

    /// Whether it is known before the check that there will be nothing to check.
    pub(crate) fn will_ignore(&self, rule: &Rule) -> bool {
        checks::find(&rule.id).is_none() || matches!(self.unable(rule), Some(Status::Skipped { .. }))
    }

    fn failure(
        &self,
        rule: &Rule,
        of: Option<&'static str>,
        expected: String,
        actual: String,
        log: &Log,
    ) -> Failure {
        let (seed, in_code) = (self.options.seed, &self.in_code);
        let case = log.case();
        let case = case.unwrap_or_else(|| replay::of_rule(&rule.id, &self.options));
        Failure {
            rule: of.unwrap_or(&rule.id).to_owned(),
            test: replay::test(in_code, &rule.id, seed, &actual, &case),
            expected,
            actual,
            steps: log.steps(),
            lanes: log.lanes(),
            seed,
        }
    }

    /// Runs one case of a rule; what it breaks.
    pub(crate) fn case(&self, rule: &'static Rule, case: Work<()>) -> Option<Failure> {
        let log = Log::default();
        match self.guarded(&rule.id, &log, case).0 {
            Ok(()) => None,
            Err(Stop::Broken {
                rule: of,
                expected,
                actual,
            }) => Some(self.failure(rule, of, expected, actual, &log)),
            Err(Stop::Skip(reason) | Stop::Harness(reason)) => {
                let expected = "the harness does its part".to_owned();
                Some(self.failure(rule, None, expected, reason, &log))
            }
        }
    }

    fn guarded<T: Send + 'static>(&self, name: &str, log: &Log, work: Work<T>) -> Worked<T> {
        let (harness, options, log_there) = (self.harness.clone(), self.options.clone(), log.clone());
        let able = self.able.clone().unwrap_or_default();
        let (sender, receiver) = channel();
        let foreign_panics = panics::foreign_count();
        let thread = std::thread::Builder::new().name(panics::thread_name(name));
        let spawned = thread.spawn(move || {
            let worked = match Context::new(harness, options, able, log_there) {
                Ok(context) => unwinding(context, work),
                Err(error) => (
                    Err(Stop::Harness(format!("a runtime: {error}"))),
                    Remarks::default(),
                ),
            };
            // The receiver may have given up on this thread.
            let _ = sender.send(worked);
        });
        if let Err(error) = spawned {
            return (
                Err(Stop::Harness(format!("a thread: {error}"))),
                Remarks::default(),
            );
        }
        // A call that may hang is limited by itself; this catches one that blocks the thread.
        let limit = self.options.hang_after + Duration::from_secs(1);
        let mut progress = log.progress();
        loop {
            match receiver.recv_timeout(limit) {
                Ok((Ok(_), _)) if panics::foreign_count() > foreign_panics => {
                    return (broken_by_panic(&panics::last_foreign()), Remarks::default());
                }
                Ok(worked) => return worked,
                Err(RecvTimeoutError::Timeout) if log.progress() != progress => progress = log.progress(),
                Err(_) => {
                    let actual = "it blocks its thread and does not come back".to_owned();
                    let expected = "every call comes to an end".to_owned();
                    return (
                        Err(Stop::Broken {
                            rule: None,
                            expected,
                            actual,
                        }),
                        Remarks::default(),
                    );
                }
            }
        }
    }
}

fn unwinding<T>(context: Context, work: Work<T>) -> Worked<T> {
    let result = std::panic::catch_unwind(AssertUnwindSafe(|| work(&context)));
    let remarks = context.shut_down();
    match result {
        Ok(result) => (result, remarks),
        Err(payload) => {
            let message = panics::last_own().unwrap_or_else(|| panics::message(&*payload));
            (broken_by_panic(&message), remarks)
        }
    }
}

fn broken_by_panic<T>(message: &str) -> Checked<T> {
    Err(Stop::Broken {
        rule: None,
        expected: "no panic".to_owned(),
        actual: format!("a panic: {message}"),
    })
}
