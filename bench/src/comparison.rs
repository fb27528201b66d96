//! Contenders measured in turns: A B A B …, each round of about the same length.

use crate::Failure;
use crate::disk_at_rest;
use crate::measurement::{Measurement, Unit};
use crate::timing::Sample;
use std::time::Duration;

/// Does so many operations and tells what they took; what has to be prepared or cleared away is not in it.
pub type Work = Box<dyn FnMut(u64) -> Result<Sample, Failure>>;

/// How long it may take.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Rounds of each contender.
    pub rounds: usize,
    /// The length of one.
    pub round: Duration,
}

impl Plan {
    /// The plan of a whole run, or of a quick one.
    pub fn new(quick: bool) -> Self {
        let (rounds, round_ms) = if quick { (3, 15) } else { (7, 60) };
        Plan {
            rounds,
            round: Duration::from_millis(round_ms),
        }
    }
}

/// What all contenders do.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// As in [`Measurement`].
    pub area: &'static str,
    /// As in [`Measurement`].
    pub operation: String,
    /// As in [`Measurement`].
    pub size_bytes: Option<u64>,
    /// As in [`Measurement`].
    pub concurrency: usize,
    /// The most operations in a round, where more would need too much room.
    pub operations_max: u64,
}

/// Who takes part.
pub struct Entrant {
    /// As in [`Measurement`].
    pub contender: String,
    /// As in [`Measurement`].
    pub note: Option<String>,
    /// What it does, or why it cannot.
    pub work: Result<Work, Failure>,
}

/// Measures all entrants in turns. Each gives two measurements: wall time, and CPU time of the process.
pub fn compare(what: &Comparison, plan: Plan, entrants: Vec<Entrant>) -> Vec<Measurement> {
    let mut runners: Vec<_> = entrants.into_iter().map(|e| Runner::new(e, what, plan)).collect();
    for _ in 0..plan.rounds {
        runners.iter_mut().for_each(Runner::round);
    }
    runners
        .into_iter()
        .flat_map(|runner| runner.measurements(what))
        .collect()
}

struct Runner {
    contender: String,
    note: Option<String>,
    work: Result<Work, Failure>,
    count: u64,
    wall: Vec<f64>,
    cpu: Vec<f64>,
}

impl Runner {
    fn new(entrant: Entrant, what: &Comparison, plan: Plan) -> Self {
        let mut runner = Runner {
            contender: entrant.contender,
            note: entrant.note,
            work: entrant.work,
            count: 1,
            wall: Vec::new(),
            cpu: Vec::new(),
        };
        runner.calibrate(what, plan);
        runner
    }

    /// Finds how many operations fill a round; what ran until then has warmed up everything. Of two tries the shorter tells: a
    /// machine that was held up once would make all rounds so short that they measure how threads begin and end.
    fn calibrate(&mut self, what: &Comparison, plan: Plan) {
        let least = what.concurrency as u64;
        self.count = least;
        while let (Some(first), Some(second)) = (self.sample(), self.sample()) {
            let wall = first.wall.min(second.wall);
            if wall * 3 >= plan.round {
                self.count =
                    scaled(self.count, plan.round, wall).clamp(least, what.operations_max.max(least));
                return;
            }
            let more = scaled(self.count, plan.round / 2, wall).min(self.count * 16);
            let more = more.clamp(self.count + 1, what.operations_max.max(self.count + 1));
            if self.count >= what.operations_max {
                return;
            }
            self.count = more;
        }
    }

    fn sample(&mut self) -> Option<Sample> {
        let outcome = (self.work.as_mut().ok()?)(self.count);
        match outcome {
            Ok(sample) => Some(sample),
            Err(failure) => {
                // A figure from the rounds before would look like one of a contender that works.
                (self.wall, self.cpu) = (Vec::new(), Vec::new());
                self.work = Err(failure);
                None
            }
        }
    }

    fn round(&mut self) {
        disk_at_rest::settle();
        if let Some(sample) = self.sample() {
            self.wall.push(per_operation(sample.wall, self.count));
            self.cpu.push(per_operation(sample.cpu, self.count));
        }
    }

    fn measurements(self, what: &Comparison) -> [Measurement; 2] {
        let note = match &self.work {
            Ok(_) => self.note,
            Err(failure) => Some(failure.to_string()),
        };
        [
            (Unit::NanosecondsPerOperation, self.wall),
            (Unit::CpuNanosecondsPerOperation, self.cpu),
        ]
        .map(|(unit, rounds)| Measurement {
            area: what.area,
            operation: what.operation.clone(),
            size_bytes: what.size_bytes,
            concurrency: what.concurrency,
            contender: self.contender.clone(),
            unit,
            rounds,
            note: note.clone(),
        })
    }
}

