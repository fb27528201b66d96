//! Keeps the panics of a backend from the terminal, and for the report.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::pin::pin;
use std::sync::{Mutex, Once, PoisonError};
use std::task::Poll;

const PREFIX: &str = "check ";

thread_local! {
    static OWN: RefCell<Option<String>> = const { RefCell::new(None) };
    static REPORTS: Cell<bool> = const { Cell::new(false) };
}

/// Panics of threads that the suite did not start.
static FOREIGN: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// The name by which a thread of the suite is known.
pub(crate) fn thread_name(check: &str) -> String {
    format!("{PREFIX}{check}")
}

/// From now on panics are recorded; those of the checks' own threads are not printed.
pub(crate) fn watch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let thread = std::thread::current();
            if thread.name().is_some_and(|name| name.starts_with(PREFIX)) {
                OWN.with_borrow_mut(|own| *own = Some(describe(info)));
            } else if REPORTS.get() {
                before(info);
            } else {
                FOREIGN
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(describe(info));
                before(info);
            }
        }));
    });
}

/// From now on a panic of this thread is how it reports, and no finding: a plain test that fails must not fail those beside
/// it.
pub(crate) fn this_thread_reports() {
    REPORTS.set(true);
}

/// The future's output, or what it said when it panicked.
pub(crate) async fn caught<F: Future>(future: F) -> Result<F::Output, String> {
    let mut future = pin!(future);
    poll_fn(|cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)));
        match polled {
            Ok(poll) => poll.map(Ok),
            Err(payload) => Poll::Ready(Err(last_own().unwrap_or_else(|| message(&*payload)))),
        }
    })
    .await
}

fn describe(info: &PanicHookInfo<'_>) -> String {
    let text = message(info.payload());
    match info.location() {
        Some(at) => format!("{text} ({}:{})", from_crate(at.file()), at.line()),
        None => text,
    }
}

/// The path of a source file, from its crate's folder on where it is a dependency: the rest is about one machine.
fn from_crate(path: &str) -> &str {
    let in_registry = path.split_once("/registry/src/").map(|(_, rest)| rest);
    in_registry
        .and_then(|rest| rest.split_once('/'))
        .map_or(path, |(_, file)| file)
}

/// What a panic said.
pub(crate) fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a payload that is no text".to_owned())
}

/// The last panic of this thread.
pub(crate) fn last_own() -> Option<String> {
    OWN.with_borrow_mut(Option::take)
}

/// How many panics there were on threads of others.
pub(crate) fn foreign_count() -> usize {
    FOREIGN.lock().unwrap_or_else(PoisonError::into_inner).len()
}

/// The last of them.
pub(crate) fn last_foreign() -> String {
    let foreign = FOREIGN.lock().unwrap_or_else(PoisonError::into_inner);
    let last = foreign.last().cloned().unwrap_or_default();
    format!("{last} on a thread of the backend, during this check or one beside it")
}
