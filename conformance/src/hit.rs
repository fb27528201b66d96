//! A hit as checks use it.

use crate::content::{Version, difference, meta_difference, show_meta};
use crate::ops::{Answer, Store, must, show_answer};
use crate::outcome::{Checked, broken, ensure};
use crate::poll::at_most;
use crate::reading::Reading;
use crate::yielded::Yielded;
use bytes::Bytes;
use forebay_core::{CacheKey, CacheMeta, HitHandler, SpanHandle};

pub(crate) struct Hit {
    pub(crate) meta: CacheMeta,
    pub(crate) handler: HitHandler,
    pub(crate) name: String,
    key: CacheKey,
    store: Store,
    yielded: Yielded,
}

pub(crate) type Chunk = Answer<Option<Bytes>>;

pub(crate) fn show_chunk(chunk: &Chunk) -> String {
    show_answer(chunk, |chunk| match chunk {
        Some(bytes) => format!("{} bytes", bytes.len()),
        None => "None".to_owned(),
    })
}

impl Hit {
    pub(crate) fn new(
        meta: CacheMeta,
        handler: HitHandler,
        name: String,
        key: CacheKey,
        store: Store,
    ) -> Self {
        Hit {
            meta,
            handler,
            name,
            key,
            store,
            yielded: Yielded::default(),
        }
    }

    pub(crate) async fn try_read(&mut self) -> Checked<Chunk> {
        let what = format!("{}.read_body()", self.name);
        let chunk = self
            .store
            .caller
            .call(what, self.handler.read_body(), show_chunk)
            .await?;
        self.yielded.add(&chunk, self.store.caller.log.longest_body())?;
        Ok(chunk)
    }

    pub(crate) async fn read(&mut self) -> Checked<Option<Bytes>> {
        let chunk = self.try_read().await?;
        must("read_body", chunk)
    }

    /// The bytes up to `None` or an error.
    pub(crate) async fn try_read_to_end(&mut self) -> Checked<(Vec<u8>, Answer<()>)> {
        let mut bytes = Vec::new();
        loop {
            match self.try_read().await? {
                Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
                Ok(None) => return Ok((bytes, Ok(()))),
                Err(error) => return Ok((bytes, Err(error))),
            }
        }
    }

    pub(crate) async fn read_to_end(&mut self) -> Checked<Vec<u8>> {
        let (bytes, end) = self.try_read_to_end().await?;
        must("read_body", end).map(|()| bytes)
    }

    /// Reads at least that many bytes, fewer at the end of the body.
    pub(crate) async fn read_at_least(&mut self, len_bytes: usize) -> Checked<Vec<u8>> {
        let mut bytes = Vec::new();
        while bytes.len() < len_bytes {
            match self.read().await? {
                Some(chunk) => bytes.extend_from_slice(&chunk),
                None => break,
            }
        }
        Ok(bytes)
    }

    /// A read that is dropped after that many polls.
    pub(crate) async fn read_at_most(&mut self, polls_max: usize) -> Checked<Option<Chunk>> {
        let what = format!("{}.read_body(), dropped after {polls_max} polls", self.name);
        let show = |chunk: &Option<Chunk>| chunk.as_ref().map_or("dropped".to_owned(), show_chunk);
        let chunk = self
            .store
            .caller
            .call(what, at_most(polls_max, self.handler.read_body()), show)
            .await?;
        if let Some(chunk) = &chunk {
            self.yielded.add(chunk, self.store.caller.log.longest_body())?;
        }
        Ok(chunk)
    }

    /// A read that is polled by hand.
    pub(crate) fn reading(&mut self) -> Reading<'_> {
        Reading::new(&self.name, &self.store, self.handler.read_body())
    }

    pub(crate) fn try_seek(&mut self, start: usize, end: Option<usize>) -> Answer<()> {
        let step = self
            .store
            .caller
            .log
            .begin(format!("{}.seek({start}, {end:?})", self.name));
        let answer = self.handler.seek(start, end);
        self.store
            .caller
            .log
            .end(step, &show_answer(&answer, |()| "Ok".to_owned()));
        if answer.is_ok() {
            self.yielded = Yielded::default();
        }
        answer
    }

    pub(crate) fn seek(&mut self, start: usize, end: Option<usize>) -> Checked<()> {
        let answer = self.try_seek(start, end);
        must(&format!("seek({start}, {end:?})"), answer)
    }

    pub(crate) fn try_seek_multipart(&mut self, start: usize, end: Option<usize>) -> Answer<()> {
        let step = self
            .store
            .caller
            .log
            .begin(format!("{}.seek_multipart({start}, {end:?})", self.name));
        let answer = self.handler.seek_multipart(start, end);
        self.store
            .caller
            .log
            .end(step, &show_answer(&answer, |()| "Ok".to_owned()));
        if answer.is_ok() {
            self.yielded = Yielded::default();
        }
        answer
    }

    pub(crate) async fn try_finish(self) -> Checked<Answer<()>> {
        let what = format!("{}.finish()", self.name);
        let span = SpanHandle::none();
        let future = self.handler.finish(&*self.store.storage, &self.key, &span);
        self.store
            .caller
            .call(what, future, |a| show_answer(a, |()| "Ok".to_owned()))
            .await
    }

    pub(crate) async fn finish(self) -> Checked<()> {
        must("finish of a hit", self.try_finish().await?)
    }

    /// The meta has to be that of the version.
    pub(crate) fn expect_meta(&self, meta: &CacheMeta) -> Checked<()> {
        match meta_difference(meta, &self.meta) {
            None => Ok(()),
            Some(text) => broken(format!("the meta of {}", show_meta(meta)), text),
        }
    }

    /// What is left to read has to be exactly that, and then the end.
    pub(crate) async fn expect_bytes(&mut self, expected: &[u8]) -> Checked<()> {
        let bytes = self.read_to_end().await?;
        match difference(expected, &bytes) {
            None => Ok(()),
            Some(text) => broken(format!("exactly the {} bytes of it", expected.len()), text),
        }
    }

    /// Meta and body have to be those of the version.
    pub(crate) async fn expect_whole(&mut self, version: &Version) -> Checked<()> {
        self.expect_meta(&version.meta)?;
        self.expect_bytes(&version.body).await
    }

    /// After `already`, the handler must never yield other bytes than those of the body, nor end early; an error is fine
    /// and gives `false`.
    pub(crate) async fn true_to(&mut self, body: &[u8], already: Vec<u8>) -> Checked<bool> {
        let (rest, end) = self.try_read_to_end().await?;
        let bytes = [already, rest].concat();
        if end.is_ok() {
            return match difference(body, &bytes) {
                None => Ok(true),
                Some(text) => broken(
                    format!(
                        "the {} bytes of the version that was opened, or an error",
                        body.len()
                    ),
                    text,
                ),
            };
        }
        ensure(
            body.starts_with(&bytes),
            "bytes of the version that was opened, and then an error",
            difference(body, &bytes).unwrap_or_default(),
        )?;
        Ok(false)
    }
}
