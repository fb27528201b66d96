//! A persistent storage that tidies its directory in the background, for a while after each change.

use crate::around::{Around, Way};
use crate::disk;
use forebay_conformance::{Capabilities, Harness, Opened, Site, async_trait};
use forebay_core::Storage;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// How often files come and go after each call, and how many at a time.
const ROUNDS: u32 = 100;
const FILES: usize = 16;

struct Tidied;

#[async_trait]
impl Harness for Tidied {
    fn name(&self) -> &str {
        "tidied"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new().persist()
    }

    async fn open(&self, site: &Site) -> Opened {
        Ok(Arc::new(Around {
            inner: disk::Disk::default().open(site).await?,
            way: Tidies::start(site.dir()),
        }))
    }

    async fn close(&self, storage: Arc<dyn Storage>) {
        if let Some(around) = storage.as_any().downcast_ref::<Around<Tidies>>() {
            disk::Disk::default().close(around.inner.clone()).await;
        }
    }
}

/// A thread that has so many rounds to go.
struct Tidies {
    left: Arc<AtomicU32>,
    ends: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Tidies {
    fn start(dir: PathBuf) -> Self {
        let (left, ends) = (Arc::new(AtomicU32::new(ROUNDS)), Arc::<AtomicBool>::default());
        let (left_there, ends_there) = (left.clone(), ends.clone());
        let thread = std::thread::spawn(move || {
            while !ends_there.load(Ordering::SeqCst) {
                match left_there.load(Ordering::SeqCst) {
                    0 => std::thread::park(),
                    _ => {
                        come_and_go(&dir);
                        left_there.fetch_sub(1, Ordering::SeqCst);
                    }
                }
            }
        });
        Tidies {
            left,
            ends,
            thread: Some(thread),
        }
    }
}

/// Files that are there for as long as it takes to make them. The directory goes when the check is over.
fn come_and_go(dir: &Path) {
    let files: Vec<_> = (0..FILES)
        .map(|number| dir.join(format!("merging {number}")))
        .collect();
    for file in &files {
        std::fs::write(file, [0; 4096]).unwrap_or_default();
    }
    for file in &files {
        std::fs::remove_file(file).unwrap_or_default();
    }
}

impl Drop for Tidies {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            thread.join().unwrap_or_default();
        }
    }
}

#[async_trait]
impl Way for Tidies {
    async fn enter(&self) {
        self.left.store(ROUNDS, Ordering::SeqCst);
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

/// A file that was gone between its name and its copy was an error of the harness.
#[test]
fn a_directory_that_changes_is_copied_when_it_is_at_rest() {
    crate::expect_kept(Tidied, &["PERSIST-CRASH"]);
}
