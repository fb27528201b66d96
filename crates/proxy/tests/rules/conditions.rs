//! Conditional requests and ranges in combination, against an empty and a filled cache.

use forebay_demo::body;

use crate::{get, get_with, of, say, seen, stage};

const TAGGED: &str = "Cache-Control: max-age=600\r\nETag: \"a\"\r\n";

#[test]
fn a_condition_on_an_empty_cache_still_fills_it() {
    let stage = stage();
    say(&stage, "/x", TAGGED, "one");
    let first = get_with(&stage, "/x", "If-None-Match", "\"a\"");
    assert!(
        first.status == 304 || first.text() == "one",
        "{} {}",
        first.status,
        first.text()
    );
    let request = stage.origin.last_request("/x").unwrap();
    assert_eq!(
        request.fields.get("if-none-match"),
        None,
        "a 304 would have nothing to store"
    );
    assert_eq!(seen(&get(&stage, "/x")), of("hit", "one"));
}

#[test]
fn if_none_match_lists_weak_tags_and_a_star_are_understood() {
    let stage = stage();
    say(&stage, "/x", TAGGED, "one");
    get(&stage, "/x");
    for (value, status) in [
        ("\"b\", \"a\"", 304),
        ("W/\"a\"", 304),
        ("*", 304),
        ("\"b\"", 200),
    ] {
        assert_eq!(
            get_with(&stage, "/x", "If-None-Match", value).status,
            status,
            "{value}"
        );
    }
    assert_eq!(stage.origin.asked("/x"), 1);
}

#[test]
fn if_modified_since_is_compared_with_last_modified() {
    let stage = stage();
    let modified = forebay_demo::message::date(-3600);
    say(
        &stage,
        "/x",
        &format!("Cache-Control: max-age=600\r\nLast-Modified: {modified}\r\n"),
        "one",
    );
    get(&stage, "/x");
    assert_eq!(get_with(&stage, "/x", "If-Modified-Since", &modified).status, 304);
    let before = forebay_demo::message::date(-7200);
    assert_eq!(get_with(&stage, "/x", "If-Modified-Since", &before).status, 200);
}

#[test]
fn if_range_with_another_validator_gives_the_whole() {
    let stage = stage();
    say(&stage, "/x", TAGGED, "0123456789");
    get(&stage, "/x");
    for (validator, expected) in [("\"a\"", (206, "234")), ("\"b\"", (200, "0123456789"))] {
        let fields = [("Range", "bytes=2-4"), ("If-Range", validator)];
        let part = stage.fetch("GET", "/x", &fields).unwrap();
        assert_eq!((part.status, part.text().as_str()), expected, "{validator}");
    }
}

#[test]
fn several_ranges_come_as_parts_or_as_the_whole() {
    let stage = stage();
    let path = "/bytes/5000/parts";
    get(&stage, path);
    let got = get_with(&stage, path, "Range", "bytes=0-9,4000-4099");
    let holds = |start, end| {
        let part = body::bytes(path, start, end);
        got.body.windows(part.len()).any(|window| window == part)
    };
    match got.status {
        206 => {
            assert!(
                got.field("content-type").starts_with("multipart/byteranges"),
                "{:?}",
                got.fields
            );
            assert!(holds(0, 10) && holds(4000, 4100), "a part is missing");
        }
        status => assert_eq!((status, got.body.len()), (200, 5000)),
    }
}

#[test]
fn a_range_that_makes_no_sense_is_ignored() {
    let stage = stage();
    let path = "/bytes/5000/nonsense";
    get(&stage, path);
    for range in ["bytes=", "bytes=x-y", "bytes=9-2", "lines=1-2", "bytes"] {
        let got = get_with(&stage, path, "Range", range);
        assert!(
            got.status == 416 || got.body.len() == 5000,
            "{range}: {} {}",
            got.status,
            got.body.len()
        );
    }
    assert!(get(&stage, path).body == body::bytes(path, 0, 5000));
}

#[test]
fn a_head_of_a_stored_response_has_its_fields_and_no_body() {
    let stage = stage();
    say(&stage, "/x", TAGGED, "one");
    get(&stage, "/x");
    let head = stage.fetch("HEAD", "/x", &[]).unwrap();
    assert_eq!(
        (head.verdict(), head.field("etag"), head.field("content-length")),
        ("hit", "\"a\"", "3")
    );
}

/// RFC 9110, 14.2: a range is for GET.
#[test]
fn a_head_with_a_range_is_a_head_of_the_whole() {
    let stage = stage();
    say(&stage, "/x", TAGGED, "0123456789");
    get(&stage, "/x");
    let head = stage.fetch("HEAD", "/x", &[("Range", "bytes=2-4")]).unwrap();
    assert_eq!((head.status, head.field("content-length")), (200, "10"));
}

/// RFC 9110, 13.1.5: what a weak tag names may have other bytes, of which a part would be joined to these.
#[test]
fn if_range_with_a_weak_tag_gives_the_whole() {
    let stage = stage();
    let tag = "W/\"w\"";
    let fields = format!("Cache-Control: max-age=600\r\nETag: {tag}\r\n");
    say(&stage, "/x", &fields, "0123456789");
    let fields = [("Range", "bytes=2-4"), ("If-Range", tag)];
    for verdict in ["miss", "hit"] {
        let whole = stage.fetch("GET", "/x", &fields).unwrap();
        assert_eq!(
            (whole.status, whole.verdict(), whole.text().len()),
            (200, verdict, 10)
        );
    }
}
