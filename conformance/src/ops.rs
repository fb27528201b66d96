//! The storage as checks use it: every call is recorded, limited in time, and its error is a finding.

use crate::content::{Version, difference, meta_difference, show_key, show_meta};
use crate::hit::Hit;
use crate::log::Log;
use crate::outcome::{Checked, Stop, broken};
use crate::poll::{Hang, POLLS_MAX, Patience, within};
use crate::writer::Writer;
use forebay_core::{
    CacheKey, CacheMeta, Error, HitHandler, PurgeOutcome, PurgeTarget, PurgeType, SpanHandle, Storage,
};
use std::sync::Arc;

/// How a hang is told, first of all.
pub(crate) const HANGS: &str = "it hangs";

/// How calls are made: recorded, and limited in time.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) log: Log,
    pub(crate) patience: Patience,
}

impl Caller {
    pub(crate) async fn call<T>(
        &self,
        what: String,
        future: impl Future<Output = T>,
        show: impl FnOnce(&T) -> String,
    ) -> Checked<T> {
        let step = self.log.begin(what.clone());
        match within(self.patience, future).await {
            Ok(result) => {
                self.log.end(step, &show(&result));
                Ok(result)
            }
            Err(hang) => {
                self.log.end(step, "hangs");
                broken(format!("{what} comes to an end"), show_hang(hang))
            }
        }
    }
}

pub(crate) fn show_hang(hang: Hang) -> String {
    match hang {
        Hang::NotWoken => format!("{HANGS}: it is pending, and nothing woke it"),
        Hang::Spins => format!("{HANGS}: it was polled {POLLS_MAX} times, and woke itself each time"),
        Hang::TooLong => HANGS.to_owned(),
    }
}

pub(crate) type Answer<T> = Result<T, Box<Error>>;

pub(crate) fn show_answer<T>(answer: &Answer<T>, show: impl FnOnce(&T) -> String) -> String {
    match answer {
        Ok(value) => show(value),
        Err(error) => format!("Err({error})"),
    }
}

/// Takes an error for a broken rule.
pub(crate) fn must<T>(what: &str, answer: Answer<T>) -> Checked<T> {
    answer.or_else(|error| broken(format!("{what} succeeds"), format!("Err({error})")))
}

/// A storage under test. Clones are the same storage.
#[derive(Clone)]
pub(crate) struct Store {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) caller: Caller,
}

type Found = Answer<Option<(CacheMeta, HitHandler)>>;

impl Store {
    pub(crate) async fn try_lookup(&self, key: &CacheKey) -> Checked<Answer<Option<Hit>>> {
        let what = format!("lookup({})", show_key(key));
        let span = SpanHandle::none();
        let future = self.storage.lookup(key, &span);
        self.found(what, key, future).await
    }

    pub(crate) async fn lookup(&self, key: &CacheKey) -> Checked<Option<Hit>> {
        must("lookup", self.try_lookup(key).await?)
    }

    /// A lookup that has to find something.
    pub(crate) async fn hit(&self, key: &CacheKey) -> Checked<Hit> {
        match self.lookup(key).await? {
            Some(hit) => Ok(hit),
            None => broken(
                format!("lookup({}) finds the entry", show_key(key)),
                "Ok(None), a miss",
            ),
        }
    }

    pub(crate) async fn tagged(&self, key: &CacheKey, tag: Option<&[u8]>) -> Checked<Option<Hit>> {
        let what = format!("lookup_streaming_write({}, {tag:?})", show_key(key));
        let span = SpanHandle::none();
        let future = self.storage.lookup_streaming_write(key, tag, &span);
        must("lookup_streaming_write", self.found(what, key, future).await?)
    }

    /// A lookup by the tag of a live write, which has to find it.
    pub(crate) async fn follow(&self, writer: &Writer) -> Checked<Hit> {
        let tag = writer.tag()?;
        match self.tagged(&writer.key, Some(&tag)).await? {
            Some(hit) => Ok(hit),
            None => broken(format!("the tag of {} finds that write", writer.name), "Ok(None)"),
        }
    }

    async fn found(
        &self,
        what: String,
        key: &CacheKey,
        future: impl Future<Output = Found>,
    ) -> Checked<Answer<Option<Hit>>> {
        let name = self.caller.log.name("h");
        let show = |found: &Found| {
            show_answer(found, |found| match found {
                Some((meta, _)) => format!("{name}: a hit of {}", show_meta(meta)),
                None => "None".to_owned(),
            })
        };
        let found = self.caller.call(what, future, show).await?;
        Ok(found.map(|found| {
            found.map(|(meta, handler)| Hit::new(meta, handler, name, key.clone(), self.clone()))
        }))
    }

    pub(crate) async fn try_writer(&self, key: &CacheKey, meta: &CacheMeta) -> Checked<Answer<Writer>> {
        let name = self.caller.log.name("w");
        let what = format!(
            "{name} = get_miss_handler({}, {})",
            show_key(key),
            show_meta(meta)
        );
        let span = SpanHandle::none();
        let future = self.storage.get_miss_handler(key, meta, &span);
        let answer = self
            .caller
            .call(what, future, |answer| show_answer(answer, |_| "Ok".to_owned()))
            .await?;
        Ok(answer.map(|handler| Writer::new(handler, name, key.clone(), self.caller.clone())))
    }

    pub(crate) async fn writer(&self, key: &CacheKey, version: &Version) -> Checked<Writer> {
        must("get_miss_handler", self.try_writer(key, &version.meta).await?)
    }

    /// Writes a whole entry: the body in one chunk, eof, finish.
    pub(crate) async fn put(&self, key: &CacheKey, version: &Version) -> Checked<usize> {
        let mut writer = self.writer(key, version).await?;
        writer.write(version.body.clone(), true).await?;
        writer.finish().await
    }

