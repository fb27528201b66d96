//! What an operator sees and sets: the admin address, and the limit on what is stored.

use forebay_demo::client::Client;
use forebay_demo::message::response;
use forebay_demo::proxy::{Proxy, Settings};
use forebay_demo::stage::fetch;

use crate::{get, say, stage};

#[test]
fn the_admin_address_is_healthy_and_counts() {
    let stage = stage();
    say(&stage, "/x", "Cache-Control: max-age=600\r\n", "one");
    (0..3).for_each(|_| drop(get(&stage, "/x")));
    assert_eq!(
        Client::new(stage.proxy.admin()).get("/healthz").unwrap().status,
        200
    );
    let counted =
        ["forebay_hits_total", "forebay_misses_total"].map(|name| stage.proxy.metric(name).unwrap());
    assert_eq!(counted, [2.0, 1.0]);
}

#[test]
fn a_body_over_the_limit_is_passed_on_whole_and_not_stored() {
    let stage = stage();
    let flags = ["--max-object-size".to_owned(), "100KiB".to_owned()].to_vec();
    let proxy = Proxy::start(Settings {
        flags,
        ..stage.proxy.settings().clone()
    })
    .unwrap();
    // One says how long it is, the other is as long as its chunks are.
    let body = "x".repeat(200_000);
    let chunks = format!(
        "HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    );
    let plain = response("200 OK", "Cache-Control: max-age=600\r\n", &body);
    for (path, answer) in [("/length", plain), ("/chunked", chunks)] {
        for turn in ["first", "second"] {
            stage.origin.say(path, &answer);
            let got = fetch(&proxy, "GET", path, &[]).unwrap();
            assert!(
                got.text() == body,
                "{path}, {turn} answer: {} bytes",
                got.body.len()
            );
            assert_ne!(got.verdict(), "hit", "{path}, {turn} answer");
        }
    }
    let within = "/bytes/50000/within";
    fetch(&proxy, "GET", within, &[]).unwrap();
    assert_eq!(fetch(&proxy, "GET", within, &[]).unwrap().verdict(), "hit");
}
