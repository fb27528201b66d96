//! Responses that are unusual and legal, or wrong in ways that origins are.

use std::time::{Duration, Instant};

use forebay_demo::message::{date, response};

use crate::{assert_reused, get, get_with, of, raw, say, seen, stage};

const FRESH: &str = "Cache-Control: max-age=600\r\n";

#[test]
fn cache_control_lines_are_read_together_in_any_case_and_spacing() {
    assert_reused("Cache-Control: max-age=600\r\nCache-Control: no-store\r\n", false);
    assert_reused("cache-CONTROL:public ,MAX-AGE=600\r\n", true);
    assert_reused("Cache-Control: max-age=\"600\"\r\n", true);
}

#[test]
fn a_lifetime_that_cannot_be_read_is_none_and_one_beyond_all_numbers_is_long() {
    assert_reused("Cache-Control: max-age=soon\r\n", false);
    assert_reused("Cache-Control: max-age=-1\r\n", false);
    assert_reused("Cache-Control: max-age=99999999999999999999\r\n", true);
}

#[test]
fn a_response_without_date_gets_one_and_is_reused() {
    let stage = stage();
    let answer = "HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\nContent-Length: 3\r\n\r\none";
    stage.origin.say("/x", answer);
    assert!(!get(&stage, "/x").field("date").is_empty());
    let hit = get(&stage, "/x");
    assert_eq!(seen(&hit), of("hit", "one"));
    assert!(!hit.field("date").is_empty());
}

#[test]
fn a_date_in_the_future_does_not_prolong_a_life() {
    let stage = stage();
    let fields = format!(
        "Date: {}\r\nExpires: {}\r\nContent-Length: 3\r\n",
        date(3600),
        date(3000)
    );
    stage
        .origin
        .say("/x", &format!("HTTP/1.1 200 OK\r\n{fields}\r\none"));
    stage
        .origin
        .say("/x", &format!("HTTP/1.1 200 OK\r\n{fields}\r\ntwo"));
    assert_eq!(
        [get(&stage, "/x").text(), get(&stage, "/x").text()],
        ["one", "two"]
    );
}

#[test]
fn empty_bodies_and_chunked_ones_are_hits_too() {
    let stage = stage();
    say(&stage, "/empty", FRESH, "");
    let chunks = "Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n4;x=y\r\n and\r\n0\r\n\r\n";
    stage.origin.say(
        "/chunked",
        &format!("HTTP/1.1 200 OK\r\nDate: {}\r\n{FRESH}{chunks}", date(0)),
    );
    for (path, body) in [("/empty", ""), ("/chunked", "one and")] {
        assert_eq!(seen(&get(&stage, path)), of("miss", body));
        assert_eq!(seen(&get(&stage, path)), of("hit", body));
    }
}

#[test]
fn statuses_other_than_200_are_reused_with_their_own_status() {
    for status in ["404 Not Found", "301 Moved Permanently", "410 Gone"] {
        let stage = stage();
        stage.origin.say("/x", &response(status, FRESH, "one"));
        let first = get(&stage, "/x");
        let second = get(&stage, "/x");
        assert_eq!(
            (first.status, seen(&second)),
            (second.status, of("hit", "one")),
            "{status}"
        );
    }
}

#[test]
fn the_answer_to_a_post_is_not_given_to_a_get() {
    let stage = stage();
    say(&stage, "/x", FRESH, "posted");
    say(&stage, "/x", FRESH, "got");
    let posted = stage.fetch("POST", "/x", &[("Content-Length", "0")]).unwrap();
    assert_eq!(posted.text(), "posted");
    assert_eq!(seen(&get(&stage, "/x")), of("miss", "got"));
}

#[test]
fn encodings_asked_for_in_another_order_are_one_variant() {
    let stage = stage();
    say(&stage, "/x", &format!("{FRESH}Vary: Accept-Encoding\r\n"), "one");
    get_with(&stage, "/x", "Accept-Encoding", "gzip, br");
    assert_eq!(
        seen(&get_with(&stage, "/x", "Accept-Encoding", "br,gzip")),
        of("hit", "one")
    );
}

#[test]
fn queries_are_part_of_what_is_cached_and_purged() {
    let stage = stage();
    for query in ["/x?a", "/x?b", "/x"] {
        say(&stage, query, FRESH, query);
        assert_eq!(seen(&get(&stage, query)), of("miss", query));
    }
    assert_eq!(stage.fetch("PURGE", "/x?a", &[]).unwrap().status, 200);
    say(&stage, "/x?a", FRESH, "again");
    assert_eq!(seen(&get(&stage, "/x?a")), of("miss", "again"));
    assert_eq!(seen(&get(&stage, "/x?b")), of("hit", "/x?b"));
}

