//! What the log of one segment says: by its footer, or record by record where it has none that is whole.

use crate::format::StoreId;
use crate::format::fixed::FIXED_BYTES;
use crate::format::footer::{self, Item, TAIL_BYTES};
use crate::format::record::{self, ALIGN, HEAD_BYTES_MAX, Header, Kind};
use crate::io::{File, read_full};
use crate::read::Stored;
use crate::writer::slot_of;
use bytes::Bytes;
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
    scan(&mut window, id, segment)
}

/// Whether a log has its footer, undamaged.
pub(crate) fn is_sealed(log: &dyn File, segment: u32, id: StoreId) -> io::Result<bool> {
    Ok(read_footer(log, log.len_bytes()?, id.segment_seed(segment))?.is_some())
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
    let Ok(items_bytes) = usize::try_from(tail.items_bytes()) else {
        return Ok(None); // more than this machine can address
    };
    let mut items = vec![0; items_bytes]; // within the log: decode_tail has checked it
    read_full(log, &mut items, tail.items_at)?;
    Ok(footer::decode_items(&items, &tail, seed))
}

/// Goes from record to record; where there is none, from one multiple of 64 bytes to the next until there is one.
fn scan(window: &mut Window<'_>, id: StoreId, segment: u32) -> io::Result<Vec<Item>> {
    let mut items = Vec::new();
    // Records that are not whole. Before other records that is damage; at the end of the log it is a write that was cut
    // short and never took effect.
    let mut partial = Vec::new();
    let mut at = FIXED_BYTES as u64;
    while at + (ALIGN as u64) <= window.len_bytes {
        let mut step = ALIGN as u64;
        match record_at(window, at, id, segment)? {
            Found::Whole(item) => {
                step = u64::from(item.record_units) * ALIGN as u64;
                items.append(&mut partial);
                items.push(item);
            }
            Found::End(item) => {
                items.append(&mut partial);
                items.push(item);
            }
            Found::Partial(item) => partial.push(item),
            Found::Nothing => {}
        }
        at += step;
    }
    Ok(items)
}

enum Found {
    Whole(Item),
    /// A whole head; label, body or end are not what it says.
    Partial(Item),
    /// The end of a record whose head is damaged.
    End(Item),
    Nothing,
}

fn record_at(window: &mut Window<'_>, at: u64, id: StoreId, segment: u32) -> io::Result<Found> {
    let seed = id.segment_seed(segment);
    let offset_units = (at / ALIGN as u64) as u32;
    let Some((header, _)) = Header::decode(window.at(at, HEAD_BYTES_MAX)?, seed) else {
        let block = window.at(at, ALIGN)?;
        return Ok(match record::decode_trailer(block, seed) {
            Some((key, generation)) => Found::End(lost(key, generation, offset_units)),
            None => Found::Nothing,
        });
    };
    let item = Item {
        kind: Some(header.kind),
        key: header.key,
        generation: header.generation,
        offset_units,
        record_units: (header.record_bytes() / ALIGN) as u32,
        body_len: header.body_len,
    };
    Ok(match is_whole(window, at, &header, &item, id, segment)? {
        true => Found::Whole(item),
        false => Found::Partial(lost(header.key, header.generation, offset_units)),
    })
}

/// Whether the record was written to its end: its trailer tells, and without one its checksums.
fn is_whole(
    window: &mut Window<'_>,
    at: u64,
    header: &Header,
    item: &Item,
    id: StoreId,
    segment: u32,
) -> io::Result<bool> {
    let end = at + header.record_bytes() as u64;
    if end > window.len_bytes {
        return Ok(false);
    }
    let trailer = record::decode_trailer(window.at(end - ALIGN as u64, ALIGN)?, id.segment_seed(segment));
    if trailer == Some((header.key, header.generation)) || header.kind == Kind::Tombstone {
        return Ok(true); // a tombstone is its head
    }
    let bytes = Bytes::copy_from_slice(window.at(at, header.record_bytes())?);
    Ok(Stored::parse(&bytes, id, &header.key, slot_of(item, segment)).is_ok())
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
            let len_bytes = (self.len_bytes - at.min(self.len_bytes)).min(WINDOW_BYTES.max(wanted) as u64);
            self.bytes.resize(len_bytes as usize, 0);
            self.start = at;
            read_full(self.log, &mut self.bytes, at)?;
        }
        Ok(&self.bytes[(at - self.start) as usize..(end - self.start) as usize])
    }
}
