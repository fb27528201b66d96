//! Response heads of one side as heads of the other.

use super::version::pingora_http;
use bytes::{BufMut, Bytes};
use forebay_core::{ErrorKind, ResponseHead, Result};
use http::{HeaderName, HeaderValue, Version};
use pingora_http::ResponseHeader;
use std::hint::black_box;
use std::sync::Arc;

/// What pingora's head has beyond status, reason and lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HeadStyle {
    pub(crate) version: Version,
    /// Whether pingora keeps the case of names. It does not for heads that came by HTTP/2.
    pub(crate) has_case: bool,
}

impl Default for HeadStyle {
    fn default() -> Self {
        HeadStyle {
            version: Version::HTTP_11,
            has_case: true,
        }
    }
}

impl HeadStyle {
    pub(crate) fn of(header: &ResponseHeader) -> Self {
        HeadStyle {
            version: header.version,
            has_case: header.has_case(),
        }
    }
}

/// The header lines (name, value) in pingora's order, which has lines of one name next to each other.
pub(crate) fn lines(header: &ResponseHeader) -> impl Iterator<Item = (&[u8], &[u8])> {
    // The first is empty for a head without case; the second is then all there is.
    let cased = header
        .case_header_iter()
        .map(|(name, value)| (name.as_slice(), value.as_bytes()));
    let caseless = header
        .headers
        .iter()
        .filter(|_| !header.has_case())
        .map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes()));
    cased.chain(caseless)
}

/// Pingora's head as ours.
pub(crate) fn from_pingora(header: &ResponseHeader) -> Result<ResponseHead> {
    with_lines(header, lines(header))
}

/// Pingora's head as ours, but with these lines.
pub(crate) fn with_lines<'a>(
    header: &ResponseHeader,
    lines: impl Iterator<Item = (&'a [u8], &'a [u8])>,
) -> Result<ResponseHead> {
    let mut head = ResponseHead::builder(header.status.as_u16());
    // Pingora gives the canonical reason where none was set; those two need not be told apart.
    let reason = header.get_reason_phrase();
    if reason != header.status.canonical_reason() {
        head = head.reason(reason.unwrap_or_default());
    }
    lines
        .fold(head, |head, (name, value)| head.header(name, value))
        .build()
}

/// Our head as pingora's.
///
/// Bytes of the reason phrase that are no UTF-8 become replacement characters.
///
/// # Errors
/// [`ErrorKind::Refused`] for what pingora cannot hold: a status outside of 100 to 999, control characters in a value,
/// more than 24,000 lines.
pub(crate) fn to_pingora(head: &ResponseHead, style: HeadStyle) -> Result<ResponseHeader> {
    build(head, style)
        .map_err(|cause| ErrorKind::Refused.because("a response head that pingora cannot hold", cause))
}

/// A header map holds 24,576 names. Past that, pingora 0.8 panics instead of refusing.
const LINES_MAX: usize = 24_000;

type AnyError = Box<dyn std::error::Error + Send + Sync>;

fn build(head: &ResponseHead, style: HeadStyle) -> std::result::Result<ResponseHeader, AnyError> {
    let line_count = head.headers().count();
    if line_count > LINES_MAX {
        return Err(format!("{line_count} header lines, more than {LINES_MAX}").into());
    }
    let mut header = if style.has_case {
        ResponseHeader::build(head.status(), Some(line_count))?
    } else {
        ResponseHeader::build_no_case(head.status(), Some(line_count))?
    };
    header.set_version(style.version);
    if let Some(reason) = head.reason() {
        header.set_reason_phrase(Some(&String::from_utf8_lossy(reason)))?;
    }
    // One buffer for all lines: one allocation, and nothing else is kept alive by them. Names that are always there need
    // none, and no counting when the head is cloned.
    let mut text = Vec::with_capacity(head.len_bytes());
    for (name, value) in head.headers() {
        if ResponseHead::static_name(name).is_none() {
            text.put_slice(name);
        }
        text.put_slice(value);
    }
    let mut text = Bytes::from(text);
    for (name, value) in head.headers() {
        let name = match ResponseHead::static_name(name) {
            Some(name) => Bytes::from_static(name.as_bytes()),
            None => text.split_to(name.len()),
        };
        let value = HeaderValue::from_maybe_shared(text.split_to(value.len()))?;
        header.append_header(name, value)?;
    }
    Ok(header)
}

