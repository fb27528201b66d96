//! Parts and conditions of what is not stored, which pass by the cache, and what ends that.

use forebay_demo::message::response;
use forebay_demo::stage::Stage;

use crate::{get, get_with, of, say, seen, stage};

const TAGGED: &str = "Cache-Control: max-age=600\r\nETag: \"a\"\r\n";

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
