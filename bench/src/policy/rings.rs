//! Orders of eviction on segments that go as a whole, in bytes, with no cost of their own: what the disk store could do
//! instead of what it does.

use super::Policy;
use super::trace::Access;
use crate::Failure;
use std::collections::{HashMap, VecDeque};

const SEGMENT_BYTES: u64 = 1 << 20;
const READS_MAX: u8 = 3;

/// Which order it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Order {
    /// One ring; of the oldest segment, what was read is written again, up to this share of it.
    One(f64),
    /// What is new is in a ring of a tenth of the capacity; what is read there moves to the main ring, where three quarters
    /// of a segment may be kept. There are no ghosts.
    TwoWithoutGhosts,
}

/// A store of segments.
#[derive(Debug)]
pub struct Rings {
    capacity_bytes: u64,
    order: Order,
    entries: HashMap<u64, Entry>,
    main: Ring,
    probation: Ring,
    next_segment: u64,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    segment: u64,
    reads: u8,
}

#[derive(Debug, Default)]
struct Ring {
    segments: VecDeque<Segment>,
    bytes: u64,
}

#[derive(Debug, Default)]
struct Segment {
    number: u64,
    bytes: u64,
    items: Vec<Access>,
}

impl Rings {
    /// Holds so many bytes.
    pub fn new(capacity_bytes: u64, order: Order) -> Self {
        Rings {
            capacity_bytes,
            order,
            entries: HashMap::new(),
            main: Ring::default(),
            probation: Ring::default(),
            next_segment: 0,
        }
    }

    fn append(&mut self, to_main: bool, item: Access, reads: u8) {
        let ring = if to_main {
            &mut self.main
        } else {
            &mut self.probation
        };
        if ring
            .segments
            .back()
            .is_none_or(|newest| newest.bytes >= SEGMENT_BYTES)
        {
            self.next_segment += 1;
            ring.segments.push_back(Segment {
                number: self.next_segment,
                ..Segment::default()
            });
        }
        if let Some(newest) = ring.segments.back_mut() {
            newest.items.push(item);
            newest.bytes += item.bytes;
            ring.bytes += item.bytes;
            let segment = newest.number;
            self.entries.insert(item.id, Entry { segment, reads });
        }
    }

    fn evict(&mut self) {
        let of_probation = self.order == Order::TwoWithoutGhosts
            && (self.probation.bytes > self.capacity_bytes / 10 || self.main.segments.is_empty());
        let ring = if of_probation {
            &mut self.probation
        } else {
            &mut self.main
        };
        let Some(oldest) = ring.segments.pop_front() else {
            return;
        };
        ring.bytes -= oldest.bytes;
        let share = match self.order {
            Order::One(share) => share,
            Order::TwoWithoutGhosts if of_probation => 1.0,
            Order::TwoWithoutGhosts => 0.75,
        };
        let mut left = (oldest.bytes as f64 * share) as u64;
        for item in oldest.items {
            let entry = self.entries.get(&item.id).copied();
            let Some(entry) = entry.filter(|entry| entry.segment == oldest.number) else {
                continue;
            };
            if entry.reads == 0 || item.bytes > left {
                self.entries.remove(&item.id);
                continue;
            }
            left -= item.bytes;
            self.append(true, item, if of_probation { 0 } else { entry.reads - 1 });
        }
    }
}

impl Policy for Rings {
    fn access(&mut self, access: Access) -> Result<bool, Failure> {
        if let Some(entry) = self.entries.get_mut(&access.id) {
            entry.reads = (entry.reads + 1).min(READS_MAX);
            return Ok(true);
        }
        while self.main.bytes + self.probation.bytes + access.bytes > self.capacity_bytes {
            self.evict();
        }
        self.append(self.order != Order::TwoWithoutGhosts, access, 0);
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::trace;

    #[test]
    fn none_holds_more_than_its_capacity_or_stops() {
        for order in [Order::One(0.0), Order::One(0.9), Order::TwoWithoutGhosts] {
            let mut rings = Rings::new(16 << 20, order);
            for access in trace::mixed_sizes(5_000, 20_000, 0.8) {
                rings.access(access).unwrap();
                assert!(rings.main.bytes + rings.probation.bytes <= 16 << 20);
            }
        }
    }

    #[test]
    fn what_is_read_outlives_what_is_not() {
        for order in [Order::One(0.5), Order::TwoWithoutGhosts] {
            let mut rings = Rings::new(16 << 20, order);
            let once = |id| Access { id, bytes: 100_000 };
            rings.access(once(0)).unwrap();
            rings.access(once(0)).unwrap();
            for id in 1..200 {
                rings.access(once(id)).unwrap();
            }
            assert!(rings.access(once(0)).unwrap());
            assert!(!rings.access(once(1)).unwrap());
        }
    }
}
