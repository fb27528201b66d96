//! Who may have a directory: one process at a time, the next one when it lets go, a daemon after it forked; and what is
//! found in it that is not as a store has it is refused, named and not touched.

mod common;

use common::*;
use forebay_core::{ErrorKind, PurgeType, Storage};
use forebay_disk::io::{Fault, FaultyIo, Operation};
use forebay_disk::{DiskOptions, OnLocked};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const CAPACITY: u64 = 32 << 20;
const LONG: Duration = Duration::from_secs(30);
const OWNER_DIR: &str = "FOREBAY_OWNER_DIR";
const DAEMON_DIR: &str = "FOREBAY_DAEMON_DIR";

fn options(dir: &Path) -> DiskOptions {
    DiskOptions::new(dir).capacity_bytes(CAPACITY)
}

fn refusal(options: DiskOptions) -> String {
    let error = options.open().map(drop).unwrap_err();
    assert_eq!(ErrorKind::of(&error), Some(ErrorKind::Refused), "{error}");
    error.to_string()
}

/// Not a test by itself: a process that has a store until its input ends.
#[test]
fn child_that_owns_a_store() {
    let Ok(dir) = std::env::var(OWNER_DIR) else { return };
    let store = open(Path::new(&dir), CAPACITY);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime
        .block_on(put(&store, "of the old one", &body(300_000, 1)))
        .unwrap();
    println!("\nopen");
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    store.close();
}

/// Not a test by itself: a daemon that opens its store before it forks, and has it until a file is gone.
#[test]
fn child_that_becomes_a_daemon() {
    let Ok(dir) = std::env::var(DAEMON_DIR) else {
        return;
    };
    let dir = Path::new(&dir);
    let store = open(&dir.join("store"), CAPACITY);
    daemonize::Daemonize::new().start().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(put(&store, "a", &body(10, 1))).unwrap();
    std::fs::write(dir.join("pid.new"), std::process::id().to_string()).unwrap();
    std::fs::rename(dir.join("pid.new"), dir.join("pid")).unwrap();
    let deadline = Instant::now() + LONG;
    while dir.join("pid").exists() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    store.close();
    std::process::exit(0); // the threads of the test harness are not in this process
}

