//! The `forebay` program itself, on stores that are closed, damaged, or being written to.

use bytes::Bytes;
use forebay_core::{CacheHashKey, CacheKey, CacheMeta, PurgeType, ResponseHead, SpanHandle, Storage};
use forebay_disk::{DiskOptions, DiskStorage, OnLocked, Sync};
use std::collections::BTreeMap;
use std::future::Future;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

const CAPACITY: u64 = 32 << 20;

fn forebay(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_forebay"))
        .args(args)
        .output()
        .unwrap()
}

fn run(command: &str, dir: &Path, more: &[&str]) -> (i32, String) {
    let args: Vec<&str> = [&[command, dir.to_str().unwrap()], more].concat();
    let output = forebay(&args);
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8(text).unwrap();
    assert!(!text.contains("panicked"), "{text}");
    (output.status.code().expect("it ends by itself"), text)
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(future)
}

/// Waits for the lock: what another test starts has it, too, between its fork and its exec.
fn open(dir: &Path, capacity_bytes: u64) -> DiskStorage {
    let options = DiskOptions::new(dir).capacity_bytes(capacity_bytes);
    let options = options.on_locked(OnLocked::Wait(Duration::from_secs(10)));
    options.sync(Sync::Never).open().unwrap()
}

fn put(store: &DiskStorage, name: &str, len: usize) {
    put_key(store, &CacheKey::new("", name, ""), len);
}

fn put_key(store: &DiskStorage, key: &CacheKey, len: usize) {
    let now = SystemTime::now();
    let head = ResponseHead::builder(200)
        .header("ETag", "x")
        .header("Set-Cookie", "a")
        .header("Set-Cookie", "b");
    let meta = CacheMeta::new(now + Duration::from_secs(60), now, 10, 20, head.build().unwrap());
    block_on(async {
        let mut miss = store
            .get_miss_handler(key, &meta, &SpanHandle::none())
            .await
            .unwrap();
        miss.write_body(Bytes::from(vec![7; len]), true).await.unwrap();
        miss.finish().await.unwrap();
    });
}

fn purge(store: &DiskStorage, name: &str) -> bool {
    let key = CacheKey::new("", name, "").to_compact();
    block_on(store.purge(&key, PurgeType::Invalidation, &SpanHandle::none())).unwrap()
}

/// A closed store with entries in a log and in a file, one replaced and one purged.
fn sample() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), CAPACITY);
    put(&store, "small", 10);
    put(&store, "large", 900_000);
    put(&store, "small", 2_000);
    put(&store, "gone", 10);
    assert!(purge(&store, "gone"));
    put(&store, "http\nexample.org\n/a", 5);
    store.close();
    dir
}

/// Every file below a directory with its bytes and the time of its last change.
fn tree(dir: &Path) -> BTreeMap<PathBuf, (Vec<u8>, SystemTime)> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let (path, changed) = entry
            .map(|e| (e.path(), e.metadata().unwrap().modified().unwrap()))
            .unwrap();
        match path.is_dir() {
            true => found.extend(tree(&path)),
            false => drop(found.insert(path.clone(), (std::fs::read(&path).unwrap(), changed))),
        }
        found.entry(path).or_insert_with(|| (Vec::new(), changed));
    }
    found
}

#[test]
fn inspect_counts_what_is_stored_and_what_is_dead() {
    let dir = sample();
    let (code, text) = run("inspect", dir.path(), &[]);
    assert_eq!(code, 0, "{text}");
    assert!(
        text.contains("1 segments, 3 entries (0 stale, 0 damaged)"),
        "{text}"
    );
    for row in [
        "format version 4",
        "80000000 probation        6        3",
        "under a minute          3",
        "up to 2.0 KiB           1",
    ] {
        assert!(text.contains(row), "no {row:?} in {text}");
    }
}

#[test]
fn export_prints_a_line_of_json_for_each_entry() {
    let dir = sample();
    let (code, text) = run("export", dir.path(), &[]);
    assert_eq!(code, 0, "{text}");
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 3);
    let large = lines.iter().find(|line| line["body_bytes"] == 900_000).unwrap();
    assert_eq!(large["key"], CacheKey::new("", "large", "").combined());
    assert_eq!(
        (&large["primary"], &large["url"], &large["namespace"]),
        (
            &"large".into(),
            &serde_json::Value::Null,
            &serde_json::Value::Null
        )
    );
    let of_proxy = lines.iter().find(|line| line["body_bytes"] == 5).unwrap();
    assert_eq!(of_proxy["url"], "http://example.org/a");
    assert_eq!(
        (&large["status"], &large["body_in_file"]),
        (&200.into(), &true.into())
    );
    assert_eq!(large["headers"][1][1], "a");
    assert_eq!(large["headers"][2][1], "b");
    let fresh_for =
        large["fresh_until_unix_ms"].as_i64().unwrap() - large["created_unix_ms"].as_i64().unwrap();
    assert_eq!(fresh_for, 60_000);
}

