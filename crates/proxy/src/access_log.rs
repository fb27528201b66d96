//! Writes lines for requests by a thread of its own, so that nobody waits for whoever reads them.

use std::io::{BufWriter, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender, TryRecvError, TrySendError};
use std::time::{Duration, Instant};

use crate::metrics::Metrics;

/// How many lines may wait to be written. Where there are more, their reader does not keep up.
const LINES_MAX: usize = 4096;
/// How many bytes they may take together.
const BYTES_MAX: usize = 4 << 20;
/// How often somebody who wants all of them written asks for it, where there is no room to ask.
const ASK_AGAIN: Duration = Duration::from_millis(10);

enum Message {
    Line(String),
    /// To be answered when all lines before it are written.
    Flush(Sender<()>),
}

/// A log of lines, of which some are left out rather than waited for.
pub(crate) struct AccessLog {
    messages: SyncSender<Message>,
    shared: Arc<Shared>,
}

/// What those who put lines and who writes them both look at.
struct Shared {
    /// What the lines take that are not written yet.
    queued_bytes: AtomicUsize,
    metrics: Arc<Metrics>,
}

impl AccessLog {
    /// A log that goes there.
    ///
    /// # Errors
    /// One line that says that there is no thread for it.
    pub(crate) fn to(out: impl Write + Send + 'static, metrics: Arc<Metrics>) -> Result<Self, String> {
        let (messages, received) = mpsc::sync_channel(LINES_MAX);
        let shared = Arc::new(Shared {
            queued_bytes: AtomicUsize::new(0),
            metrics,
        });
        let writers = shared.clone();
        std::thread::Builder::new()
            .name("access log".into())
            .spawn(move || write(BufWriter::new(out), &received, &writers))
            .map_err(|e| format!("--access-log: cannot start a thread ({e})"))?;
        Ok(Self { messages, shared })
    }

    /// Has a line written, which ends with its line feed. Never waits.
    pub(crate) fn put(&self, line: String) {
        let (queued, bytes) = (&self.shared.queued_bytes, line.capacity());
        let has_room = queued.fetch_add(bytes, Ordering::Relaxed) + bytes <= BYTES_MAX;
        if !has_room || self.messages.try_send(Message::Line(line)).is_err() {
            queued.fetch_sub(bytes, Ordering::Relaxed);
            self.shared.metrics.access_log_dropped.add(1);
        }
    }

    /// Waits until all lines are written that were put so far, but no longer than so.
    pub(crate) fn flush(&self, patience: Duration) {
        let until = Instant::now() + patience;
        let (written, all_written) = mpsc::channel();
        let mut message = Message::Flush(written);
        while let Err(TrySendError::Full(unsent)) = self.messages.try_send(message) {
            if Instant::now() > until {
                return;
            }
            message = unsent;
            std::thread::sleep(ASK_AGAIN);
        }
        let _ = all_written.recv_timeout(until.saturating_duration_since(Instant::now()));
    }
}

/// Writes what comes. A log that cannot be written must not end anything else.
fn write(mut out: impl Write, messages: &Receiver<Message>, shared: &Shared) {
    while let Ok(first) = messages.recv() {
        let mut next = Ok(first);
        // What came meanwhile goes with it.
        while let Ok(message) = next {
            match message {
                Message::Line(line) => {
                    if out.write_all(line.as_bytes()).is_err() {
                        shared.metrics.access_log_dropped.add(1);
                    }
                    shared.queued_bytes.fetch_sub(line.capacity(), Ordering::Relaxed);
                }
                Message::Flush(written) => {
                    let _ = out.flush();
                    let _ = written.send(());
                }
            }
            next = messages.try_recv();
        }
        let _ = out.flush();
        if next.is_err_and(|e| e == TryRecvError::Disconnected) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parking_lot::{Mutex, MutexGuard};

    /// A reader that has gone.
    struct Gone;

    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// Takes what is written as long as nobody holds it.
    #[derive(Clone, Default)]
    struct Out(Arc<Mutex<Vec<u8>>>);

    impl Out {
        fn hold(&self) -> MutexGuard<'_, Vec<u8>> {
            self.0.lock()
        }
    }

    impl Write for Out {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_are_written_in_their_order_and_all_of_them_when_asked_for() {
        let out = Out::default();
        let log = AccessLog::to(out.clone(), Arc::default()).unwrap();
        for turn in 0..3 {
            log.put(format!("{turn}\n"));
        }
        log.flush(Duration::from_secs(20));
        assert_eq!(&**out.hold(), b"0\n1\n2\n");
    }

    #[test]
    fn nobody_waits_for_a_log_that_does_not_go_on_and_what_is_left_out_is_counted() {
        let (out, metrics) = (Out::default(), Arc::<Metrics>::default());
        let log = AccessLog::to(out.clone(), metrics.clone()).unwrap();
        let held = out.hold();
        let line = "x".repeat(499) + "\n";
        (0..LINES_MAX + 100).for_each(|_| log.put(line.clone()));
        let dropped = metrics.access_log_dropped.get();
        // The writer has taken some already.
        assert!((80..=100).contains(&dropped), "{dropped}");
        log.flush(Duration::from_millis(1));
        drop(held);
        log.flush(Duration::from_secs(20));
        let written = out.hold().len() / line.len();
        assert_eq!(written as u64 + dropped, LINES_MAX as u64 + 100);
    }

    /// Only lines were counted, of which each may be as long as a head may.
    #[test]
    fn long_lines_wait_up_to_a_number_of_bytes() {
        let (out, metrics) = (Out::default(), Arc::<Metrics>::default());
        let log = AccessLog::to(out.clone(), metrics.clone()).unwrap();
        let put_all = |held| {
            let before = metrics.access_log_dropped.get();
            (0..10).for_each(|_| log.put("\n".repeat(BYTES_MAX / 4)));
            drop(held);
            log.flush(Duration::from_secs(20));
            metrics.access_log_dropped.get() - before
        };
        assert_eq!(put_all(out.hold()), 6);
        // What is written makes room again.
        assert_eq!(put_all(out.hold()), 6);
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted_as_left_out() {
        let metrics = Arc::<Metrics>::default();
        let log = AccessLog::to(Gone, metrics.clone()).unwrap();
        (0..3).for_each(|_| log.put("x".repeat(10_000) + "\n"));
        log.flush(Duration::from_secs(20));
        assert_eq!(metrics.access_log_dropped.get(), 3);
    }
}
