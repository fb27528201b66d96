//! What fuzzing feeds with bytes of its own: decoders, and whole stores. No part of the interface.
//!
//! Nearly all random bytes fail a checksum, and nothing behind it would ever be tried. So the checksums are made right
//! before: what is left to doubt is what the bytes say.

#[cfg(test)]
mod tests;

use crate::format::fixed::{encode_format, encode_segment};
use crate::format::footer::{self, ITEM_BYTES, TAIL_BYTES};
use crate::format::label::{LabelLens, NAME_BYTES_MAX};
use crate::format::record::{ALIGN, Header, Kind, TRAILER_BYTES, decode_trailer};
use crate::format::{BLOCK_BYTES, INLINE_BYTES_MAX, StoreId, checksum, u16_at, u32_at, u64_at};
use crate::io::{Io, OpenMode, RealIo, write_full};
use crate::read::Stored;
use crate::ring::Ring;
use crate::segment::Layout;
use crate::survey::Survey;
use crate::writer::slot_of;
use crate::{DiskOptions, Sync};
use bytes::Bytes;
use forebay_core::{CacheKey, CacheMeta, CompactCacheKey, HandleHit, SpanHandle, Storage};
use std::path::Path;

const ID: StoreId = StoreId(0x5eed);
const MAGIC: &[u8] = b"FBR1";

/// Bytes as a record: as they are, and with right checksums.
pub fn record(bytes: &[u8]) {
    let seed = ID.segment_seed(0);
    let _ = decode_trailer(bytes, seed);
    check_record(bytes);
    let mut bytes = bytes.to_vec();
    repair_record(&mut bytes, seed);
    check_record(&bytes);
}

fn check_record(bytes: &[u8]) {
    let seed = ID.segment_seed(0);
    let Some((header, table)) = Header::decode(bytes, seed) else {
        return;
    };
    assert_eq!(table.len(), header.table_len());
    let head = header.encode(&table, seed);
    let (again, _) = Header::decode(&head, seed).expect("what was decoded can be encoded");
    assert_eq!(again, header);
    let item = footer::Item {
        kind: Some(header.kind),
        key: header.key,
        generation: header.generation,
        offset_units: 1,
        record_units: (header.record_bytes() / ALIGN) as u32,
        body_len: header.body_len,
    };
    let whole = bytes.get(..header.record_bytes()).unwrap_or(bytes);
    let parsed = Stored::parse(&Bytes::copy_from_slice(whole), ID, &header.key, slot_of(&item, 0));
    if let Ok(stored) = parsed {
        let label = &stored.label;
        let parts = [label.namespace(), label.primary(), label.meta()].concat();
        assert_eq!((label.lens(), &parts[..]), (header.label, &label.bytes()[..]));
    }
}

/// Bytes as the end of a log: as they are, and with right checksums.
pub fn footer(bytes: &[u8]) {
    check_footer(bytes);
    let mut bytes = bytes.to_vec();
    repair_footer(&mut bytes, ID.segment_seed(0));
    check_footer(&bytes);
}

fn check_footer(bytes: &[u8]) {
    let (seed, len_bytes) = (ID.segment_seed(0), bytes.len() as u64);
    let tail_at = bytes.len().saturating_sub(TAIL_BYTES);
    let Some(tail) = footer::decode_tail(&bytes[tail_at..], len_bytes, seed) else {
        return;
    };
    let items = &bytes[tail.items_at as usize..tail_at];
    assert_eq!(items.len() as u64, tail.items_bytes());
    if let Some(items) = footer::decode_items(items, &tail, seed) {
        let again = footer::encode(&items, tail.items_at, seed);
        assert_eq!(again.len(), items.len() * ITEM_BYTES + TAIL_BYTES);
    }
}

/// Bytes as an encoded meta: what is decoded is what its encoding gives again.
pub fn meta(bytes: &[u8]) {
    if let Ok(meta) = CacheMeta::decode(Bytes::copy_from_slice(bytes)) {
        let again = meta.encode().expect("what was decoded can be encoded");
        assert!(CacheMeta::decode(again.into()).expect("and decoded again") == meta);
    }
}

/// Bytes as the log of a store that has nothing else, in either ring, in an empty directory: it is looked into, opened, every entry is
/// looked up and read, it is written to, and opened again.
pub async fn store(dir: &Path, bytes: &[u8]) {
    let layout = Layout::new(dir.to_owned());
    make(&layout, bytes).expect("the directory can be written");
    let survey = Survey::of(dir).expect("it has a FORMAT file");
    let mut keys = Vec::new();
    for segment in survey.segments() {
        keys.extend(segment.entries.iter().map(|entry| entry.key()));
        segment
            .entries
            .iter()
            .for_each(|entry| drop(survey.describe(entry)));
    }
    survey
        .verify(&mut |_| {})
        .expect("damage is found, and is no error");
    for _ in 0..2 {
        let store = DiskOptions::new(dir)
            .sync(Sync::Never)
            .open()
            .expect("damage costs entries, not the store");
        for primary in &keys {
            let key = CompactCacheKey {
                primary: *primary,
                ..CompactCacheKey::default()
            };
            let found = store
                .lookup(&CacheKey::from_compact(&key), &SpanHandle::none())
                .await;
            if let Some((_, mut hit)) = found.expect("damage is a miss") {
                read_all(&mut *hit).await;
            }
        }
        store.close();
    }
}

