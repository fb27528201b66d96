//! Which keys are stored, and where: the only thing that a miss looks at.

use forebay_core::HashBinary;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};

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
#[derive(Debug, Clone, Copy)]
struct Packed {
    segment: u32,
    offset_units: u32,
    /// Length, and the two flags.
    units: u32,
    generation: [u32; 2],
}

const HIT: u32 = 1 << 31;
const BODY_IN_FILE: u32 = 1 << 30;
const SHARDS: usize = 64;

/// Keys are hashes already; two words of them are mixed, since a caller may have set a key by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct IndexKey(HashBinary);

#[derive(Debug, Default)]
struct KeyHasher(u64);

type Shard = HashMap<IndexKey, Packed, BuildHasherDefault<KeyHasher>>;

/// The index. Only the writer changes it; anyone may look.
#[derive(Debug)]
pub(crate) struct Index {
    shards: [Mutex<Shard>; SHARDS],
}

impl Default for Index {
    fn default() -> Self {
        Index {
            shards: std::array::from_fn(|_| Mutex::default()),
        }
    }
}

impl Index {
    /// The slot of a key.
    pub(crate) fn get(&self, key: &HashBinary) -> Option<Slot> {
        self.shard(key)
            .lock()
            .get(&IndexKey(*key))
            .map(|packed| packed.slot())
    }

    /// The slot of a key, which counts as read from now on.
    pub(crate) fn touch(&self, key: &HashBinary) -> Option<Slot> {
        let mut shard = self.shard(key).lock();
        let packed = shard.get_mut(&IndexKey(*key))?;
        packed.units |= HIT;
        Some(packed.slot())
    }

    /// Whether the key was read since its slot was set.
    pub(crate) fn was_hit(&self, key: &HashBinary) -> bool {
        self.shard(key)
            .lock()
            .get(&IndexKey(*key))
            .is_some_and(|packed| packed.units & HIT != 0)
    }

    /// Sets the slot of a key; the one before it.
    pub(crate) fn insert(&self, key: HashBinary, slot: Slot) -> Option<Slot> {
        let old = self.shard(&key).lock().insert(IndexKey(key), Packed::new(slot));
        old.map(|packed| packed.slot())
    }

    /// Removes a key; its slot.
    pub(crate) fn remove(&self, key: &HashBinary) -> Option<Slot> {
        self.shard(key)
            .lock()
            .remove(&IndexKey(*key))
            .map(|packed| packed.slot())
    }

    /// Calls `visit` with every key and slot, one shard at a time.
    pub(crate) fn for_each(&self, mut visit: impl FnMut(&HashBinary, Slot)) {
        for shard in &self.shards {
            for (key, packed) in shard.lock().iter() {
                visit(&key.0, packed.slot());
            }
        }
    }

    /// How many keys there are.
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }

    fn shard(&self, key: &HashBinary) -> &Mutex<Shard> {
        &self.shards[key[15] as usize % SHARDS]
    }
}

impl Packed {
    fn new(slot: Slot) -> Self {
        debug_assert!(slot.record_units < BODY_IN_FILE);
        let flag = if slot.body_in_file { BODY_IN_FILE } else { 0 };
        Packed {
            segment: slot.segment,
            offset_units: slot.offset_units,
            units: slot.record_units | flag,
            generation: [slot.generation as u32, (slot.generation >> 32) as u32],
        }
    }

    fn slot(&self) -> Slot {
        let [low, high] = self.generation;
        Slot {
            segment: self.segment,
            offset_units: self.offset_units,
            record_units: self.units & !(HIT | BODY_IN_FILE),
            generation: u64::from(high) << 32 | u64::from(low),
            body_in_file: self.units & BODY_IN_FILE != 0,
        }
    }
}

impl Hash for IndexKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for half in self.0.chunks_exact(8) {
            state.write_u64(half.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)));
        }
    }
}

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, word: u64) {
        let mixed = (self.0 ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 32);
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
