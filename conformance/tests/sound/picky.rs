//! A bounded storage that does not admit what comes once, and says so by an error.

use crate::around::{Around, Way};
use forebay_conformance::reference::ReferenceStorage;
use forebay_conformance::{Capabilities, Harness, Opened, Options, Site, async_trait, judge};
use forebay_core::{CacheKey, CacheMeta, ErrorKind, MissHandler, Result, SpanHandle, Storage};
use std::sync::Arc;

struct Picky;

#[async_trait]
impl Harness for Picky {
    fn name(&self) -> &str {
        "picky"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new().bounded(1 << 20).without_background()
    }

    async fn open(&self, site: &Site) -> Opened {
        let capacity_bytes = site.capacity_bytes().unwrap_or(256 << 20) as usize;
        Ok(Arc::new(Around {
            inner: Arc::new(ReferenceStorage::with_capacity(capacity_bytes)),
            way: RefusesColdOnes,
        }))
    }
}

/// Its estimate of what is going to be read is perfect.
struct RefusesColdOnes;

#[async_trait]
impl Way for RefusesColdOnes {
    async fn start(
        &self,
        inner: &Arc<dyn Storage>,
        key: &CacheKey,
        meta: &CacheMeta,
        trace: &SpanHandle,
    ) -> Result<MissHandler> {
        let name = key.primary_key_str().unwrap_or_default();
        if name.starts_with("cold") {
            return Err(ErrorKind::Refused.error("seen once"));
        }
        inner.get_miss_handler(key, meta, trace).await
    }
}

#[test]
fn a_scan_that_is_refused_does_not_evict_what_is_read_often() {
    crate::expect_kept(Picky, &["BOUND-HOT"]);
}

/// That it survives says less where there was no scan to speak of.
#[test]
fn a_scan_that_is_refused_is_noted() {
    let report = judge(Picky, Options::default(), |rule| rule.id == "BOUND-HOT");
    assert_eq!(report.verdicts[0].notes, ["200 of 200 cold entries were refused"]);
}