fn child(test: &str, variable: &str, dir: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(variable, dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// A process that has the store of a directory until its input is closed.
fn owner(dir: &Path) -> Child {
    let mut child = child("child_that_owns_a_store", OWNER_DIR, dir);
    let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    let open = lines.map(Result::unwrap).any(|line| line == "open");
    assert!(open, "the owner ended early");
    child
}

fn end(mut child: Child) {
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

#[tokio::test]
async fn a_second_process_is_refused_by_a_sentence_that_names_the_first() {
    let dir = tempfile::tempdir().unwrap();
    let child = owner(dir.path());
    let says = refusal(options(dir.path()));
    assert!(
        says.contains(&format!("in use by process {};", child.id())),
        "{says}"
    );
    assert!(says.contains("stop it first"), "{says}");
    let waited = options(dir.path()).on_locked(OnLocked::Wait(Duration::from_millis(1)));
    let says = refusal(waited);
    assert!(
        says.contains(&format!("process {}, after 1ms;", child.id())),
        "{says}"
    );
    end(child);
}

#[tokio::test]
async fn a_newcomer_that_waits_takes_over_when_the_owner_ends() {
    let dir = tempfile::tempdir().unwrap();
    let child = owner(dir.path());
    let newcomer = options(dir.path()).on_locked(OnLocked::Wait(LONG));
    let opening = std::thread::spawn(|| newcomer.open());
    assert!(!opening.is_finished());
    end(child);
    let store = opening.join().unwrap().unwrap();
    assert_eq!(get(&store, "of the old one").await.unwrap(), body(300_000, 1));
    let lock = std::fs::read_to_string(dir.path().join("LOCK")).unwrap();
    assert_eq!(lock.trim(), std::process::id().to_string());
}

#[tokio::test]
async fn a_newcomer_that_does_not_wait_serves_without_storing_until_the_owner_ends() {
    let dir = tempfile::tempdir().unwrap();
    let child = owner(dir.path());
    let storage = options(dir.path()).open_when_free().unwrap();
    let name = key("of the old one");
    assert!(storage.lookup(&name, &none()).await.unwrap().is_none());
    let refused = storage.get_miss_handler(&name, &meta("x"), &none()).await;
    assert_eq!(ErrorKind::of(&refused.err().unwrap()), Some(ErrorKind::Refused));
    let purged = storage
        .purge(&name.to_compact(), PurgeType::Invalidation, &none())
        .await;
    assert!(
        purged
            .unwrap_err()
            .to_string()
            .contains("another process's still")
    );
    assert!(storage.store().is_none());
    end(child);
    let deadline = Instant::now() + LONG;
    while storage.lookup(&name, &none()).await.unwrap().is_none() {
        assert!(Instant::now() < deadline, "it never took over");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let store = storage.store().unwrap();
    put(store, "of the new one", &body(10, 2)).await.unwrap();
    assert_eq!(storage.stats().entries, 2);
    storage.close();
    drop(open(dir.path(), CAPACITY));
}

#[tokio::test]
async fn a_storage_that_waits_is_the_store_at_once_where_nobody_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let storage = options(dir.path()).open_when_free().unwrap();
    put(storage.store().unwrap(), "a", &body(10, 1)).await.unwrap();
    assert!(refusal(options(dir.path())).contains("in use"));
    storage.close();
    drop(open(dir.path(), CAPACITY));
}

/// It came back while its thread was still taking the directory, which the next one found in use then.
#[tokio::test]
async fn a_storage_that_is_closed_while_it_takes_the_directory_has_let_go_of_it_then() {
    let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
    let owner = open(dir.path(), CAPACITY);
    put(&owner, "a", &body(10, 1)).await.unwrap();
    let storage = options(dir.path()).io(io.clone()).open_when_free().unwrap();
    let (is_taking, has_taken) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (begins, ends) = (is_taking.clone(), has_taken.clone());
    io.set_plan(move |call| {
        if call.operation == Operation::Look
            && call.path.ends_with("bodies")
            && !begins.load(Ordering::SeqCst)
        {
            begins.store(true, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(200)); // a slow disk
            ends.store(true, Ordering::SeqCst);
        }
        None
    });
    assert!(storage.store().is_none());
    drop(owner);
    let deadline = Instant::now() + LONG;
    while !is_taking.load(Ordering::SeqCst) {
        assert!(Instant::now() < deadline, "it never took over");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    storage.close();
    assert!(has_taken.load(Ordering::SeqCst), "it came back too early");
    assert_eq!(get(&open(dir.path(), CAPACITY), "a").await.unwrap(), body(10, 1));
    assert!(storage.store().is_none());
}

/// Whatever stood in the file came into the sentence, and so into logs and onto terminals.
#[tokio::test]
async fn a_lock_in_which_no_process_stands_is_another_process_s() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), CAPACITY);
    put(&store, "a", &body(10, 1)).await.unwrap();
    for junk in ["", "\x1b[2J\n", "forebay\u{fffd}", "-1"] {
        std::fs::write(dir.path().join("LOCK"), junk).unwrap();
        let says = refusal(options(dir.path()));
        assert!(says.contains("in use by another process;"), "{says}");
    }
}

/// The LOCK file named the process that had forked, which was gone.
#[test]
fn a_daemon_is_named_by_its_own_process_id() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = child("child_that_becomes_a_daemon", DAEMON_DIR, dir.path());
    let forked = child.id();
    child.wait().unwrap();
    let deadline = Instant::now() + LONG;
    let pid = loop {
        if let Ok(pid) = std::fs::read_to_string(dir.path().join("pid")) {
            break pid;
        }
        assert!(Instant::now() < deadline, "no daemon");
        std::thread::sleep(Duration::from_millis(5));
    };
    assert_ne!(pid, forked.to_string());
    let says = refusal(options(&dir.path().join("store")));
    assert!(says.contains(&format!("process {pid};")), "{says}");
    std::fs::remove_file(dir.path().join("pid")).unwrap();
    let waiting = options(&dir.path().join("store")).on_locked(OnLocked::Wait(LONG));
    assert_eq!(waiting.open().unwrap().stats().entries, 1);
}

