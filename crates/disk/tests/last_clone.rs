//! Whoever drops the last clone of a store closes it, also where the store's own threads do: by waking a task whose executor is
//! gone, which its waker drops.

mod common;

use common::{body, put};
use forebay_disk::io::{FaultyIo, Operation};
use forebay_disk::survey::Survey;
use forebay_disk::{DiskOptions, OnLocked, Sync};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

const DEADLINE: Duration = Duration::from_secs(60);

/// A task of an executor that is gone, once `is_orphan`: who wakes it drops it.
struct Task {
    future: Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>,
    is_orphan: AtomicBool,
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        if self.is_orphan.load(Ordering::SeqCst) {
            let future = self.future.lock().unwrap().take();
            drop(future);
        }
    }
}

/// It waited for itself, and panicked; the log was left without its footer.
#[test]
fn a_store_whose_last_clone_its_own_thread_drops_is_closed() {
    for (len, by) in [
        (1000, "the writer's thread"),
        (3 << 20, "a thread that writes a body"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("store");
        let io = FaultyIo::new();
        let options = DiskOptions::new(&root)
            .capacity_bytes(64 << 20)
            .sync(Sync::Never)
            .on_locked(OnLocked::Wait(DEADLINE));
        let store = options.clone().io(io.clone()).open().unwrap();
        let (begun, has_begun) = mpsc::channel();
        let (go_on, may_go_on) = mpsc::channel::<()>();
        let (caller, may_go_on) = (thread::current().id(), Mutex::new(may_go_on));
        io.set_plan(move |call| {
            if call.operation == Operation::Write
                && thread::current().id() != caller
                && begun.send(()).is_ok()
            {
                let _ = may_go_on.lock().unwrap().recv(); // from then on, an error: nobody stops it again
            }
            None
        });
        let task = Arc::new(Task {
            future: Mutex::new(Some(Box::pin(async move {
                let _ = put(&store, "a", &body(len, 1)).await;
                drop(store);
            }))),
            is_orphan: AtomicBool::new(false),
        });
        let waker = Waker::from(task.clone());
        let until = Instant::now() + DEADLINE;
        loop {
            let is_begun = has_begun.try_recv().is_ok();
            let mut future = task.future.lock().unwrap();
            let polled = future
                .as_mut()
                .unwrap()
                .as_mut()
                .poll(&mut Context::from_waker(&waker));
            assert!(polled.is_pending(), "it was done by its caller, not by {by}");
            if is_begun {
                break; // it waits for what that thread does
            }
            assert!(Instant::now() < until, "nothing is written by {by}");
            thread::yield_now();
        }
        task.is_orphan.store(true, Ordering::SeqCst);
        drop((go_on, has_begun));
        let store = options.open().unwrap();
        assert!(
            task.future.lock().unwrap().is_none(),
            "it was not dropped by {by}"
        );
        let survey = Survey::of(&root).unwrap();
        assert!(
            survey.segments().all(|segment| segment.sealed),
            "not closed by {by}"
        );
        drop(store);
    }
}
