//! The proxy level: our proxy, the same one with other storage, and the field, under the same load.
//!
//! Every contender has one worker and the same origin. The figure to trust is the CPU time per request of the
//! contender's processes: load generator, origin and contender share the machine, so that rates depend on all three.

mod client;
mod contender;
mod cpu;
mod field;
mod origin;
mod ours;
pub mod profile;
mod scenario;
mod verify;
mod wrk;

use crate::disk_at_rest;
use crate::measurement::{Measurement, Unit};
use crate::used_memory::UsedMemory;
use contender::{Contender, Kind};
use origin::Origin;
use scenario::{Load, Scenario};

/// Bodies, in bytes.
const SIZES: [usize; 4] = [1 << 10, 16 << 10, 128 << 10, 1 << 20];
const SIZES_QUICK: [usize; 2] = [1 << 10, 128 << 10];
const ROUNDS: usize = 5;
const ROUNDS_QUICK: usize = 3;
const ROUND_SECONDS: u64 = 1;

/// Measures all contenders that are there; one that is not, or that fails, has measurements without rounds, whose note
/// says why. Takes some eighteen minutes, `quick` about two, and builds our proxy before. The bodies of 1 MiB take some
/// 15 GiB of memory and 8 GiB of the temporary directory, since MemCache has no bound and the others keep 2 GiB each.
pub fn measure(quick: bool, memory: &UsedMemory) -> Vec<Measurement> {
    measure_chosen(quick, memory, &Choice::default())
}

/// What to leave out of a run; an empty list leaves nothing out.
#[derive(Debug, Default)]
pub struct Choice {
    /// Bodies of these sizes only, in bytes.
    pub sizes: Vec<usize>,
    /// Contenders only in whose names one of these occurs.
    pub contenders: Vec<String>,
    /// Scenarios only of these names.
    pub operations: Vec<String>,
}

impl Choice {
    fn takes_size(&self, size_bytes: usize) -> bool {
        self.sizes.is_empty() || self.sizes.contains(&size_bytes)
    }

    fn takes_contender(&self, name: &str) -> bool {
        self.contenders.is_empty() || self.contenders.iter().any(|part| name.contains(part))
    }

    fn takes_operation(&self, name: &str) -> bool {
        self.operations.is_empty() || self.operations.iter().any(|chosen| chosen == name)
    }
}

/// As [`measure`], but for what is left out.
pub fn measure_chosen(quick: bool, memory: &UsedMemory, choice: &Choice) -> Vec<Measurement> {
    if !wrk::is_installed() {
        return vec![absent(
            "all",
            "wrk is not installed (Debian: apt-get install wrk)",
        )];
    }
    let origin = match ours::build().and_then(|()| Origin::start().map_err(|error| error.to_string())) {
        Ok(origin) => origin,
        Err(error) => return vec![absent("all", &error)],
    };
    let sizes = if quick { &SIZES_QUICK[..] } else { &SIZES[..] };
    let mut bench = Bench {
        origin,
        memory,
        rounds: if quick { ROUNDS_QUICK } else { ROUNDS },
        runs: 0,
        measured: Vec::new(),
    };
    let sizes = sizes.iter().filter(|size| choice.takes_size(**size));
    for (index, size_bytes) in sizes.enumerate() {
        bench.measure_size(*size_bytes, quick, choice, index == 0);
    }
    bench.measured
}

struct Bench<'a> {
    origin: Origin,
    memory: &'a UsedMemory,
    rounds: usize,
    /// Runs of the load generator so far.
    runs: u64,
    measured: Vec<Measurement>,
}

