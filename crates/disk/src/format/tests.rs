//! Whatever is cut or flipped, what is decoded is what was encoded, or nothing.

use super::checksum;
use super::fixed::{self, Format};
use super::footer::{self, Item};
use super::label::LabelLens;
use super::record::{self, Header, Kind};
use super::{BLOCK_BYTES, StoreId, body};

const SEED: u64 = 0x1234_5678_9abc_def0;

fn header(kind: Kind) -> Header {
    let body_len = match kind {
        Kind::Entry => BLOCK_BYTES as u64 + 1,
        Kind::FileEntry => 10 << 30,
        Kind::Tombstone => 0,
    };
    let label = match kind {
        Kind::Tombstone => LabelLens::NONE,
        _ => LabelLens {
            namespace: 3,
            primary: 20,
            meta: 77,
        },
    };
    Header {
        kind,
        key: [9; 16],
        generation: 1 << 50 | 3,
        label,
        body_len,
        label_checksum: 42,
    }
}

fn item(n: u8) -> Item {
    let kind = [
        Some(Kind::Entry),
        Some(Kind::FileEntry),
        Some(Kind::Tombstone),
        None,
    ][n as usize % 4];
    Item {
        kind,
        key: [n; 16],
        generation: n.into(),
        offset_units: 1,
        record_units: 2,
        body_len: kind.map_or(0, |kind| kind.body_bytes_max().min(3)),
    }
}

/// Calls `decoded` with every prefix and every single-bit flip of `whole`; none may give back what was encoded.
fn damage(whole: &[u8], mut decoded: impl FnMut(&[u8]) -> bool) {
    assert!(decoded(whole));
    for cut in 0..whole.len() {
        assert!(!decoded(&whole[..cut]), "cut at {cut}");
    }
    let mut damaged = whole.to_vec();
    for bit in 0..whole.len() * 8 {
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(!decoded(&damaged), "bit {bit} flipped");
        damaged[bit / 8] ^= 1 << (bit % 8);
    }
}

#[test]
fn a_record_head_comes_back_whole_or_not_at_all() {
    for kind in [Kind::Entry, Kind::FileEntry, Kind::Tombstone] {
        let header = header(kind);
        let table: record::Table = (0..header.table_len() as u64).collect();
        let encoded = header.encode(&table, SEED);
        damage(&encoded, |bytes| {
            Header::decode(bytes, SEED).is_some_and(|found| found == (header, table.clone()))
        });
        damage(&encoded, |bytes| Header::decode(bytes, SEED).is_some());
        assert!(Header::decode(&encoded, SEED + 1).is_none(), "of another segment");
    }
}

/// Found by fuzzing: an item spoke of a record of 100 GB, which a lookup would have made a buffer for.
#[test]
fn a_footer_that_speaks_of_a_record_that_cannot_be_there_is_none() {
    let decoded = |item: Item| {
        let encoded = footer::encode(&[item], 4096, SEED);
        let (items, tail) = encoded.split_at(encoded.len() - footer::TAIL_BYTES);
        let tail = footer::decode_tail(tail, 4096 + encoded.len() as u64, SEED).unwrap();
        footer::decode_items(items, &tail, SEED)
    };
    let sane = Item {
        offset_units: 62,
        ..item(0)
    };
    assert!(decoded(sane).is_some());
    for wrong in [
        Item {
            offset_units: 63,
            ..sane
        },
        Item {
            offset_units: u32::MAX,
            ..sane
        },
        Item {
            record_units: u32::MAX,
            ..sane
        },
        Item {
            body_len: 1 << 20,
            ..sane
        },
        Item {
            body_len: 1,
            ..item(2)
        },
    ] {
        assert!(decoded(wrong).is_none(), "{wrong:?}");
    }
}