/// Names, kinds and bytes of everything in a directory; links are not followed.
fn picture(dir: &Path) -> Vec<(std::path::PathBuf, String)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let kind = path.symlink_metadata().unwrap().file_type();
        if kind.is_dir() {
            all.extend(picture(&path));
            all.push((path, "directory".to_owned()));
        } else if kind.is_symlink() {
            all.push((path.clone(), format!("{:?}", path.read_link().unwrap())));
        } else {
            let bytes = std::fs::read(&path).unwrap();
            all.push((path, format!("{bytes:?}")));
        }
    }
    all.sort();
    all
}

#[tokio::test]
async fn a_link_in_the_place_of_any_part_of_a_store_is_refused_by_its_name() {
    let parts = [
        "FORMAT",
        "FORMAT.new",
        "LOCK",
        "segments",
        "bodies",
        "segments/80000000.log",
    ];
    for part in parts {
        let (dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let store = open(dir.path(), CAPACITY);
        put(&store, "a", &body(10, 1)).await.unwrap();
        put(&store, "large", &body(400_000, 1)).await.unwrap();
        drop(store);
        let (path, target) = (dir.path().join(part), elsewhere.path().join("target"));
        match path.exists() {
            true => std::fs::rename(&path, &target).unwrap(),
            false => std::fs::write(&target, "another's").unwrap(),
        }
        symlink(&target, &path).unwrap();
        let before = (picture(dir.path()), picture(elsewhere.path()));
        let says = refusal(options(dir.path()));
        assert!(says.contains(path.to_str().unwrap()), "{part}: {says}");
        let left = (picture(dir.path()), picture(elsewhere.path()));
        // The id of the owner is all that an open may have left, where what it refuses comes after the lock.
        let without_lock = |all: &[(std::path::PathBuf, String)]| -> Vec<_> {
            all.iter()
                .filter(|(path, _)| !path.ends_with("LOCK"))
                .cloned()
                .collect()
        };
        assert_eq!(without_lock(&left.0), without_lock(&before.0), "{part}");
        assert_eq!(left.1, before.1, "{part}");
    }
}

#[tokio::test]
async fn a_link_in_the_place_of_a_body_is_a_miss_and_is_left_alone() {
    let (dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = open(dir.path(), CAPACITY);
    put(&store, "large", &body(400_000, 1)).await.unwrap();
    drop(store);
    let path = body_files(dir.path()).remove(0);
    let target = elsewhere.path().join("target");
    std::fs::rename(&path, &target).unwrap();
    symlink(&target, &path).unwrap();
    let store = open(dir.path(), CAPACITY);
    assert!(find(&store, "large").await.is_none());
    assert!(target.exists() && path.is_symlink());
}

#[tokio::test]
async fn a_file_in_the_place_of_a_directory_and_the_reverse_are_refused_by_their_names() {
    for (part, is_dir) in [
        ("segments", true),
        ("bodies", true),
        ("FORMAT", false),
        ("LOCK", false),
    ] {
        let dir = tempfile::tempdir().unwrap();
        drop(open(dir.path(), CAPACITY));
        let path = dir.path().join(part);
        match is_dir {
            true => std::fs::remove_dir_all(&path).and_then(|()| std::fs::write(&path, "mine")),
            false => std::fs::remove_file(&path).and_then(|()| std::fs::create_dir(&path)),
        }
        .unwrap();
        let before = picture(dir.path());
        let says = refusal(options(dir.path()));
        assert!(says.contains(path.to_str().unwrap()), "{part}: {says}");
        assert_eq!(picture(dir.path()), before);
    }
}

#[test]
fn a_capacity_that_is_too_small_is_a_mistake_of_the_caller_and_nothing_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let too_small = || DiskOptions::new(dir.path().join("store")).capacity_bytes((1 << 20) - 1);
    let errors = [
        too_small().open().map(drop).unwrap_err(),
        too_small().open_when_free().map(drop).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(ErrorKind::of(&error), Some(ErrorKind::Misuse), "{error}");
        assert!(error.to_string().contains("give it at least 1048576"), "{error}");
    }
    assert!(!dir.path().join("store").exists());
}

/// Permissions do not bind the superuser, whom tests may run as; so the file system says no by itself.
#[tokio::test]
async fn what_may_not_be_read_or_written_is_named_and_nothing_is_changed() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), CAPACITY);
    put(&store, "a", &body(10, 1)).await.unwrap();
    drop(store);
    let before = picture(dir.path());
    for (name, operation) in [
        ("FORMAT", Operation::Open),
        ("LOCK", Operation::Create),
        ("segments", Operation::Look),
        ("80000000.log", Operation::Open),
    ] {
        let io = FaultyIo::new();
        io.set_plan(move |call| {
            (call.path.ends_with(name) && call.operation == operation).then_some(Fault::Errno(13))
        });
        let error = options(dir.path()).io(io).open().map(drop).unwrap_err();
        let says = error.to_string();
        assert!(says.contains("Permission denied"), "{name}: {says}");
        assert!(says.contains(dir.path().to_str().unwrap()), "{name}: {says}");
    }
    let left: Vec<_> = picture(dir.path());
    let names =
        |all: &[(std::path::PathBuf, String)]| all.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>();
    assert_eq!(names(&left), names(&before));
    assert_eq!(get(&open(dir.path(), CAPACITY), "a").await.unwrap(), body(10, 1));
}

