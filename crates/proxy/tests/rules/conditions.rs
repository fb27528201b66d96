//! Conditional requests and ranges in combination, against an empty and a filled cache.

use forebay_demo::body;
use forebay_demo::message::response;
use forebay_demo::stage::Stage;

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

/// What the origin was asked for last time.
fn asked_for(stage: &Stage, path: &str, field: &str) -> Option<String> {
    let request = stage.origin.last_request(path).unwrap();
    request.fields.get(field).map(str::to_owned)
}

/// Each part of a long private video was fetched as the whole of it.
#[test]
fn parts_and_conditions_of_what_is_not_stored_are_the_origins_to_see_to() {
    let stage = stage();
    say(&stage, "/x", "Cache-Control: private\r\n", "0123456789");
    let first = get_with(&stage, "/x", "Range", "bytes=2-4");
    assert_eq!((first.status, first.text().as_str()), (206, "234"));
    assert_eq!(asked_for(&stage, "/x", "range"), None);
    let fields = "Cache-Control: private\r\nContent-Range: bytes 5-6/10\r\n";
    stage
        .origin
        .say("/x", &response("206 Partial Content", fields, "56"));
    let second = get_with(&stage, "/x", "Range", "bytes=5-6");
    assert_eq!((second.status, second.text().as_str()), (206, "56"));
    assert!(
        second.field("cache-status").contains("detail=private"),
        "{:?}",
        second.fields
    );
    assert_eq!(asked_for(&stage, "/x", "range").as_deref(), Some("bytes=5-6"));
    stage.origin.say("/x", "HTTP/1.1 304 Not Modified\r\n\r\n");
    assert_eq!(get_with(&stage, "/x", "If-None-Match", "\"a\"").status, 304);
    // The whole is looked up as ever, and what is stored from then on is cut here.
    say(&stage, "/x", TAGGED, "0123456789");
    assert_eq!(seen(&get(&stage, "/x")), of("miss", "0123456789"));
    let third = get_with(&stage, "/x", "Range", "bytes=2-4");
    assert_eq!((third.status, third.verdict()), (206, "hit"));
}

#[test]
fn a_part_that_could_be_one_of_a_stored_whole_is_the_last_that_passes_by() {
    let stage = stage();
    say(&stage, "/x", "Cache-Control: no-store\r\n", "0123456789");
    get(&stage, "/x");
    let fields = format!("{TAGGED}Content-Range: bytes 2-4/10\r\n");
    stage
        .origin
        .say("/x", &response("206 Partial Content", &fields, "234"));
    say(&stage, "/x", TAGGED, "0123456789");
    for verdict in ["bypass", "miss", "hit"] {
        let part = get_with(&stage, "/x", "Range", "bytes=2-4");
        assert_eq!(
            (part.status, part.text().as_str(), part.verdict()),
            (206, "234", verdict)
        );
    }
}

/// One that had got something of its own marked the URL for all, and each of them undid what the other had brought about.
#[test]
fn parts_for_those_who_say_who_they_are_and_for_others_do_not_disturb_each_other() {
    let stage = stage();
    let answer = |policy: &str| {
        let fields = format!("Cache-Control: {policy}\r\n");
        say(&stage, "/x", &fields, "0123456789");
    };
    let part = |fields: &[(&str, &str)]| {
        let fields = [&[("Range", "bytes=2-4")], fields].concat();
        let got = stage.fetch("GET", "/x", &fields).unwrap();
        assert_eq!((got.status, got.text().as_str()), (206, "234"));
        got.verdict().to_owned()
    };
    let authorized = [("Authorization", "Basic YTpi")];
    answer("private");
    part(&authorized);
    answer("public, max-age=600");
    assert_eq!(part(&[]), "miss");
    for _ in 0..2 {
        let fields = "Cache-Control: private\r\nContent-Range: bytes 2-4/10\r\n";
        stage
            .origin
            .say("/x", &response("206 Partial Content", fields, "234"));
        assert_eq!(part(&authorized), "bypass");
        assert_eq!(asked_for(&stage, "/x", "range").as_deref(), Some("bytes=2-4"));
        assert_eq!(part(&[]), "hit");
    }
}

/// Clients that only ever validate were passed by for good.
#[test]
fn a_304_that_could_be_one_of_a_stored_whole_is_the_last_that_passes_by() {
    let stage = stage();
    say(&stage, "/x", "Cache-Control: no-store\r\n", "one");
    get(&stage, "/x");
    let not_modified =
        |policy: &str| format!("HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nCache-Control: {policy}\r\n\r\n");
    for policy in ["no-store", "max-age=600"] {
        stage.origin.say("/x", &not_modified(policy));
        let passed = get_with(&stage, "/x", "If-None-Match", "\"a\"");
        assert_eq!((passed.status, passed.verdict()), (304, "bypass"));
        assert!(
            !passed.field("cache-status").contains("no-length"),
            "{:?}",
            passed.fields
        );
    }
    say(&stage, "/x", TAGGED, "one");
    for verdict in ["miss", "hit"] {
        let got = get_with(&stage, "/x", "If-None-Match", "\"a\"");
        assert_eq!((got.status, got.verdict()), (304, verdict));
    }
}

#[test]
fn a_purge_forgets_that_nothing_was_stored() {
    let stage = stage();
    say(&stage, "/x", "Cache-Control: private\r\n", "0123456789");
    get(&stage, "/x");
    assert_eq!(stage.fetch("PURGE", "/x", &[]).unwrap().status, 404);
    say(&stage, "/x", TAGGED, "0123456789");
    for verdict in ["miss", "hit"] {
        let part = get_with(&stage, "/x", "Range", "bytes=2-4");
        assert_eq!((part.status, part.verdict()), (206, verdict));
    }
}
