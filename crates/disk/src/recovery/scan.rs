//! What the log of one segment says: by its footer, or record by record where it has none that is whole.

use crate::format::StoreId;
use crate::format::fixed::FIXED_BYTES;
use crate::format::footer::{self, Item, TAIL_BYTES};
use crate::format::record::{self, ALIGN, HEAD_BYTES_MAX, Header};
use crate::io::{File, read_full};
use std::io;

/// How much of a log is read at once.
const WINDOW_BYTES: usize = 256 << 10;

/// The records of a log, in order. Damage is no error: what cannot be read is left out, and where it can still be told
/// which key it was of, that key has no entry.
pub(crate) fn load_items(log: &dyn File, segment: u32, id: StoreId) -> io::Result<Vec<Item>> {
    let seed = id.segment_seed(segment);
    let len_bytes = log.len_bytes()?;
    if let Some(items) = read_footer(log, len_bytes, seed)? {
        return Ok(items);
    }
    let mut window = Window {
        log,
        len_bytes,
        start: 0,
        bytes: Vec::new(),
    };
    scan(&mut window, seed)
}

fn read_footer(log: &dyn File, len_bytes: u64, seed: u64) -> io::Result<Option<Vec<Item>>> {
    let Some(tail_at) = len_bytes.checked_sub(TAIL_BYTES as u64) else {
        return Ok(None);
    };
    let mut tail = vec![0; TAIL_BYTES];
    read_full(log, &mut tail, tail_at)?;
    let Some(tail) = footer::decode_tail(&tail, len_bytes, seed) else {
        return Ok(None);
    };
    let mut items = vec![0; tail.items_bytes()]; // within the log: decode_tail has checked it
    read_full(log, &mut items, tail.items_at)?;
    Ok(footer::decode_items(&items, &tail, seed))
}

/// Goes from record to record; where there is none, from one multiple of 64 bytes to the next until there is one.
fn scan(window: &mut Window<'_>, seed: u64) -> io::Result<Vec<Item>> {
    let mut items = Vec::new();
    let mut at = FIXED_BYTES as u64;
    while at + (ALIGN as u64) <= window.len_bytes {
        match record_at(window, at, seed)? {
            Found::Whole(item) => {
                at += u64::from(item.record_units) * ALIGN as u64;
                items.push(item);
            }
            Found::Damaged(item) => {
                items.push(item);
                at += ALIGN as u64;
            }
            Found::Nothing => at += ALIGN as u64,
            Found::CutShort => break,
        }
    }
    Ok(items)
}

enum Found {
    /// A record with head and end.
    Whole(Item),
    /// A head without its end, or an end without its head.
    Damaged(Item),
    Nothing,
    /// A head whose record would go on behind the end of the log: a write that never took effect.
    CutShort,
}

fn record_at(window: &mut Window<'_>, at: u64, seed: u64) -> io::Result<Found> {
    let offset_units = (at / ALIGN as u64) as u32;
    let Some((header, _)) = Header::decode(window.at(at, HEAD_BYTES_MAX)?, seed) else {
        let block = window.at(at, ALIGN)?;
        return Ok(match record::decode_trailer(block, seed) {
            Some((key, generation)) => Found::Damaged(lost(key, generation, offset_units)),
            None => Found::Nothing,
        });
    };
    let end = at + header.record_bytes() as u64;
    if end > window.len_bytes {
        return Ok(Found::CutShort);
    }
    let trailer = record::decode_trailer(window.at(end - ALIGN as u64, ALIGN)?, seed);
    if trailer != Some((header.key, header.generation)) {
        return Ok(Found::Damaged(lost(header.key, header.generation, offset_units)));
    }
    Ok(Found::Whole(Item {
        kind: Some(header.kind),
        key: header.key,
        generation: header.generation,
        offset_units,
        record_units: (header.record_bytes() / ALIGN) as u32,
        body_len: header.body_len,
    }))
}

fn lost(key: forebay_core::HashBinary, generation: u64, offset_units: u32) -> Item {
    Item {
        kind: None,
        key,
        generation,
        offset_units,
        record_units: 1,
        body_len: 0,
    }
}

/// A stretch of the log in memory, which moves along with the scan.
struct Window<'a> {
    log: &'a dyn File,
    len_bytes: u64,
    start: u64,
    bytes: Vec<u8>,
}

impl Window<'_> {
    /// The bytes from `at` on, as many as wanted or as there are.
    fn at(&mut self, at: u64, wanted: usize) -> io::Result<&[u8]> {
        let end = self.len_bytes.min(at + wanted as u64);
        if at < self.start || end > self.start + self.bytes.len() as u64 {
            let len_bytes = (self.len_bytes - at.min(self.len_bytes)).min(WINDOW_BYTES as u64);
            self.bytes.resize(len_bytes as usize, 0);
            self.start = at;
            read_full(self.log, &mut self.bytes, at)?;
        }
        Ok(&self.bytes[(at - self.start) as usize..(end - self.start) as usize])
    }
}
