//! What stands in which file, and how files begin and end.

use super::{files, read};

/// The longest source file; past it, its largest part is a room of its own.
const LINES_MAX: usize = 400;
/// Folders whose code must not touch files.
const NO_FILES: [&str; 4] = [
    "crates/core/src",
    "crates/live/src",
    "crates/memory/src",
    "crates/pingora/src",
];
/// The one place of the disk crate that does.
const DISK_IO: &str = "crates/disk/src/io";

pub(super) fn check(found: &mut Vec<String>) {
    for folder in ["bench", "crates", "conformance", "demo", "xtask"] {
        for path in files(folder, ".rs") {
            let path = path.to_string_lossy();
            source(&path, &read(&*path), found);
        }
    }
}

fn source(path: &str, text: &str, found: &mut Vec<String>) {
    if !text.starts_with("//! ") {
        found.push(format!(
            "{path}: does not open with one `//!` sentence of what it is responsible for"
        ));
    }
    let lines = text.lines().count();
    if lines > LINES_MAX && !is_test(path) {
        found.push(format!("{path}: {lines} lines; at most {LINES_MAX}"));
    }
    if !path.starts_with("xtask/src/tidy") {
        let words = forbidden_words(path);
        for (number, line) in text.lines().enumerate() {
            found.extend(
                words
                    .iter()
                    .filter(|(word, _)| line.contains(word))
                    .map(|(word, why)| format!("{path}:{}: `{word}`: {why}", number + 1)),
            );
        }
    }
}

/// What must not stand in this file, each with the reason.
fn forbidden_words(path: &str) -> Vec<(&'static str, &'static str)> {
    let mut words = vec![
        ("todo!(", "finish it, or say in an issue what is left"),
        ("unimplemented!(", "finish it, or say in an issue what is left"),
        ("TODO", "finish it, or say in an issue what is left"),
        ("FIXME", "finish it, or say in an issue what is left"),
        ("#[ignore", "a test that does not run is no test"),
        ("#[allow(", "use #[expect(.., reason = \"..\")]"),
        ("block_in_place", "pingora's runtimes may have one thread"),
    ];
    let touches_files = ["std::fs", "tokio::fs", "std::net", "rustix::"];
    let in_disk_past_io = path.starts_with("crates/disk/src") && !path.starts_with(DISK_IO);
    if NO_FILES.iter().any(|folder| path.starts_with(folder)) {
        words.extend(touches_files.map(|word| (word, "this crate does no I/O")));
    } else if in_disk_past_io && !is_test(path) {
        words.extend(touches_files.map(|word| (word, "only the I/O module of the disk crate touches files")));
    }
    words
}

fn is_test(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("/tests.rs")
}
