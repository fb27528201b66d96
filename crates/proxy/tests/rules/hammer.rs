//! Many clients, a small store and crashes: whatever happens, no client gets a wrong byte.

use std::sync::atomic::{AtomicUsize, Ordering};

use forebay_demo::client::Client;
use forebay_demo::proxy::{Proxy, Settings, Store};
use forebay_demo::{Failure, body};

use crate::{STORES, stage_on};

const CLIENTS: usize = 4;
const REQUESTS: usize = 1200;
const CRASHES: usize = 3;
const PATHS: usize = 80;

/// A path and the length of its body: from nothing to beyond what fits a record of the disk's log, 16 MiB in all.
fn path(nth: usize) -> (String, u64) {
    let length = (nth * nth * 83) as u64;
    (format!("/bytes/{length}/hammer-{nth}"), length)
}

/// One request, whole or for a range; an error only where the transfer failed, not where its bytes are wrong.
fn request(client: Client, turn: usize) -> Result<(), Failure> {
    // Strides that share no divisor with the count reach all paths, near ones at once in different orders.
    let (path, length) = path(turn * 37 % PATHS);
    if turn % 3 == 0 && length > 10 {
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

/// Clients go on over the crashes; returns how many of their requests failed.
fn hammer(store: Store, crashes: usize) -> usize {
    let stage = stage_on(store);
    let mut proxy = Proxy::start(Settings {
        capacity_mib: 6,
        ..stage.proxy.settings().clone()
    })
    .unwrap();
    let (client, turns, failed) = (proxy.client(), AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                while let turn @ ..REQUESTS = turns.fetch_add(1, Ordering::Relaxed) {
                    if request(client, turn).is_err() {
                        failed.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        for crash in 1..=crashes {
            while turns.load(Ordering::Relaxed) < REQUESTS * crash / (crashes + 1) {
                std::thread::yield_now();
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
    // While the proxy is down every request fails at once, so how many do says nothing.
    hammer(Store::Disk, CRASHES);
}
