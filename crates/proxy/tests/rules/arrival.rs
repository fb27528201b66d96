//! Requests in forms of which one means another: what is keyed is what the origin is asked for.

use forebay_demo::stage::Stage;

use crate::{get_with, of, raw, say, seen, stage};

const FRESH: &str = "Cache-Control: max-age=600\r\n";

/// What the origin does not see selected the variant that its answer was stored as.
#[test]
fn a_field_that_connection_names_selects_no_variant() {
    let stage = stage();
    let fields = format!("{FRESH}Vary: Accept-Language\r\n");
    say(&stage, "/x", &fields, "of no language");
    say(&stage, "/x", &fields, "de");
    let named = [("Connection", "Accept-Language"), ("Accept-Language", "de")];
    assert_eq!(stage.fetch("GET", "/x", &named).unwrap().text(), "of no language");
    let request = stage.origin.last_request("/x").unwrap();
    assert_eq!(request.fields.get("accept-language"), None);
    assert_eq!(
        seen(&get_with(&stage, "/x", "Accept-Language", "de")),
        of("miss", "de")
    );
    let again = stage.fetch("GET", "/x", &named).unwrap();
    assert_eq!(seen(&again), of("hit", "of no language"));
}

#[test]
fn a_request_whose_connection_names_its_host_is_refused() {
    let stage = stage();
    let answer = raw(
        &stage,
        "GET /x HTTP/1.1\r\nHost: a\r\nConnection: Host, close\r\n\r\n",
    );
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert_eq!(stage.origin.asked("/x"), 0);
}

/// What comes back for a request line and header lines on a connection of its own.
fn ask(stage: &Stage, line: &str, fields: &str) -> String {
    raw(stage, &format!("{line}\r\n{fields}Connection: close\r\n\r\n")).to_ascii_lowercase()
}

fn is_hit(answer: &str) -> bool {
    answer.contains("cache-status: forebay; hit")
}

/// Each form had a key of its own, so that a purge or a POST by one left what was stored by the other.
#[test]
fn a_target_that_names_its_host_is_the_same_as_its_path() {
    let stage = stage();
    let (plain, absolute) = ("GET /x HTTP/1.1", "GET http://a.ex/x HTTP/1.1");
    let host = "Host: a.ex\r\n";
    let miss = |line: &str, body: &str| {
        say(&stage, "/x", FRESH, body);
        let answer = ask(&stage, line, host);
        assert!(!is_hit(&answer) && answer.ends_with(body), "{line}: {answer}");
        assert_eq!(
            stage.origin.last_request("/x").unwrap().fields.get("host"),
            Some("a.ex")
        );
    };
    miss(absolute, "one");
    // Whether its client speaks TLS to somebody before the proxy, the proxy does not know.
    let secure = "GET https://a.ex/x HTTP/1.1";
    for line in [plain, absolute, secure, "GET http://a.ex/x HTTP/1.0"] {
        assert!(is_hit(&ask(&stage, line, host)), "{line}");
    }
    assert!(is_hit(&ask(&stage, "GET http://a.ex/x HTTP/1.0", "")));
    let purged = ask(&stage, "PURGE http://a.ex/x HTTP/1.1", host);
    assert!(purged.starts_with("http/1.1 200"), "{purged}");
    miss(plain, "two");
    say(&stage, "/x", "", "posted");
    ask(
        &stage,
        "POST http://a.ex/x HTTP/1.1",
        &format!("{host}Content-Length: 0\r\n"),
    );
    miss(plain, "three");
    assert!(is_hit(&ask(&stage, absolute, host)));
}

#[test]
fn a_target_that_names_its_host_and_no_path_is_the_root() {
    let stage = stage();
    for (line, path) in [
        ("GET http://a.ex HTTP/1.1", "/"),
        ("GET http://a.ex?q HTTP/1.1", "/?q"),
        ("OPTIONS http://a.ex HTTP/1.1", "*"),
        ("OPTIONS * HTTP/1.1", "*"),
    ] {
        say(&stage, path, FRESH, path);
        let answer = ask(&stage, line, "Host: a.ex\r\n");
        assert!(
            answer.starts_with("http/1.1 200") && answer.ends_with(path),
            "{line}: {answer}"
        );
    }
}

#[test]
fn what_is_no_target_on_this_host_is_refused() {
    let stage = stage();
    for (line, status) in [
        ("GET ftp://a.ex/x HTTP/1.1", 421),
        ("GET x HTTP/1.1", 400),
        ("GET * HTTP/1.1", 400),
        ("GET mailto:a HTTP/1.1", 400),
        ("GET http://b.ex/x HTTP/1.1", 400),
        ("GET http:/x HTTP/1.1", 400),
    ] {
        let answer = ask(&stage, line, "Host: a.ex\r\n");
        assert!(
            answer.starts_with(&format!("http/1.1 {status}")),
            "{line}: {answer}"
        );
    }
    assert_eq!(stage.origin.asked("/x"), 0);
}

/// Hosts that differ in case and default port have one key, but were sent as they came: an origin that tells them apart could
/// have one's answer given to another.
#[test]
fn the_host_that_is_sent_is_the_one_that_is_keyed() {
    let stage = stage();
    say(&stage, "/x", FRESH, "one");
    for host in ["A.Ex:80", "a.ex", "A.EX:", "a.ex:80"] {
        let answer = ask(&stage, "GET /x HTTP/1.1", &format!("Host: {host}\r\n"));
        assert!(answer.ends_with("one"), "{host}: {answer}");
        assert_eq!(
            stage.origin.last_request("/x").unwrap().fields.get("host"),
            Some("a.ex")
        );
    }
    assert_eq!(stage.origin.asked("/x"), 1);
    let of_origin = stage.origin.addr().to_string();
    for (line, fields) in [
        ("GET /y HTTP/1.0", ""),
        ("GET /y HTTP/1.1", &*format!("Host: {of_origin}\r\n")),
    ] {
        ask(&stage, line, fields);
        let sent = stage.origin.last_request("/y").unwrap().fields;
        assert_eq!(sent.get("host"), Some(&*of_origin));
    }
}

/// An empty one was keyed as the origin's own.
#[test]
fn a_host_that_is_empty_or_none_is_refused() {
    let stage = stage();
    for host in ["", ":80", "a:80:80", "a b", "a/b", "\u{e4}"] {
        for version in ["1.0", "1.1"] {
            let answer = ask(
                &stage,
                &format!("GET /x HTTP/{version}"),
                &format!("Host: {host}\r\n"),
            );
            assert!(answer.starts_with("http/1.1 400"), "{host}: {answer}");
        }
    }
    assert_eq!(stage.origin.asked("/x"), 0);
}
