//! What is served while an origin fails or is slow to say something new.

use std::time::{Duration, Instant};

use forebay_demo::message::response;
use forebay_demo::stage::{Fetched, Stage};

use crate::{get, get_with, of, say, seen, stage};

const STALE: &str = "Age: 700\r\nETag: \"a\"\r\n";

/// A stage whose store has a stale `/x` with the body "one", stored with this policy.
fn with_stale(policy: &str) -> Stage {
    let stage = stage();
    say(
        &stage,
        "/x",
        &format!("Cache-Control: max-age=600{policy}\r\n{STALE}"),
        "one",
    );
    get(&stage, "/x");
    stage
}

#[test]
fn a_stale_entry_stands_in_for_an_origin_that_cannot_be_reached() {
    let stage = with_stale("");
    // Retries of the proxy find it closed as well.
    (0..8).for_each(|_| stage.origin.say("/x", ""));
    let second = get(&stage, "/x");
    assert_eq!(
        (second.status, second.text().as_str()),
        (200, "one"),
        "{}",
        second.field("cache-status")
    );
}

/// Known trap: after a stale answer on error, the response said keep-alive and the connection was then closed.
#[test]
fn after_a_stale_answer_on_error_the_connection_serves_on_or_says_that_it_closes() {
    let stage = with_stale("");
    (0..8).for_each(|_| stage.origin.say("/x", ""));
    let mut second = stage.proxy.client().get("/x").unwrap();
    assert_eq!(second.rest().unwrap(), b"one");
    if !second.field("connection").eq_ignore_ascii_case("close") {
        let mut third = second.then_get("/text/next").unwrap();
        assert_eq!(third.rest().unwrap(), b"/text/next, answer 1\n");
    }
}

#[test]
fn must_revalidate_rather_gives_an_error_than_a_stale_entry() {
    let stage = with_stale(", must-revalidate");
    (0..8).for_each(|_| stage.origin.say("/x", ""));
    let second = get(&stage, "/x");
    assert!(
        [502, 504].contains(&second.status),
        "{} {}",
        second.status,
        second.text()
    );
}

#[test]
fn an_error_status_is_passed_on_unless_stale_if_error_covers_it() {
    for (policy, expected) in [("", (503, "sorry")), (", stale-if-error=600", (200, "one"))] {
        let stage = with_stale(policy);
        stage
            .origin
            .say("/x", &response("503 Service Unavailable", "", "sorry"));
        let second = get(&stage, "/x");
        assert_eq!((second.status, second.text().as_str()), expected, "{policy}");
    }
}

#[test]
fn while_revalidating_the_stale_entry_is_served_at_once_and_the_new_one_follows() {
    let stage = with_stale(", stale-while-revalidate=600");
    say(&stage, "/x", "Cache-Control: max-age=600\r\n", "two");
    let second = get(&stage, "/x");
    assert_eq!(second.text(), "one", "{}", second.field("cache-status"));
    let until = Instant::now() + Duration::from_secs(10);
    while seen(&get(&stage, "/x")) != of("hit", "two") {
        assert!(
            Instant::now() < until,
            "the new answer never came: {:?}",
            seen(&get(&stage, "/x"))
        );
    }
    assert_eq!(stage.origin.asked("/x"), 2);
}

#[test]
fn an_origin_that_gives_no_answer_is_502() {
    let stage = stage();
    (0..8).for_each(|_| stage.origin.say("/x", ""));
    let got = get(&stage, "/x");
    assert_eq!(got.status, 502);
    assert!(
        got.field("cache-status").starts_with("forebay"),
        "{:?}",
        got.fields
    );
}

/// Gets `/x` until the cache has forgotten what it had stored.
fn await_gone(stage: &Stage, gone: impl Fn(&Fetched) -> bool) {
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        let got = get(stage, "/x");
        if gone(&got) {
            return;
        }
        assert!(Instant::now() < until, "still {:?}", seen(&got));
    }
}

/// While an entry was revalidated, clients got it for as long as it may be stale, though the origin had said that it is gone
/// (RFC 9111, 4.3.3).
#[test]
fn what_the_origin_has_replaced_by_something_that_is_not_stored_is_not_served_stale() {
    let stage = with_stale(", stale-while-revalidate=600");
    let gone = response("404 Not Found", "Cache-Control: no-store\r\n", "gone");
    (0..10_000).for_each(|_| stage.origin.say("/x", &gone));
    await_gone(&stage, |got| got.text() == "gone");
    assert_eq!(get(&stage, "/x").text(), "gone");
}

