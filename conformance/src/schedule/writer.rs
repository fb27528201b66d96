//! What a client does with its writer.

use super::client::{Client, name};
use super::linearize::Did;
use super::record::Write;
use crate::content::{body, meta};
use crate::ops::{must, show_answer};
use crate::outcome::Checked;
use forebay_core::SpanHandle;

impl Client<'_> {
    pub(super) async fn start(&mut self, key: u8, polls_max: Option<u8>) -> Checked<()> {
        let (invoked, number) = {
            let mut record = self.lane.record.lock();
            let number = record.number();
            record.writes.push(Write {
                number,
                key,
                tag: None,
                written: 0,
                given: 0,
                ended: false,
                dropped: false,
            });
            (record.now, number)
        };
        let (cache_key, meta, span) = (name(key), meta(number), SpanHandle::none());
        let what = format!("get_miss_handler(k{key}, v{number})");
        let future = self.storage.get_miss_handler(&cache_key, &meta, &span);
        let answer = self.lane.call(what, polls_max, None, future).await;
        let Some(answer) = answer else {
            let mut record = self.lane.record.lock();
            record.event(
                key,
                invoked,
                false,
                Did::Start {
                    write: number,
                    dropped: true,
                },
            );
            record
                .write(number)
                .into_iter()
                .for_each(|write| write.dropped = true);
            return Ok(());
        };
        self.lane.came_to(&show_answer(&answer, |_| "Ok".to_owned()));
        let handler = must("get_miss_handler", answer)?;
        let mut record = self.lane.record.lock();
        record.event(
            key,
            invoked,
            true,
            Did::Start {
                write: number,
                dropped: false,
            },
        );
        if let Some(write) = record.write(number) {
            write.tag = handler.streaming_write_tag().map(<[u8]>::to_vec);
        }
        drop(record);
        self.writer = Some((handler, number));
        Ok(())
    }

    pub(super) async fn write(&mut self, size: usize, eof: bool, polls_max: Option<u8>) -> Checked<bool> {
        let Some((handler, number)) = &mut self.writer else {
            return Ok(false);
        };
        let number = *number;
        let data = {
            let mut record = self.lane.record.lock();
            let Some(write) = record.write(number).filter(|write| !write.ended) else {
                return Ok(false);
            };
            write.given += size;
            write.ended = eof;
            body(number, write.given).slice(write.written..)
        };
        let what = format!("v{number}.write_body({size}, eof {eof})");
        let future = handler.write_body(data, eof);
        let Some(answer) = self.lane.call(what, polls_max, None, future).await else {
            // That is all that a core does after a call that it gave up.
            self.drop_writer(true);
            return Ok(true);
        };
        self.lane.came_to(&show_answer(&answer, |()| "Ok".to_owned()));
        must("write_body", answer)?;
        if let Some(write) = self.lane.record.lock().write(number) {
            write.written = write.given;
        }
        Ok(true)
    }

    pub(super) async fn finish(&mut self, polls_max: Option<u8>) -> Checked<bool> {
        let Some((handler, number)) = self.writer.take() else {
            return Ok(false);
        };
        let (key, invoked) = {
            let mut record = self.lane.record.lock();
            let key = record.write(number).map_or(0, |write| {
                write.ended = true;
                write.key
            });
            record.disturb(key, false);
            (key, record.now)
        };
        let future = handler.finish();
        let answer = self
            .lane
            .call(format!("v{number}.finish()"), polls_max, None, future)
            .await;
        if let Some(answer) = &answer {
            self.lane.came_to(&show_answer(answer, |_| "Ok".to_owned()));
        }
        let mut record = self.lane.record.lock();
        record.disturb(key, answer.is_none());
        let stored = answer.as_ref().map(Result::is_ok);
        if stored != Some(true) {
            record
                .write(number)
                .into_iter()
                .for_each(|write| write.dropped = true);
        }
        if stored.is_none() {
            let gone = Did::Drop {
                write: number,
                for_a_while: true,
            };
            let now = record.now;
            record.event(key, now, true, gone);
        }
        record.event(
            key,
            invoked,
            stored.is_some(),
            Did::Finish {
                write: number,
                stored,
            },
        );
        Ok(true)
    }

    /// Gives the write up, if there is one.
    pub(super) fn drop_writer(&mut self, in_a_call: bool) -> bool {
        let Some((handler, number)) = self.writer.take() else {
            return false;
        };
        drop(handler);
        let mut record = self.lane.record.lock();
        record.say(&format!(
            "{}v{number} is dropped",
            if in_a_call { ", " } else { "" }
        ));
        let key = record.write(number).map_or(0, |write| {
            write.dropped = true;
            write.key
        });
        let now = record.now;
        let did = Did::Drop {
            write: number,
            for_a_while: in_a_call,
        };
        record.event(key, now, true, did);
        true
    }
}
