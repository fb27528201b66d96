//! The textbook policies LRU, FIFO and S3-FIFO, in bytes, with no cost of their own.

use super::Policy;
use super::trace::Access;
use crate::Failure;
use std::collections::{BTreeMap, HashMap, VecDeque};

/// The least recently used object goes first.
#[derive(Debug)]
pub struct Lru {
    capacity_bytes: u64,
    used_bytes: u64,
    now: u64,
    entries: HashMap<u64, (u64, u64)>, // when it was used, bytes
    by_use: BTreeMap<u64, u64>,
}

impl Lru {
    /// Holds so many bytes.
    pub fn new(capacity_bytes: u64) -> Self {
        Lru {
            capacity_bytes,
            used_bytes: 0,
            now: 0,
            entries: HashMap::new(),
            by_use: BTreeMap::new(),
        }
    }
}

impl Policy for Lru {
    fn access(&mut self, Access { id, bytes }: Access) -> Result<bool, Failure> {
        self.now += 1;
        let before = self.entries.insert(id, (self.now, bytes));
        self.by_use.insert(self.now, id);
        match before {
            Some((used, _)) => {
                self.by_use.remove(&used);
            }
            None => self.used_bytes += bytes,
        }
        while self.used_bytes > self.capacity_bytes {
            let Some((_, oldest)) = self.by_use.pop_first() else {
                break;
            };
            self.used_bytes -= self.entries.remove(&oldest).map_or(0, |(_, bytes)| bytes);
        }
        Ok(before.is_some())
    }
}

/// The oldest object goes first.
#[derive(Debug)]
pub struct Fifo {
    capacity_bytes: u64,
    used_bytes: u64,
    entries: HashMap<u64, u64>,
    queue: VecDeque<u64>,
}

impl Fifo {
    /// Holds so many bytes.
    pub fn new(capacity_bytes: u64) -> Self {
        Fifo {
            capacity_bytes,
            used_bytes: 0,
            entries: HashMap::new(),
            queue: VecDeque::new(),
        }
    }
}

impl Policy for Fifo {
    fn access(&mut self, Access { id, bytes }: Access) -> Result<bool, Failure> {
        if self.entries.contains_key(&id) {
            return Ok(true);
        }
        self.entries.insert(id, bytes);
        self.queue.push_back(id);
        self.used_bytes += bytes;
        while self.used_bytes > self.capacity_bytes {
            let Some(oldest) = self.queue.pop_front() else {
                break;
            };
            self.used_bytes -= self.entries.remove(&oldest).unwrap_or_default();
        }
        Ok(false)
    }
}

/// S3-FIFO: a small queue on probation (a tenth), a main queue, and the ids of what left the small one.
#[derive(Debug)]
pub struct S3Fifo {
    capacity_bytes: u64,
    entries: HashMap<u64, Kept>,
    small: Queue,
    main: Queue,
    ghosts: Queue,
    ghost_ids: HashMap<u64, u64>,
}

#[derive(Debug)]
struct Kept {
    bytes: u64,
    accesses: u8,
}

#[derive(Debug, Default)]
struct Queue {
    ids: VecDeque<u64>,
    bytes: u64,
}

const ACCESSES_MAX: u8 = 3;

impl S3Fifo {
    /// Holds so many bytes.
    pub fn new(capacity_bytes: u64) -> Self {
        S3Fifo {
            capacity_bytes,
            entries: HashMap::new(),
            small: Queue::default(),
            main: Queue::default(),
            ghosts: Queue::default(),
            ghost_ids: HashMap::new(),
        }
    }

    fn evict(&mut self) {
        if self.small.bytes > self.capacity_bytes / 10 || self.main.ids.is_empty() {
            self.evict_small();
        } else {
            self.evict_main();
        }
    }

