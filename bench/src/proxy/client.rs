//! One request to a contender, to see that it answers as it should before it is measured.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(10);

pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

/// Sends a GET with these further header lines (each with its CRLF) on a connection of its own.
pub(super) fn get(address: SocketAddr, path: &str, lines: &str) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\n{lines}Connection: close\r\n\r\n"
    )?;
    let mut message = Vec::new();
    stream.read_to_end(&mut message)?;
    parse(&message).ok_or_else(|| {
        let shown = String::from_utf8_lossy(&message[..message.len().min(200)]).into_owned();
        io::Error::other(format!("no answer of known length: {shown}"))
    })
}

/// An answer with a `Content-Length` that holds.
fn parse(message: &[u8]) -> Option<Answer> {
    let head_bytes = message.windows(4).position(|bytes| bytes == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&message[..head_bytes]).ok()?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.trim().parse::<usize>().ok())?
    });
    let body = message[head_bytes..].to_vec();
    (length == Some(body.len())).then_some(Answer { status, body })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_body_of_the_promised_length_is_an_answer() {
        let answer = parse(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nab").unwrap();
        assert_eq!((answer.status, answer.body), (200, b"ab".to_vec()));
        assert!(parse(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nab").is_none());
        assert!(parse(b"HTTP/1.1 200 OK\r\n\r\nab").is_none());
    }
}