/// The store could not be opened, and one that waits for the directory gave up.
#[tokio::test]
async fn a_write_that_outlives_a_close_and_then_ends_is_no_concern_of_the_next_owner() {
    let dir = tempfile::tempdir().unwrap();
    let old = open(dir.path(), CAPACITY);
    put(&old, "stays", &body(1000, 1)).await.unwrap();
    let mut miss = old
        .get_miss_handler(&key("a"), &meta("a"), &none())
        .await
        .unwrap();
    miss.write_body(body(2 << 20, 1), false).await.unwrap();
    old.close();
    let io = FaultyIo::new();
    let miss = std::sync::Mutex::new(Some(miss));
    io.set_plan(move |call| {
        let is_body = call.path.extension().is_some_and(|name| name == "body");
        if call.operation == Operation::Remove && is_body {
            drop(miss.lock().unwrap().take()); // it removes the file itself
        }
        None
    });
    let store = options(dir.path()).io(io).open().unwrap();
    assert_eq!(get(&store, "stays").await.unwrap(), body(1000, 1));
    assert!(body_files(dir.path()).is_empty());
}

/// It gave up, and nothing was stored until a restart.
#[tokio::test]
async fn a_storage_that_waits_tries_again_where_the_disk_fails_when_its_turn_comes() {
    let (dir, io) = (tempfile::tempdir().unwrap(), FaultyIo::new());
    let old = open(dir.path(), CAPACITY);
    put(&old, "old", &body(1000, 1)).await.unwrap();
    let storage = options(dir.path()).io(io.clone()).open_when_free().unwrap();
    io.set_plan(|call| {
        let is_log = call.path.extension().is_some_and(|name| name == "log");
        (is_log && call.operation == Operation::Open).then_some(Fault::Errno(5))
    });
    drop(old);
    let (key, trace) = (key("old"), none());
    let deadline = Instant::now() + LONG;
    loop {
        assert!(storage.lookup(&key, &trace).await.unwrap().is_none());
        let refused = storage
            .get_miss_handler(&key, &meta("a"), &trace)
            .await
            .err()
            .unwrap();
        if refused.to_string().contains("cannot be used now") {
            break;
        }
        assert!(Instant::now() < deadline, "{refused}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    io.heal();
    while storage.lookup(&key, &trace).await.unwrap().is_none() {
        assert!(Instant::now() < deadline, "it is not tried again");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
