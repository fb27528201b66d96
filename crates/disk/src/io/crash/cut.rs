//! What a power cut leaves: everything durable, and of the rest what chance lets through.

use super::tree::{Change, Tree};
use super::{Names, PowerCut};
use std::collections::HashSet;
use std::path::Path;

/// What a disk writes as a whole or not at all.
const SECTOR_BYTES: usize = 512;

/// What becomes of the changes that were not synced.
#[derive(Debug, Clone, Copy)]
enum Fate {
    /// All are lost.
    Lost,
    /// All are there, as after the end of the process alone.
    Kept,
    /// They are lost from some point on; the last one is torn.
    Prefix(usize),
    /// Each has a fate of its own.
    Each,
}

/// The tree that is left.
pub(super) fn left(base: &Tree, steps: &[Change], cut: &PowerCut) -> Tree {
    let mut chance = Chance(cut.seed);
    let fate = match chance.below(6) {
        0 => Fate::Lost,
        1 => Fate::Kept,
        2 => Fate::Prefix(chance.below(steps.len() + 1)),
        // Most changes of a long record are durable; near its end, more is open.
        3 => Fate::Prefix(steps.len().saturating_sub(chance.below(8))),
        _ => Fate::Each,
    };
    let durable = durable(steps);
    let mut tree = base.clone();
    let names_end = match fate {
        Fate::Lost => 0,
        Fate::Kept => steps.len(),
        Fate::Prefix(end) => end,
        Fate::Each => chance.below(steps.len() + 1),
    };
    // With a journal, what is durable has everything before it durable as well.
    let is_name = |change: &Change| !change.dirs().is_empty();
    let journaled = steps
        .iter()
        .zip(&durable)
        .rposition(|(change, durable)| *durable && is_name(change))
        .map_or(0, |last| last + 1);
    for (number, (change, durable)) in steps.iter().zip(&durable).enumerate() {
        if is_name(change) {
            let kept = match cut.names {
                Names::InOrder => number < names_end.max(journaled),
                Names::AnyOrder => *durable || fate.keeps(number, &mut chance),
            };
            if kept {
                tree.apply_name(change);
            }
            continue;
        }
        match (fate, durable) {
            (_, true) => apply_whole(&mut tree, change),
            (Fate::Prefix(end), false) if number + 1 == end => apply_torn(&mut tree, change, &mut chance),
            (Fate::Each, false) => match chance.below(3) {
                0 => {}
                1 => apply_whole(&mut tree, change),
                _ => apply_torn(&mut tree, change, &mut chance),
            },
            (_, false) if fate.keeps(number, &mut chance) => apply_whole(&mut tree, change),
            (_, false) => {}
        }
    }
    tree
}

impl Fate {
    fn keeps(self, number: usize, chance: &mut Chance) -> bool {
        match self {
            Fate::Lost => false,
            Fate::Kept => true,
            Fate::Prefix(end) => number < end,
            Fate::Each => chance.below(2) == 1,
        }
    }
}

/// Which changes a later sync has made durable.
fn durable(steps: &[Change]) -> Vec<bool> {
    let (mut files, mut dirs) = (HashSet::new(), HashSet::<&Path>::new());
    let mut durable: Vec<bool> = steps
        .iter()
        .rev()
        .map(|change| {
            match change {
                Change::Sync(id) => drop(files.insert(*id)),
                Change::SyncDir(dir) => drop(dirs.insert(dir)),
                _ => {}
            }
            change.file().is_some_and(|id| files.contains(&id))
                || change.dirs().iter().any(|dir| dirs.contains(dir))
        })
        .collect();
    durable.reverse();
    durable
}

fn apply_whole(tree: &mut Tree, change: &Change) {
    match change {
        Change::Write(id, at, bytes) => tree.write_bytes(*id, *at, bytes),
        Change::SetLen(id, len_bytes) => tree.set_len(*id, *len_bytes),
        _ => {}
    }
}

/// Some sectors of a write are there. Its length may be known without its bytes: they read as zero then.
fn apply_torn(tree: &mut Tree, change: &Change, chance: &mut Chance) {
    let Change::Write(id, at, bytes) = change else {
        return; // a length is set or it is not
    };
    // Every now and then all but a few, so that large writes come to be nearly whole as well.
    let kept_of_16 = [1, 8, 15][chance.below(3)];
    let mut start = 0;
    while start < bytes.len() {
        let end = bytes
            .len()
            .min(start + SECTOR_BYTES - (at + start) % SECTOR_BYTES);
        if chance.below(16) < kept_of_16 {
            tree.write_bytes(*id, at + start, &bytes[start..end]);
        }
        start = end;
    }
    if chance.below(4) == 0 {
        tree.extend_to(*id, at + bytes.len());
    }
}

/// Numbers by chance, the same for the same seed (SplitMix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % end.max(1) as u64) as usize
    }
}