#[test]
fn a_purge_removes_every_variant() {
    let stage = stage();
    let fields = format!("{FRESH}Vary: Accept-Language\r\n");
    for language in ["en", "de"] {
        say(&stage, "/x", &fields, "old");
        assert_eq!(get_with(&stage, "/x", "Accept-Language", language).text(), "old");
    }
    assert_eq!(stage.fetch("PURGE", "/x", &[]).unwrap().status, 200);
    for language in ["en", "de"] {
        say(&stage, "/x", &fields, "new");
        let after = get_with(&stage, "/x", "Accept-Language", language);
        assert_eq!(after.text(), "new", "{language}: {}", after.field("cache-status"));
    }
}

#[test]
fn fields_of_the_clients_connection_are_not_sent_to_the_origin() {
    let stage = stage();
    let fields = [
        ("Connection", "X-Hop"),
        ("X-Hop", "1"),
        ("X-End", "2"),
        ("Keep-Alive", "timeout=5"),
    ];
    stage.fetch("GET", "/text/hop", &fields).unwrap();
    let request = stage.origin.last_request("/text/hop").unwrap().fields;
    assert_eq!(
        (
            request.get("x-hop"),
            request.get("keep-alive"),
            request.get("x-end")
        ),
        (None, None, Some("2"))
    );
}

#[test]
fn a_malformed_response_is_a_502_and_never_stored() {
    let stage = stage();
    for answer in [
        "nonsense\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        "HTTP/1.1 999999 OK\r\n\r\n",
    ] {
        let path = "/x";
        (0..4).for_each(|_| stage.origin.say(path, answer));
        let Ok(got) = stage.get(path) else { continue };
        assert!(got.status >= 500, "{answer:?}: {} {:?}", got.status, got.fields);
        assert_ne!(
            stage
                .get(path)
                .map_or("error".into(), |got| got.verdict().to_owned()),
            "hit",
            "{answer:?}"
        );
    }
}

/// It ends where the connection does, whatever `Content-Length` says, and was stored as whole wherever that was.
#[test]
fn a_body_in_another_transfer_encoding_than_chunks_is_not_stored() {
    let stage = stage();
    let cut_short = "Transfer-Encoding: identity\r\nContent-Length: 10\r\n\r\n12345";
    (0..2).for_each(|_| {
        let answer = format!("HTTP/1.1 200 OK\r\nDate: {}\r\n{FRESH}{cut_short}", date(0));
        stage.origin.say_and_close("/x", &answer);
    });
    for _ in 0..2 {
        let answer = raw(&stage, "GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        assert!(!answer.contains("forebay; hit"), "{answer}");
    }
    assert_eq!(stage.origin.asked("/x"), 2);
}

/// The client got what was stored under the tag of what it was not.
#[test]
fn a_304_of_another_tag_labels_nothing_with_that_and_ends_what_is_stored() {
    let stage = stage();
    say(&stage, "/x", "Cache-Control: no-cache\r\nETag: \"1\"\r\n", "one");
    get(&stage, "/x");
    let other = "HTTP/1.1 304 Not Modified\r\nETag: \"2\"\r\nCache-Control: max-age=60\r\n\r\n";
    stage.origin.say("/x", other);
    let confused = get(&stage, "/x");
    assert_eq!(
        (confused.text().as_str(), confused.field("etag")),
        ("one", "\"1\"")
    );
    (0..10_000).for_each(|_| say(&stage, "/x", "Cache-Control: no-store\r\n", "two"));
    let until = Instant::now() + Duration::from_secs(10);
    while seen(&get(&stage, "/x")) != of("miss", "two") {
        assert!(Instant::now() < until, "it is still there");
    }
}

#[test]
fn an_upgrade_that_is_offered_and_not_made_is_not_passed_on() {
    let stage = stage();
    let fields = "Cache-Control: no-store\r\nUpgrade: h2,h2c\r\nConnection: Upgrade\r\n";
    say(&stage, "/x", fields, "one");
    let got = get(&stage, "/x");
    assert_eq!((got.text().as_str(), got.fields.get("upgrade")), ("one", None));
}

/// RFC 9110, 15.5.22: it has to say which.
#[test]
fn an_upgrade_that_is_required_is_passed_on() {
    for policy in ["no-store", "max-age=600"] {
        let stage = stage();
        let fields = format!("Cache-Control: {policy}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n");
        for _ in 0..2 {
            stage
                .origin
                .say("/x", &response("426 Upgrade Required", &fields, "one"));
            let got = get(&stage, "/x");
            assert_eq!((got.status, got.field("upgrade")), (426, "websocket"), "{policy}");
        }
    }
}

#[test]
fn forwards_are_counted_and_the_last_one_is_not_made() {
    let stage = stage();
    for (method, status) in [("OPTIONS", 200), ("TRACE", 501)] {
        let last = stage.fetch(method, "/x", &[("Max-Forwards", "0")]).unwrap();
        assert_eq!((last.status, stage.origin.asked("/x")), (status, 0), "{method}");
        say(&stage, "/y", FRESH, "");
        stage.fetch(method, "/y", &[("Max-Forwards", "3")]).unwrap();
        let sent = stage.origin.last_request("/y").unwrap().fields;
        assert_eq!(sent.get("max-forwards"), Some("2"), "{method}");
    }
}
