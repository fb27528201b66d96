//! What a client's connection carries: the end of a response, and the request after it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use forebay_demo::stage::Stage;

use crate::{say, stage};

const FRESH: &str = "Cache-Control: max-age=600\r\n";

/// All that comes back for these bytes until the proxy closes the connection.
fn raw(stage: &Stage, request: &str) -> String {
    let mut stream = TcpStream::connect(stage.proxy.listen()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

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
