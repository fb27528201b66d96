//! One shard of the index: a hash table that is fuller than those of libraries, since it is the largest thing that a store
//! has in memory.

use super::{Packed, USED};
use forebay_core::HashBinary;

/// At most so full (a fraction): beyond, it grows.
pub(super) const LOAD_MAX: (usize, usize) = (4, 5);
/// By so much (a fraction): little, so that it is never much emptier. A doubling would cost half of the memory.
pub(super) const GROWTH: (usize, usize) = (9, 8);
const CELLS_MIN: usize = 8;

/// A place in the table: a key and its slot, or nothing.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Cell {
    pub(super) key: HashBinary,
    pub(super) packed: Packed,
}

impl Cell {
    fn is_used(&self) -> bool {
        self.packed.units & USED != 0
    }
}

/// A key is in the first free cell from its home on, around the end; what is removed leaves no gap in such a run.
#[derive(Debug, Default)]
pub(super) struct Table {
    cells: Box<[Cell]>,
    len: usize,
}

impl Table {
    pub(super) fn get(&mut self, key: &HashBinary) -> Option<&mut Packed> {
        let at = self.find(key).ok()?;
        Some(&mut self.cells[at].packed)
    }

    pub(super) fn insert(&mut self, key: HashBinary, packed: Packed) -> Option<Packed> {
        match self.find(&key) {
            Ok(at) => Some(std::mem::replace(&mut self.cells[at].packed, packed)),
            Err(_) => {
                if (self.len + 1) * LOAD_MAX.1 > self.cells.len() * LOAD_MAX.0 {
                    self.grow();
                }
                self.place(Cell { key, packed });
                None
            }
        }
    }

    pub(super) fn remove(&mut self, key: &HashBinary) -> Option<Packed> {
        let mut gap = self.find(key).ok()?;
        let removed = self.cells[gap].packed;
        self.len -= 1;
        let mut at = self.after(gap);
        while self.cells[at].is_used() {
            // It may move back into the gap unless its home lies behind that.
            let home = self.home(&self.cells[at].key);
            if self.distance(home, at) >= self.distance(gap, at) {
                self.cells[gap] = self.cells[at];
                gap = at;
            }
            at = self.after(at);
        }
        self.cells[gap] = Cell::default();
        Some(removed)
    }

    pub(super) fn used(&self) -> impl Iterator<Item = &Cell> {
        self.cells.iter().filter(|cell| cell.is_used())
    }

    pub(super) fn len_bytes(&self) -> usize {
        size_of_val(&*self.cells)
    }

    /// Where a key is, or else the cell where it would be. There is always a free cell, but in an empty table.
    fn find(&self, key: &HashBinary) -> Result<usize, usize> {
        if self.cells.is_empty() {
            return Err(0);
        }
        let mut at = self.home(key);
        while self.cells[at].is_used() {
            if self.cells[at].key == *key {
                return Ok(at);
            }
            at = self.after(at);
        }
        Err(at)
    }

    /// Puts in a cell whose key is not there yet; there is room.
    fn place(&mut self, cell: Cell) {
        if let Err(at) = self.find(&cell.key) {
            self.cells[at] = cell;
            self.len += 1;
        }
    }

    fn grow(&mut self) {
        let cells = (self.cells.len() * GROWTH.0 / GROWTH.1).max(self.cells.len() + CELLS_MIN);
        let old = std::mem::replace(&mut self.cells, vec![Cell::default(); cells].into());
        self.len = 0;
        for cell in old.iter().filter(|cell| cell.is_used()) {
            self.place(*cell);
        }
    }

    fn after(&self, at: usize) -> usize {
        if at + 1 == self.cells.len() { 0 } else { at + 1 }
    }

    /// How many cells lie from one to another, going forward.
    fn distance(&self, from: usize, to: usize) -> usize {
        if to >= from {
            to - from
        } else {
            to + self.cells.len() - from
        }
    }

    /// Where the search for a key begins.
    fn home(&self, key: &HashBinary) -> usize {
        ((u128::from(mix(key)) * self.cells.len() as u128) >> 64) as usize
    }
}

/// Keys are hashes already; two words of them are mixed, since a caller may have set a key by hand.
fn mix(key: &HashBinary) -> u64 {
    key.chunks_exact(8).fold(0, |mixed: u64, half| {
        let word = half.iter().fold(0, |word, byte| (word << 8) | u64::from(*byte));
        let product = (mixed ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        product ^ (product >> 32)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn packed(number: u32) -> Packed {
        Packed {
            units: USED | 1,
            segment: number,
            ..Packed::default()
        }
    }

    /// Few keys that often share a home, in an order that a fixed generator gives.
    #[test]
    fn it_holds_what_a_map_holds_whatever_is_inserted_and_removed() {
        let (mut table, mut map, mut state) = (Table::default(), HashMap::new(), 1_u64);
        for step in 0..60_000 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let key = u128::from((state >> 33) % 700).to_be_bytes();
            let grows = step / 10_000 % 2 == 0;
            if (state >> 20) % 10 < if grows { 7 } else { 3 } {
                let old = table.insert(key, packed(step)).map(|packed| packed.segment);
                assert_eq!(old, map.insert(key, step));
            } else {
                assert_eq!(table.remove(&key).map(|packed| packed.segment), map.remove(&key));
            }
            assert_eq!(table.len, map.len());
        }
        for (key, number) in &map {
            assert_eq!(table.get(key).map(|packed| packed.segment), Some(*number));
        }
        assert_eq!(table.used().count(), map.len());
    }

    #[test]
    fn an_empty_table_has_no_key() {
        let mut table = Table::default();
        assert!(table.get(&[0; 16]).is_none());
        assert!(table.remove(&[0; 16]).is_none());
        assert_eq!(table.len_bytes(), 0);
    }
}
