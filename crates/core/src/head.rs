//! The head of a stored response: status, reason, and header lines exactly as they came.

mod names;

use crate::{ErrorKind, varint};
use bytes::Bytes;
use pingora_error::Result;
use std::fmt;

/// A response head whose header lines keep their order, their case and their repetition.
///
/// It is one shared buffer: cloning it is counting references, and reading a line copies nothing.
///
/// ```
/// use forebay_core::ResponseHead;
///
/// let head = ResponseHead::builder(200).header("ETag", "\"1\"").header("Vary", "accept").build()?;
/// assert_eq!(head.status(), 200);
/// assert_eq!(head.get("etag"), Some(&b"\"1\""[..]));
/// assert_eq!(head.headers().count(), 2);
/// # Ok::<(), Box<forebay_core::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct ResponseHead {
    // status u16, little endian · reason length + 1, or 0 for none · reason · lines of (number of the name, or 0 and the
    // name's length and the name; value length; value). Always well formed: both ways to make a head check it.
    encoded: Bytes,
}

const STATUS_BYTES: usize = 2;
const NAME_BYTES_MAX: usize = u16::MAX as usize;
const REASON_BYTES_MAX: usize = u16::MAX as usize - 1;

impl ResponseHead {
    /// Starts a head with this status.
    pub fn builder(status: u16) -> ResponseHeadBuilder {
        let mut encoded = Vec::with_capacity(256);
        encoded.extend_from_slice(&status.to_le_bytes());
        encoded.push(0);
        ResponseHeadBuilder {
            encoded,
            invalid: None,
        }
    }

    /// The status code.
    pub fn status(&self) -> u16 {
        u16::from_le_bytes([self.encoded[0], self.encoded[1]])
    }

    /// The reason phrase, where one was set.
    pub fn reason(&self) -> Option<&[u8]> {
        split_reason(&self.encoded).and_then(|(reason, _)| reason)
    }

    /// The header lines (name, value) in their order.
    pub fn headers(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut rest = split_reason(&self.encoded).map_or(&[][..], |(_, lines)| lines);
        std::iter::from_fn(move || {
            let (name, value, after) = split_line(rest)?;
            rest = after;
            Some((name, value))
        })
    }

    /// The same name as text that is always there, for names in a usual case that many responses have: whoever makes a
    /// head of another kind need not copy it.
    ///
    /// ```
    /// assert_eq!(forebay_core::ResponseHead::static_name(b"ETag"), Some("ETag"));
    /// assert_eq!(forebay_core::ResponseHead::static_name(b"eTaG"), None);
    /// ```
    pub fn static_name(name: &[u8]) -> Option<&'static str> {
        names::find(name).map(|(_, name)| name)
    }

    /// The value of the first line of this name, whatever its case.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.headers()
            .find(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value)
    }

    /// The same head in a buffer of its own: one that was decoded keeps alive what it was decoded from.
    pub fn detached(&self) -> Self {
        ResponseHead {
            encoded: Bytes::copy_from_slice(&self.encoded),
        }
    }

    /// What the head occupies, in bytes.
    pub fn len_bytes(&self) -> usize {
        self.encoded.len()
    }

    pub(crate) fn encoded(&self) -> &Bytes {
        &self.encoded
    }

    /// Checks bytes that [`encoded`](Self::encoded) gave, which may have been damaged since.
    pub(crate) fn decode(encoded: Bytes) -> Result<Self> {
        let well_formed = || {
            let (_, mut rest) = split_reason(&encoded)?;
            while !rest.is_empty() {
                rest = split_line(rest)?.2;
            }
            Some(())
        };
        match well_formed() {
            Some(()) => Ok(ResponseHead { encoded }),
            None => Err(ErrorKind::Corrupt.error("stored response head: a length points outside of it")),
        }
    }
}

/// The reason phrase, where there is one, and the lines; `None` where a length is wrong.
fn split_reason(encoded: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    let (length_plus_one, rest) = varint::get(encoded.get(STATUS_BYTES..)?)?;
    let Some(length) = length_plus_one.checked_sub(1) else {
        return Some((None, rest));
    };
    let (reason, rest) = rest.split_at_checked(length as usize)?;
    Some((Some(reason), rest))
}

/// The first line's name and value, and what follows; `None` at the end or where a number or a length is wrong.
fn split_line(rest: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (name, rest) = match varint::get(rest)? {
        (0, rest) => varint::split_sized(rest)?,
        (number, rest) => (names::name_of(number)?.as_bytes(), rest),
    };
    let (value, rest) = varint::split_sized(rest)?;
    Some((name, value, rest))
}

impl fmt::Debug for ResponseHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        f.debug_struct("ResponseHead")
            .field("status", &self.status())
            .field("reason", &self.reason().map(text))
            .field(
                "headers",
                &self
                    .headers()
                    .map(|(n, v)| (text(n), text(v)))
                    .collect::<Vec<_>>(),
            )
            .finish()
    }
}

/// Takes a head from the `http` crate. Its names are lower case, and it has no reason phrase of its own.
impl TryFrom<&http::response::Parts> for ResponseHead {
    type Error = Box<crate::Error>;

    fn try_from(parts: &http::response::Parts) -> Result<Self> {
        let start = ResponseHead::builder(parts.status.as_u16());
        parts
            .headers
            .iter()
            .fold(start, |head, (name, value)| head.header(name, value))
            .build()
    }
}

/// Gives a head to the `http` crate; the case of names and the reason phrase are lost there.
impl TryFrom<&ResponseHead> for http::response::Parts {
    type Error = http::Error;

    fn try_from(head: &ResponseHead) -> Result<Self, http::Error> {
        let start = http::Response::builder().status(head.status());
        let response = head
            .headers()
            .fold(start, |r, (name, value)| r.header(name, value))
            .body(())?;
        Ok(response.into_parts().0)
    }
}

