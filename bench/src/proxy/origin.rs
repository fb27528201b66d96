//! The origin of all contenders: answers at once, and counts what it is asked, so that a hit shows as no request.

use std::io::{self, BufRead, BufReader, IoSlice, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// The largest body that a path may ask for, in bytes.
const BODY_BYTES_MAX: usize = 1 << 20;

/// An origin on a free port of loopback. `/SIZE/ANYTHING` is a body of that size, fresh for a day.
///
/// It lives as long as the process: threads of keep-alive connections end with their clients.
pub(super) struct Origin {
    pub(super) address: SocketAddr,
    requests: Arc<AtomicU64>,
}

impl Origin {
    pub(super) fn start() -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let requests = Arc::new(AtomicU64::new(0));
        let bodies: Arc<[u8]> = body(BODY_BYTES_MAX).into();
        let counted = requests.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (bodies, counted) = (bodies.clone(), counted.clone());
                // A connection that breaks is the contender's to notice.
                thread::spawn(move || drop(serve(stream, &bodies, &counted)));
            }
        });
        Ok(Origin { address, requests })
    }

    /// How many requests it has answered.
    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }
}

/// The body of this size: bytes that tell their position, so that a part of another place does not pass for this one.
pub(super) fn body(len_bytes: usize) -> Vec<u8> {
    (0..len_bytes)
        .map(|at| (at ^ (at >> 8) ^ (at >> 16)) as u8)
        .collect()
}

fn serve(mut stream: TcpStream, bodies: &[u8], requests: &AtomicU64) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    while let Some(path) = read_request(&mut reader, &mut line)? {
        requests.fetch_add(1, Ordering::Relaxed);
        match size(&path) {
            Some(len_bytes) => send(&mut stream, &ok_head(len_bytes), &bodies[..len_bytes])?,
            None => send(
                &mut stream,
                "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
                &[],
            )?,
        }
    }
    Ok(())
}

/// The target of the next request; `None` where the connection ends.
fn read_request(reader: &mut impl BufRead, line: &mut String) -> io::Result<Option<String>> {
    line.clear();
    if reader.read_line(line)? == 0 {
        return Ok(None);
    }
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    loop {
        line.clear();
        if reader.read_line(line)? == 0 {
            return Ok(None);
        }
        if line.trim_end().is_empty() {
            return Ok(Some(path));
        }
    }
}

fn size(path: &str) -> Option<usize> {
    let size = path.trim_start_matches('/').split('/').next()?.parse().ok()?;
    (size <= BODY_BYTES_MAX).then_some(size)
}

/// A head of ten lines, as responses have them.
fn ok_head(len_bytes: usize) -> String {
    let date = httpdate::fmt_http_date(std::time::SystemTime::now());
    format!(
        "HTTP/1.1 200 OK\r\nDate: {date}\r\nServer: origin/1.0\r\nContent-Type: application/octet-stream\r\n\
         Content-Length: {len_bytes}\r\nCache-Control: public, max-age=86400\r\nETag: \"{len_bytes:x}-5f3e6a1b2c3d4\"\r\n\
         Last-Modified: Mon, 14 Nov 2022 10:00:00 GMT\r\nAccept-Ranges: bytes\r\nX-Content-Type-Options: nosniff\r\n\
         X-Request-Id: 0f8fad5b-d9cb-469f-a165-70867728950e\r\n\r\n"
    )
}

/// Head and body in one write where the socket takes them.
fn send(stream: &mut TcpStream, head: &str, body: &[u8]) -> io::Result<()> {
    let (mut head, mut body) = (head.as_bytes(), body);
    while !head.is_empty() {
        let sent = stream.write_vectored(&[IoSlice::new(head), IoSlice::new(body)])?;
        if sent == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        let of_head = sent.min(head.len());
        (head, body) = (&head[of_head..], &body[sent - of_head..]);
    }
    stream.write_all(body)
}
