//! Requests in forms of which one means another: what is keyed is what the origin is asked for.

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
