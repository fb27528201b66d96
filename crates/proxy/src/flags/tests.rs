//! What flags make of the program, and which are refused.

use super::*;
use crate::purge;

fn check(args: &[&str]) -> Result<Config, String> {
    let args = ["forebay-proxy", "--origin", "http://127.0.0.1:9000"]
        .iter()
        .chain(args);
    Flags::try_parse_from(args).map_err(|e| e.to_string())?.check()
}

#[test]
fn the_defaults_are_usable() {
    let config = check(&[]).unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    assert_eq!((config.store.dir, config.store.capacity_bytes), (None, 64 << 20));
    assert_eq!(config.max_object_bytes, 16 << 20);
}

#[test]
fn sizes_and_networks_are_read_as_people_write_them() {
    let config = check(&["--memory-capacity", "2GiB", "--max-object-size", "1MiB"]).unwrap();
    assert_eq!((config.store.dir, config.store.capacity_bytes), (None, 2 << 30));
    assert_eq!(config.max_object_bytes, 1 << 20);
    let on_disk = ["--cache-dir", "/tmp/x", "--disk-capacity", "500MB"];
    let config = check(&on_disk).unwrap();
    assert_eq!(
        (config.store.dir, config.store.capacity_bytes),
        (Some("/tmp/x".into()), 500_000_000)
    );
    assert_eq!(config.store.memory_tier_bytes, 64 << 20);
    let config = check(&[&on_disk[..], &["--memory-capacity", "0"]].concat()).unwrap();
    assert_eq!(config.store.memory_tier_bytes, 0);
}

#[test]
fn networks_that_may_purge_replace_the_default() {
    let networks = |args: &[&str]| match check(args).unwrap().purge_access {
        purge::Access::ThisMachine => None,
        purge::Access::Networks(networks) => Some(networks.len()),
    };
    assert_eq!(networks(&[]), None);
    assert_eq!(networks(&["--allow-purge-from", "none"]), Some(0));
    assert_eq!(networks(&["--allow-purge-from", "127.0.0.0/8,::1"]), Some(2));
    let repeated = ["--allow-purge-from", "10.0.0.0/8", "--allow-purge-from", "::1"];
    assert_eq!(networks(&repeated), Some(2));
    assert!(check(&["--allow-purge-from", "none,::1"]).is_err());
}

#[test]
fn what_concerns_the_directory_alone_asks_for_one() {
    let policy = [
        "--second-sight",
        "1MiB",
        "--disk-write-rate",
        "20MiB",
        "--if-cache-in-use",
        "bypass",
    ];
    for args in [
        &policy[..],
        &["--disk-capacity", "1GiB"],
        &["--disk-min-free", "1GiB"],
    ] {
        let error = check(args).unwrap_err();
        assert!(error.contains("--cache-dir"), "{error}");
    }
    let store = check(&[&policy[..], &["--cache-dir", "/tmp/x"]].concat())
        .unwrap()
        .store;
    assert_eq!(store.if_in_use, IfInUse::Bypass);
    assert_eq!(
        (store.second_sight_bytes, store.write_bytes_per_second),
        (Some(1 << 20), Some(20 << 20))
    );
    let store = check(&["--cache-dir", "/tmp/x"]).unwrap().store;
    assert_eq!(
        (store.if_in_use, store.second_sight_bytes, store.min_free_bytes),
        (IfInUse::Refuse, None, 0)
    );
    let shared = check(&["--cache-dir", "/tmp/x", "--disk-min-free", "5GiB"]).unwrap();
    assert_eq!(shared.store.min_free_bytes, 5 << 30);
    let waiting = ["--cache-dir", "/tmp/x", "--if-cache-in-use", "wait"];
    let wait = |more: &[&str]| {
        check(&[&waiting[..], more].concat())
            .unwrap()
            .store
            .wait
            .as_secs()
    };
    assert_eq!((wait(&[]), wait(&["--cache-wait", "5"])), (60, 5));
}

#[test]
fn what_cannot_be_used_is_refused_by_its_name() {
    for (args, named) in [
        (&["--memory-capacity", "0"][..], "--memory-capacity"),
        (&["--memory-capacity", "many"], "--memory-capacity"),
        (
            &["--cache-dir", "/tmp/x", "--disk-capacity", "1KiB"],
            "--disk-capacity",
        ),
        (
            &["--cache-dir", "/tmp/x", "--disk-write-rate", "0"],
            "--disk-write-rate",
        ),
        (
            &["--cache-dir", "/tmp/x", "--if-cache-in-use", "hope"],
            "--if-cache-in-use",
        ),
        (
            &["--cache-dir", "/tmp/x", "--cache-wait", "5"],
            "--if-cache-in-use wait",
        ),
        (&["--max-object-size", "0"], "--max-object-size"),
        (&["--max-object-size", "17MiB"], "--max-object-size"),
        (&["--threads", "0"], "--threads"),
        (&["--read-timeout", "0"], "--read-timeout"),
        (&["--client-timeout", "0"], "--client-timeout"),
        (&["--listen", "nowhere"], "--listen"),
        (&["--allow-purge-from", "here"], "--allow-purge-from"),
    ] {
        let error = check(args).unwrap_err();
        assert!(error.contains(named), "{args:?}: {error}");
    }
}
