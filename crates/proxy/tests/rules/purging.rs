//! Whose PURGE is taken.

use forebay_demo::proxy::{Proxy, Settings};
use forebay_demo::stage::{Fetched, Stage, fetch};

use crate::stage;

fn purge(proxy: &Proxy, fields: &[(&str, &str)]) -> Fetched {
    fetch(proxy, "PURGE", "/text/x", fields).unwrap()
}

/// A proxy before the stage's origin that takes PURGE from there.
fn open_to(stage: &Stage, networks: &str) -> Proxy {
    let flags = ["--allow-purge-from", networks].map(str::to_owned).into();
    let settings = stage.proxy.settings().clone();
    Proxy::start(Settings { flags, ..settings }).unwrap()
}

/// Behind a TLS terminator on the same machine, all clients seemed to be on it: whoever could reach it could purge.
#[test]
fn a_purge_that_a_proxy_on_this_machine_passed_on_is_refused_and_told_why() {
    let stage = stage();
    for field in ["Forwarded", "X-Forwarded-For", "Via"] {
        let refused = purge(&stage.proxy, &[(field, "x")]);
        assert_eq!(refused.status, 403, "{field}");
        assert!(
            refused.text().contains("--allow-purge-from"),
            "{}",
            refused.text()
        );
        assert!(refused.field("cache-status").contains("detail=purge-forwarded"));
    }
    let hidden = [("Connection", "Via"), ("Via", "1.1 x")];
    assert_eq!(purge(&stage.proxy, &hidden).status, 403);
    assert_eq!(purge(&stage.proxy, &[]).status, 404);
}

#[test]
fn networks_that_are_named_are_all_that_may_purge() {
    let stage = stage();
    for (networks, status) in [("127.0.0.0/8", 404), ("10.0.0.0/8,::1", 403), ("none", 403)] {
        let proxy = open_to(&stage, networks);
        assert_eq!(purge(&proxy, &[("Via", "1.1 x")]).status, status, "{networks}");
        assert_eq!(purge(&proxy, &[]).status, status, "{networks}");
    }
}
