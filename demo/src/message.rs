//! HTTP/1.1 heads, for both ends: read up to the empty line, parsed by `httparse`.

use std::io::{self, BufRead};
use std::time::{Duration, SystemTime};

/// No head in the demo comes near it; one that does is an error rather than memory.
const HEAD_BYTES_MAX: usize = 64 * 1024;
const FIELDS_MAX: usize = 100;

/// Header lines in their order.
#[derive(Debug, Clone, Default)]
pub struct Fields(pub Vec<(String, String)>);

impl Fields {
    /// The value of the first line called `name`, in any case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    fn parsed(lines: &[httparse::Header<'_>]) -> Self {
        let text = |line: &httparse::Header<'_>| String::from_utf8_lossy(line.value).into_owned();
        Self(
            lines
                .iter()
                .map(|line| (line.name.to_owned(), text(line)))
                .collect(),
        )
    }
}

/// The head of a request.
#[derive(Debug, Clone)]
pub struct RequestHead {
    /// As it was sent.
    pub method: String,
    /// The request target, as it was sent.
    pub path: String,
    /// The header lines.
    pub fields: Fields,
}

/// The head of a response.
#[derive(Debug, Clone)]
pub struct ResponseHead {
    /// The three digits.
    pub status: u16,
    /// The header lines.
    pub fields: Fields,
}

/// A whole response as text, for [`crate::origin::Origin::say`]: status line, `Date`, `fields` (each with its line
/// end), length and body.
pub fn response(status: &str, fields: &str, body: &str) -> String {
    let (date, length) = (date(0), body.len());
    format!("HTTP/1.1 {status}\r\nDate: {date}\r\n{fields}Content-Length: {length}\r\n\r\n{body}")
}

/// An HTTP date, so many seconds from now.
pub fn date(offset_seconds: i64) -> String {
    let distance = Duration::from_secs(offset_seconds.unsigned_abs());
    let now = SystemTime::now();
    httpdate::fmt_http_date(if offset_seconds < 0 {
        now - distance
    } else {
        now + distance
    })
}

/// The next request of a connection, or `None` if it was closed between two requests.
pub(crate) fn read_request(input: &mut impl BufRead) -> io::Result<Option<RequestHead>> {
    let Some(head) = read_head(input)? else {
        return Ok(None);
    };
    let mut lines = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut request = httparse::Request::new(&mut lines);
    request.parse(&head).map_err(malformed)?;
    let (Some(method), Some(path)) = (request.method, request.path) else {
        return Err(malformed("request line"));
    };
    let (method, path) = (method.to_owned(), path.to_owned());
    Ok(Some(RequestHead {
        method,
        path,
        fields: Fields::parsed(request.headers),
    }))
}

/// The next response of a connection; its end before the head is whole is `UnexpectedEof`.
pub(crate) fn read_response(input: &mut impl BufRead) -> io::Result<ResponseHead> {
    let head = read_head(input)?.ok_or(io::ErrorKind::UnexpectedEof)?;
    let mut lines = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut response = httparse::Response::new(&mut lines);
    response.parse(&head).map_err(malformed)?;
    let status = response.code.ok_or_else(|| malformed("status line"))?;
    Ok(ResponseHead {
        status,
        fields: Fields::parsed(response.headers),
    })
}

/// The bytes up to and with the empty line, or `None` if there is not one byte.
fn read_head(input: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut head = Vec::new();
    loop {
        let line = read_line(input)?;
        if line.is_empty() {
            return if head.is_empty() {
                Ok(None)
            } else {
                Err(io::ErrorKind::UnexpectedEof.into())
            };
        }
        head.extend_from_slice(&line);
        if line == b"\r\n" || line == b"\n" {
            return Ok(Some(head));
        }
        if head.len() > HEAD_BYTES_MAX {
            return Err(malformed("longer than 64 KiB"));
        }
    }
}

/// One line with its end, shorter only where the input ends.
pub(crate) fn read_line(input: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    io::Read::take(input, HEAD_BYTES_MAX as u64).read_until(b'\n', &mut line)?;
    Ok(line)
}

/// An error that says that the peer does not speak HTTP/1.1.
pub(crate) fn malformed(why: impl std::fmt::Display) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("malformed HTTP/1.1 message: {why}"),
    )
}
