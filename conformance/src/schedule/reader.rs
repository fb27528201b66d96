//! What the bytes that a hit yields have to be: a prefix of what one write wrote, and the end only where it ended.

use super::client::Hit;
use super::lane::Lane;
use super::linearize::Did;
use super::record::{Inner, Write};
use crate::content::body;
use crate::ops::{Answer, show_answer};
use crate::outcome::{Checked, broken};
use bytes::Bytes;

impl Hit {
    /// One read; whether there may be more to read, `None` where the read was dropped.
    pub(super) async fn read(&mut self, lane: Lane<'_>, polls_max: Option<u8>) -> Checked<Option<bool>> {
        let waits_for = Some((self.bodies.clone(), self.position));
        let future = self.handler.read_body();
        let Some(answer) = lane
            .call("read_body()".to_owned(), polls_max, waits_for, future)
            .await
        else {
            return Ok(None);
        };
        lane.came_to(&show_chunk(&answer));
        let mut record = lane.record.lock();
        match answer {
            Ok(Some(chunk)) => {
                let (from, until) = (self.position, self.position + chunk.len());
                let wrote =
                    |write: &Write| until <= write.given && body(write.number, until)[from..] == chunk;
                self.narrow(&mut record, wrote, &format!("bytes {from} to {until}"))?;
                self.position = until;
                Ok(Some(true))
            }
            Ok(None) => {
                let position = self.position;
                let whole = |write: &Write| write.ended && write.given == position;
                self.narrow(&mut record, whole, &format!("the end after {position} bytes"))?;
                Ok(Some(false))
            }
            Err(_) if self.may_fail(&record) => Ok(Some(false)),
            Err(error) => broken(
                "bytes, or the end: nothing touched the entry",
                format!("Err({error})"),
            ),
        }
    }

    /// Leaves those bodies of which what was read is true.
    fn narrow(&mut self, record: &mut Inner, is: impl Fn(&Write) -> bool, read: &str) -> Checked<()> {
        let before: Vec<_> = self.bodies.iter().map(|number| format!("v{number}")).collect();
        let of_those = |number: &u32| {
            record
                .writes
                .iter()
                .any(|write| write.number == *number && is(write))
        };
        self.bodies.retain(of_those);
        if self.bodies.is_empty() {
            let expected = format!(
                "what was written of {} so far, and the end where it ends",
                before.join(" or ")
            );
            return broken(expected, format!("{read}, which is not that"));
        }
        if let Some(event) = self.event
            && let Did::Lookup { found: Some(found) } = &mut record.events[event].did
        {
            found.bodies.clone_from(&self.bodies);
        }
        Ok(())
    }

    /// A follower may if its write was dropped; a stored hit if its entry may have gone.
    fn may_fail(&self, record: &Inner) -> bool {
        let dropped = |write: &Write| write.dropped && self.bodies.contains(&write.number);
        let gone = !self.handler.is_stream_hit() && record.disturbed[self.key as usize] >= self.invoked;
        gone || record.writes.iter().any(dropped)
    }
}

fn show_chunk(chunk: &Answer<Option<Bytes>>) -> String {
    show_answer(chunk, |chunk| match chunk {
        Some(bytes) => format!("{} bytes", bytes.len()),
        None => "None".to_owned(),
    })
}