#[test]
fn verify_finds_all_whole_and_then_names_what_is_damaged() {
    let dir = sample();
    let (code, text) = run("verify", dir.path(), &[]);
    assert_eq!(
        (code, text.contains("3 entries") && text.contains("all whole")),
        (0, true),
        "{text}"
    );
    let body = tree(dir.path())
        .into_keys()
        .find(|path| path.extension().is_some())
        .unwrap();
    let mut bytes = std::fs::read(&body).unwrap();
    bytes[500_000] ^= 1;
    std::fs::write(&body, bytes).unwrap();
    let (code, text) = run("verify", dir.path(), &[]);
    assert_eq!(code, 1, "{text}");
    let name = body.file_name().unwrap().to_str().unwrap();
    assert!(
        text.contains(name) && text.contains("its body is damaged: large\n"),
        "{text}"
    );
    assert!(
        text.contains(&CacheKey::new("", "large", "").combined()),
        "{text}"
    );
    std::fs::remove_file(&body).unwrap();
    let (code, text) = run("verify", dir.path(), &[]);
    assert!(
        code == 1 && text.contains("its body file is gone"),
        "{code} {text}"
    );
}

#[test]
fn what_only_looks_changes_nothing() {
    let dir = sample();
    let before = tree(dir.path());
    for command in ["inspect", "verify", "export"] {
        let (code, text) = run(command, dir.path(), &[]);
        assert_eq!(code, 0, "{command}: {text}");
    }
    assert!(tree(dir.path()) == before);
}

/// Whatever is in the files, there is an answer, and it is one of the three exit codes.
#[test]
fn damage_anywhere_is_told_and_never_a_panic() {
    let dir = sample();
    let log = dir.path().join("segments/80000000.log");
    let intact = std::fs::read(&log).unwrap();
    let damaged: Vec<Vec<u8>> = [100, 300, 2_500, intact.len() - 100, intact.len() - 20]
        .map(|at| {
            let mut bytes = intact.clone();
            bytes[at.min(intact.len() - 1)] ^= 0x10;
            bytes
        })
        .into_iter()
        .chain([0, 1, 64, 700, intact.len() - 1].map(|end| intact[..end].to_vec()))
        .chain([vec![0xff; 5_000]])
        .collect();
    for bytes in damaged {
        std::fs::write(&log, &bytes).unwrap();
        for command in ["inspect", "verify", "export"] {
            let (code, text) = run(command, dir.path(), &[]);
            assert!((0..=1).contains(&code), "{command}: {code} {text}");
        }
    }
    std::fs::write(&log, &intact).unwrap();
    std::fs::write(dir.path().join("FORMAT"), "junk").unwrap();
    let (code, text) = run("verify", dir.path(), &[]);
    assert!(code == 1 && text.contains("FORMAT: damaged or gone"), "{text}");
}

#[test]
fn what_is_no_store_is_refused_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("notes"), "mine").unwrap();
    let empty = tempfile::tempdir().unwrap();
    for command in ["inspect", "verify", "export", "purge"] {
        let more: &[&str] = if command == "purge" { &["key"] } else { &[] };
        for (dir, says) in [
            (dir.path().to_owned(), "is no store"),
            (dir.path().join("notes"), "is not a directory"),
            (dir.path().join("absent"), "there is no store"),
            (empty.path().to_owned(), "there is no store"),
        ] {
            let (code, text) = run(command, &dir, more);
            assert!(code == 2 && text.contains(says), "{command}: {code} {text}");
            assert_eq!(text.lines().count(), 1, "{text}");
        }
    }
    assert_eq!(tree(dir.path()).len(), 1);
    assert_eq!(tree(empty.path()).len(), 0);
}

#[test]
fn purge_removes_one_entry_by_text_hash_or_url() {
    let dir = sample();
    let hash = CacheKey::new("", "large", "").combined();
    for key in ["small", &hash, "http://example.org/a"] {
        let (code, text) = run("purge", dir.path(), &[key]);
        assert!(code == 0 && text.contains("purged"), "{key}: {code} {text}");
        let (code, text) = run("purge", dir.path(), &[key]);
        assert!(code == 1 && text.contains("no entry"), "{key}: {code} {text}");
    }
    assert_eq!(open(dir.path(), CAPACITY).stats().entries, 0);
}