/// Collects a [`ResponseHead`]; what is wrong with a line is told by [`build`](Self::build).
#[derive(Debug)]
pub struct ResponseHeadBuilder {
    encoded: Vec<u8>,
    invalid: Option<Box<crate::Error>>,
}

impl ResponseHeadBuilder {
    /// Sets the reason phrase. It goes before the first header line.
    pub fn reason(mut self, reason: impl AsRef<[u8]>) -> Self {
        let reason = reason.as_ref();
        let only_this_once = self.encoded[STATUS_BYTES..] == [0];
        if only_this_once && reason.len() <= REASON_BYTES_MAX && is_field_text(reason) {
            self.encoded.truncate(STATUS_BYTES);
            varint::put(&mut self.encoded, reason.len() as u32 + 1);
            self.encoded.extend_from_slice(reason);
        } else {
            self.reject("reason phrase", reason);
        }
        self
    }

    /// Adds a header line behind those that are there.
    pub fn header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        let (name, value) = (name.as_ref(), value.as_ref());
        let known = names::find(name);
        let sound = known.is_some() || (name.len() <= NAME_BYTES_MAX && is_token(name));
        let Some(value_length) = u32::try_from(value.len())
            .ok()
            .filter(|_| sound && is_field_text(value))
        else {
            self.reject("header line", name);
            return self;
        };
        match known {
            Some((number, _)) => varint::put(&mut self.encoded, number),
            None => {
                self.encoded.push(0);
                varint::put(&mut self.encoded, name.len() as u32);
                self.encoded.extend_from_slice(name);
            }
        }
        varint::put(&mut self.encoded, value_length);
        self.encoded.extend_from_slice(value);
        self
    }

    /// The head.
    ///
    /// # Errors
    /// [`ErrorKind::Misuse`] names the first line that no HTTP message could carry: a name that is no token, a value
    /// with a line break or a NUL, a reason phrase that comes twice or after a line.
    pub fn build(self) -> Result<ResponseHead> {
        match self.invalid {
            Some(error) => Err(error),
            None => Ok(ResponseHead {
                encoded: self.encoded.into(),
            }),
        }
    }

    fn reject(&mut self, what: &str, bytes: &[u8]) {
        let shown = bytes[..bytes.len().min(64)].escape_ascii();
        let context = format!("invalid {what} in a response head: \"{shown}\"");
        self.invalid
            .get_or_insert_with(|| ErrorKind::Misuse.error(context));
    }
}

/// RFC 9110, 5.6.2.
fn is_token(name: &[u8]) -> bool {
    !name.is_empty()
        && name
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b))
}

/// RFC 9110, 5.5: no CR, LF or NUL.
fn is_field_text(value: &[u8]) -> bool {
    !value.iter().any(|b| matches!(b, b'\r' | b'\n' | 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> ResponseHead {
        ResponseHead::builder(206)
            .reason("Part of it")
            .header("Set-Cookie", "a=1")
            .header("ETag", "")
            .header("set-cookie", [0xff, 0x20])
            .build()
            .unwrap()
    }

    #[test]
    fn lines_keep_order_case_and_repetition() {
        let head = sample();
        let lines: Vec<_> = head.headers().collect();
        assert_eq!(
            lines,
            [
                (&b"Set-Cookie"[..], &b"a=1"[..]),
                (b"ETag", b""),
                (b"set-cookie", &[0xff, 0x20])
            ]
        );
        assert_eq!(head.get("SET-COOKIE"), Some(&b"a=1"[..]));
        assert_eq!(head.reason(), Some(&b"Part of it"[..]));
        assert_eq!(head.status(), 206);
    }

    #[test]
    fn no_reason_and_an_empty_reason_differ() {
        assert_eq!(ResponseHead::builder(200).build().unwrap().reason(), None);
        assert_eq!(
            ResponseHead::builder(200).reason("").build().unwrap().reason(),
            Some(&b""[..])
        );
    }

    #[test]
    fn every_cut_of_an_encoded_head_is_an_error_or_a_shorter_head_and_never_a_panic() {
        let whole = sample().encoded().clone();
        let mut shorter = 0;
        for cut in 0..whole.len() {
            if let Ok(head) = ResponseHead::decode(whole.slice(..cut)) {
                assert!(head.headers().count() < 3);
                shorter += 1;
            }
        }
        assert_eq!(shorter, 3, "only cuts between lines are well formed");
        assert_eq!(ResponseHead::decode(whole).unwrap(), sample());
    }

    #[test]
    fn what_no_message_could_carry_is_refused() {
        let refused =
            |b: ResponseHeadBuilder| ErrorKind::of(&b.build().unwrap_err()) == Some(ErrorKind::Misuse);
        assert!(refused(ResponseHead::builder(200).header("", "x")));
        assert!(refused(ResponseHead::builder(200).header("a b", "x")));
        assert!(refused(ResponseHead::builder(200).header("a", "x\r\ny: z")));
        assert!(refused(
            ResponseHead::builder(200).header("a", "x").reason("late")
        ));
        assert!(refused(ResponseHead::builder(200).reason("").reason("twice")));
        assert!(refused(
            ResponseHead::builder(200).header("a".repeat(1 << 16), "x")
        ));
    }

    #[test]
    fn the_http_crate_gets_and_gives_heads() {
        let parts = http::response::Parts::try_from(&sample()).unwrap();
        assert_eq!(parts.headers.get_all("set-cookie").iter().count(), 2);
        let back = ResponseHead::try_from(&parts).unwrap();
        assert_eq!((back.status(), back.headers().count()), (206, 3));
    }
}
