//! Which keys have left probation lately without having been read: one that comes back is worth more than a new one.

use forebay_core::HashBinary;

/// Keys that share a place, newest first. The older ones make room.
const PLACE_KEYS: usize = 8;
/// What it remembers of a key: two bytes. One in 8000 keys that it has never seen is taken for one that it knows; that
/// one is kept for nothing.
type Mark = u16;
/// Of no key.
const NONE: Mark = 0;

/// Remembers about as many keys as the store has entries, in two bytes each.
#[derive(Debug, Default)]
pub(crate) struct Ghosts {
    places: Box<[[Mark; PLACE_KEYS]]>,
}

impl Ghosts {
    /// What it takes for each entry of the store.
    pub(crate) const ENTRY_BYTES: usize = size_of::<Mark>();

    /// Remembers a key, in a store of so many entries. Where that number has doubled or halved, it begins anew.
    pub(crate) fn add(&mut self, key: &HashBinary, entries: usize) {
        let wanted = entries.div_ceil(PLACE_KEYS).max(PLACE_KEYS);
        if self.places.len() * 2 < wanted || self.places.len() > wanted * 2 {
            self.places = vec![[NONE; PLACE_KEYS]; wanted].into();
        }
        let (at, mark) = self.locate(key);
        self.places[at].copy_within(..PLACE_KEYS - 1, 1);
        self.places[at][0] = mark;
    }

    /// Whether it remembers a key.
    pub(crate) fn has(&self, key: &HashBinary) -> bool {
        if self.places.is_empty() {
            return false;
        }
        let (at, mark) = self.locate(key);
        self.places[at].contains(&mark)
    }

    /// Keys are hashes: eight bytes say where, two others are remembered.
    fn locate(&self, key: &HashBinary) -> (usize, Mark) {
        let place = key[..8]
            .iter()
            .fold(0, |place: u64, byte| place << 8 | u64::from(*byte));
        let at = (u128::from(place) * self.places.len() as u128) >> 64;
        (at as usize, Mark::from_le_bytes([key[8], key[9]]).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u64) -> HashBinary {
        let hash = twox_hash::XxHash3_64::oneshot(&number.to_le_bytes());
        (u128::from(hash) << 64 | u128::from(hash.rotate_left(32))).to_be_bytes()
    }

    #[test]
    fn it_knows_about_as_many_of_the_last_keys_as_there_are_entries() {
        const ENTRIES: u64 = 10_000;
        let mut ghosts = Ghosts::default();
        assert!(!ghosts.has(&key(0)));
        (0..20 * ENTRIES).for_each(|number| ghosts.add(&key(number), ENTRIES as usize));
        let known = |from: u64| {
            (from..from + ENTRIES / 2)
                .filter(|n| ghosts.has(&key(*n)))
                .count()
        };
        assert!(
            known(20 * ENTRIES - ENTRIES / 2) > 9 * ENTRIES as usize / 20,
            "the last ones"
        );
        assert!(known(15 * ENTRIES) < 20, "long gone");
        assert!(known(100 * ENTRIES) < 20, "never seen");
        assert!(ghosts.places.len() * size_of::<[Mark; PLACE_KEYS]>() <= 2 * ENTRIES as usize + 16);
    }

    #[test]
    fn in_a_store_of_another_size_it_begins_anew() {
        let mut ghosts = Ghosts::default();
        ghosts.add(&key(1), 100);
        ghosts.add(&key(2), 150);
        assert!(ghosts.has(&key(1)) && ghosts.has(&key(2)));
        ghosts.add(&key(3), 1000);
        assert!(!ghosts.has(&key(1)) && ghosts.has(&key(3)));
    }
}