impl Bench<'_> {
    /// All scenarios of one size, by contenders that are started for it with empty stores.
    fn measure_size(&mut self, size_bytes: usize, quick: bool, choice: &Choice, report_absent: bool) {
        let mut contenders: Vec<Contender> = Vec::new();
        let mut capacity_mib = 0;
        let scenarios = Scenario::of_size(size_bytes, quick);
        for scenario in scenarios
            .into_iter()
            .filter(|scenario| choice.takes_operation(scenario.name()))
        {
            if scenario.capacity_mib() != capacity_mib {
                contenders.clear(); // they give their memory back before others take it
                let report_absent = report_absent && capacity_mib == 0;
                capacity_mib = scenario.capacity_mib();
                contenders = self.start(choice, capacity_mib, report_absent);
            }
            eprintln!(
                "proxy: {}, {} bytes, {} connections",
                scenario.name(),
                scenario.size_bytes,
                scenario.connections
            );
            self.memory.fill();
            self.measure_scenario(&scenario, &contenders);
        }
    }

    /// Starts all that there are, with empty stores of a capacity.
    fn start(&mut self, choice: &Choice, capacity_mib: u64, report_absent: bool) -> Vec<Contender> {
        let chosen = Kind::ALL
            .iter()
            .filter(|kind| choice.takes_contender(kind.name()));
        let mut contenders = Vec::new();
        for kind in chosen.copied() {
            match Contender::start(kind, self.origin.address, capacity_mib) {
                Ok(contender) => contenders.push(contender),
                Err(why) if report_absent => self.measured.push(absent(kind.name(), &why)),
                Err(_) => {} // said so for the first size
            }
        }
        contenders
    }

    /// Verifies every contender, then goes round them: A B C A B C …
    fn measure_scenario(&mut self, scenario: &Scenario, contenders: &[Contender]) {
        let mut entered: Vec<(&Contender, Figures)> = Vec::new();
        let meant = contenders
            .iter()
            .filter(|contender| contender.kind.takes_part_in(scenario.load));
        for contender in meant {
            let is_full = scenario.load == Load::MissesWhenFull;
            let note = scenario
                .load
                .misses()
                .then(|| contender.kind.note_on_fills(is_full));
            let prepared = verify::prepare(contender, scenario, &self.origin).and_then(|()| match is_full {
                true => self.fill_up(contender, scenario),
                false => Ok(()),
            });
            match prepared {
                Ok(()) => entered.push((
                    contender,
                    Figures {
                        note: note.flatten().map(str::to_owned),
                        ..Figures::default()
                    },
                )),
                Err(why) => {
                    let mut failed = absent(contender.kind.name(), &why);
                    failed.operation = scenario.name().to_owned();
                    failed.size_bytes = Some(scenario.size_bytes as u64);
                    failed.concurrency = scenario.connections;
                    self.measured.push(failed);
                }
            }
        }
        for _ in 0..self.rounds {
            for (contender, figures) in &mut entered {
                self.runs += 1;
                match round(contender, scenario, &self.origin, self.runs) {
                    Ok(round) => figures.push(round),
                    Err(why) => figures.note = Some(why),
                }
            }
        }
        for (contender, figures) in entered {
            self.measured.extend(figures.measurements(contender, scenario));
        }
    }
}

impl Bench<'_> {
    /// Fills a store until it has evicted a quarter of what it holds.
    fn fill_up(&mut self, contender: &Contender, scenario: &Scenario) -> Result<(), String> {
        let objects = (scenario.capacity_mib() << 20) / scenario.size_bytes as u64 * 5 / 4;
        let before = self.origin.requests();
        while self.origin.requests() - before < objects {
            self.runs += 1;
            round(contender, scenario, &self.origin, self.runs)?;
        }
        Ok(())
    }
}

/// The figures of one round.
struct Round {
    cpu_ns: f64,
    per_second: f64,
    p50_ns: f64,
    p99_ns: f64,
}

fn round(contender: &Contender, scenario: &Scenario, origin: &Origin, run: u64) -> Result<Round, String> {
    let scratch = tempfile::tempdir().map_err(|error| error.to_string())?;
    let range = scenario.range_field();
    let lines: Vec<(&str, &str)> = range
        .iter()
        .map(|range| ("Range", range.as_str()))
        .chain(contender.kind.lines().iter().copied())
        .collect();
    disk_at_rest::settle();
    let (cpu_before, asked_before) = (cpu::of_tree(contender.pid()), origin.requests());
    let seen = wrk::run(
        contender.address,
        scenario,
        ROUND_SECONDS,
        run,
        &lines,
        scratch.path(),
    )?;
    let cpu = cpu::of_tree(contender.pid()).saturating_sub(cpu_before);
    let asked = origin.requests() - asked_before;
    if seen.requests == 0.0 || seen.errors > 0.0 {
        return Err(format!(
            "{} of {} requests failed in a round",
            seen.errors, seen.requests
        ));
    }
    verify::were_as_meant(contender, scenario, seen.requests, asked)?;
    Ok(Round {
        cpu_ns: cpu.as_nanos() as f64 / seen.requests,
        per_second: seen.requests / seen.seconds,
        p50_ns: seen.p50_ns,
        p99_ns: seen.p99_ns,
    })
}

#[derive(Default)]
struct Figures {
    rounds: Vec<Round>,
    note: Option<String>,
}

impl Figures {
    fn push(&mut self, round: Round) {
        self.rounds.push(round);
    }

    fn measurements(self, contender: &Contender, scenario: &Scenario) -> Vec<Measurement> {
        let values = |pick: fn(&Round) -> f64| self.rounds.iter().map(pick).collect::<Vec<_>>();
        [
            (Unit::CpuNanosecondsPerOperation, values(|round| round.cpu_ns)),
            (Unit::OperationsPerSecond, values(|round| round.per_second)),
            (Unit::NanosecondsAtMedian, values(|round| round.p50_ns)),
            (Unit::NanosecondsAtPercentile99, values(|round| round.p99_ns)),
        ]
        .into_iter()
        .map(|(unit, rounds)| Measurement {
            area: "proxy",
            operation: scenario.name().to_owned(),
            size_bytes: Some(scenario.size_bytes as u64),
            concurrency: scenario.connections,
            contender: contender.kind.name().to_owned(),
            unit,
            rounds,
            note: self.note.clone(),
        })
        .collect()
    }
}

fn absent(contender: &str, why: &str) -> Measurement {
    Measurement {
        area: "proxy",
        operation: "all".to_owned(),
        size_bytes: None,
        concurrency: 0,
        contender: contender.to_owned(),
        unit: Unit::CpuNanosecondsPerOperation,
        rounds: Vec::new(),
        note: Some(why.to_owned()),
    }
}
