//! What may be stored, what of it, and what removes it.

use forebay_demo::message::response;
use forebay_demo::proxy::Store;
use forebay_disk::survey::Survey;

use crate::{assert_reused, get, get_with, of, say, seen, stage, stage_on};

const FRESH: &str = "Cache-Control: max-age=600\r\n";

#[test]
fn vary_star_is_never_reused() {
    assert_reused("Cache-Control: max-age=600\r\nVary: *\r\n", false);
}

#[test]
fn must_understand_lifts_no_store_for_a_known_status_alone() {
    assert_reused("Cache-Control: must-understand, no-store, max-age=600\r\n", true);
    let stage = stage();
    for body in ["one", "two"] {
        let fields = "Cache-Control: must-understand, max-age=600\r\n";
        stage.origin.say("/x", &response("299 Odd", fields, body));
    }
    assert_eq!(
        [get(&stage, "/x").text(), get(&stage, "/x").text()],
        ["one", "two"]
    );
}

#[test]
fn hop_by_hop_fields_and_those_named_in_connection_are_not_stored() {
    let stage = stage();
    say(
        &stage,
        "/x",
        &format!("{FRESH}Connection: X-Hop\r\nX-Hop: 1\r\nX-End: 2\r\n"),
        "one",
    );
    get(&stage, "/x");
    let hit = get(&stage, "/x");
    assert_eq!(seen(&hit), of("hit", "one"));
    assert_eq!(
        (hit.fields.get("x-hop"), hit.fields.get("x-end")),
        (None, Some("2"))
    );
}

#[test]
fn a_response_to_an_authorized_request_is_reused_only_where_the_origin_says_so() {
    for (fields, verdict) in [(FRESH, "miss"), ("Cache-Control: public, max-age=600\r\n", "hit")] {
        let stage = stage();
        say(&stage, "/x", fields, "one");
        say(&stage, "/x", fields, "two");
        get_with(&stage, "/x", "Authorization", "Basic eDp5");
        let second = get(&stage, "/x");
        assert_eq!(
            second.verdict(),
            verdict,
            "{fields}: {}",
            second.field("cache-status")
        );
    }
}

#[test]
fn an_unsafe_method_that_succeeds_invalidates_its_url_and_the_places_it_names() {
    let stage = stage();
    for path in ["/x", "/there", "/content", "/other"] {
        say(&stage, path, FRESH, "old");
        assert_eq!(seen(&get(&stage, path)), of("miss", "old"));
    }
    let places = "Location: /there\r\nContent-Location: /content\r\n";
    stage.origin.say("/x", &response("201 Created", places, ""));
    assert_eq!(
        stage
            .fetch("POST", "/x", &[("Content-Length", "0")])
            .unwrap()
            .status,
        201
    );
    for path in ["/x", "/there", "/content"] {
        say(&stage, path, FRESH, "new");
        let after = get(&stage, path);
        assert_eq!(after.text(), "new", "{path}: {}", after.field("cache-status"));
    }
    assert_eq!(seen(&get(&stage, "/other")), of("hit", "old"));
}

#[test]
fn an_unsafe_method_that_fails_invalidates_nothing() {
    let stage = stage();
    say(&stage, "/x", FRESH, "old");
    get(&stage, "/x");
    stage
        .origin
        .say("/x", &response("500 Internal Server Error", "", ""));
    stage.fetch("POST", "/x", &[("Content-Length", "0")]).unwrap();
    assert_eq!(seen(&get(&stage, "/x")), of("hit", "old"));
}

/// Known trap: with a store that streams, an interim response that arrives together with a cacheable head was lost.
#[test]
fn an_interim_response_is_passed_on_and_not_stored() {
    let stage = stage();
    let interim = "HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n";
    stage
        .origin
        .say("/x", &format!("{interim}{}", response("200 OK", FRESH, "one")));
    let first = get(&stage, "/x");
    assert_eq!(
        (first.interim.as_slice(), first.status, first.text().as_str()),
        (&[103][..], 200, "one")
    );
    let hit = get(&stage, "/x");
    assert_eq!(
        (hit.interim.as_slice(), hit.status, seen(&hit)),
        (&[][..], 200, of("hit", "one"))
    );
}

#[test]
fn variants_are_told_apart_by_what_vary_names_and_by_nothing_else() {
    let stage = stage();
    let fields = format!("{FRESH}Vary: Accept-Language\r\n");
    say(&stage, "/x", &fields, "en");
    say(&stage, "/x", &fields, "de");
    assert_eq!(
        seen(&get_with(&stage, "/x", "Accept-Language", "en")),
        of("miss", "en")
    );
    assert_eq!(get_with(&stage, "/x", "Accept-Language", "de").text(), "de");
    let again = stage
        .fetch("GET", "/x", &[("Accept-Language", "en"), ("User-Agent", "other")])
        .unwrap();
    assert_eq!(seen(&again), of("hit", "en"));
}

/// As `forebay export` and `forebay purge` read it.
#[test]
fn what_is_stored_on_disk_tells_its_scheme_host_and_path() {
    let stage = stage_on(Store::Disk);
    let fields = format!("{FRESH}Vary: Accept-Language\r\n");
    for path in ["/a%20b?q=1", "/"] {
        say(&stage, path, &fields, "body");
        let fetched = stage.fetch("GET", path, &[("Accept-Language", "en")]).unwrap();
        assert_eq!(fetched.verdict(), "miss");
    }
    stage.proxy.settle().unwrap();
    let survey = Survey::of(stage.proxy.directory()).unwrap();
    let entries = survey.segments().flat_map(|segment| segment.entries);
    let described = entries.map(|entry| survey.describe(&entry).unwrap().expect("nothing is evicted"));
    let told: Vec<_> = described.map(|description| description.primary).collect();
    let host = stage.proxy.listen();
    for path in ["/a%20b?q=1", "/"] {
        let primary = format!("http\n{host}\n{path}");
        assert!(told.iter().any(|it| *it == primary), "{told:?}");
    }
}
