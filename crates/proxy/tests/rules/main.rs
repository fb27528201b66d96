//! What HTTP asks of a shared cache (RFC 9111, 9213, 5861), over real sockets: one test for a rule.

mod access_log;
mod arrival;
mod conditions;
mod connections;
mod failing;
mod freshness;
mod hammer;
mod odd;
mod operation;
mod passing_by;
mod purging;
mod requests;
mod storing;
mod streaming;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use forebay_demo::message::response;
use forebay_demo::proxy::{Proxy, Store};
use forebay_demo::stage::{Fetched, Scale, Stage};

/// The stores, for tests that concern them.
const STORES: [Store; 2] = [Store::Memory, Store::Disk];

/// An origin that says what a test tells it to, behind a proxy of its own.
fn stage() -> Stage {
    stage_on(Store::Memory)
}

/// The same before a store of this kind.
fn stage_on(store: Store) -> Stage {
    let proxy = Path::new(env!("CARGO_BIN_EXE_forebay-proxy"));
    Stage::set(proxy, store, Scale::TEST, |_| ()).unwrap()
}

/// Adds a 200 with these header lines (each with its line end) to what the origin says at `path`.
fn say(stage: &Stage, path: &str, fields: &str, body: &str) {
    stage.origin.say(path, &response("200 OK", fields, body));
}

fn get(stage: &Stage, path: &str) -> Fetched {
    stage.get(path).unwrap()
}

fn get_with(stage: &Stage, path: &str, name: &str, value: &str) -> Fetched {
    stage.fetch("GET", path, &[(name, value)]).unwrap()
}

/// All that comes back for these bytes until the proxy closes the connection.
fn raw(stage: &Stage, request: &str) -> String {
    raw_of(&stage.proxy, request)
}

/// The same from another proxy.
fn raw_of(proxy: &Proxy, request: &str) -> String {
    let mut stream = TcpStream::connect(proxy.listen()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut sending = stream.try_clone().unwrap();
    let mut answer = String::new();
    std::thread::scope(|scope| {
        // The proxy may stop to read until its answers are.
        scope.spawn(move || sending.write_all(request.as_bytes()).unwrap());
        stream.read_to_string(&mut answer).unwrap();
    });
    answer
}

/// What is seen by a reader: what the cache said, and the body.
fn seen(response: &Fetched) -> (String, String) {
    (response.verdict().to_owned(), response.text())
}

/// What `seen` gives for this pair.
fn of(verdict: &str, body: &str) -> (String, String) {
    (verdict.to_owned(), body.to_owned())
}

/// Asserts that the origin's two answers with these header lines come as a miss, and then again from the cache or not.
fn assert_reused(fields: &str, reused: bool) {
    let stage = stage();
    say(&stage, "/x", fields, "one");
    say(&stage, "/x", fields, "two");
    assert_eq!(get(&stage, "/x").text(), "one");
    let second = get(&stage, "/x");
    let expected = if reused { "one" } else { "two" };
    assert_eq!(
        second.text(),
        expected,
        "second answer, {}, with {fields}",
        second.field("cache-status")
    );
    assert_eq!(
        second.verdict() == "hit",
        reused,
        "{}, with {fields}",
        second.field("cache-status")
    );
}