/// A head in pingora's form, and what it was made of.
#[derive(Clone)]
pub(crate) struct ParsedHead(Arc<(ResponseHead, HeadStyle, ResponseHeader)>);

impl ParsedHead {
    pub(crate) fn new(head: &ResponseHead, style: HeadStyle) -> Result<Self> {
        let header = to_pingora(head, style)?;
        Ok(ParsedHead(Arc::new((head.detached(), style, header))))
    }

    /// Fetches the values all at once, which a copy will read one by one. It counts references as it goes, and a processor looks
    /// no further ahead than such a count: it would wait for one place in memory after the other.
    pub(crate) fn fetch(&self) {
        let (_, _, header) = &*self.0;
        black_box(header.headers.values().fold(0, |lens, value| lens ^ value.len()));
    }

    /// Whether it was made of this head, which may have changed since.
    pub(crate) fn is_of(&self, head: &ResponseHead, style: HeadStyle) -> bool {
        let (parsed_from, parsed_as, _) = &*self.0;
        parsed_from == head && *parsed_as == style
    }

    /// What it occupies, in bytes, seen from the layout of `http::HeaderMap`: two maps (values, and names in their
    /// case) with their slots and indices, the text of the lines, and the names once more in lower case.
    pub(crate) fn weight_bytes(&self) -> usize {
        const SLOT_BYTES: usize = size_of::<HeaderName>() + size_of::<HeaderValue>() + 4 * size_of::<usize>();
        const INDEX_BYTES: usize = 4;
        let (head, _, header) = &*self.0;
        let line_count = head.headers().count();
        let indices = (line_count + line_count / 3).next_power_of_two();
        let slots = indices - indices / 4;
        let map = slots.max(line_count) * SLOT_BYTES + indices * INDEX_BYTES;
        size_of_val(header) + 2 * map + 2 * head.len_bytes()
    }
}

/// A copy for pingora to own, made where it is to lie.
impl From<ParsedHead> for ResponseHeader {
    #[inline]
    fn from(parsed: ParsedHead) -> Self {
        parsed.0.2.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_pingora_cannot_hold_is_refused() {
        let refused = |head: ResponseHead| {
            let error = to_pingora(&head, HeadStyle::default()).unwrap_err();
            ErrorKind::of(&error) == Some(ErrorKind::Refused)
        };
        assert!(refused(ResponseHead::builder(99).build().unwrap()));
        assert!(refused(
            ResponseHead::builder(200).header("a", [1]).build().unwrap()
        ));
        let of_lines = |count| {
            let lines = (0..count).map(|i| format!("x{i}"));
            let head = lines.fold(ResponseHead::builder(200), |head, name| head.header(name, ""));
            head.build().unwrap()
        };
        assert!(refused(of_lines(LINES_MAX + 1)));
        assert!(to_pingora(&of_lines(LINES_MAX), HeadStyle::default()).is_ok());
    }

    #[test]
    fn a_parsed_head_is_not_used_for_another_head() {
        let head = |value: &str| ResponseHead::builder(200).header("a", value).build().unwrap();
        let style = HeadStyle::default();
        let parsed = ParsedHead::new(&head("1"), style).unwrap();
        assert!(parsed.is_of(&head("1"), style));
        assert!(!parsed.is_of(&head("2"), style));
        let http2 = HeadStyle {
            version: Version::HTTP_2,
            ..style
        };
        assert!(!parsed.is_of(&head("1"), http2));
    }
}
