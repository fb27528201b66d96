//! What the origin answers: the first segment of a path says how, the rest keeps the answers of scenarios apart.
//!
//! | path | answer |
//! |---|---|
//! | `/text/…` | a line that names path and turn; fresh for an hour |
//! | `/bytes/LENGTH/…` | a computed body of that many bytes; fresh for an hour |
//! | `/slow/…`, `/slow/chunked/…` | a computed body in [`STEPS`] steps, as released |
//! | `/dies/length/…`, `/dies/chunked/…` | the same, but the first answer dies after half of its steps |
//! | `/vary/…` | as `/text/`, by `Accept-Language` |
//! | `/etag/…` | as `/text/`, must be revalidated; 304 to its validator |
//! | `/cc/POLICY/…` | as `/text/`, with `Cache-Control: POLICY` |

use std::io::{self, Write};
use std::net::TcpStream;

use crate::body;
use crate::message::{self, RequestHead};
use crate::origin::Shared;

/// Steps of a `/slow/` or `/dies/` answer.
pub(crate) const STEPS: usize = 4;
/// Bytes of one step.
pub(crate) const STEP_BYTES: usize = 64 * 1024;
/// The validator of every `/etag/` answer.
pub(crate) const ETAG: &str = "\"v1\"";

const FRESH: &str = "Cache-Control: max-age=3600\r\n";

/// Answers the `nth` request for a path (from 1).
pub(crate) fn answer(request: &RequestHead, nth: usize, shared: &Shared, out: &TcpStream) -> io::Result<()> {
    let reply = Reply { request, shared, out };
    let path = request.path.as_str();
    let mut parts = path.split('/').skip(1);
    let line = format!("{path}, answer {nth}\n");
    match (parts.next().unwrap_or_default(), parts.next().unwrap_or_default()) {
        ("text", _) => reply.whole("200 OK", FRESH, line.as_bytes()),
        ("bytes", length) => match length.parse() {
            Ok(length) => reply.whole("200 OK", FRESH, &body::bytes(path, 0, length)),
            Err(_) => reply.whole("400 Bad Request", "", b"no length\n"),
        },
        ("slow", framing) => reply.stepwise(framing != "chunked", STEPS),
        ("dies", framing) => reply.stepwise(framing == "length", if nth == 1 { STEPS / 2 } else { STEPS }),
        ("vary", _) => {
            let language = request.fields.get("accept-language").unwrap_or("none");
            reply.whole(
                "200 OK",
                &format!("{FRESH}Vary: Accept-Language\r\n"),
                format!("{language}: {line}").as_bytes(),
            )
        }
        ("etag", _) => {
            let fields = format!("Cache-Control: no-cache\r\nETag: {ETAG}\r\n");
            match request.fields.get("if-none-match") {
                Some(validator) if validator == ETAG => reply.head("304 Not Modified", &fields),
                _ => reply.whole("200 OK", &fields, line.as_bytes()),
            }
        }
        ("cc", policy) => reply.whole("200 OK", &format!("Cache-Control: {policy}\r\n"), line.as_bytes()),
        _ => reply.whole("404 Not Found", "", b"no such route\n"),
    }
}

/// One answer on its way out.
struct Reply<'a> {
    request: &'a RequestHead,
    shared: &'a Shared,
    out: &'a TcpStream,
}

impl Reply<'_> {
    fn whole(&self, status: &str, fields: &str, body: &[u8]) -> io::Result<()> {
        self.head(status, &format!("{fields}Content-Length: {}\r\n", body.len()))?;
        if self.request.method == "HEAD" {
            Ok(())
        } else {
            (&mut &*self.out).write_all(body)
        }
    }

    /// Sends the first `steps` of all steps, each when it is released; fewer than all end the connection after one
    /// more release, so that a scenario decides when it dies.
    fn stepwise(&self, with_length: bool, steps: usize) -> io::Result<()> {
        let framing = match with_length {
            true => format!("Content-Length: {}\r\n", STEPS * STEP_BYTES),
            false => "Transfer-Encoding: chunked\r\n".to_owned(),
        };
        self.head("200 OK", &format!("{FRESH}{framing}"))?;
        if self.request.method == "HEAD" {
            return Ok(());
        }
        let path = &self.request.path;
        for step in 0..steps {
            self.pass(step)?;
            let start = (step * STEP_BYTES) as u64;
            let mut piece = body::bytes(path, start, start + STEP_BYTES as u64);
            if !with_length {
                piece.splice(..0, format!("{STEP_BYTES:x}\r\n").into_bytes());
                piece.extend_from_slice(b"\r\n");
            }
            (&mut &*self.out).write_all(&piece)?;
        }
        if steps < STEPS {
            self.pass(steps)?;
            return Err(io::Error::other("dies half way, as its path says"));
        }
        if with_length {
            Ok(())
        } else {
            (&mut &*self.out).write_all(b"0\r\n\r\n")
        }
    }

    fn pass(&self, step: usize) -> io::Result<()> {
        let passed = self.shared.gates.pass(&self.request.path, step);
        if passed {
            Ok(())
        } else {
            Err(io::ErrorKind::TimedOut.into())
        }
    }

    fn head(&self, status: &str, fields: &str) -> io::Result<()> {
        let date = message::date(0);
        let head = format!("HTTP/1.1 {status}\r\nDate: {date}\r\nServer: origin\r\n{fields}\r\n");
        (&mut &*self.out).write_all(head.as_bytes())
    }
}