    fn evict_small(&mut self) {
        let Some(id) = self.small.ids.pop_front() else {
            return;
        };
        let Some(kept) = self.entries.get_mut(&id) else {
            return;
        };
        self.small.bytes -= kept.bytes;
        if kept.accesses > 1 {
            kept.accesses = 0;
            self.main.push(id, kept.bytes);
            return;
        }
        let bytes = kept.bytes;
        self.entries.remove(&id);
        self.ghosts.push(id, bytes);
        self.ghost_ids.insert(id, bytes);
        while self.ghosts.bytes > self.capacity_bytes * 9 / 10 {
            let Some(oldest) = self.ghosts.ids.pop_front() else {
                break;
            };
            // One that came back has left its id in the queue, and none here.
            self.ghosts.bytes -= self.ghost_ids.remove(&oldest).unwrap_or_default();
        }
    }

    fn evict_main(&mut self) {
        while let Some(id) = self.main.ids.pop_front() {
            let Some(kept) = self.entries.get_mut(&id) else {
                continue;
            };
            if kept.accesses > 0 {
                kept.accesses -= 1;
                self.main.ids.push_back(id);
                continue;
            }
            self.main.bytes -= kept.bytes;
            self.entries.remove(&id);
            return;
        }
    }
}

impl Queue {
    fn push(&mut self, id: u64, bytes: u64) {
        self.ids.push_back(id);
        self.bytes += bytes;
    }
}

impl Policy for S3Fifo {
    fn access(&mut self, Access { id, bytes }: Access) -> Result<bool, Failure> {
        if let Some(kept) = self.entries.get_mut(&id) {
            kept.accesses = (kept.accesses + 1).min(ACCESSES_MAX);
            return Ok(true);
        }
        while self.small.bytes + self.main.bytes + bytes > self.capacity_bytes && !self.entries.is_empty() {
            self.evict();
        }
        self.entries.insert(id, Kept { bytes, accesses: 0 });
        match self.ghost_ids.remove(&id) {
            Some(ghost_bytes) => {
                self.ghosts.bytes -= ghost_bytes;
                self.main.push(id, bytes);
            }
            None => self.small.push(id, bytes),
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{hit_ratio, trace};

    fn hits(policy: &mut dyn Policy, ids: &[u64]) -> Vec<bool> {
        ids.iter()
            .map(|id| policy.access(Access { id: *id, bytes: 10 }).unwrap())
            .collect()
    }

    #[test]
    fn lru_keeps_what_was_used_last_and_fifo_what_came_last() {
        let ids = [1, 2, 3, 1, 4, 1, 2];
        assert_eq!(
            hits(&mut Lru::new(30), &ids),
            [false, false, false, true, false, true, false]
        );
        assert_eq!(
            hits(&mut Fifo::new(30), &ids),
            [false, false, false, true, false, false, false]
        );
    }

    #[test]
    fn s3_fifo_keeps_what_comes_back_through_a_scan() {
        let mut policy = S3Fifo::new(100);
        hits(&mut policy, &[1, 1, 1, 1]);
        let scan: Vec<_> = (100..160).collect();
        hits(&mut policy, &scan);
        assert_eq!(hits(&mut policy, &[1]), [true]);
        assert_eq!(hits(&mut policy, &[100]), [false]);
    }

    #[test]
    fn none_holds_more_than_its_capacity() {
        let trace = trace::mixed_sizes(5_000, 20_000, 0.8);
        let capacity = 16 << 20;
        let (mut lru, mut fifo, mut s3) = (Lru::new(capacity), Fifo::new(capacity), S3Fifo::new(capacity));
        for access in trace {
            lru.access(access).unwrap();
            fifo.access(access).unwrap();
            s3.access(access).unwrap();
            assert!(lru.entries.values().map(|(_, bytes)| bytes).sum::<u64>() <= capacity);
            assert!(fifo.used_bytes <= capacity);
            assert!(s3.small.bytes + s3.main.bytes <= capacity);
        }
    }

    #[test]
    fn a_cache_of_everything_misses_each_object_once() {
        let trace: Vec<_> = (0..100)
            .cycle()
            .take(200)
            .map(|id| Access { id, bytes: 1 })
            .collect();
        assert_eq!(hit_ratio(&mut S3Fifo::new(1000), &trace).unwrap(), 1.0);
        assert_eq!(hit_ratio(&mut Fifo::new(50), &trace).unwrap(), 0.0);
    }
}