fn scaled(count: u64, wanted: Duration, took: Duration) -> u64 {
    (count as f64 * wanted.as_secs_f64() / took.as_secs_f64().max(1e-9)) as u64
}

fn per_operation(time: Duration, count: u64) -> f64 {
    time.as_nanos() as f64 / count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    fn comparison() -> Comparison {
        Comparison {
            area: "memory",
            operation: "hit".to_owned(),
            size_bytes: Some(1024),
            concurrency: 1,
            operations_max: 1_000_000,
        }
    }

    fn plan() -> Plan {
        Plan {
            rounds: 3,
            round: Duration::from_millis(50),
        }
    }

    /// A contender whose operations take as long as it says, on no clock.
    fn takes(name: &str, each: Duration, log: &Arc<Mutex<Vec<(String, u64)>>>) -> Entrant {
        let (name, log) = (name.to_owned(), log.clone());
        Entrant {
            contender: name.clone(),
            note: None,
            work: Ok(Box::new(move |count| {
                log.lock().unwrap().push((name.clone(), count));
                let wall = each * count as u32;
                Ok(Sample { wall, cpu: wall / 2 })
            })),
        }
    }

    #[test]
    fn rounds_are_calibrated_and_taken_in_turns() {
        let log = Arc::default();
        let entrants = vec![
            takes("fast", Duration::from_micros(1), &log),
            takes("slow", Duration::from_millis(1), &log),
        ];
        let measured = compare(&comparison(), plan(), entrants);
        let log = log.lock().unwrap();
        let turns: Vec<_> = log[log.len() - 6..]
            .iter()
            .map(|(name, count)| (name.as_str(), *count))
            .collect();
        assert_eq!(turns, [("fast", 50_000), ("slow", 50)].repeat(3));
        assert_eq!(measured.len(), 4);
        assert_eq!(measured[0].rounds, [1000.0; 3]);
        assert_eq!(
            (measured[1].unit, &measured[1].rounds[..]),
            (Unit::CpuNanosecondsPerOperation, &[500.0; 3][..])
        );
    }

    #[test]
    fn a_machine_that_is_held_up_once_makes_no_short_rounds() {
        let log = Arc::new(Mutex::new(Vec::new()));
        let counts = log.clone();
        let work: Work = Box::new(move |count| {
            let mut log = log.lock().unwrap();
            log.push(count);
            let held_up = Duration::from_millis(if log.len() == 1 { 30 } else { 0 });
            let wall = Duration::from_micros(count) + held_up;
            Ok(Sample { wall, cpu: wall })
        });
        let entrant = Entrant {
            contender: "held up".to_owned(),
            note: None,
            work: Ok(work),
        };
        compare(&comparison(), plan(), vec![entrant]);
        assert_eq!(counts.lock().unwrap().last(), Some(&50_000));
    }

    #[test]
    fn no_round_has_more_operations_than_there_is_room_for() {
        let log = Arc::default();
        let what = Comparison {
            operations_max: 10,
            ..comparison()
        };
        compare(&what, plan(), vec![takes("a", Duration::from_micros(1), &log)]);
        assert_eq!(
            log.lock().unwrap().iter().map(|(_, count)| *count).max(),
            Some(10)
        );
    }

    #[test]
    fn who_fails_has_no_figure_but_a_reason() {
        let mut calls = 0;
        let fails_late: Work = Box::new(move |_| {
            calls += 1;
            match calls {
                1 => Ok(Sample {
                    wall: plan().round,
                    cpu: plan().round,
                }),
                _ => Err("disk full".into()),
            }
        });
        let entrants = vec![
            Entrant {
                contender: "late".to_owned(),
                note: None,
                work: Ok(fails_late),
            },
            Entrant {
                contender: "unable".to_owned(),
                note: None,
                work: Err("cannot seek".into()),
            },
        ];
        for (measured, why) in compare(&comparison(), plan(), entrants)
            .chunks(2)
            .zip(["disk full", "cannot seek"])
        {
            assert!(
                measured
                    .iter()
                    .all(|m| m.rounds.is_empty() && m.note.as_deref() == Some(why))
            );
        }
    }
}
