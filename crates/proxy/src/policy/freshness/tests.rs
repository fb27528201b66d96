//! When responses are stored, and on which terms.

use super::*;

/// Noon of some day; responses arrive then, unless a test says otherwise.
const NOON: u64 = 1_700_000_000 / 86_400 * 86_400 + 43_200;

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn date_line(seconds: u64) -> String {
    httpdate::fmt_http_date(at(seconds))
}

fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in lines {
        map.append(HeaderName::from_static(name), value.parse().unwrap());
    }
    map
}

fn decide_on(
    status: u16,
    authorized: bool,
    delay: u64,
    lines: &[(&'static str, &str)],
) -> Result<Terms, Refusal> {
    let headers = headers(lines);
    let exchange = Exchange {
        status: StatusCode::from_u16(status).unwrap(),
        headers: &headers,
        authorized,
        request_time: at(NOON - delay),
        response_time: at(NOON),
    };
    decide(&exchange, &Settings::default())
}

fn ok(lines: &[(&'static str, &str)]) -> Result<Terms, Refusal> {
    decide_on(200, false, 0, lines)
}

fn cc(cache_control: &str) -> Result<Terms, Refusal> {
    ok(&[("cache-control", cache_control), ("etag", "\"1\"")])
}

fn lifetime(lines: &[(&'static str, &str)]) -> Result<u64, Refusal> {
    ok(lines).map(|terms| terms.lifetime.as_secs())
}

#[test]
fn cache_control_decides_what_is_stored() {
    for (directives, expected) in [
        ("max-age=60", Ok(60)),
        ("s-maxage=30, max-age=60", Ok(30)),
        ("max-age=60, s-maxage=30", Ok(30)),
        ("public, max-age=60", Ok(60)),
        ("no-cache", Ok(0)),
        ("no-cache, max-age=60", Ok(0)),
        ("no-cache=\"set-cookie\", max-age=60", Ok(60)),
        ("max-age=0", Ok(0)),
        ("max-age=x", Ok(0)),
        ("private", Err(Refusal::Private)),
        ("private, max-age=60", Err(Refusal::Private)),
        ("private=\"set-cookie\", max-age=60", Ok(60)),
        ("no-store", Err(Refusal::NoStore)),
        ("no-store, max-age=60", Err(Refusal::NoStore)),
        ("no-store, must-understand, max-age=60", Ok(60)),
        ("public", Err(Refusal::NoLifetime)),
        ("", Err(Refusal::NoLifetime)),
        ("unknown", Err(Refusal::NoLifetime)),
    ] {
        assert_eq!(
            cc(directives).map(|terms| terms.lifetime.as_secs()),
            expected,
            "{directives:?}"
        );
    }
}

#[test]
fn statuses_are_stored_by_what_is_known_of_them() {
    let date = date_line(NOON);
    let modified = date_line(NOON - 1000);
    let guess = [("date", date.as_str()), ("last-modified", modified.as_str())];
    let explicit = [("cache-control", "max-age=60")];
    let understand = [("cache-control", "max-age=60, must-understand, no-store")];
    for (status, by_guess, explicitly, understood) in [
        (200, true, true, true),
        (203, true, true, true),
        (204, true, true, true),
        (206, false, false, false),
        (301, true, true, true),
        (302, false, true, true),
        (304, false, false, false),
        (426, false, false, false),
        (308, true, true, true),
        (404, true, true, true),
        (410, true, true, true),
        (403, false, true, false),
        (500, false, true, false),
        (501, true, true, true),
        (599, false, true, false),
        (103, false, false, false),
    ] {
        let stored = |lines: &[(&'static str, &str)]| decide_on(status, false, 0, lines).is_ok();
        assert_eq!(stored(&guess), by_guess, "{status} by guess");
        assert_eq!(stored(&explicit), explicitly, "{status} explicitly");
        assert_eq!(stored(&understand), understood, "{status} with must-understand");
    }
}

#[test]
fn expires_counts_from_date_and_a_broken_one_is_past() {
    let (date, later) = (date_line(NOON - 100), date_line(NOON + 500));
    let with = |expires: &str| lifetime(&[("date", &date), ("expires", expires), ("etag", "\"1\"")]);
    assert_eq!(with(&later), Ok(600), "not from its arrival");
    assert_eq!(with(&date), Ok(0));
    assert_eq!(with("0"), Ok(0));
    assert_eq!(with("Thu, 99 Foo 2000 00:00:00 GMT"), Ok(0));
    let without_date = lifetime(&[("expires", &later), ("etag", "\"1\"")]);
    assert_eq!(without_date, Ok(500));
    let twice = lifetime(&[("expires", &later), ("expires", &later), ("etag", "\"1\"")]);
    assert_eq!(twice, Ok(0));
    let outweighed = lifetime(&[("cache-control", "max-age=5"), ("expires", &later)]);
    assert_eq!(outweighed, Ok(5));
    let beside_other_directives = lifetime(&[("cache-control", "public"), ("expires", &later)]);
    assert_eq!(beside_other_directives, Ok(500));
}

#[test]
fn without_explicit_lifetime_a_tenth_of_the_time_since_the_last_change_is_guessed() {
    let date = date_line(NOON);
    let since = |seconds: u64| lifetime(&[("date", &date), ("last-modified", &date_line(NOON - seconds))]);
    assert_eq!(since(1000), Ok(100));
    assert_eq!(since(100 * 86_400), Ok(86_400), "a day at most");
    assert_eq!(since(0), Ok(0));
    let in_future = lifetime(&[("date", &date), ("last-modified", &date_line(NOON + 10))]);
    assert_eq!(in_future, Err(Refusal::NoLifetime));
    assert_eq!(
        lifetime(&[("date", &date), ("etag", "\"1\"")]),
        Err(Refusal::NoLifetime)
    );
    let modified = date_line(NOON - 1000);
    let uncommon = decide_on(
        302,
        false,
        0,
        &[("cache-control", "public"), ("last-modified", &modified)],
    );
    assert_eq!(
        uncommon.unwrap().lifetime.as_secs(),
        100,
        "public allows to guess for any status"
    );
}

#[test]
fn the_targeted_field_replaces_cache_control_and_expires() {
    let later = date_line(NOON + 500);
    for (targeted, expected) in [
        ("max-age=60", Ok(60)),
        ("no-store", Err(Refusal::NoStore)),
        ("private", Err(Refusal::Private)),
        ("must-revalidate", Err(Refusal::NoLifetime)),
        ("max-age=?", Ok(5)),
        ("", Ok(5)),
    ] {
        let lines = [
            ("cdn-cache-control", targeted),
            ("cache-control", "max-age=5"),
            ("expires", later.as_str()),
            ("etag", "\"1\""),
        ];
        assert_eq!(lifetime(&lines), expected, "{targeted:?}");
    }
    let public_only = lifetime(&[("cdn-cache-control", "max-age=60"), ("cache-control", "no-store")]);
    assert_eq!(public_only, Ok(60));
}

#[test]
fn authorized_responses_are_shared_only_where_the_origin_says_so() {
    for (directives, stored) in [
        ("max-age=60", false),
        ("public, max-age=60", true),
        ("s-maxage=60", true),
        ("must-revalidate, max-age=60", true),
        ("proxy-revalidate, max-age=60", false),
        ("no-cache", false),
    ] {
        let decision = decide_on(200, true, 0, &[("cache-control", directives), ("etag", "\"1\"")]);
        let expected = if stored {
            None
        } else {
            Some(Refusal::Authorization)
        };
        assert_eq!(decision.err(), expected, "{directives}");
    }
}

#[test]
fn age_is_the_larger_of_what_age_and_date_tell() {
    for (date_ago, age, delay, expected) in [
        (0, None, 0, 0),
        (30, None, 0, 30),
        (0, Some("20"), 0, 20),
        (30, Some("20"), 0, 30),
        (10, Some("20"), 5, 25),
        (0, None, 5, 5),
        (0, Some("20, 40"), 0, 20),
        (0, Some("x"), 0, 0),
        (0, Some("-5"), 0, 0),
        (0, Some("99999999999999999999"), 0, u64::from(SECONDS_MAX)),
    ] {
        let date = date_line(NOON - date_ago);
        let mut lines = vec![
            ("date", date.as_str()),
            ("cache-control", "max-age=60"),
            ("etag", "\"1\""),
        ];
        lines.extend(age.map(|age| ("age", age)));
        let terms = decide_on(200, false, delay, &lines).unwrap();
        assert_eq!(
            terms.initial_age.as_secs(),
            expected,
            "{date_ago} {age:?} {delay}"
        );
    }
    let ahead = ok(&[("date", &date_line(NOON + 50)), ("cache-control", "max-age=60")]).unwrap();
    assert_eq!(
        ahead.initial_age,
        Duration::ZERO,
        "a clock ahead of ours is no negative age"
    );
}

#[test]
fn freshness_runs_from_when_the_response_was_generated() {
    let terms = ok(&[("cache-control", "max-age=60"), ("age", "20")]).unwrap();
    assert_eq!(terms.epoch(at(NOON)), at(NOON - 20));
    assert_eq!(terms.fresh_until(at(NOON)), at(NOON + 40));
    let old = ok(&[("cache-control", "max-age=60"), ("age", "99999999999999999999")]);
    assert_eq!(old.unwrap_err(), Refusal::Useless);
    let ancient = Terms {
        lifetime: Duration::ZERO,
        initial_age: Duration::from_secs(u64::from(SECONDS_MAX)),
        stale_while_revalidate_secs: 0,
        stale_if_error_secs: 0,
        withheld: Vec::new(),
    };
    assert_eq!(
        ancient.epoch(at(100)),
        SystemTime::UNIX_EPOCH,
        "no time before all time"
    );
}

#[test]
fn what_is_stale_on_arrival_is_kept_only_if_it_can_be_of_use() {
    assert_eq!(
        ok(&[("cache-control", "max-age=0")]).unwrap_err(),
        Refusal::Useless
    );
    assert_eq!(
        ok(&[("cache-control", "no-cache")]).unwrap_err(),
        Refusal::Useless
    );
    assert_eq!(
        ok(&[("cache-control", "max-age=9"), ("age", "9")]).unwrap_err(),
        Refusal::Useless
    );
    assert!(ok(&[("cache-control", "max-age=0"), ("etag", "\"1\"")]).is_ok());
    assert!(ok(&[("cache-control", "max-age=0, stale-while-revalidate=9")]).is_ok());
    assert!(ok(&[("cache-control", "max-age=0, stale-if-error=9")]).is_ok());
}

#[test]
fn stale_windows_are_the_origins_unless_it_forbids_stale_answers() {
    let default = Settings::default().stale_if_unreachable_secs;
    for (directives, swr, sie) in [
        ("max-age=1", 0, default),
        ("max-age=1, stale-while-revalidate=5", 5, default),
        ("max-age=1, stale-if-error=7", 0, 7),
        ("max-age=1, stale-if-error=0", 0, 0),
        ("max-age=1, stale-while-revalidate=x", 0, default),
        (
            "max-age=1, stale-while-revalidate=5, stale-if-error=7, must-revalidate",
            0,
            0,
        ),
        (
            "max-age=1, stale-while-revalidate=5, stale-if-error=7, proxy-revalidate",
            0,
            0,
        ),
        ("s-maxage=1, stale-while-revalidate=5, stale-if-error=7", 0, 0),
        ("no-cache, stale-while-revalidate=5, stale-if-error=7", 0, 0),
    ] {
        let terms = cc(directives).unwrap();
        let windows = (terms.stale_while_revalidate_secs, terms.stale_if_error_secs);
        assert_eq!(windows, (swr, sie), "{directives}");
    }
}

#[test]
fn vary_star_is_never_stored() {
    let decision = ok(&[("cache-control", "max-age=60"), ("vary", "accept, *")]);
    assert_eq!(decision.unwrap_err(), Refusal::VaryAny);
    assert!(ok(&[("cache-control", "max-age=60"), ("vary", "accept")]).is_ok());
}

#[test]
fn fields_that_private_and_no_cache_name_are_withheld_from_the_store() {
    let terms = cc("max-age=60, private=\"set-cookie\", no-cache=\"x-a, x-b\"").unwrap();
    let names: Vec<&str> = terms.withheld.iter().map(HeaderName::as_str).collect();
    assert_eq!(names, ["set-cookie", "x-a", "x-b"]);
    let stored = ok(&[("cache-control", "max-age=60"), ("set-cookie", "a=b")]).unwrap();
    assert!(
        stored.withheld.is_empty(),
        "a cookie is stored like any field unless the origin objects"
    );
}

#[test]
fn expires_keeps_its_distance_from_date() {
    let expires = |lines: &[(&'static str, &str)]| {
        let at = expires_with_date(&headers(lines), at(1000))?;
        Some(at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs())
    };
    let (date, in_900) = (("date", &*date_line(700)), ("expires", &*date_line(1600)));
    for (lines, expected) in [
        (&[date, in_900][..], Some(1900)),
        (&[date, ("expires", &date_line(600))], Some(900)),
        (&[("date", &date_line(9000)), ("expires", &date_line(0))], Some(0)),
        (
            &[date, in_900, ("cache-control", "public, s-maxage=5")],
            Some(1900),
        ),
        (
            &[
                date,
                in_900,
                ("cache-control", "public"),
                ("cache-control", "Max-Age=5"),
            ],
            None,
        ),
        (&[date, in_900, in_900], None),
        (&[date, ("expires", "0")], None),
        (&[in_900], None),
        (&[date], None),
        (
            &[date, ("expires", "Fri, 31 Dec 9999 23:59:59 GMT")],
            Some(LAST_DATE_SECS),
        ),
    ] {
        assert_eq!(expires(lines), expected, "{lines:?}");
        if let Some(seconds) = expires(lines) {
            httpdate::fmt_http_date(at(seconds)); // which panics beyond the last
        }
    }
}
