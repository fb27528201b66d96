//! A write as checks use it.

use crate::ops::{Answer, Caller, must, show_answer};
use crate::outcome::{Checked, broken, ensure};
use crate::poll::at_most;
use bytes::Bytes;
use forebay_core::{CacheKey, MissFinishType, MissHandler};

pub(crate) struct Writer {
    pub(crate) handler: MissHandler,
    pub(crate) name: String,
    pub(crate) key: CacheKey,
    caller: Caller,
    written_bytes: usize,
}

impl Writer {
    pub(crate) fn new(handler: MissHandler, name: String, key: CacheKey, caller: Caller) -> Self {
        Writer {
            handler,
            name,
            key,
            caller,
            written_bytes: 0,
        }
    }

    /// The tag, which a storage that streams has to have.
    pub(crate) fn tag(&self) -> Checked<Vec<u8>> {
        match self.handler.streaming_write_tag() {
            Some(tag) => Ok(tag.to_vec()),
            None => broken(
                "a storage that streams gives its writes tags",
                "streaming_write_tag() is None",
            ),
        }
    }

    pub(crate) async fn try_write(&mut self, data: impl Into<Bytes>, eof: bool) -> Checked<Answer<()>> {
        let data = data.into();
        self.writes(&data);
        let what = format!("{}.write_body({} bytes, eof {eof})", self.name, data.len());
        let show = |answer: &Answer<()>| show_answer(answer, |()| "Ok".to_owned());
        self.caller
            .call(what, self.handler.write_body(data, eof), show)
            .await
    }

    fn writes(&mut self, data: &Bytes) {
        self.written_bytes += data.len();
        self.caller.log.writes_body(self.written_bytes);
    }

    pub(crate) async fn write(&mut self, data: impl Into<Bytes>, eof: bool) -> Checked<()> {
        let answer = self.try_write(data, eof).await?;
        must("write_body", answer)
    }

    /// A write that is dropped after that many polls; whether it was done by then.
    pub(crate) async fn write_at_most(&mut self, polls_max: usize, data: Bytes, eof: bool) -> Checked<bool> {
        self.writes(&data);
        let what = format!(
            "{}.write_body({} bytes, eof {eof}), dropped after {polls_max} polls",
            self.name,
            data.len()
        );
        let future = at_most(polls_max, self.handler.write_body(data, eof));
        let show = |answer: &Option<Answer<()>>| match answer {
            Some(answer) => show_answer(answer, |()| "Ok".to_owned()),
            None => "dropped".to_owned(),
        };
        match self.caller.call(what, future, show).await? {
            Some(answer) => must("write_body", answer).map(|()| true),
            None => Ok(false),
        }
    }

    pub(crate) async fn try_finish(self) -> Checked<Answer<usize>> {
        let what = format!("{}.finish()", self.name);
        let answer = self.caller.call(what, self.handler.finish(), show_finish).await?;
        match answer {
            Ok(MissFinishType::Created(weight)) => Ok(Ok(weight)),
            Ok(MissFinishType::Appended(..)) => {
                broken("finish is Created(n): the suite appends nothing", "Appended")
            }
            Err(error) => Ok(Err(error)),
        }
    }

    /// Admits the entry; gives its weight.
    pub(crate) async fn finish(self) -> Checked<usize> {
        let answer = self.try_finish().await?;
        must("finish", answer)
    }

    /// A finish that is dropped after that many polls; whether it was done by then.
    pub(crate) async fn finish_at_most(self, polls_max: usize) -> Checked<bool> {
        let what = format!("{}.finish(), dropped after {polls_max} polls", self.name);
        let future = at_most(polls_max, self.handler.finish());
        let show = |answer: &Option<Answer<MissFinishType>>| match answer {
            Some(answer) => show_finish(answer),
            None => "dropped".to_owned(),
        };
        match self.caller.call(what, future, show).await? {
            Some(answer) => must("finish", answer).map(|_| true),
            None => Ok(false),
        }
    }

    /// Gives the write up.
    pub(crate) fn abort(self) {
        self.caller.log.note(format!("{} is dropped", self.name));
    }

    /// The tag has to be that one still.
    pub(crate) fn expect_tag(&self, tag: &[u8]) -> Checked<()> {
        let now = self.tag()?;
        ensure(
            now == tag,
            format!("the tag stays {tag:?}"),
            format!("it is {now:?} now"),
        )
    }
}

fn show_finish(answer: &Answer<MissFinishType>) -> String {
    show_answer(answer, |finish| format!("{finish:?}"))
}
