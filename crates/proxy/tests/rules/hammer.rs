//! Many clients, a small store and crashes: whatever happens, no client gets a wrong byte.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use forebay_demo::client::Client;
use forebay_demo::proxy::{Proxy, Settings, Store};
use forebay_demo::{Failure, body};

use crate::{STORES, stage_on};

const CLIENTS: usize = 4;
const REQUESTS: usize = 600;
const CRASHES: usize = 3;
const PATHS: usize = 80;

/// A path and the length of its body: from nothing to beyond what fits a record of the disk's log, 8 MiB in all.
fn path(nth: usize) -> (String, u64) {
    let length = (nth * nth * nth * 4 / 5) as u64;
    (format!("/bytes/{length}/hammer-{nth}"), length)
}

/// One request, whole or for a range; an error only where the transfer failed, not where its bytes are wrong.
fn request(client: Client, turn: usize) -> Result<(), Failure> {
    // Strides that share no divisor with the count reach all paths, near ones at once in different orders.
    let (path, length) = path(turn * 37 % PATHS);
    if turn.is_multiple_of(3) && length > 10 {
        let (start, end) = (length / 3, length / 3 * 2);
        let fields = [("Range", &*format!("bytes={start}-{}", end - 1))];
        let mut response = client.send("GET", &path, &fields)?;
        let got = response.rest()?;
        let ranged = response.status == 206 && got == body::bytes(&path, start, end);
        let whole = response.status == 200 && got == body::bytes(&path, 0, length);
        assert!(
            ranged || whole || response.status >= 500,
            "{path}: {} with wrong bytes",
            response.status
        );
    } else {
        let mut response = client.get(&path)?;
        let got = response.rest()?;
        let right = response.status == 200 && got == body::bytes(&path, 0, length);
        assert!(
            right || response.status >= 500,
            "{path}: {} with wrong bytes",
            response.status
        );
    }
    Ok(())
}

/// Tries until it succeeds: the proxy may be down, or go down meanwhile. Returns how often it failed.
fn insist(client: Client, turn: usize) -> usize {
    let until = Instant::now() + Duration::from_secs(20);
    let mut failed = 0;
    while let Err(failure) = request(client, turn) {
        assert!(Instant::now() < until, "turn {turn} fails and fails: {failure}");
        failed += 1;
        std::thread::sleep(Duration::from_millis(2));
    }
    failed
}

/// Clients that go on over crashes; returns how many of their requests failed.
fn hammer(store: Store, crashes: usize) -> usize {
    let stage = stage_on(store);
    let settings = Settings {
        capacity_mib: 3,
        ..stage.proxy.settings().clone()
    };
    let mut proxy = Proxy::start(settings).unwrap();
    let client = proxy.client();
    let (turns, failed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                while let turn @ ..REQUESTS = turns.fetch_add(1, Ordering::Relaxed) {
                    failed.fetch_add(insist(client, turn), Ordering::Relaxed);
                }
            });
        }
        for crash in 1..=crashes {
            while turns.load(Ordering::Relaxed) < REQUESTS * crash / (crashes + 1) {
                std::thread::sleep(Duration::from_millis(1));
            }
            proxy.crash_and_restart().unwrap();
        }
    });
    proxy.settle().unwrap();
    failed.into_inner()
}

#[test]
fn no_client_gets_a_wrong_byte_from_a_small_store() {
    for store in STORES {
        assert_eq!(hammer(store, 0), 0, "requests failed before {store:?}");
    }
}

#[test]
fn no_client_gets_a_wrong_byte_over_crashes() {
    assert!(hammer(Store::Disk, CRASHES) > 0, "nobody noticed a crash");
}
