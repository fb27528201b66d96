//! What a client may ask of the cache, and methods and ranges that meet an empty one.

use forebay_demo::body;

use crate::{get, get_with, of, say, seen, stage};

const FRESH: &str = "Cache-Control: max-age=600\r\n";

#[test]
fn only_if_cached_is_a_hit_or_504() {
    let stage = stage();
    say(&stage, "/x", FRESH, "one");
    let absent = get_with(&stage, "/x", "Cache-Control", "only-if-cached");
    assert_eq!((absent.status, stage.origin.asked("/x")), (504, 0));
    get(&stage, "/x");
    assert_eq!(
        seen(&get_with(&stage, "/x", "Cache-Control", "only-if-cached")),
        of("hit", "one")
    );
}

#[test]
fn a_client_that_wants_newer_gets_newer() {
    for demand in ["no-cache", "max-age=0", "max-age=99", "min-fresh=600"] {
        let stage = stage();
        say(&stage, "/x", &format!("{FRESH}Age: 100\r\n"), "one");
        say(&stage, "/x", FRESH, "two");
        get(&stage, "/x");
        let second = get_with(&stage, "/x", "Cache-Control", demand);
        assert_eq!(second.text(), "two", "{demand}: {}", second.field("cache-status"));
        assert_ne!(second.verdict(), "hit", "{demand}");
    }
}

#[test]
fn a_client_that_is_content_with_less_gets_the_stored_one() {
    for demand in ["max-age=200", "min-fresh=400", "max-stale=5"] {
        let stage = stage();
        say(&stage, "/x", &format!("{FRESH}Age: 100\r\n"), "one");
        get(&stage, "/x");
        assert_eq!(
            seen(&get_with(&stage, "/x", "Cache-Control", demand)),
            of("hit", "one"),
            "{demand}"
        );
    }
}

#[test]
fn max_stale_accepts_what_is_stale_by_no_more() {
    for (demand, expected) in [
        ("max-stale", "one"),
        ("max-stale=60", "one"),
        ("max-stale=5", "two"),
    ] {
        let stage = stage();
        say(
            &stage,
            "/x",
            "Cache-Control: max-age=600\r\nAge: 620\r\nETag: \"a\"\r\n",
            "one",
        );
        say(&stage, "/x", FRESH, "two");
        get(&stage, "/x");
        let second = get_with(&stage, "/x", "Cache-Control", demand);
        assert_eq!(
            second.text(),
            expected,
            "{demand}: {}",
            second.field("cache-status")
        );
    }
}

/// Known trap: the cache makes a GET of a HEAD that it fills from.
#[test]
fn a_head_on_an_empty_cache_has_the_length_and_no_body_and_spoils_no_get() {
    let stage = stage();
    let path = "/bytes/5000/head";
    let head = stage.fetch("HEAD", path, &[]).unwrap();
    assert_eq!((head.status, head.field("content-length")), (200, "5000"));
    assert_eq!(get(&stage, path).body, body::bytes(path, 0, 5000));
    assert_eq!(
        seen_length(&stage.fetch("HEAD", path, &[]).unwrap()),
        ("hit".into(), "5000".into())
    );
}

/// Known trap: the range is not sent to the origin on a miss.
#[test]
fn a_range_on_an_empty_cache_is_that_range_and_spoils_no_get() {
    let stage = stage();
    let path = "/bytes/5000/range";
    let part = get_with(&stage, path, "Range", "bytes=1000-1999");
    assert_eq!(
        (part.status, part.field("content-range")),
        (206, "bytes 1000-1999/5000")
    );
    assert_eq!(part.body, body::bytes(path, 1000, 2000));
    assert_eq!(get(&stage, path).body, body::bytes(path, 0, 5000));
}

#[test]
fn ranges_from_the_cache_are_exact_also_from_the_end_and_beyond_it() {
    let stage = stage();
    let path = "/bytes/5000/ranges";
    get(&stage, path);
    for (range, start, end) in [
        ("0-0", 0, 1),
        ("4999-", 4999, 5000),
        ("-10", 4990, 5000),
        ("4000-9999", 4000, 5000),
    ] {
        let part = get_with(&stage, path, "Range", &format!("bytes={range}"));
        assert_eq!(part.status, 206, "{range}");
        assert_eq!(
            part.field("content-range"),
            format!("bytes {start}-{}/5000", end - 1),
            "{range}"
        );
        assert!(part.body == body::bytes(path, start, end), "{range}: wrong bytes");
    }
    let beyond = get_with(&stage, path, "Range", "bytes=5000-");
    assert_eq!(
        (beyond.status, beyond.field("content-range")),
        (416, "bytes */5000")
    );
    assert_eq!(stage.origin.asked(path), 1);
}

#[test]
fn a_client_that_has_it_already_gets_304_from_the_cache() {
    let stage = stage();
    say(&stage, "/x", &format!("{FRESH}ETag: \"a\"\r\n"), "one");
    get(&stage, "/x");
    let second = get_with(&stage, "/x", "If-None-Match", "\"a\"");
    assert_eq!((second.status, second.verdict()), (304, "hit"));
}

fn seen_length(response: &forebay_demo::stage::Fetched) -> (String, String) {
    (
        response.verdict().to_owned(),
        response.field("content-length").to_owned(),
    )
}
