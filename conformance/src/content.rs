//! What the checks write: keys, metas and bodies of which any two can be told apart.

use bytes::Bytes;
use forebay_core::{CacheHashKey, CacheKey, CacheMeta, ResponseHead};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Where a fresh meta stops to be fresh: long after anyone runs this.
const FRESH_UNTIL: Duration = Duration::new(7_000_000_000, 987_654_321);
const CREATED: Duration = Duration::new(1_700_000_000, 123_456_789);

/// Sizes around the edges of usual buffers.
pub(crate) const SIZES: [usize; 22] = [
    0, 1, 2, 63, 64, 4095, 4096, 4097, 16_383, 16_384, 65_535, 65_536, 65_537, 131_072, 262_143, 262_144,
    262_145, 1_048_575, 1_048_576, 1_048_577, 1_500_000, 2_097_152,
];

pub(crate) fn key(name: &str) -> CacheKey {
    CacheKey::new("", name, "suite")
}

pub(crate) fn variant(name: &str, variance: u8) -> CacheKey {
    let mut key = key(name);
    key.set_variance_key([variance; 16]);
    key
}

/// A key as the log shows it.
pub(crate) fn show_key(key: &CacheKey) -> String {
    let name = key.primary_key_str().unwrap_or("?");
    match key.variance_bin() {
        Some(variance) => format!("{name}+{}", variance[0]),
        None => name.to_owned(),
    }
}

/// One version of an entry: a meta and a body that no other version has.
#[derive(Debug, Clone)]
pub(crate) struct Version {
    pub(crate) meta: CacheMeta,
    pub(crate) body: Bytes,
}

impl Version {
    pub(crate) fn new(number: u32, len_bytes: usize) -> Self {
        Version {
            meta: meta(number),
            body: body(number, len_bytes),
        }
    }
}

/// A fresh meta; its ETag is the number.
pub(crate) fn meta(number: u32) -> CacheMeta {
    meta_with(number, UNIX_EPOCH + FRESH_UNTIL, 200)
}

/// A meta that has long been stale.
pub(crate) fn stale_meta(number: u32) -> CacheMeta {
    meta_with(number, UNIX_EPOCH + CREATED + Duration::from_secs(60), 200)
}

fn meta_with(number: u32, fresh_until: SystemTime, status: u16) -> CacheMeta {
    let head = ResponseHead::builder(status)
        .header("etag", format!("\"v{number}\""))
        .header("content-type", "application/octet-stream")
        .build()
        .expect("both lines are sound");
    let created = UNIX_EPOCH + CREATED + Duration::from_nanos(number.into());
    let mut meta = CacheMeta::new(fresh_until, created, 30 + number, 60 + number, head);
    meta.set_opaque(format!("opaque {number}").into());
    meta
}

/// Metas with what is easily lost.
pub(crate) fn metas() -> Vec<CacheMeta> {
    let cookies = ResponseHead::builder(200)
        .header("set-cookie", "a=1")
        .header("vary", "accept, accept-language")
        .header("set-cookie", "b=2")
        .header("set-cookie", "a=1")
        .build();
    let many = (0..100).fold(ResponseHead::builder(200), |head, number: u32| {
        head.header("set-cookie", format!("{number}=1"))
    });
    let odd = ResponseHead::builder(404)
        .header("x-empty", "")
        .header("x-text", [0xE9, b' ', 0xFF])
        .header("x-long", "x".repeat(8000))
        .build();
    let plain = ResponseHead::builder(206).build();
    // More than a length of 16 bits tells, and less than pingora reads, which is 128 KiB.
    let large = ResponseHead::builder(200)
        .header("x-large", "y".repeat(70_000))
        .build();
    let created = UNIX_EPOCH + Duration::new(1_700_000_000, 123_456_789);
    let mut metas = Vec::new();
    let variances = [[0; 16], [0xAB; 16]].into_iter().cycle();
    for (head, variance) in [cookies, many.build(), odd, plain, large]
        .into_iter()
        .zip(variances)
    {
        let head = head.expect("the lines are sound");
        let fresh_until = created + Duration::new(1, 999_999_999);
        let mut meta = CacheMeta::new(fresh_until, created, 7, 123_456, head);
        metas.push(meta.clone());
        let updated = created + Duration::from_nanos(1);
        meta.update_freshness(fresh_until, u32::MAX, u32::MAX - 1, updated);
        meta.set_variance(Some(variance));
        meta.set_opaque(Bytes::from_static(b"\0opaque\xFF"));
        metas.push(meta);
    }
    metas
}

/// The number of the version that a meta belongs to.
pub(crate) fn number_of(meta: &CacheMeta) -> Option<u32> {
    let etag = std::str::from_utf8(meta.head().get("etag")?).ok()?;
    etag.trim_matches('"').strip_prefix('v')?.parse().ok()
}

/// How a meta is called in the log.
pub(crate) fn show_meta(meta: &CacheMeta) -> String {
    number_of(meta).map_or_else(
        || "a meta that nobody wrote".to_owned(),
        |number| format!("v{number}"),
    )
}

const PATTERN_BYTES: usize = 4 << 20;
/// Coprime to the room for starts, so that versions start at different places; larger than any shift by mistake.
const STRIDE: usize = 7919;
const BODIES_BYTES_MAX: usize = 3 << 20;