#[test]
fn purge_removes_all_variants_of_a_text_and_all_that_begins_with_a_prefix() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), CAPACITY);
    for path in ["/img/a", "/img/b", "/im", "/"] {
        put(&store, &format!("http\nexample.org\n{path}"), 5);
    }
    put(&store, "img/a", 5);
    let mut varies = CacheKey::new("", "http\nexample.org\n/img/a", "");
    varies.set_variance_key([7; 16]);
    put_key(&store, &varies, 900_000);
    put_key(&store, &CacheKey::new("tenant", "in a namespace", ""), 5);
    let long = "x".repeat(5_000); // of this no text is kept
    put(&store, &long, 5);
    store.close();
    let (_, exported) = run("export", dir.path(), &[]);
    assert!(exported.contains(r#""namespace":"tenant""#), "{exported}");
    for (args, code, says) in [
        (
            &["--prefix", "http://example.org/img/x"][..],
            1,
            "there is no entry",
        ),
        (&["http://example.org/img/a"], 0, "img/a: 2 entries"),
        (&["--prefix", "http://example.org/im"], 0, "im: 2 entries"),
        (&["--prefix", "img"], 0, "img: 1 entry"),
        (&["in a namespace"], 0, "namespace: 1 entry"),
        (&[&long], 0, ": 1 entry"),
        (&["--prefix", ""], 2, "a value is required for '<KEY>'"), // of a variable that is not set
        (&[""], 2, "a value is required for '<KEY>'"),
        (&["--prefix", "http://example.org/"], 0, "/: 1 entry"),
    ] {
        let (exit, text) = run("purge", dir.path(), args);
        assert!(exit == code && text.contains(says), "{args:?}: {exit} {text}");
    }
    assert_eq!(open(dir.path(), CAPACITY).stats().entries, 0);
}

/// What is damaged is served by nobody; a purge of the rest goes on, and one of its URL removes it.
#[test]
fn purge_takes_what_it_can_read_and_what_it_knows_by_hash() {
    let dir = sample();
    let log = dir.path().join("segments/80000000.log");
    let mut bytes = std::fs::read(&log).unwrap();
    let at = bytes.windows(14).position(|it| it == b"example.org\n/a");
    bytes[at.expect("the key is there")] ^= 1;
    std::fs::write(&log, bytes).unwrap();
    let (code, text) = run("purge", dir.path(), &["--prefix", "s"]);
    assert!(code == 0 && text.contains("1 entry"), "{code} {text}");
    let (code, text) = run("purge", dir.path(), &["http://example.org/a"]);
    assert!(code == 0 && text.contains("1 entry"), "{code} {text}");
}

#[test]
fn purge_is_refused_while_a_store_runs_and_says_by_whom_and_what_to_do() {
    let dir = sample();
    let store = open(dir.path(), CAPACITY);
    let (code, text) = run("purge", dir.path(), &["small"]);
    assert_eq!(code, 2, "{text}");
    assert!(
        text.contains(&format!("process {}", std::process::id())),
        "{text}"
    );
    assert!(text.contains("curl -X PURGE"), "{text}");
    drop(store);
    assert_eq!(open(dir.path(), CAPACITY).stats().entries, 3);
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), CAPACITY);
    for i in 0..2_000 {
        put(&store, &format!("{i}"), 10);
    }
    store.close();
    let mut child = Command::new(env!("CARGO_BIN_EXE_forebay"))
        .args(["export", dir.path().to_str().unwrap()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 10];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap(); // and it is closed
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

/// A small store that evicts all the time; what moves and goes meanwhile is never taken for damage.
#[test]
fn it_looks_at_a_store_that_is_being_written_to() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 4 << 20);
    let (done, writes) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let i = writes.fetch_add(1, Ordering::Relaxed);
                put(
                    &store,
                    &format!("{}", i % 37),
                    [20, 3_000, 70_000, 400_000][(i % 4) as usize],
                );
                if i % 5 == 0 {
                    purge(&store, &format!("{}", i % 11));
                }
            }
        });
        let runs = std::panic::catch_unwind(|| {
            for _ in 0..12 {
                for command in ["inspect", "verify", "export"] {
                    let (code, text) = run(command, dir.path(), &[]);
                    assert_eq!(code, 0, "{command}: {text}");
                    assert!(!text.contains("damaged\":"), "{command}: {text}");
                }
            }
        });
        done.store(true, Ordering::Relaxed);
        runs.unwrap();
    });
    assert!(writes.load(Ordering::Relaxed) > 100);
    assert_eq!(store.stats().corrupt_entries, 0);
    assert!(store.stats().evicted_segments > 10);
}

#[test]
fn help_tells_the_commands_and_their_exit_codes() {
    let output = forebay(&["--help"]);
    let text = String::from_utf8(output.stdout).unwrap();
    for word in ["inspect", "verify", "purge", "export", "Exit codes"] {
        assert!(text.contains(word), "{text}");
    }
    assert_eq!(forebay(&["frob"]).status.code(), Some(2));
}
