//! Which keys are stored, and where: the only thing that a miss looks at.

mod table;

use crate::ring::Ring;
use forebay_core::HashBinary;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use table::{Cell, GROWTH, LOAD_MAX, Table};

/// Where the record of an entry lies. Offset and length are in units of 64 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) segment: u32,
    pub(crate) offset_units: u32,
    pub(crate) record_units: u32,
    pub(crate) generation: u64,
    pub(crate) body_in_file: bool,
}

/// A slot as it is kept: 20 bytes without padding.
#[derive(Debug, Default, Clone, Copy)]
struct Packed {
    segment: u32,
    offset_units: u32,
    /// Length, reads and flags.
    units: u32,
    generation: [u32; 2],
}

/// How often an entry was read, in two bits.
const READS_SHIFT: u32 = 30;
/// More reads are not told from so many.
pub(crate) const READS_MAX: u8 = 3;
const BODY_IN_FILE: u32 = 1 << 29;
/// Tells a cell that is used from one that is not.
const USED: u32 = 1 << 28;
/// An older record of the key may lie in the main ring.
const COVERS: u32 = 1 << 27;
const UNITS: u32 = COVERS - 1;
const SHARDS: usize = 64;

/// The index. Only the writer changes it; anyone may look.
#[derive(Debug)]
pub(crate) struct Index {
    shards: [Mutex<Table>; SHARDS],
    len: AtomicUsize,
}

impl Default for Index {
    fn default() -> Self {
        Index {
            shards: std::array::from_fn(|_| Mutex::default()),
            len: AtomicUsize::new(0),
        }
    }
}

impl Index {
    /// What an entry takes at most, in bytes, in an index that only grows.
    pub(crate) const ENTRY_BYTES_MAX: usize =
        (size_of::<Cell>() * LOAD_MAX.1 * GROWTH.0).div_ceil(LOAD_MAX.0 * GROWTH.1);

    /// The slot of a key.
    pub(crate) fn get(&self, key: &HashBinary) -> Option<Slot> {
        self.shard(key).lock().get(key).map(|packed| packed.slot())
    }

    /// The slot of a key, which counts as read once more, and how often it was read now: see [`reads`](Index::reads).
    pub(crate) fn touch(&self, key: &HashBinary) -> Option<(Slot, u8)> {
        let mut shard = self.shard(key).lock();
        let packed = shard.get(key)?;
        let reads = (packed.reads() + 1).min(READS_MAX);
        packed.set_reads(reads);
        Some((packed.slot(), reads))
    }

    /// How often the key was read since its slot was set, at most [`READS_MAX`]; `None` if there is none.
    pub(crate) fn reads(&self, key: &HashBinary) -> Option<u8> {
        self.shard(key).lock().get(key).map(|packed| packed.reads())
    }

    /// Sets the slot of a key, which counts as read so often; the one before it.
    pub(crate) fn insert(&self, key: HashBinary, slot: Slot, reads: u8) -> Option<Slot> {
        let mut shard = self.shard(&key).lock();
        let mut packed = Packed::new(slot);
        packed.set_reads(reads);
        if Ring::of(slot.segment) == Ring::Probation
            && let Some(old) = shard.get(&key)
            && (Ring::of(old.segment) == Ring::Main || old.units & COVERS != 0)
        {
            packed.units |= COVERS;
        }
        let old = shard.insert(key, packed);
        self.len.fetch_add(usize::from(old.is_none()), Ordering::Relaxed);
        old.map(|packed| packed.slot())
    }

    /// Notes that an older record of the key may lie in the main ring.
    pub(crate) fn set_covers(&self, key: &HashBinary) {
        if let Some(packed) = self.shard(key).lock().get(key) {
            packed.units |= COVERS;
        }
    }

    /// Whether an older record of the key may lie in the main ring, which this one on probation overrules.
    pub(crate) fn covers(&self, key: &HashBinary) -> bool {
        self.shard(key)
            .lock()
            .get(key)
            .is_some_and(|packed| packed.units & COVERS != 0)
    }

    /// Removes a key; its slot.
    pub(crate) fn remove(&self, key: &HashBinary) -> Option<Slot> {
        let old = self.shard(key).lock().remove(key)?;
        self.len.fetch_sub(1, Ordering::Relaxed);
        Some(old.slot())
    }

    /// Calls `visit` with every key and slot, one shard at a time.
    pub(crate) fn for_each(&self, mut visit: impl FnMut(&HashBinary, Slot)) {
        for shard in &self.shards {
            for cell in shard.lock().used() {
                visit(&cell.key, cell.packed.slot());
            }
        }
    }

