//! How long a response may be reused, and how old it says it is.

use forebay_demo::message::date;

use crate::{assert_reused, get, say, stage};

#[test]
fn a_hit_counts_the_age_that_the_response_arrived_with() {
    let stage = stage();
    say(&stage, "/x", "Cache-Control: max-age=3600\r\nAge: 100\r\n", "one");
    get(&stage, "/x");
    let age: u64 = get(&stage, "/x").field("age").parse().unwrap();
    assert!((100..110).contains(&age), "Age: {age}");
}

/// Pingora sends it with a `Date` of now, so that it looked new to whoever got it.
#[test]
fn a_response_that_was_old_when_it_came_says_so_whether_it_is_stored_or_not() {
    for policy in ["max-age=3600", "no-store"] {
        let stage = stage();
        let fields = format!(
            "Date: {}\r\nCache-Control: {policy}\r\nContent-Length: 0\r\n",
            date(-300)
        );
        let answer = format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
        (0..2).for_each(|_| stage.origin.say("/x", &answer));
        for turn in ["first", "second"] {
            let age = get(&stage, "/x").field("age").parse().unwrap_or(0);
            assert!((300..310).contains(&age), "{policy}, {turn}: Age: {age}");
        }
    }
}

#[test]
fn the_lifetime_that_expires_and_date_make_up_is_what_it_was() {
    let stage = stage();
    let fields = format!(
        "Date: {}\r\nExpires: {}\r\nContent-Length: 0\r\n",
        date(-300),
        date(600)
    );
    stage
        .origin
        .say("/x", &format!("HTTP/1.1 200 OK\r\n{fields}\r\n"));
    for verdict in ["miss", "hit"] {
        let got = get(&stage, "/x");
        let [expires, date] =
            ["expires", "date"].map(|name| httpdate::parse_http_date(got.field(name)).unwrap());
        let lifetime = expires.duration_since(date).unwrap().as_secs();
        // The two are taken from two looks at the clock.
        assert!((899..=901).contains(&lifetime), "{verdict}: {lifetime}");
        assert_eq!(got.verdict(), verdict);
    }
}

#[test]
fn an_age_beyond_the_lifetime_makes_a_response_stale_from_the_start() {
    assert_reused("Cache-Control: max-age=60\r\nAge: 61\r\n", false);
}

#[test]
fn expires_counts_from_date_and_an_invalid_one_is_the_past() {
    assert_reused(&format!("Expires: {}\r\n", date(600)), true);
    assert_reused(&format!("Expires: {}\r\n", date(-600)), false);
    assert_reused("Expires: 0\r\n", false);
}

#[test]
fn max_age_overrides_expires_and_s_maxage_overrides_max_age() {
    assert_reused(
        &format!("Cache-Control: max-age=600\r\nExpires: {}\r\n", date(-600)),
        true,
    );
    assert_reused("Cache-Control: max-age=0, s-maxage=600\r\n", true);
    assert_reused("Cache-Control: max-age=600, s-maxage=0\r\n", false);
}

#[test]
fn a_targeted_field_overrides_cache_control_in_both_directions() {
    assert_reused(
        "Cache-Control: no-store\r\nCDN-Cache-Control: max-age=600\r\n",
        true,
    );
    assert_reused(
        "Cache-Control: max-age=600\r\nCDN-Cache-Control: no-store\r\n",
        false,
    );
}

#[test]
fn without_a_lifetime_a_response_that_has_not_changed_for_long_is_reused() {
    assert_reused(&format!("Last-Modified: {}\r\n", date(-100 * 24 * 3600)), true);
    assert_reused("X-Nothing: known\r\n", false);
}

#[test]
fn all_fields_of_a_304_replace_the_stored_ones() {
    let stage = stage();
    let etag = "Cache-Control: no-cache\r\nETag: \"a\"\r\n";
    say(
        &stage,
        "/x",
        &format!("{etag}X-Revision: 1\r\nX-Kept: yes\r\n"),
        "one",
    );
    let not_modified = format!(
        "HTTP/1.1 304 Not Modified\r\nDate: {}\r\n{etag}X-Revision: 2\r\nX-New: yes\r\n\r\n",
        date(0)
    );
    stage.origin.say("/x", &not_modified);
    get(&stage, "/x");
    let validated = get(&stage, "/x");
    let fields = ["x-revision", "x-kept", "x-new"].map(|name| validated.field(name).to_owned());
    assert_eq!((validated.status, validated.text().as_str()), (200, "one"));
    assert_eq!(fields, ["2", "yes", "yes"]);
}

/// It came from a cache, which had asked the origin long before.
#[test]
fn a_304_that_ends_what_is_stored_says_how_old_it_is_itself() {
    let stage = stage();
    let fields = "Cache-Control: max-age=0\r\nETag: \"a\"\r\nAge: 10\r\n";
    say(&stage, "/x", fields, "one");
    let private = "Cache-Control: private, max-age=900\r\nAge: 500\r\n";
    stage
        .origin
        .say("/x", &format!("HTTP/1.1 304 Not Modified\r\n{private}\r\n"));
    get(&stage, "/x");
    let confirmed = get(&stage, "/x");
    assert_eq!(
        (confirmed.text().as_str(), confirmed.field("age")),
        ("one", "500")
    );
}
