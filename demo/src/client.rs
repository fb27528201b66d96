//! A plain HTTP/1.1 client: a connection per request, bodies read as far as asked, every wait with a deadline.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::Failure;
use crate::message::{self, Fields, ResponseHead};

/// What a whole response may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Sends requests to one address.
#[derive(Debug, Clone, Copy)]
pub struct Client {
    addr: SocketAddr,
}

impl Client {
    /// A client of the server at `addr`; nothing is sent yet.
    pub fn new(addr: SocketAddr) -> Self {
        Self { addr }
    }

    /// GET `path`: returns with the head, the body is read from the response.
    ///
    /// # Errors
    /// As for [`Self::send`].
    pub fn get(&self, path: &str) -> Result<Response, Failure> {
        self.send("GET", path, &[])
    }

    /// Sends a request without a body and returns when the final head has arrived.
    ///
    /// # Errors
    /// No connection, a malformed head, or none until the deadline.
    pub fn send(&self, method: &str, path: &str, fields: &[(&str, &str)]) -> Result<Response, Failure> {
        self.attempt(method, path, fields)
            .map_err(|failure| failure.during(format_args!("{method} {path}")))
    }

    fn attempt(&self, method: &str, path: &str, fields: &[(&str, &str)]) -> Result<Response, Failure> {
        let stream = TcpStream::connect_timeout(&self.addr, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let until = Instant::now() + PATIENCE;
        exchange(
            BufReader::with_capacity(64 * 1024, Deadlined { stream, until }),
            method,
            path,
            fields,
        )
    }
}

/// Sends a request on a connection that is free for it, and reads up to the final head.
fn exchange(
    mut connection: BufReader<Deadlined>,
    method: &str,
    path: &str,
    fields: &[(&str, &str)],
) -> Result<Response, Failure> {
    let stream = &mut connection.get_mut().stream;
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n", stream.peer_addr()?);
    for (name, value) in fields {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    let of_transfer = |error: io::Error| Failure::of_transfer(&error, 0);
    stream
        .write_all(format!("{request}\r\n").as_bytes())
        .map_err(of_transfer)?;
    let mut interim = Vec::new();
    loop {
        let head = message::read_response(&mut connection).map_err(of_transfer)?;
        if head.status >= 200 {
            return Response::new(head, interim, method, connection);
        }
        interim.push(head.status);
    }
}

/// A response whose head has arrived and whose body is read step by step.
#[derive(Debug)]
pub struct Response {
    /// The three digits.
    pub status: u16,
    /// The header lines.
    pub fields: Fields,
    /// The status codes of the 1xx responses that came before.
    pub interim: Vec<u16>,
    framing: Framing,
    input: BufReader<Deadlined>,
}

/// What is left of the body, as the head and the chunks so far tell it.
#[derive(Debug, PartialEq)]
enum Framing {
    /// So many bytes, then the end.
    Length(u64),
    /// So many bytes of the current chunk, then further chunks.
    Chunked(u64),
    /// Until the connection closes: an end that cannot be told from a break.
    Unframed,
}

impl Response {
    /// The value of the field `name`, or the empty string.
    pub fn field(&self, name: &str) -> &str {
        self.fields.get(name).unwrap_or_default()
    }

    /// Exactly the next `count` bytes of the body.
    ///
    /// # Errors
    /// [`Failure::Broken`] if the transfer broke first; also if the body ends first.
    pub fn read(&mut self, count: usize) -> Result<Vec<u8>, Failure> {
        let body = self.read_up_to(count)?;
        if body.len() < count {
            return Err(Failure::Other(format!(
                "the body ended after {} of {count} bytes",
                body.len()
            )));
        }
        Ok(body)
    }

    /// Everything that is left of the body, up to its clean end.
    ///
    /// # Errors
    /// [`Failure::Broken`] if the connection ended before the body did.
    pub fn rest(&mut self) -> Result<Vec<u8>, Failure> {
        self.read_up_to(usize::MAX)
    }

    /// Sends another GET on the same connection, after the body was read to its end.
    ///
    /// # Errors
    /// As for [`Client::send`]; [`Failure::Broken`] if the server has closed the connection.
    pub fn then_get(self, path: &str) -> Result<Self, Failure> {
        if self.framing != Framing::Length(0) {
            return Err(Failure::Other("the body was not read to its end".into()));
        }
        exchange(self.input, "GET", path, &[])
            .map_err(|failure| failure.during(format_args!("then GET {path}")))
    }

    fn new(
        head: ResponseHead,
        interim: Vec<u16>,
        method: &str,
        input: BufReader<Deadlined>,
    ) -> Result<Self, Failure> {
        let ResponseHead { status, fields } = head;
        let bodiless = method == "HEAD" || status == 204 || status == 304;
        let framing = if bodiless {
            Framing::Length(0)
        } else if fields
            .get("transfer-encoding")
            .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"))
        {
            Framing::Chunked(0)
        } else if let Some(length) = fields.get("content-length") {
            Framing::Length(length.parse().map_err(|_| format!("Content-Length: {length}"))?)
        } else {
            Framing::Unframed
        };
        Ok(Self {
            status,
            fields,
            interim,
            framing,
            input,
        })
    }

    fn read_up_to(&mut self, count: usize) -> Result<Vec<u8>, Failure> {
        if self.framing == Framing::Unframed {
            return Err(Failure::Other(
                "the response has no length: its end looks like a break".into(),
            ));
        }
        let mut body = Vec::new();
        while body.len() < count {
            match self.read_piece(&mut body, count) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => return Err(Failure::of_transfer(&error, body.len())),
            }
        }
        Ok(body)
    }

    /// Appends what one read of the socket brings, towards `count` bytes in all; false at the clean end of the body.
    fn read_piece(&mut self, body: &mut Vec<u8>, count: usize) -> io::Result<bool> {
        if self.framing == Framing::Chunked(0) {
            let size = read_chunk_size(&mut self.input)?;
            self.framing = if size > 0 {
                Framing::Chunked(size)
            } else {
                Framing::Length(0)
            };
            if size == 0 {
                skip_trailers(&mut self.input)?;
            }
        }
        let (Framing::Length(left) | Framing::Chunked(left)) = &mut self.framing else {
            return Ok(false);
        };
        if *left == 0 {
            return Ok(false);
        }
        let ready = self.input.fill_buf()?;
        if ready.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let wanted = (*left).min((count - body.len()) as u64);
        let taken = ready.len().min(usize::try_from(wanted).unwrap_or(usize::MAX));
        body.extend_from_slice(&ready[..taken]);
        self.input.consume(taken);
        *left -= taken as u64;
        if self.framing == Framing::Chunked(0) {
            expect_line_end(&mut self.input)?;
        }
        Ok(true)
    }
}

/// A stream whose reads end at a common deadline.
#[derive(Debug)]
struct Deadlined {
    stream: TcpStream,
    until: Instant,
}

impl Read for Deadlined {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.stream.set_read_timeout(Some(left))?;
        self.stream.read(buf)
    }
}

fn read_chunk_size(input: &mut impl BufRead) -> io::Result<u64> {
    let line = message::read_line(input)?;
    if !line.ends_with(b"\n") {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    match httparse::parse_chunk_size(&line) {
        Ok(httparse::Status::Complete((_, size))) => Ok(size),
        _ => Err(message::malformed("chunk size")),
    }
}

fn skip_trailers(input: &mut impl BufRead) -> io::Result<()> {
    loop {
        match message::read_line(input)?.as_slice() {
            b"\r\n" => return Ok(()),
            line if line.ends_with(b"\n") => {}
            _ => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

fn expect_line_end(input: &mut impl BufRead) -> io::Result<()> {
    match message::read_line(input)?.as_slice() {
        b"\r\n" => Ok(()),
        b"" | b"\r" => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Err(message::malformed("chunk longer than its size")),
    }
}