    /// How many keys there are.
    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// What the index occupies, in bytes.
    pub(crate) fn len_bytes(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len_bytes()).sum()
    }

    fn shard(&self, key: &HashBinary) -> &Mutex<Table> {
        &self.shards[key[15] as usize % SHARDS]
    }
}

impl Packed {
    fn new(slot: Slot) -> Self {
        debug_assert!(slot.record_units <= UNITS);
        let flag = if slot.body_in_file { BODY_IN_FILE } else { 0 };
        Packed {
            segment: slot.segment,
            offset_units: slot.offset_units,
            units: slot.record_units | flag | USED,
            generation: [slot.generation as u32, (slot.generation >> 32) as u32],
        }
    }

    fn slot(&self) -> Slot {
        let [low, high] = self.generation;
        Slot {
            segment: self.segment,
            offset_units: self.offset_units,
            record_units: self.units & UNITS,
            generation: u64::from(high) << 32 | u64::from(low),
            body_in_file: self.units & BODY_IN_FILE != 0,
        }
    }

    fn reads(&self) -> u8 {
        (self.units >> READS_SHIFT) as u8
    }

    fn set_reads(&mut self, reads: u8) {
        self.units = self.units & !(u32::from(READS_MAX) << READS_SHIFT) | u32::from(reads) << READS_SHIFT;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(generation: u64) -> Slot {
        Slot {
            segment: 7,
            offset_units: 1,
            record_units: 12_345,
            generation,
            body_in_file: generation.is_multiple_of(2),
        }
    }

    #[test]
    fn a_slot_comes_back_as_it_was_set() {
        let index = Index::default();
        for generation in [0, 1, u64::MAX, u64::MAX - 1, 1 << 32] {
            index.insert([3; 16], slot(generation), 3);
            assert_eq!(index.get(&[3; 16]), Some(slot(generation)));
        }
        assert_eq!(index.len(), 1);
        assert_eq!(index.remove(&[3; 16]), Some(slot(1 << 32)));
        assert_eq!(index.get(&[3; 16]), None);
    }

    #[test]
    fn reads_are_counted_from_what_the_slot_was_set_with() {
        let index = Index::default();
        assert_eq!(index.reads(&[3; 16]), None);
        index.insert([3; 16], slot(1), 0);
        assert_eq!(index.reads(&[3; 16]), Some(0));
        for reads in [1, 2, 3, READS_MAX] {
            assert_eq!(index.touch(&[3; 16]), Some((slot(1), reads)));
            assert_eq!(index.reads(&[3; 16]), Some(reads));
        }
        index.insert([3; 16], slot(2), 1);
        assert_eq!(index.reads(&[3; 16]), Some(1));
    }

    #[test]
    fn a_record_on_probation_covers_one_in_the_main_ring_until_the_key_is_back_there_or_gone() {
        let (main, probation) = (slot(1), |generation| Slot {
            segment: u32::MAX,
            ..slot(generation)
        });
        let index = Index::default();
        let covers = |slot| {
            index.insert([3; 16], slot, 0);
            index.covers(&[3; 16])
        };
        assert!(!covers(probation(2)));
        assert!(!covers(probation(3)));
        assert!(!covers(main));
        assert!(covers(probation(4)));
        assert!(covers(probation(5)), "handed on");
        assert!(!covers(main));
        index.remove(&[3; 16]);
        assert!(!covers(probation(6)));
        index.set_covers(&[3; 16]);
        assert!(index.covers(&[3; 16]));
        assert_eq!(index.get(&[3; 16]), Some(probation(6)));
    }

    #[test]
    fn an_index_of_any_size_takes_no_more_than_it_says_per_entry() {
        let index = Index::default();
        for number in 0_u64..300_000 {
            let key = twox_hash::XxHash3_64::oneshot(&number.to_le_bytes());
            let key = (u128::from(key) << 64 | u128::from(number)).to_be_bytes();
            index.insert(key, slot(number), 0);
            if number >= 20_000 && number % 5_000 == 0 {
                let bytes = index.len_bytes() / (number as usize + 1);
                assert!(
                    bytes <= Index::ENTRY_BYTES_MAX,
                    "{bytes} bytes an entry, of {number}"
                );
            }
        }
        assert_eq!(index.len(), 300_000);
    }

    #[test]
    fn keys_that_differ_in_one_byte_are_two() {
        let index = Index::default();
        for byte in 0..16 {
            let mut key = [0; 16];
            key[byte] = 1;
            index.insert(key, slot(byte as u64), 0);
        }
        assert_eq!(index.len(), 16);
    }
}
