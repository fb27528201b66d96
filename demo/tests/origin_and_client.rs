//! The demo's own instruments, checked against each other: a client that mistook a break for an end would prove nothing.

use std::io::{Read, Write};
use std::net::TcpListener;

use forebay_demo::client::Client;
use forebay_demo::origin::Origin;
use forebay_demo::{Failure, body};

const STEP: usize = 64 * 1024;

fn pair() -> (Origin, Client) {
    let origin = Origin::start().unwrap();
    let client = Client::new(origin.addr());
    (origin, client)
}

/// A server that answers its one connection with `answer` and closes.
fn answering(answer: &'static [u8]) -> Client {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = Client::new(listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 1024];
        let _ = stream.read(&mut request).unwrap();
        stream.write_all(answer).unwrap();
    });
    client
}

#[test]
fn a_computed_body_arrives_whole_and_is_counted() {
    let (origin, client) = pair();
    let path = "/bytes/1000003/x";
    assert_eq!(
        client.get(path).unwrap().rest().unwrap(),
        body::bytes(path, 0, 1_000_003)
    );
    assert_eq!((origin.asked(path), origin.asked("/bytes/1/x")), (1, 0));
}

#[test]
fn a_held_body_comes_as_far_as_it_is_released() {
    let (origin, client) = pair();
    let path = "/slow/x";
    origin.hold(path);
    let mut response = client.get(path).unwrap();
    origin.release(path, 1);
    assert_eq!(response.read(STEP).unwrap(), body::bytes(path, 0, STEP as u64));
    origin.release(path, 3);
    assert_eq!(
        response.rest().unwrap(),
        body::bytes(path, STEP as u64, 4 * STEP as u64)
    );
}

#[test]
fn an_origin_that_dies_half_way_is_a_broken_transfer_the_first_time() {
    for framing in ["length", "chunked"] {
        let (origin, client) = pair();
        let path = format!("/dies/{framing}/x");
        origin.hold(&path);
        origin.release(&path, 3);
        let failure = client.get(&path).unwrap().rest().unwrap_err();
        assert!(
            matches!(failure, Failure::Broken { received_bytes, .. } if received_bytes == 2 * STEP),
            "{failure}"
        );
        origin.release(&path, 1);
        assert_eq!(
            client.get(&path).unwrap().rest().unwrap(),
            body::bytes(&path, 0, 4 * STEP as u64)
        );
    }
}

#[test]
fn chunks_that_stop_anywhere_before_the_last_empty_line_are_a_broken_transfer() {
    let whole: &'static [u8] =
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nA: b\r\n\r\n";
    assert_eq!(answering(whole).get("/").unwrap().rest().unwrap(), b"hello");
    let head = whole.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap() + 4;
    for end in head..whole.len() {
        let failure = answering(&whole[..end]).get("/").unwrap().rest().unwrap_err();
        assert!(failure.is_broken_transfer(), "cut at {end}: {failure}");
    }
}

#[test]
fn an_interim_response_is_passed_over_and_an_unframed_body_is_refused() {
    let answer =
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let mut response = answering(answer).get("/").unwrap();
    assert_eq!(response.rest().unwrap(), b"ok");
    assert_eq!(response.interim, [103]);
    let failure = answering(b"HTTP/1.1 200 OK\r\n\r\nok")
        .get("/")
        .unwrap()
        .rest()
        .unwrap_err();
    assert!(matches!(failure, Failure::Other(_)), "{failure}");
}

#[test]
fn a_validator_is_answered_with_304_and_a_language_with_vary() {
    let (origin, client) = pair();
    let conditional = client
        .send("GET", "/etag/x", &[("If-None-Match", "\"v1\"")])
        .unwrap();
    assert_eq!(conditional.status, 304);
    assert_eq!(
        origin
            .last_request("/etag/x")
            .unwrap()
            .fields
            .get("if-none-match"),
        Some("\"v1\"")
    );
    let mut german = client
        .send("GET", "/vary/x", &[("Accept-Language", "de")])
        .unwrap();
    assert_eq!(german.field("Vary"), "Accept-Language");
    assert!(german.rest().unwrap().starts_with(b"de: "));
}