/// A body that differs from that of every other number at nearly every byte.
pub(crate) fn body(number: u32, len_bytes: usize) -> Bytes {
    assert!(
        len_bytes <= BODIES_BYTES_MAX,
        "bodies of the suite have at most {BODIES_BYTES_MAX} bytes"
    );
    let start = number as usize * STRIDE % (PATTERN_BYTES - BODIES_BYTES_MAX);
    pattern().slice(start..start + len_bytes)
}

fn pattern() -> &'static Bytes {
    static PATTERN: OnceLock<Bytes> = OnceLock::new();
    PATTERN.get_or_init(|| {
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let mut bytes = Vec::with_capacity(PATTERN_BYTES);
        while bytes.len() < PATTERN_BYTES {
            // xorshift64*: no repetition within the pattern, the same on every run.
            state ^= state >> 12;
            state ^= state << 25;
            state ^= state >> 27;
            bytes.extend_from_slice(&state.wrapping_mul(0x2545_F491_4F6C_DD1D).to_le_bytes());
        }
        bytes.into()
    })
}

/// How bytes differ from what they should be, in words; `None` if they do not.
pub(crate) fn difference(expected: &[u8], actual: &[u8]) -> Option<String> {
    if expected == actual {
        return None;
    }
    let common = expected.len().min(actual.len());
    let first = (0..common).find(|&at| expected[at] != actual[at]);
    Some(match first {
        Some(at) => format!(
            "{} bytes of which byte {at} is {:#04x} instead of {:#04x}{}",
            actual.len(),
            actual[at],
            expected[at],
            origin(expected, actual, at)
        ),
        None if actual.len() < expected.len() => {
            format!("only the first {} of {} bytes", actual.len(), expected.len())
        }
        None => format!(
            "{} bytes, {} more than there are{}",
            actual.len(),
            actual.len() - expected.len(),
            origin(expected, actual, common)
        ),
    })
}

/// Where foreign bytes come from, if they are bytes of the suite.
fn origin(expected: &[u8], actual: &[u8], at: usize) -> String {
    let sample = &actual[at..actual.len().min(at + 16)];
    if sample.len() < 8 {
        return String::new();
    }
    if sample.iter().all(|byte| *byte == 0) {
        return ", zeroes from there on".to_owned();
    }
    let place = |bytes: &[u8]| pattern().windows(bytes.len()).position(|window| window == bytes);
    let there = match expected.get(..8) {
        Some(start) => place(start).map(|start| start + at),
        None => None,
    };
    match (there, place(sample)) {
        (Some(there), Some(found)) if found.abs_diff(there) % STRIDE == 0 => {
            ", what another version has there".to_owned()
        }
        (Some(there), Some(found)) => {
            let shift = found as i64 - there as i64;
            format!(
                ", what the body has {} bytes {}",
                shift.abs(),
                if shift < 0 { "before" } else { "later" }
            )
        }
        _ => String::new(),
    }
}

/// How a meta differs from what it should be, in words; `None` if it does not.
pub(crate) fn meta_difference(expected: &CacheMeta, actual: &CacheMeta) -> Option<String> {
    if expected == actual {
        return None;
    }
    let mut parts = Vec::new();
    let mut compare = |what: &str, expected: String, actual: String| {
        if expected != actual {
            parts.push(format!("{what} {actual} instead of {expected}"));
        }
    };
    let time = |time: SystemTime| match time.duration_since(UNIX_EPOCH) {
        Ok(after) => format!("{after:?}"),
        Err(before) => format!("-{:?}", before.duration()),
    };
    compare(
        "fresh until",
        time(expected.fresh_until()),
        time(actual.fresh_until()),
    );
    compare("created", time(expected.created()), time(actual.created()));
    compare("updated", time(expected.updated()), time(actual.updated()));
    let windows = |m: &CacheMeta| format!("{}, {}", m.stale_while_revalidate_sec(), m.stale_if_error_sec());
    compare("stale windows", windows(expected), windows(actual));
    compare(
        "variance",
        format!("{:?}", expected.variance()),
        format!("{:?}", actual.variance()),
    );
    compare(
        "head",
        format!("{:?}", expected.head()),
        format!("{:?}", actual.head()),
    );
    compare(
        "opaque",
        format!("{:?}", expected.opaque()),
        format!("{:?}", actual.opaque()),
    );
    Some(parts.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_differ() {
        let (one, two) = (Version::new(1, 100_000), Version::new(2, 100_000));
        assert!(meta_difference(&one.meta, &two.meta).is_some());
        let same = one.body.iter().zip(&two.body).filter(|(a, b)| a == b).count();
        assert!(same < 1000, "{same} of 100000 bytes are the same");
        assert_eq!(number_of(&two.meta), Some(2));
    }

    #[test]
    fn a_difference_is_told_in_words() {
        let (one, two) = (body(1, 100), body(2, 100));
        assert_eq!(difference(&one, &one), None);
        assert_eq!(
            difference(&one, &one[..7]).unwrap(),
            "only the first 7 of 100 bytes"
        );
        let mixed = [&one[..50], &two[50..]].concat();
        let text = difference(&one, &mixed).unwrap();
        assert!(
            text.contains("byte 50 ") && text.contains("another version"),
            "{text}"
        );
    }
}
