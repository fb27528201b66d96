//! Finding out what a backend can do, both ways: what it says that it can, and what it can though it says that it cannot.

use crate::content::{Version, key};
use crate::context::{Able, Context, Opened};
use crate::hit::Hit;
use crate::ops::harness;
use crate::outcome::{Checked, Stop};
use crate::rules::Capability;
use forebay_core::{CacheKey, PurgeOutcome};
use std::panic::{AssertUnwindSafe, catch_unwind};

impl Able {
    fn add(&mut self, capability: Capability, has: bool) {
        if has && !self.to(capability) {
            self.all.push(capability);
        }
    }

    fn add_undeclared(&mut self, capability: Capability, has: bool) {
        if has && !self.undeclared.contains(&capability) {
            self.undeclared.push(capability);
        }
    }
}

impl Context {
    /// Finds out what the backend can do. Where it breaks rules on the way, the checks of those rules tell.
    pub(crate) async fn probe(&self) -> Checked<Able> {
        let declared = self.harness.capabilities();
        let mut able = Able::default();
        able.add(Capability::Persist, declared.persist);
        able.add(Capability::Bounded, declared.bounded_bytes.is_some());
        able.add(Capability::Faults, declared.faults);
        able.add(Capability::Power, declared.power.is_some());
        let opened = self.fresh().await?;
        let (key, version) = (key("probe"), Version::new(1, 100));
        probe_a_write(&opened, &key, &version, &mut able).await?;
        if let Some(mut hit) = opened.lookup(&key).await? {
            let (can_seek, can_multipart) = (hit.handler.can_seek(), hit.handler.can_seek_multipart());
            able.add(Capability::Seek, can_seek);
            able.add(Capability::Multipart, can_multipart);
            able.add(Capability::EntryId, hit.handler.entry_id().is_some());
            let seeks = !can_seek && seeks(&mut hit, &version, Hit::try_seek).await?;
            able.add_undeclared(Capability::Seek, seeks);
            let seeks = !can_multipart && seeks_for_several(&mut hit, &version).await?;
            able.add_undeclared(Capability::Multipart, can_seek && seeks);
        }
        let expires = match opened.expire(&key).await {
            Ok(outcome) => outcome == PurgeOutcome::Expired,
            // An error or a hang: what it is, the check of EXPIRE-STALE tells.
            Err(Stop::Broken { .. }) => true,
            Err(other) => return Err(other),
        };
        able.add(Capability::Expire, expires);
        if !declared.persist {
            let persists = self.persists(opened).await;
            able.add_undeclared(Capability::Persist, persists.unwrap_or(false));
        }
        Ok(able)
    }

    /// Whether a storage that was closed is found again, if it left anything at all.
    async fn persists(&self, opened: Opened) -> Checked<bool> {
        let key = key("kept");
        opened.put(&key, &Version::new(2, 100)).await?;
        let site = self.close(opened).await?;
        let mut left = std::fs::read_dir(site.dir()).map_err(|e| harness("the storage's directory", e))?;
        if left.next().is_none() {
            return Ok(false);
        }
        match self.try_open(site).await? {
            (_site, Ok(store)) => Ok(store.lookup(&key).await?.is_some()),
            (_, Err(_)) => Ok(false),
        }
    }
}

/// Writes the entry, and looks at what can be seen of it meanwhile.
async fn probe_a_write(opened: &Opened, key: &CacheKey, version: &Version, able: &mut Able) -> Checked<()> {
    let streams = opened.storage.support_streaming_partial_write();
    able.add(Capability::Stream, streams);
    let mut writer = opened.writer(key, version).await?;
    able.add(Capability::EntryId, writer.handler.entry_id().is_some());
    let has_tag = writer.handler.streaming_write_tag().is_some();
    match opened.lookup(key).await? {
        Some(hit) if streams => able.add(Capability::StreamSeek, hit.handler.can_seek()),
        Some(_) => able.add_undeclared(Capability::Stream, true),
        None => able.add_undeclared(Capability::Stream, !streams && has_tag),
    }
    writer.write(version.body.clone(), true).await?;
    writer.finish().await?;
    Ok(())
}

type Seek = fn(&mut Hit, usize, Option<usize>) -> crate::ops::Answer<()>;

/// Whether a hit that says it cannot seek can. Where it panics, the check of SEEK-UNSUPPORTED tells.
async fn seeks(hit: &mut Hit, version: &Version, seek: Seek) -> Checked<bool> {
    let sought = catch_unwind(AssertUnwindSafe(|| seek(hit, 10, Some(20))));
    if !matches!(sought, Ok(Ok(()))) {
        return Ok(false);
    }
    let (bytes, end) = hit.try_read_to_end().await?;
    Ok(end.is_ok() && bytes == version.body[10..20])
}

async fn seeks_for_several(hit: &mut Hit, version: &Version) -> Checked<bool> {
    seeks(hit, version, Hit::try_seek_multipart).await
}
