//! What an operator sees and sets: the admin address, and the limit on what is stored.

use std::fs::Permissions;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::{Duration, Instant};

use forebay_demo::body;
use forebay_demo::cleanup::ScratchDir;
use forebay_demo::client::Client;
use forebay_demo::ports;
use forebay_demo::process::{Next, Process};
use forebay_demo::proxy::{Proxy, Settings, Store};
use forebay_demo::stage::{Stage, fetch};

use crate::{get, get_with, say, stage, stage_on};

#[test]
fn the_admin_address_is_healthy_and_counts() {
    let stage = stage();
    say(&stage, "/x", "Cache-Control: max-age=600\r\n", "one");
    (0..3).for_each(|_| drop(get(&stage, "/x")));
    stage.proxy.settle().unwrap();
    assert_eq!(
        Client::new(stage.proxy.admin()).get("/healthz").unwrap().status,
        200
    );
    let counted =
        ["forebay_hits_total", "forebay_misses_total"].map(|name| stage.proxy.metric(name).unwrap());
    assert_eq!(counted, [2.0, 1.0]);
}

/// What replaced a stale entry was counted as out of the cache, and the proxy's own answers as from the origin.
#[test]
fn bytes_are_counted_by_where_they_came_from() {
    let stage = stage();
    let stale = "Cache-Control: max-age=600\r\nAge: 700\r\nETag: \"a\"\r\n";
    let mut counted = [0.0; 2];
    let mut assert_counts = |what: &str, out_of_cache: f64, from_origin: f64| {
        stage.proxy.settle().unwrap();
        let now = ["forebay_hit_bytes_total", "forebay_origin_bytes_total"]
            .map(|name| stage.proxy.metric(name).unwrap());
        assert_eq!(
            [now[0] - counted[0], now[1] - counted[1]],
            [out_of_cache, from_origin],
            "{what}"
        );
        counted = now;
    };
    say(&stage, "/x", stale, "one");
    get(&stage, "/x");
    assert_counts("a miss", 0.0, 3.0);
    stage
        .origin
        .say("/x", &format!("HTTP/1.1 304 Not Modified\r\n{stale}\r\n"));
    get(&stage, "/x");
    assert_counts("a stale entry that was confirmed", 3.0, 0.0);
    say(&stage, "/x", "Cache-Control: max-age=600\r\n", "three");
    get(&stage, "/x");
    assert_counts("a stale entry that was replaced", 0.0, 5.0);
    get(&stage, "/x");
    assert_counts("a hit", 5.0, 0.0);
    stage.fetch("PURGE", "/x", &[("Via", "1.1 x")]).unwrap();
    get_with(&stage, "/y", "Cache-Control", "only-if-cached");
    assert_counts("answers of the proxy's own", 0.0, 0.0);
    say(&stage, "/y", "Cache-Control: no-store\r\n", "passed");
    get(&stage, "/y");
    assert_counts("what is not stored", 0.0, 6.0);
}

/// A proxy before the stage's origin that stores bodies up to 100 KiB.
fn limited(stage: &Stage) -> Proxy {
    let flags = vec!["--max-object-size".to_owned(), "100KiB".to_owned()];
    Proxy::start(Settings {
        flags,
        ..stage.proxy.settings().clone()
    })
    .unwrap()
}

/// Asserts that both of two requests get `body`, and neither from the cache.
fn assert_passed_on(proxy: &Proxy, path: &str, body: &[u8]) {
    for turn in ["first", "second"] {
        let got = fetch(proxy, "GET", path, &[]).unwrap();
        let length = got.body.len();
        assert!(got.body == body, "{turn} answer: {}, {length} bytes", got.status);
        assert_ne!(got.verdict(), "hit", "{turn} answer");
    }
}

#[test]
fn a_body_within_the_limit_is_stored_and_one_that_says_it_is_longer_is_passed_on() {
    let stage = stage();
    let proxy = limited(&stage);
    let (within, over) = ("/bytes/50000/within", "/bytes/200000/over");
    fetch(&proxy, "GET", within, &[]).unwrap();
    assert_eq!(fetch(&proxy, "GET", within, &[]).unwrap().verdict(), "hit");
    assert_passed_on(&proxy, over, &body::bytes(over, 0, 200_000));
}

