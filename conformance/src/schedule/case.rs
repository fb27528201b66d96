//! A case as plain data: what each client does, and who is polled next.

use crate::replay::schedule::{Call, Step, whole};
use forebay_core::PurgeType;
use proptest::prelude::*;

pub(super) const KEYS: usize = 2;
const SIZES: [usize; 6] = [0, 1, 100, 4097, 65_537, 262_145];
const CLIENTS_MAX: usize = 4;
const TURNS_MAX: usize = 48;

/// What clients do at the same time, after some keys were stored, and in which order they are polled.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    /// How large the entry is that each key has at first, if it has one.
    pub(crate) stored: [Option<usize>; KEYS],
    pub(crate) clients: Vec<Vec<Step>>,
    /// Each is taken modulo the clients that can go on; after the last it is always the first of them.
    pub(crate) turns: Vec<u8>,
}

fn size() -> impl Strategy<Value = usize> {
    proptest::sample::select(&SIZES[..])
}

fn key() -> impl Strategy<Value = u8> {
    prop_oneof![4 => Just(0), 1 => Just(1)]
}

/// How likely purges, expiries and updates are, against reads and writes; drawn for each client (swarm testing).
fn change_weight() -> impl Strategy<Value = u32> {
    proptest::sample::select(&[1, 2, 2, 2, 8][..])
}

fn call(change: u32) -> impl Strategy<Value = Call> {
    let purge_type = prop_oneof![3 => Just(PurgeType::Invalidation), 1 => Just(PurgeType::Eviction)];
    prop_oneof![
        6 => key().prop_map(|key| Call::Start { key }),
        6 => (size(), any::<bool>()).prop_map(|(size, eof)| Call::Write { size, eof }),
        6 => Just(Call::Finish),
        2 => Just(Call::Drop),
        8 => key().prop_map(|key| Call::Lookup { key }),
        2 => any::<u8>().prop_map(|write| Call::Follow { write }),
        6 => Just(Call::Read),
        4 => Just(Call::ReadAll),
        3 * change => (key(), purge_type).prop_map(|(key, purge_type)| Call::Purge { key, purge_type }),
        change => key().prop_map(|key| Call::Expire { key }),
        3 * change => key().prop_map(|key| Call::Update { key }),
    ]
}

fn op(change: u32) -> impl Strategy<Value = Step> {
    let polls_max = proptest::option::weighted(0.15, 1..3_u8);
    (call(change), polls_max).prop_map(|(call, polls_max)| Step { call, polls_max })
}

/// What makes the rest worth looking at, and is rare among single calls.
pub(super) fn put(key: u8, size: usize) -> Vec<Step> {
    let calls = [Call::Start { key }, Call::Write { size, eof: true }, Call::Finish];
    calls.map(whole).to_vec()
}

fn client(change: u32) -> impl Strategy<Value = Vec<Step>> {
    let some = prop_oneof![
        5 => op(change).prop_map(|op| vec![op]),
        1 => (key(), size()).prop_map(|(key, size)| put(key, size)),
    ];
    proptest::collection::vec(some, 1..=5).prop_map(|ops| ops.concat())
}

pub(crate) fn case() -> impl Strategy<Value = Case> {
    let stored = proptest::array::uniform(proptest::option::of(size()));
    let client = change_weight().no_shrink().prop_flat_map(client);
    let clients = proptest::collection::vec(client, 2..=CLIENTS_MAX);
    let turns = proptest::collection::vec(any::<u8>(), 0..TURNS_MAX);
    (stored, clients, turns).prop_map(|(stored, clients, turns)| Case {
        stored,
        clients,
        turns,
    })
}