#[test]
fn what_the_origin_has_replaced_does_not_stand_in_for_it_when_it_is_dead() {
    for (status, answer) in [("200 OK", "private"), ("404 Not Found", "no-store")] {
        let stage = with_stale("");
        let fields = format!("Cache-Control: {answer}\r\n");
        stage.origin.say("/x", &response(status, &fields, "new"));
        assert_eq!(get(&stage, "/x").text(), "new");
        (0..10_000).for_each(|_| stage.origin.say("/x", ""));
        await_gone(&stage, |got| got.status == 502);
    }
}

#[test]
fn what_only_an_authorized_client_gets_replaces_nothing() {
    let stage = with_stale("");
    say(&stage, "/x", "Cache-Control: max-age=600\r\n", "for you alone");
    let authorized = get_with(&stage, "/x", "Authorization", "Basic YTpi");
    assert_eq!(authorized.text(), "for you alone");
    (0..100).for_each(|_| stage.origin.say("/x", ""));
    (0..10).for_each(|_| assert_eq!(get(&stage, "/x").text(), "one"));
}

/// Asserts that `/x` is answered with the body "one" for a while, whatever the origin says or does not.
fn assert_kept(stage: &Stage, why: &str) {
    (0..100).for_each(|_| stage.origin.say("/x", ""));
    (0..10).for_each(|_| assert_eq!(get(stage, "/x").text(), "one", "{why}"));
}

/// Whoever asked for a fresh entry anew, in a way that the origin refuses, removed it for all.
#[test]
fn what_is_fresh_is_not_replaced_by_what_one_client_gets() {
    let reload = ("Cache-Control", "no-cache");
    let authorized = ("Authorization", "Basic YTpi");
    for (field, status, policy) in [
        (("User-Agent", "evil"), "403 Forbidden", "no-store"),
        (("User-Agent", "odd"), "404 Not Found", "no-store"),
        (authorized, "401 Unauthorized", "no-store"),
        (authorized, "200 OK", "private"),
        (("Cookie", "a=b"), "200 OK", "private"),
    ] {
        let stage = stage();
        say(&stage, "/x", "Cache-Control: max-age=600\r\n", "one");
        get(&stage, "/x");
        let fields = format!("Cache-Control: {policy}\r\n");
        stage.origin.say("/x", &response(status, &fields, "other"));
        let other = stage.fetch("GET", "/x", &[reload, field]).unwrap();
        assert_eq!(other.text(), "other");
        assert_kept(&stage, &format!("{field:?}, {status}"));
    }
}

#[test]
fn what_is_stale_is_not_replaced_by_what_only_concerns_one_client() {
    for (field, status, policy) in [
        (("User-Agent", "evil"), "403 Forbidden", "no-store"),
        (("Authorization", "Basic YTpi"), "200 OK", "private"),
        (("Cookie", "a=b"), "200 OK", "no-store"),
    ] {
        let stage = with_stale("");
        let fields = format!("Cache-Control: {policy}\r\n");
        stage.origin.say("/x", &response(status, &fields, "other"));
        assert_eq!(get_with(&stage, "/x", field.0, field.1).text(), "other");
        assert_kept(&stage, &format!("{field:?}, {status}"));
    }
}

/// The 304 was judged as the answer to an authorized request, which may not be shared, and so removed what others had stored.
#[test]
fn a_304_to_one_client_removes_nothing_from_the_others() {
    for (field, policy) in [
        (("Authorization", "Basic YTpi"), ""),
        (("Cookie", "a=b"), "Cache-Control: private\r\n"),
    ] {
        let stage = stage();
        say(
            &stage,
            "/x",
            "Cache-Control: max-age=600\r\nETag: \"a\"\r\n",
            "one",
        );
        get(&stage, "/x");
        stage
            .origin
            .say("/x", &format!("HTTP/1.1 304 Not Modified\r\n{policy}\r\n"));
        let reload = [("Cache-Control", "no-cache"), field];
        let confirmed = stage.fetch("GET", "/x", &reload).unwrap();
        assert_eq!(confirmed.text(), "one");
        assert_kept(&stage, field.0);
    }
}