/// The proxy had begun to store it, since nothing said how long it would become.
#[test]
fn a_body_that_grows_over_the_limit_in_chunks_is_passed_on_whole() {
    let stage = stage();
    let proxy = limited(&stage);
    let path = "/slow/chunked/over";
    stage.origin.hold(path);
    stage.origin.release(path, 4);
    assert_passed_on(&proxy, path, &body::bytes(path, 0, 256 * 1024));
}

/// Where it outgrew what the store takes, its first client got no more.
#[test]
fn a_body_that_grows_over_what_the_store_takes_is_passed_on_whole() {
    for store in [Store::Memory, Store::Disk] {
        let stage = stage();
        let settings = stage.proxy.settings().clone();
        let small = Settings {
            store,
            capacity_mib: 16,
            ..settings
        };
        let proxy = Proxy::start(small).unwrap();
        let body: String = (0..3_000_000).map(|n| format!("{n:07} ")).collect();
        let head = "HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\nTransfer-Encoding: chunked\r\n\r\n";
        let answer = format!("{head}{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
        (0..2).for_each(|_| stage.origin.say("/x", &answer));
        assert_passed_on(&proxy, "/x", body.as_bytes());
    }
}

/// The limit was passed before the head had been sent, and the client got a 500.
#[test]
fn a_body_that_is_over_the_limit_with_its_first_chunk_is_passed_on_whole() {
    let stage = stage();
    let proxy = limited(&stage);
    let body = "x".repeat(200_000);
    let head = "HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\nTransfer-Encoding: chunked\r\n\r\n";
    let answer = format!("{head}{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    (0..2).for_each(|_| stage.origin.say("/x", &answer));
    assert_passed_on(&proxy, "/x", body.as_bytes());
}

fn readiness(proxy: &Proxy) -> (u16, String) {
    let mut answer = Client::new(proxy.admin()).get("/readyz").unwrap();
    let body = answer.rest().unwrap();
    (answer.status, String::from_utf8(body).unwrap())
}

/// Meanwhile the admin address says that no more requests should come.
#[test]
fn sigterm_lets_open_requests_end_and_what_they_filled_is_found_again() {
    let mut stage = stage_on(Store::Disk);
    let path = "/slow/drained";
    stage.origin.hold(path);
    stage.origin.release(path, 1);
    let mut reader = stage.proxy.client().get(path).unwrap();
    let mut got = reader.read(64 * 1024).unwrap();
    assert_eq!(readiness(&stage.proxy), (200, "ok\n".to_owned()));
    stage.proxy.terminate().unwrap();
    let until = Instant::now() + Duration::from_secs(5);
    while readiness(&stage.proxy) != (503, "draining\n".to_owned()) {
        assert!(Instant::now() < until, "{:?}", readiness(&stage.proxy));
    }
    stage.origin.release(path, 3);
    got.extend(reader.rest().unwrap());
    assert!(got == body::bytes(path, 0, 256 * 1024), "{} bytes", got.len());
    assert_eq!(stage.proxy.restart_when_ended().unwrap().code(), Some(0));
    let again = get(&stage, path);
    assert_eq!((again.verdict(), again.body == got), ("hit", true));
}

#[test]
fn a_directory_that_is_in_use_or_not_a_store_is_refused_and_left_alone() {
    let stage = stage_on(Store::Disk);
    let foreign = ScratchDir::new().unwrap();
    std::fs::write(foreign.path().join("letter.txt"), "dear").unwrap();
    for directory in [stage.proxy.directory(), foreign.path()] {
        let origin = format!("http://{}", stage.origin.addr());
        let mut command = Command::new(&stage.proxy.settings().binary);
        let address = ports::free().unwrap().to_string();
        command
            .args(["--origin", &origin, "--listen", &address, "--cache-dir"])
            .arg(directory);
        let (status, said) = Process::spawn(&mut command)
            .unwrap()
            .ended(Duration::from_secs(20))
            .unwrap();
        assert_eq!((status.code(), said.len()), (Some(2), 1), "{said:?}");
        assert!(said[0].contains(&*directory.to_string_lossy()), "{said:?}");
    }
    assert_eq!(std::fs::read_dir(foreign.path()).unwrap().count(), 1);
    get(&stage, "/text/still");
    assert_eq!(get(&stage, "/text/still").verdict(), "hit");
}

/// A process that takes over the directory of the stage's proxy; its address, once it listens.
fn newcomer(stage: &Stage, if_in_use: &str) -> (Process, SocketAddr) {
    let address = ports::free().unwrap();
    let mut command = Command::new(&stage.proxy.settings().binary);
    command
        .args(["--origin", &format!("http://{}", stage.origin.addr())])
        .args(["--listen", &address.to_string(), "--if-cache-in-use", if_in_use])
        .arg("--cache-dir")
        .arg(stage.proxy.directory());
    let process = Process::spawn(&mut command).unwrap();
    (process, address)
}

/// The head of the answer for a URL that is the same for all proxies: a client's own names the proxy's port.
fn head_of_same(proxy: SocketAddr) -> String {
    let mut stream = TcpStream::connect(proxy).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let request = "GET /text/same HTTP/1.1\r\nHost: example.test\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    answer.to_ascii_lowercase()
}

fn is_hit(proxy: SocketAddr) -> bool {
    let head = head_of_same(proxy);
    let says = head.lines().find(|line| line.starts_with("cache-status:"));
    says.expect("it says what the cache did").contains("hit")
}

fn next_line(process: &mut Process) -> String {
    match process.next(Duration::from_secs(20)).unwrap() {
        Next::Line(line) => line,
        Next::Ended(status) => panic!("ended with {status}"),
    }
}

#[test]
fn in_an_upgrade_the_new_process_serves_without_storing_and_takes_the_store_over() {
    let mut stage = stage_on(Store::Disk);
    assert!(!is_hit(stage.proxy.listen()));
    let (mut process, address) = newcomer(&stage, "bypass");
    assert!(next_line(&mut process).contains("listening"));
    (0..2).for_each(|_| assert!(!is_hit(address)));
    let purge = Client::new(address).send("PURGE", "/text/same", &[]).unwrap();
    assert_eq!(purge.status, 503, "the store is another's yet");
    stage.proxy.terminate().unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_hit(address) {
        assert!(Instant::now() < deadline, "it never took the store over");
        std::thread::sleep(Duration::from_millis(10));
    }
    process.terminate().unwrap();
    assert_eq!(process.ended(Duration::from_secs(20)).unwrap().0.code(), Some(0));
    assert_eq!(stage.proxy.restart_when_ended().unwrap().code(), Some(0));
}

#[test]
fn in_an_upgrade_the_new_process_can_wait_for_the_store() {
    let mut stage = stage_on(Store::Disk);
    assert!(!is_hit(stage.proxy.listen()));
    let (mut process, address) = newcomer(&stage, "wait");
    stage.proxy.terminate().unwrap();
    assert!(next_line(&mut process).contains("listening"));
    assert!(is_hit(address));
    process.terminate().unwrap();
    assert_eq!(process.ended(Duration::from_secs(20)).unwrap().0.code(), Some(0));
    assert_eq!(stage.proxy.restart_when_ended().unwrap().code(), Some(0));
}

/// Most systems start programs with 1,024, for the sake of `select`, and let them have many more.
#[test]
fn it_takes_as_many_open_files_as_the_system_lets_it_have() {
    let stage = stage();
    let scratch = ScratchDir::new().unwrap();
    let program = scratch.path().join("with-few-files");
    let real = stage.proxy.settings().binary.display();
    std::fs::write(
        &program,
        format!("#!/bin/sh\nulimit -Sn 64\nexec {real} \"$@\"\n"),
    )
    .unwrap();
    std::fs::set_permissions(&program, Permissions::from_mode(0o700)).unwrap();
    let proxy = Proxy::start(Settings {
        binary: program,
        ..stage.proxy.settings().clone()
    });
    let proxy = proxy.unwrap();
    let mut open = Vec::new();
    for _ in 0..100 {
        let mut stream = TcpStream::connect(proxy.listen()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream
            .write_all(b"GET /bytes/9/x HTTP/1.1\r\nHost: x\r\n\r\n")
            .unwrap();
        let mut status = [0; 12];
        stream.read_exact(&mut status).expect("an answer");
        assert_eq!(&status, b"HTTP/1.1 200");
        open.push(stream);
    }
}