#[test]
fn a_record_is_a_multiple_of_64_bytes_and_ends_in_its_trailer() {
    for meta in 0..200 {
        let header = Header {
            label: LabelLens {
                meta,
                ..LabelLens::NONE
            },
            body_len: 3,
            ..header(Kind::Entry)
        };
        let end = header.encode_end(SEED);
        assert_eq!(header.record_bytes() % record::ALIGN, 0);
        assert_eq!(header.body_at() + 3 + end.len(), header.record_bytes());
        assert_eq!(
            record::decode_trailer(&end, SEED),
            Some((header.key, header.generation))
        );
    }
    let end = header(Kind::Tombstone).encode_end(SEED);
    damage(&end[end.len() - record::TRAILER_BYTES..], |bytes| {
        record::decode_trailer(bytes, SEED).is_some()
    });
}

#[test]
fn a_footer_comes_back_whole_or_not_at_all() {
    for count in [0, 1, 5] {
        let items: Vec<Item> = (0..count).map(item).collect();
        let encoded = footer::encode(&items, 640, SEED);
        let log_len = 640 + encoded.len() as u64;
        let decode = |bytes: &[u8]| {
            let (items, tail) = bytes.split_at_checked(bytes.len().checked_sub(footer::TAIL_BYTES)?)?;
            let tail = footer::decode_tail(tail, log_len, SEED)?;
            footer::decode_items(items, &tail, SEED)
        };
        assert_eq!(decode(&encoded), Some(items));
        damage(&encoded, |bytes| decode(bytes).is_some());
    }
}

#[test]
fn the_end_of_a_body_file_comes_back_whole_or_not_at_all() {
    let (body_len, table) = (2 * BLOCK_BYTES as u64 + 5, [1, 2, 3]);
    let (encoded, checksum) = body::encode_end(&[4; 16], 5, body_len, &table, SEED);
    assert_eq!(body_len + encoded.len() as u64, body::file_bytes(body_len));
    let decode = |bytes: &[u8]| body::decode_end(bytes, &[4; 16], 5, body_len, checksum, SEED);
    assert_eq!(decode(&encoded), Some(table.to_vec()));
    damage(&encoded, |bytes| decode(bytes).is_some());
    assert!(body::decode_end(&encoded, &[4; 16], 6, body_len, checksum, SEED).is_none());
}

#[test]
fn the_fixed_blocks_come_back_whole_or_not_at_all() {
    let id = StoreId(77);
    let format = fixed::encode_format(id);
    damage(&format, |bytes| {
        matches!(fixed::decode_format(bytes), Format::Known(_))
    });
    let segment = fixed::encode_segment(id, 6);
    assert_eq!(fixed::decode_segment(&segment), Some((id, 6)));
    damage(&segment, |bytes| fixed::decode_segment(bytes).is_some());
    let mut next = format;
    next[8] += 1;
    let version = super::VERSION + 1;
    assert_eq!(fixed::decode_format(&next), Format::MaybeOtherVersion(version));
    let checksum = checksum(&next[..56], 0);
    next[56..].copy_from_slice(&checksum.to_le_bytes());
    assert_eq!(fixed::decode_format(&next), Format::OtherVersion(version));
}

#[test]
fn a_length_that_lies_is_no_record() {
    // Checksummed correctly, so that only the bounds speak against it.
    for (meta_len, [namespace_len, primary_len], body_len) in [
        (u32::MAX, [0, 0], 0),
        (0, [0, 4097], 0),
        (0, [4097, 0], 0),
        (0, [1, 4096], 0),
        (0, [u16::MAX, u16::MAX], 0),
        (0, [0, 0], u64::MAX),
        (0, [0, 0], super::INLINE_BYTES_MAX as u64 + 1),
    ] {
        let valid = Header {
            label: LabelLens::NONE,
            body_len: 0,
            ..header(Kind::Entry)
        }
        .encode(&[], SEED);
        let mut lying = valid.clone();
        lying[32..36].copy_from_slice(&meta_len.to_le_bytes());
        lying[36..38].copy_from_slice(&u16::to_le_bytes(namespace_len));
        lying[38..40].copy_from_slice(&u16::to_le_bytes(primary_len));
        lying[40..48].copy_from_slice(&body_len.to_le_bytes());
        let checksum = checksum(&lying[..56], SEED);
        lying[56..64].copy_from_slice(&checksum.to_le_bytes());
        assert!(Header::decode(&valid, SEED).is_some());
        assert!(Header::decode(&lying, SEED).is_none());
    }
}
