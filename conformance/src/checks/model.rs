//! Random sequences against the model, and the shortest one that breaks a rule.

use crate::context::Context;
use crate::model::World;
use crate::outcome::{Checked, Stop};
use crate::panics;
use crate::replay::{self, sequence::Op};
use crate::schedule::{self, Case, Record};
use forebay_core::PurgeType;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};

const OPS_MAX: usize = 40;
const SHRINKS_MAX: u32 = 400;
const SIZES: [usize; 9] = [0, 1, 100, 4095, 4096, 65_535, 65_537, 262_144, 262_145];

/// How likely each kind of operation is, against the others. Drawn for each case: one that purges all the time and hardly
/// reads comes to other places than the mean of all cases (swarm testing).
type Weights = [u32; 11];

fn weights() -> impl Strategy<Value = Weights> {
    let usual: Weights = [3, 5, 3, 1, 5, 8, 3, 1, 2, 1, 2];
    let factors = proptest::array::uniform11(proptest::sample::select(&[1, 2, 2, 2, 8][..]));
    factors.prop_map(move |factors| std::array::from_fn(|kind| usual[kind] * factors[kind]))
}

fn op(weights: Weights) -> impl Strategy<Value = Op> {
    let [
        start,
        write,
        finish,
        abort,
        lookup,
        read,
        seek,
        close,
        purge,
        expire,
        update,
    ] = weights;
    let size = || proptest::sample::select(&SIZES[..]);
    let purge_type = prop_oneof![Just(PurgeType::Invalidation), Just(PurgeType::Eviction)];
    prop_oneof![
        start => (0..3u8).prop_map(|key| Op::Start { key }),
        write => (any::<u8>(), size(), proptest::bool::weighted(0.2))
            .prop_map(|(writer, size, eof)| Op::Write { writer, size, eof }),
        finish => any::<u8>().prop_map(|writer| Op::Finish { writer }),
        abort => any::<u8>().prop_map(|writer| Op::Abort { writer }),
        lookup => (0..3u8).prop_map(|key| Op::Lookup { key }),
        read => any::<u8>().prop_map(|hit| Op::Read { hit }),
        seek => (any::<u8>(), size(), proptest::option::of(size()))
            .prop_map(|(hit, start, len)| Op::Seek { hit, start, len }),
        close => any::<u8>().prop_map(|hit| Op::Close { hit }),
        purge => (0..3u8, purge_type).prop_map(|(key, purge_type)| Op::Purge { key, purge_type }),
        expire => (0..3u8).prop_map(|key| Op::Expire { key }),
        update => (0..3u8).prop_map(|key| Op::Update { key }),
    ]
}

async fn run_ops(cx: &Context, ops: &[Op]) -> Checked<()> {
    let store = cx.fresh().await?;
    let mut world = World::new(&store, cx.able.to(crate::Capability::Stream));
    for op in ops {
        world.step(*op).await?;
    }
    Ok(())
}

/// A panic of the backend ends the case, not the series.
fn guarded(run: impl FnOnce() -> Checked<()>) -> Checked<()> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|payload| {
        let message = panics::last_own().unwrap_or_else(|| panics::message(&*payload));
        crate::outcome::broken("no panic", format!("a panic: {message}"))
    })
}

pub(super) fn sequences(cx: &Context) -> Checked<()> {
    let ops = |weights| proptest::collection::vec(op(weights), 1..OPS_MAX);
    let cases = weights().no_shrink().prop_flat_map(ops);
    shrunk(cx, &cases, |ops| run_sequence(cx, ops))
}

/// One sequence on a new storage.
pub(crate) fn run_sequence(cx: &Context, ops: &[Op]) -> Checked<()> {
    cx.log.clear();
    let result = guarded(|| cx.block_on(run_ops(cx, ops)));
    if result.is_err() {
        cx.log.set_case(replay::sequence::pasted(ops));
    }
    result
}

/// Several clients at the same time, poll by poll.
pub(super) fn schedules(cx: &Context) -> Checked<()> {
    schedule::caveat(cx)
        .into_iter()
        .for_each(|caveat| cx.note(caveat));
    shrunk(cx, &schedule::case(), |case| run_schedule(cx, case))
}

/// One schedule on a new storage.
pub(crate) fn run_schedule(cx: &Context, case: &Case) -> Checked<()> {
    cx.log.clear();
    let record = Record::default();
    let result = guarded(|| cx.block_on(schedule::run(cx, case, &record)));
    if result.is_err() {
        cx.log.clear();
        let (lanes, lines) = schedule::draw(&record);
        lines.into_iter().for_each(|line| cx.log.note(line));
        cx.log.set_lanes(lanes);
        cx.log.set_case(replay::schedule::pasted(case));
    }
    result
}

/// Runs cases until one fails, and then what is left of it when it is as small as it gets.
fn shrunk<S: Strategy>(cx: &Context, cases: &S, run: impl Fn(&S::Value) -> Checked<()>) -> Checked<()> {
    if cx.options.cases == 0 {
        return Err(Stop::Skip("no case was asked for".to_owned()));
    }
    let config = Config {
        cases: cx.options.cases,
        max_shrink_iters: SHRINKS_MAX,
        failure_persistence: None,
        ..Config::default()
    };
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&cx.options.seed.to_le_bytes());
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
    // A case that hangs takes its time; it is not shrunk.
    let hung = Cell::new(false);
    // Threads of the backend may let the same case fail and pass.
    let last = RefCell::new(None);
    let result = runner.run(cases, |case| {
        if hung.get() {
            return Ok(());
        }
        match run(&case) {
            Ok(()) => Ok(()),
            Err(stop) => {
                hung.set(schedule::is_hang(&stop));
                last.replace(Some((stop, cx.log.snapshot())));
                Err(TestCaseError::fail("broken"))
            }
        }
    });
    match result {
        Ok(()) => Ok(()),
        // Once more, for the steps and the words of the shortest case.
        Err(TestError::Fail(_, case)) => {
            run(&case)?;
            let Some((stop, log)) = last.take() else {
                return Ok(());
            };
            cx.log.restore(log);
            cx.note("not every time: the same case passed after it had failed");
            Err(stop)
        }
        Err(TestError::Abort(reason)) => Err(Stop::Harness(format!("proptest: {reason}"))),
    }
}
