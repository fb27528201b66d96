//! What a client's connection carries: the end of a response, and the request after it.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use forebay_demo::proxy::{Proxy, Settings};
use forebay_demo::stage::{Stage, fetch};
use socket2::{Domain, Socket, Type};

use crate::{raw, say, stage};

const FRESH: &str = "Cache-Control: max-age=600\r\n";

/// Pingora left such a connection without a second answer: a client that has its whole response may send its next
/// request before the fill behind the response is finished.
#[test]
fn a_request_that_comes_early_is_answered_in_its_turn() {
    let stage = stage();
    say(&stage, "/a", FRESH, "first");
    say(&stage, "/b", FRESH, "second");
    let answers = raw(
        &stage,
        "GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    );
    let (first, second) = (answers.find("first"), answers.find("second"));
    assert!(first.is_some() && first < second, "{answers}");
}

#[test]
fn a_part_of_a_fill_that_goes_on_leaves_the_client_free_to_ask_elsewhere() {
    let stage = stage();
    let path = "/slow/part";
    stage.origin.hold(path);
    stage.origin.release(path, 1);
    let client = stage.proxy.client();
    let mut part = client.send("GET", path, &[("Range", "bytes=0-9")]).unwrap();
    assert_eq!((part.status, part.rest().unwrap().len()), (206, 10));
    assert!(
        part.field("connection").eq_ignore_ascii_case("close"),
        "{}",
        part.field("connection")
    );
    let mut next = client.send("GET", path, &[("Range", "bytes=10-19")]).unwrap();
    assert_eq!((next.status, next.rest().unwrap().len()), (206, 10));
    stage.origin.release(path, 7);
    assert_eq!(stage.origin.asked(path), 1);
}

#[test]
fn a_client_of_http_1_0_gets_no_chunks_from_the_origin_or_the_cache() {
    let stage = stage();
    stage.origin.say(
        "/x",
        &format!("HTTP/1.1 200 OK\r\n{FRESH}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
    );
    for _ in 0..2 {
        let answer = raw(&stage, "GET /x HTTP/1.0\r\nHost: x\r\n\r\n");
        assert!(answer.ends_with("\r\n\r\nhello"), "{answer}");
    }
    assert_eq!(stage.origin.asked("/x"), 1);
}

/// RFC 9112, 3.2. Without it, two caches in a row could take one request for different hosts.
#[test]
fn a_request_that_does_not_name_one_host_is_refused_and_not_forwarded() {
    let stage = stage();
    say(&stage, "/a", FRESH, "first");
    for hosts in ["", "Host: x\r\nHost: y\r\n"] {
        let answer = raw(
            &stage,
            &format!("GET /a HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n"),
        );
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
    assert_eq!(stage.origin.asked("/a"), 0);
}

/// A proxy before the stage's origin that lets clients be silent for a second.
fn impatient(stage: &Stage) -> Proxy {
    let flags = ["--client-timeout", "1"].map(str::to_owned).into();
    let settings = stage.proxy.settings().clone();
    Proxy::start(Settings { flags, ..settings }).unwrap()
}

fn connect(proxy: &Proxy, requests: &str) -> TcpStream {
    let mut stream = TcpStream::connect(proxy.listen()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(requests.as_bytes()).unwrap();
    stream
}

/// Pingora lets a client that has had a response keep its connection for ever.
#[test]
fn a_client_that_asks_for_nothing_more_is_let_go() {
    let stage = stage();
    let proxy = impatient(&stage);
    let mut stream = connect(&proxy, &"GET /bytes/9/x HTTP/1.1\r\nHost: x\r\n\r\n".repeat(2));
    let mut answers = Vec::new();
    let ended = stream.read_to_end(&mut answers);
    ended.expect("the end of the connection");
    let answers = String::from_utf8_lossy(&answers);
    assert_eq!(answers.matches("HTTP/1.1 200").count(), 2, "{answers}");
}

#[test]
fn a_client_that_takes_nothing_of_its_response_is_let_go() {
    let stage = stage();
    let proxy = impatient(&stage);
    for turn in ["a miss", "a hit"] {
        let mut stream = connect(&proxy, "GET /bytes/30000000/x HTTP/1.1\r\nHost: x\r\n\r\n");
        stream.read_exact(&mut [0; 9]).unwrap();
        proxy.settle().unwrap(); // the request has ended, which the client has not taken
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest); // a reset is as good an end
        assert!(rest.len() < 30_000_000, "{turn}");
    }
}

/// Whether the proxy closes the connection while the client goes on sending `bytes`, and reads nothing.
fn is_let_go(stream: &mut TcpStream, bytes: &[u8]) -> bool {
    stream.set_write_timeout(Some(Duration::from_millis(20))).unwrap();
    let until = Instant::now() + Duration::from_secs(20);
    while Instant::now() < until {
        match stream.write(bytes) {
            Ok(_) => std::thread::sleep(Duration::from_millis(1)),
            Err(e) if e.kind() == ErrorKind::WouldBlock => {}
            Err(_) => return true,
        }
    }
    false
}

/// Pingora waits without end until a head is sent.
#[test]
fn a_client_that_takes_none_of_many_heads_is_let_go() {
    let stage = stage();
    let proxy = impatient(&stage);
    say(&stage, "/x", FRESH, "one");
    fetch(&proxy, "GET", "/x", &[]).unwrap();
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(2048).unwrap();
    socket.connect(&proxy.listen().into()).unwrap();
    let heads = "HEAD /x HTTP/1.1\r\nHost: x\r\n\r\n".repeat(100);
    assert!(is_let_go(&mut socket.into(), heads.as_bytes()));
}

/// Each byte began the wait anew.
#[test]
fn a_client_that_takes_too_long_for_a_head_is_let_go() {
    let stage = stage();
    let proxy = impatient(&stage);
    for before in ["", "GET /bytes/9/x HTTP/1.1\r\nHost: x\r\n\r\n"] {
        let mut stream = connect(&proxy, before);
        if !before.is_empty() {
            stream.read_exact(&mut [0; 9]).unwrap();
        }
        assert!(is_let_go(&mut stream, b"G"), "after {before:?}");
    }
}
