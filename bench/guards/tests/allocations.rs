//! What the hot paths allocate: every allocation of an operation has its line here.
//!
//! A count that differs fails, in both directions, so that these tables stay what the code does. To find an allocation:
//! `valgrind --tool=dhat target/guards/forebay-guards <path> 1000`.

use forebay_guards::{Guarded, HotPath};

/// What is allocated, and how often per operation.
type Account = &'static [(u64, &'static str)];

/// Every method of a trait object that is async returns its future in a box.
const HIT_FUTURES: (u64, &str) = (
    2,
    "futures of lookup and of read_body; those of the end of the body and of finish have no size",
);

const MEMORY_HIT: Account = &[HIT_FUTURES, (1, "the hit handler")];

/// A small entry is shared with one thread of the process; all others get a copy.
const COPY: Account = &[
    (1, "the copy of the entry"),
    (1, "its reference count, since meta and body are parts of it"),
];

const DISK_HIT: Account = &[
    HIT_FUTURES,
    (1, "the hit handler"),
    (1, "the buffer that the record is read into"),
    (1, "its reference count, since meta and body are parts of it"),
];

const DISK_TIER_HIT: Account = &[HIT_FUTURES, (1, "the hit handler")];

const MISS: Account = &[(1, "the future of lookup")];

/// Beyond what the storage itself allocates.
const BRIDGE: Account = &[
    (
        2,
        "futures of lookup and finish; that of read_body is the storage's own",
    ),
    (1, "the hit handler around the storage's"),
    (1, "the bytes of the key, kept from lookup to finish"),
    (1, "pingora's meta, which is a box"),
    (
        4,
        "the head's two maps (values, names in their case): slots and indices each",
    ),
];

const OPERATIONS: u64 = 100;

fn per_operation(path: HotPath) -> u64 {
    let mut guarded = Guarded::prepare(path).unwrap();
    let mut count = |operations| {
        let run = || guarded.run(operations as usize).unwrap();
        allocation_counter::measure(run).count_total
    };
    let beside = count(0);
    let all = count(OPERATIONS) - beside;
    assert_eq!(all % OPERATIONS, 0, "{}: not the same each time", path.name());
    all / OPERATIONS
}

fn assert_accounted_for(path: HotPath, accounts: &[Account]) {
    let lines = || accounts.iter().copied().flatten();
    let accounted: u64 = lines().map(|(count, _)| count).sum();
    let counted = per_operation(path);
    let table: String = lines()
        .map(|(count, what)| format!("{count:>4}  {what}\n"))
        .collect();
    assert_eq!(
        counted,
        accounted,
        "{} allocates {counted} times per operation, and {accounted} are accounted for:\n{table}",
        path.name()
    );
}

/// One test, since threads count here: this one is the first of the process that reads from memory, so entries are shared
/// with it.
#[test]
fn a_hit_from_memory_allocates_its_futures_and_its_handler_and_elsewhere_a_copy() {
    assert_accounted_for(HotPath::MemoryHit, &[MEMORY_HIT]);
    assert_accounted_for(HotPath::BridgeMemoryHit, &[MEMORY_HIT, BRIDGE]);
    let elsewhere = std::thread::spawn(|| {
        assert_accounted_for(HotPath::MemoryHit, &[MEMORY_HIT, COPY]);
        assert_accounted_for(HotPath::BridgeMemoryHit, &[MEMORY_HIT, COPY, BRIDGE]);
    });
    elsewhere.join().unwrap();
}

#[test]
fn a_hit_from_disk_allocates_one_buffer_beside() {
    assert_accounted_for(HotPath::DiskHit, &[DISK_HIT]);
}

#[test]
fn a_hit_from_the_memory_tier_needs_no_buffer() {
    assert_accounted_for(HotPath::DiskTierHit, &[DISK_TIER_HIT]);
}

#[test]
fn a_miss_allocates_its_future() {
    assert_accounted_for(HotPath::MemoryMiss, &[MISS]);
    assert_accounted_for(HotPath::DiskMiss, &[MISS]);
}

#[test]
fn the_bridge_need_not_parse_the_head_of_a_hot_entry_from_disk() {
    assert_accounted_for(HotPath::BridgeDiskHit, &[DISK_HIT, BRIDGE]);
}
