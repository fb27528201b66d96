//! What the model allows lookups, reads and seeks to find.

use super::{OpenHit, Phase, Stored, World, Write, breaks, name, pick};
use crate::content::{body, difference, meta_difference, number_of, show_meta};
use crate::hit::Hit;
use crate::model::BODY_BYTES_MAX;
use crate::outcome::Checked;
use std::time::SystemTime;

impl World<'_> {
    pub(super) async fn lookup(&mut self, key: u8) -> Checked<()> {
        let found = self.store.lookup(&name(key)).await?;
        let visible = |write: &Write| {
            write.key == key && !write.invalidated && matches!(write.phase, Phase::Open | Phase::Eof)
        };
        let live: Vec<usize> = (0..self.writes.len())
            .filter(|at| self.streams && visible(&self.writes[*at]))
            .collect();
        let Some(hit) = found else {
            if !live.is_empty() {
                return breaks("STREAM-VISIBLE", "a hit: the key is being written", "a miss");
            }
            self.stored[key as usize].retain(Option::is_none);
            return match self.stored[key as usize].is_empty() {
                true => breaks("LOOKUP-ROUNDTRIP", "a hit: the key is stored", "a miss"),
                false => Ok(()),
            };
        };
        if let Some(at) = live.iter().find(|at| self.writes[**at].meta == hit.meta) {
            self.open(hit, *at);
            return Ok(());
        }
        let same = |stored: &Stored| match stored.expired {
            false => stored.meta == hit.meta,
            true => number_of(&stored.meta) == number_of(&hit.meta) && !hit.meta.is_fresh(SystemTime::now()),
        };
        let matching: Vec<_> = self.stored[key as usize]
            .iter()
            .filter(|s| s.as_ref().is_some_and(same))
            .cloned()
            .collect();
        let Some(Some(stored)) = matching.first().cloned() else {
            return self.explain_unexpected(key, &hit);
        };
        if live.iter().any(|at| self.writes[*at].started > stored.admitted) {
            return breaks(
                "STREAM-VISIBLE",
                "the write in progress, ahead of the older entry",
                "the older entry",
            );
        }
        // Two writes that were open at once, one finished after the other, then an update of the meta: either body is
        // allowed, and the meta does not tell which it is. Nothing can be said of what this hit reads.
        let told_apart = matching.len() == 1;
        self.stored[key as usize] = matching;
        if told_apart {
            self.open(hit, stored.write);
        }
        Ok(())
    }

    fn open(&mut self, hit: Hit, write: usize) {
        self.hits.push(OpenHit {
            hit,
            write,
            position: 0,
            end: None,
            gone: false,
        });
    }

    fn explain_unexpected(&self, key: u8, hit: &Hit) -> Checked<()> {
        let allowed: Vec<_> = self.stored[key as usize]
            .iter()
            .map(|s| s.as_ref().map_or("a miss".to_owned(), |s| show_meta(&s.meta)))
            .collect();
        let write = self
            .writes
            .iter()
            .find(|write| number_of(&write.meta) == number_of(&hit.meta));
        let rule = match write {
            Some(write) if write.key != key => "LOOKUP-VARIANCE",
            Some(write) if write.phase == Phase::Dropped => "WRITE-DROP",
            Some(_) if self.stored[key as usize].iter().all(Option::is_none) => "PURGE-GONE",
            _ => "UPDATE-META",
        };
        let mut stored = self.stored[key as usize].iter().flatten();
        let same = stored.find(|stored| number_of(&stored.meta) == number_of(&hit.meta));
        let how = same.and_then(|stored| meta_difference(&stored.meta, &hit.meta));
        let how = how.map_or(String::new(), |how| format!(", with {how}"));
        breaks(
            rule,
            allowed.join(" or "),
            format!("a hit of {}{how}", show_meta(&hit.meta)),
        )
    }

    pub(super) async fn read(&mut self, hit: u8) -> Checked<()> {
        let Some(index) = pick(&self.hits, hit) else {
            return Ok(());
        };
        let open = &mut self.hits[index];
        let write = &self.writes[open.write];
        let limit = open.end.unwrap_or(usize::MAX);
        let whole = matches!(write.phase, Phase::Eof | Phase::Finished | Phase::DroppedAfterEof);
        if write.phase == Phase::Open && open.position >= write.written && open.position < limit {
            return open.hit.reading().expect_pending();
        }
        match open.hit.try_read().await? {
            Ok(Some(chunk)) => {
                let until = open.position + chunk.len();
                if until > write.written.min(limit) {
                    let text = format!("bytes up to {until}");
                    return breaks(
                        "SEEK-RANGE",
                        format!("bytes below {}", write.written.min(limit)),
                        text,
                    );
                }
                let all = body(write.number, BODY_BYTES_MAX);
                if let Some(text) = difference(&all[open.position..until], &chunk) {
                    return breaks(
                        "READ-SURVIVES-PURGE",
                        format!("the bytes from {} on", open.position),
                        text,
                    );
                }
                open.position = until;
                Ok(())
            }
            Ok(None) if open.position == limit || (whole && open.position >= write.written) => Ok(()),
            Ok(None) if write.phase == Phase::Dropped => {
                breaks("STREAM-ABORT", "an error: the writer gave up", "None")
            }
            Ok(None) => breaks(
                "READ-EOF",
                format!("more bytes, from {} of {}", open.position, write.written),
                "None",
            ),
            Err(_) if open.gone || write.phase == Phase::Dropped || open.position > write.written => {
                self.hits.swap_remove(index);
                Ok(())
            }
            Err(error) => breaks("READ-EOF", "bytes, or the end", format!("Err({error})")),
        }
    }

    pub(super) fn seek(&mut self, hit: u8, start: usize, len: Option<usize>) -> Checked<()> {
        let Some(index) = pick(&self.hits, hit) else {
            return Ok(());
        };
        let open = &mut self.hits[index];
        let write = &self.writes[open.write];
        if !open.hit.handler.can_seek() || write.phase == Phase::Dropped || open.gone {
            return Ok(());
        }
        let end = len.map(|len| start + len);
        let whole = write.phase != Phase::Open;
        let answer = open.hit.try_seek(start, end);
        if whole && start > write.written {
            return match answer {
                Ok(()) => breaks("SEEK-INVALID", "an error: it starts beyond the body", "Ok"),
                Err(_) => Ok(()),
            };
        }
        if let Err(error) = answer {
            return breaks(
                "SEEK-RANGE",
                "a range of the body can be sought",
                format!("Err({error})"),
            );
        }
        open.position = start;
        // Beyond the end of a body that is known, the end is the body's.
        open.end = end.map(|end| if whole { end.min(write.written) } else { end });
        Ok(())
    }
}
