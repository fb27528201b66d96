//! The access log, and those who read it or do not.

use std::fs::{OpenOptions, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use forebay_demo::cleanup::ScratchDir;
use forebay_demo::proxy::{Proxy, Settings};
use forebay_demo::stage::{Stage, fetch};

use crate::{raw_of, say, stage};

const FRESH: &str = "Cache-Control: max-age=600\r\n";

/// A proxy before the stage's origin whose access log goes there.
fn logging_to(stage: &Stage, scratch: &ScratchDir, path: &Path) -> Proxy {
    let settings = stage.proxy.settings().clone();
    let program = scratch.path().join("logging");
    let (real, path) = (settings.binary.display(), path.display());
    std::fs::write(
        &program,
        format!("#!/bin/sh\nexec {real} --access-log \"$@\" > {path}\n"),
    )
    .unwrap();
    std::fs::set_permissions(&program, Permissions::from_mode(0o700)).unwrap();
    Proxy::start(Settings {
        binary: program,
        ..settings
    })
    .unwrap()
}

#[test]
fn a_line_tells_when_what_and_how_long_and_all_are_written_at_the_end() {
    let (stage, scratch) = (stage(), ScratchDir::new().unwrap());
    let path = scratch.path().join("log");
    let mut proxy = logging_to(&stage, &scratch, &path);
    say(&stage, "/x", FRESH, "one");
    for _ in 0..2 {
        fetch(&proxy, "GET", "/x", &[]).unwrap();
        proxy.settle().unwrap(); // a client has its answer before the request is over
    }
    proxy.terminate().unwrap();
    // Started again, it begins the file anew: what the first one wrote is read before.
    let until = Instant::now() + Duration::from_secs(20);
    let lines = loop {
        let text = std::fs::read_to_string(&path).unwrap();
        if text.lines().count() == 2 {
            break text;
        }
        assert!(Instant::now() < until, "{text}");
    };
    assert_eq!(proxy.restart_when_ended().unwrap().code(), Some(0));
    for (line, label) in lines.lines().zip(["forebay; fwd=miss; stored", "forebay; hit"]) {
        let parts: Vec<&str> = line.splitn(8, ' ').collect();
        let [time, client, method, url, status, bytes, seconds, said] = parts[..] else {
            panic!("{line}");
        };
        assert!(
            time.len() == 24 && time.ends_with('Z') && &time[10..11] == "T",
            "{line}"
        );
        assert!(client.starts_with("127.0.0.1:"), "{line}");
        assert_eq!((method, status, bytes), ("GET", "200", "3"), "{line}");
        assert!(url.starts_with("http://") && url.ends_with("/x"), "{line}");
        assert!(seconds.parse::<f64>().unwrap() < 30.0, "{line}");
        assert!(said.starts_with(label), "{line}");
    }
}

/// Each request waited for the reader of stdout, and the end of the process did.
#[test]
fn a_reader_that_does_not_read_holds_up_nothing() {
    let (stage, scratch) = (stage(), ScratchDir::new().unwrap());
    let pipe = scratch.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // Open for both, it has a reader at once.
    let _reader = OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
    let mut proxy = logging_to(&stage, &scratch, &pipe);
    let count = 6000;
    let request = "GET /text/x HTTP/1.1\r\nHost: x\r\n\r\n".repeat(count);
    let last = "GET /text/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let answers = raw_of(&proxy, &(request + last));
    assert_eq!(answers.matches("HTTP/1.1 200").count(), count + 1);
    proxy.settle().unwrap();
    assert!(proxy.metric("forebay_access_log_dropped_total").unwrap() > 0.0);
    proxy.terminate().unwrap();
    assert_eq!(proxy.restart_when_ended().unwrap().code(), Some(0));
}
