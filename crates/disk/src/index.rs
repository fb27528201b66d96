//! Which keys are stored, and where: the only thing that a miss looks at.

mod table;

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
    /// Length, and the flags.
    units: u32,
    generation: [u32; 2],
}

const HIT: u32 = 1 << 31;
const BODY_IN_FILE: u32 = 1 << 30;
/// Tells a cell that is used from one that is not.
const USED: u32 = 1 << 29;
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

    /// The slot of a key, which counts as read from now on.
    pub(crate) fn touch(&self, key: &HashBinary) -> Option<Slot> {
        let mut shard = self.shard(key).lock();
        let packed = shard.get(key)?;
        packed.units |= HIT;
        Some(packed.slot())
    }

    /// Whether the key was read since its slot was set.
    pub(crate) fn was_hit(&self, key: &HashBinary) -> bool {
        self.shard(key)
            .lock()
            .get(key)
            .is_some_and(|packed| packed.units & HIT != 0)
    }

    /// Sets the slot of a key; the one before it.
    pub(crate) fn insert(&self, key: HashBinary, slot: Slot) -> Option<Slot> {
        let old = self.shard(&key).lock().insert(key, Packed::new(slot));
        self.len.fetch_add(usize::from(old.is_none()), Ordering::Relaxed);
        old.map(|packed| packed.slot())
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
        debug_assert!(slot.record_units < USED);
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
            record_units: self.units & !(HIT | BODY_IN_FILE | USED),
            generation: u64::from(high) << 32 | u64::from(low),
            body_in_file: self.units & BODY_IN_FILE != 0,
        }
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
            index.insert([3; 16], slot(generation));
            assert_eq!(index.get(&[3; 16]), Some(slot(generation)));
        }
        assert_eq!(index.len(), 1);
        assert_eq!(index.remove(&[3; 16]), Some(slot(1 << 32)));
        assert_eq!(index.get(&[3; 16]), None);
    }

    #[test]
    fn setting_a_slot_forgets_that_it_was_read() {
        let index = Index::default();
        index.insert([3; 16], slot(1));
        assert!(!index.was_hit(&[3; 16]));
        assert_eq!(index.touch(&[3; 16]), Some(slot(1)));
        assert!(index.was_hit(&[3; 16]));
        index.insert([3; 16], slot(2));
        assert!(!index.was_hit(&[3; 16]));
    }

    #[test]
    fn an_index_of_any_size_takes_no_more_than_it_says_per_entry() {
        let index = Index::default();
        for number in 0_u64..300_000 {
            let key = twox_hash::XxHash3_64::oneshot(&number.to_le_bytes());
            let key = (u128::from(key) << 64 | u128::from(number)).to_be_bytes();
            index.insert(key, slot(number));
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
            index.insert(key, slot(byte as u64));
        }
        assert_eq!(index.len(), 16);
    }
}