    /// As [`put`](Self::put), where it is fine if the storage does not take it.
    pub(crate) async fn try_put(&self, key: &CacheKey, version: &Version) -> Checked<Answer<usize>> {
        let mut writer = match self.try_writer(key, &version.meta).await? {
            Ok(writer) => writer,
            Err(error) => return Ok(Err(error)),
        };
        if let Err(error) = writer.try_write(version.body.clone(), true).await? {
            return Ok(Err(error));
        }
        writer.try_finish().await
    }

    pub(crate) async fn purge(&self, key: &CacheKey, purge_type: PurgeType) -> Checked<bool> {
        let what = format!("purge({}, {purge_type:?})", show_key(key));
        let (compact, span) = (key.to_compact(), SpanHandle::none());
        let future = self.storage.purge(&compact, purge_type, &span);
        let answer = self
            .caller
            .call(what, future, |a| show_answer(a, bool::to_string))
            .await?;
        must("purge", answer)
    }

    pub(crate) async fn invalidate(&self, key: &CacheKey) -> Checked<bool> {
        self.purge(key, PurgeType::Invalidation).await
    }

    pub(crate) async fn purge_target(&self, target: PurgeTarget<'_>) -> Checked<PurgeOutcome> {
        self.purge_target_as(PurgeType::Invalidation, target).await
    }

    pub(crate) async fn purge_target_as(
        &self,
        purge_type: PurgeType,
        target: PurgeTarget<'_>,
    ) -> Checked<PurgeOutcome> {
        let span = SpanHandle::none();
        let future = self.storage.purge_target(target, purge_type, &span);
        self.outcome(&format!("purge_target({purge_type:?})"), target, future)
            .await
    }

    pub(crate) async fn expire(&self, key: &CacheKey) -> Checked<PurgeOutcome> {
        let (compact, span) = (key.to_compact(), SpanHandle::none());
        let target = PurgeTarget::Active(&compact);
        let future = self.storage.expire(target, &span);
        let what = format!("expire({})", show_key(key));
        let answer = self
            .caller
            .call(what, future, |a| show_answer(a, |o| format!("{o:?}")))
            .await?;
        must("expire", answer)
    }

    pub(crate) async fn expire_target(&self, target: PurgeTarget<'_>) -> Checked<PurgeOutcome> {
        let span = SpanHandle::none();
        self.outcome("expire", target, self.storage.expire(target, &span))
            .await
    }

    async fn outcome(
        &self,
        call: &str,
        target: PurgeTarget<'_>,
        future: impl Future<Output = Answer<PurgeOutcome>>,
    ) -> Checked<PurgeOutcome> {
        let what = match target {
            PurgeTarget::Active(_) => format!("{call} of the active entry"),
            PurgeTarget::Exact(_, id) => format!("{call} of id {id}"),
        };
        let answer = self
            .caller
            .call(what, future, |a| show_answer(a, |o| format!("{o:?}")))
            .await?;
        must(call, answer)
    }

    pub(crate) async fn update(&self, key: &CacheKey, meta: &CacheMeta) -> Checked<bool> {
        let what = format!("update_meta({}, {})", show_key(key), show_meta(meta));
        let span = SpanHandle::none();
        let future = self.storage.update_meta(key, meta, &span);
        let answer = self
            .caller
            .call(what, future, |a| show_answer(a, bool::to_string))
            .await?;
        must("update_meta", answer)
    }

    /// The key has to be a miss.
    pub(crate) async fn expect_absent(&self, key: &CacheKey) -> Checked<()> {
        match self.lookup(key).await? {
            None => Ok(()),
            Some(hit) => broken(
                format!("lookup({}) is a miss", show_key(key)),
                format!("it finds {}", show_meta(&hit.meta)),
            ),
        }
    }

    /// The key has to be this version, whole.
    pub(crate) async fn expect(&self, key: &CacheKey, version: &Version) -> Checked<()> {
        self.hit(key).await?.expect_whole(version).await
    }

    /// The key has to be this version, again and again: of what is found often a storage may make copies.
    pub(crate) async fn expect_often(&self, key: &CacheKey, version: &Version) -> Checked<()> {
        const OFTEN: usize = 10;
        for _ in 0..OFTEN {
            self.expect(key, version).await?;
        }
        Ok(())
    }

    /// Which of the versions the key is, whole; `None` for a miss. A mixture is broken.
    pub(crate) async fn which(&self, key: &CacheKey, versions: &[&Version]) -> Checked<Option<usize>> {
        let Some(mut hit) = self.lookup(key).await? else {
            return Ok(None);
        };
        let bytes = hit.read_to_end().await?;
        for (index, version) in versions.iter().enumerate() {
            if hit.meta == version.meta {
                return match difference(&version.body, &bytes) {
                    None => Ok(Some(index)),
                    Some(text) => broken(
                        format!("the {} bytes of {}", version.body.len(), show_meta(&version.meta)),
                        format!("the meta of {} with {text}", show_meta(&version.meta)),
                    ),
                };
            }
        }
        let metas: Vec<_> = versions.iter().map(|version| show_meta(&version.meta)).collect();
        let actual = match versions.iter().find_map(|v| meta_difference(&v.meta, &hit.meta)) {
            Some(text) => format!("a meta with {text}"),
            None => "another meta".to_owned(),
        };
        broken(format!("one of {}, or a miss", metas.join(", ")), actual)
    }
}

/// A finding of the harness, not of the backend.
pub(crate) fn harness(what: &str, error: impl std::fmt::Display) -> Stop {
    Stop::Harness(format!("{what}: {error}"))
}
