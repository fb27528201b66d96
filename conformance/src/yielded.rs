//! What a hit has yielded, and that it comes to an end.

use crate::hit::Chunk;
use crate::ops::HANGS;
use crate::outcome::{Checked, broken};

/// No more empty chunks come one after the other before a byte, the end or an error.
const EMPTY_CHUNKS_MAX: usize = 1000;
/// How many bytes more than the longest body so far are a mistake that others tell better.
const SLACK_BYTES: usize = 64 << 10;

/// What came since the last seek.
#[derive(Default)]
pub(crate) struct Yielded {
    bytes: usize,
    /// How many chunks without a byte came last.
    empty_chunks: usize,
}

impl Yielded {
    /// Checks read until the end, which has to come: no body is longer than the longest that was written.
    pub(crate) fn add(&mut self, chunk: &Chunk, longest_bytes: usize) -> Checked<()> {
        let Ok(Some(chunk)) = chunk else {
            self.empty_chunks = 0;
            return Ok(());
        };
        self.bytes += chunk.len();
        self.empty_chunks = match chunk.is_empty() {
            true => self.empty_chunks + 1,
            false => 0,
        };
        if self.empty_chunks == EMPTY_CHUNKS_MAX {
            return broken("a read waits, or tells bytes, the end or an error", idles());
        }
        if self.bytes > 2 * longest_bytes + SLACK_BYTES {
            return broken(
                format!("an end, after {longest_bytes} bytes at most"),
                format!("{} bytes and no end", self.bytes),
            );
        }
        Ok(())
    }
}

/// How a reader is told that it keeps busy without coming on.
fn idles() -> String {
    format!("{HANGS}: {EMPTY_CHUNKS_MAX} empty chunks, one after the other")
}