/// Damage in the middle of a body is an error, and ends it.
async fn read_all(hit: &mut dyn HandleHit) {
    while let Ok(Some(chunk)) = hit.read_body().await {
        assert!(!chunk.is_empty());
    }
}

fn make(layout: &Layout, bytes: &[u8]) -> std::io::Result<()> {
    RealIo.create_dir(&layout.segments())?;
    let format = RealIo.open(&layout.format(), OpenMode::CreateNew)?;
    write_full(&*format, &[encode_format(ID)], 0)?;
    for number in Ring::ALL.map(|ring| *ring.numbers().start()) {
        let log = RealIo.open(&layout.log(number), OpenMode::CreateNew)?;
        write_full(&*log, &[repaired_log(bytes, number)], 0)?;
    }
    Ok(())
}

/// The log of a segment with these bytes behind its start.
fn repaired_log(bytes: &[u8], number: u32) -> Vec<u8> {
    let seed = ID.segment_seed(number);
    let mut log = encode_segment(ID, number).to_vec();
    log.extend_from_slice(bytes);
    for at in (ALIGN..log.len()).step_by(ALIGN) {
        repair_record(&mut log[at..], seed);
    }
    repair_footer(&mut log, seed);
    log
}

/// Gives a record at the start of these bytes the checksums that it should have, as far as it is there. One whose first
/// reserved byte is odd is left as it is, so that damaged ones are tried as well.
fn repair_record(bytes: &mut [u8], seed: u64) {
    if bytes.len() < ALIGN || &bytes[..4] != MAGIC || bytes[5] & 1 == 1 {
        return;
    }
    let Some(kind) = Kind::from_u8(bytes[4]) else {
        return;
    };
    let mut header = Header {
        kind,
        key: std::array::from_fn(|i| bytes[8 + i]),
        generation: u64_at(bytes, 24),
        label: LabelLens {
            meta: u32_at(bytes, 32),
            namespace: u16_at(bytes, 36),
            primary: u16_at(bytes, 38),
        },
        body_len: u64_at(bytes, 40),
        label_checksum: u64_at(bytes, 48),
    };
    if header.label.meta as usize > CacheMeta::ENCODED_BYTES_MAX
        || header.label.name() > NAME_BYTES_MAX
        || (kind == Kind::Entry && header.body_len > INLINE_BYTES_MAX as u64)
        || bytes.len() < header.body_at()
    {
        return;
    }
    let own_seed = ID.generation_seed(header.generation);
    header.label_checksum = checksum(&bytes[header.label_at()..header.body_at()], own_seed);
    let mut table = vec![7; header.table_len()];
    if kind == Kind::Entry
        && let Some(body) = bytes.get(header.body_at()..header.body_at() + header.body_len as usize)
    {
        let blocks = body.chunks(BLOCK_BYTES);
        table = blocks.map(|block| checksum(block, own_seed)).collect();
    }
    let head = header.encode(&table, seed);
    bytes[..head.len()].copy_from_slice(&head);
    let end = header.record_bytes();
    if let Some(trailer) = bytes.get_mut(end - TRAILER_BYTES..end) {
        let encoded = header.encode_end(seed);
        trailer.copy_from_slice(&encoded[encoded.len() - TRAILER_BYTES..]);
    }
}

/// Gives a footer at the end of these bytes the place and the checksums that it should have.
fn repair_footer(bytes: &mut [u8], seed: u64) {
    let Some(tail_at) = bytes.len().checked_sub(TAIL_BYTES) else {
        return;
    };
    let (before, tail) = bytes.split_at_mut(tail_at);
    if &tail[..8] != b"forebayF" || tail[12] & 1 == 1 {
        return;
    }
    let items_bytes = (u32_at(tail, 8) as usize).checked_mul(ITEM_BYTES);
    let Some(items_at) = items_bytes.and_then(|bytes| before.len().checked_sub(bytes)) else {
        return;
    };
    tail[16..24].copy_from_slice(&(items_at as u64).to_le_bytes());
    tail[24..32].copy_from_slice(&checksum(&before[items_at..], seed).to_le_bytes());
    let tail_checksum = checksum(&tail[..56], seed);
    tail[56..].copy_from_slice(&tail_checksum.to_le_bytes());
}
