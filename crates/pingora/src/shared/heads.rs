//! Response heads in pingora's form, of the entries that were hit lately: to make one costs more than the rest of a hit,
//! and it is ten times as large as the head in the store.

use super::head::{HeadStyle, ParsedHead};
use forebay_core::{CacheEntryId, ResponseHead, Result};
use quick_cache::Weighter;
use quick_cache::sync::Cache;

/// What the heads of one bridge may occupy by default, in bytes: some 18,000 of ten lines.
const CAPACITY_BYTES: u64 = 64 << 20;
/// What a head of a few lines occupies.
const TYPICAL_BYTES: u64 = 4 << 10;

pub(crate) struct Heads(Cache<CacheEntryId, ParsedHead, ByWeight>);

#[derive(Clone)]
struct ByWeight;

impl Weighter<CacheEntryId, ParsedHead> for ByWeight {
    fn weight(&self, _: &CacheEntryId, head: &ParsedHead) -> u64 {
        head.weight_bytes() as u64
    }
}

impl Default for Heads {
    fn default() -> Self {
        Heads::new(CAPACITY_BYTES)
    }
}

impl Heads {
    pub(crate) fn new(capacity_bytes: u64) -> Self {
        let expected = (capacity_bytes / TYPICAL_BYTES) as usize;
        Heads(Cache::with_weighter(expected, capacity_bytes, ByWeight))
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The head of an entry. An id may have another head than before, after an update: that is noticed.
    pub(crate) fn get(&self, id: CacheEntryId, head: &ResponseHead, style: HeadStyle) -> Result<ParsedHead> {
        let known = self.0.get(&id);
        known.iter().for_each(ParsedHead::fetch);
        if let Some(known) = known.filter(|known| known.is_of(head, style)) {
            return Ok(known);
        }
        let parsed = ParsedHead::new(head, style)?;
        self.0.insert(id, parsed.clone());
        Ok(parsed)
    }
}

#[cfg(test)]
mod tests {
    use super::super::version::pingora_http::ResponseHeader;
    use super::*;

    fn head(value: &str) -> ResponseHead {
        ResponseHead::builder(200).header("a", value).build().unwrap()
    }

    #[test]
    fn an_entry_that_was_updated_has_its_new_head() {
        let (heads, id, style) = (Heads::default(), CacheEntryId::new(7), HeadStyle::default());
        for value in ["1", "1", "2", "1"] {
            let header = ResponseHeader::from(heads.get(id, &head(value), style).unwrap());
            assert_eq!(header.headers["a"], value);
        }
    }

    #[test]
    fn heads_are_bounded() {
        let (heads, style) = (Heads::new(1 << 20), HeadStyle::default());
        let long = "x".repeat(10_000);
        for id in 0..200 {
            let parsed = heads.get(CacheEntryId::new(id), &head(&long), style);
            let header = ResponseHeader::from(parsed.unwrap());
            assert_eq!(header.headers["a"], long);
        }
        assert!(heads.0.weight() <= 1 << 20);
    }
}
