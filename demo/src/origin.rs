//! A small HTTP/1.1 origin: it remembers every request, so that a scenario can say who was asked, how often, and for what.

use std::collections::{HashMap, VecDeque};
use std::io::{self, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::gate::Gates;
use crate::message::{self, RequestHead};
use crate::routes;

/// At the end of an answer: the connection ends there. No answer has it.
const CLOSE: &str = "\0";

/// A running origin; dropping it stops the listener.
#[derive(Debug)]
pub struct Origin {
    addr: SocketAddr,
    shared: Arc<Shared>,
}

/// What the connections of one origin share.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    requests: Mutex<HashMap<String, Vec<RequestHead>>>,
    scripts: Mutex<HashMap<String, VecDeque<String>>>,
    pub(crate) gates: Gates,
    stopped: AtomicBool,
}

impl Origin {
    /// Listens on a free loopback port and answers from now on; the paths are those of the module `routes`.
    ///
    /// # Errors
    /// If no port can be bound.
    pub fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let addr = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let of_listener = Arc::clone(&shared);
        std::thread::spawn(move || accept(&listener, &of_listener));
        Ok(Self { addr, shared })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// How often `path` was asked for, with any method.
    pub fn asked(&self, path: &str) -> usize {
        self.shared.lock_requests().get(path).map_or(0, Vec::len)
    }

    /// The latest request for `path`.
    pub fn last_request(&self, path: &str) -> Option<RequestHead> {
        self.shared.lock_requests().get(path)?.last().cloned()
    }

    /// From now on the steps of the answer at `path` wait for [`Self::release`].
    pub fn hold(&self, path: &str) {
        self.shared.gates.hold(path);
    }

    /// Lets `steps` more steps of the answer at `path` go.
    pub fn release(&self, path: &str, steps: usize) {
        self.shared.gates.release(path, steps);
    }

    /// As [`Self::say`]; after the answer, the connection is closed.
    pub fn say_and_close(&self, path: &str, answer: &str) {
        self.say(path, &format!("{answer}{CLOSE}"));
    }

    /// The next request for `path` that no earlier call answers gets `answer`, byte for byte.
    /// An empty answer closes the connection.
    pub fn say(&self, path: &str, answer: &str) {
        self.shared
            .lock_scripts()
            .entry(path.to_owned())
            .or_default()
            .push_back(answer.to_owned());
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Release);
        // Wakes the listener, which then sees the flag.
        let _ = TcpStream::connect(self.addr);
    }
}

impl Shared {
    /// Counts a request; the result is how many there have been for its path, this one included.
    fn record(&self, request: &RequestHead) -> usize {
        let mut requests = self.lock_requests();
        let of_path = requests.entry(request.path.clone()).or_default();
        of_path.push(request.clone());
        of_path.len()
    }

    fn next_scripted(&self, path: &str) -> Option<String> {
        self.lock_scripts().get_mut(path)?.pop_front()
    }

    fn lock_scripts(&self) -> MutexGuard<'_, HashMap<String, VecDeque<String>>> {
        self.scripts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_requests(&self) -> MutexGuard<'_, HashMap<String, Vec<RequestHead>>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.stopped.load(Ordering::Acquire) {
            return;
        }
        let Ok(stream) = stream else { continue };
        let shared = Arc::clone(shared);
        // A connection that fails concerns its peer, who sees it end.
        std::thread::spawn(move || drop(serve(&stream, &shared)));
    }
}

/// Answers the requests of one connection until it ends or an answer dies on purpose.
fn serve(stream: &TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut input = BufReader::new(stream);
    while let Some(request) = message::read_request(&mut input)? {
        skip_body(&request, &mut input)?;
        let nth = shared.record(&request);
        match shared.next_scripted(&request.path) {
            Some(answer) if answer.ends_with(CLOSE) || answer.is_empty() => {
                let answer = answer.strip_suffix(CLOSE).unwrap_or_default();
                return (&mut &*stream).write_all(answer.as_bytes());
            }
            Some(answer) => (&mut &*stream).write_all(answer.as_bytes())?,
            None => routes::answer(&request, nth, shared, stream)?,
        }
    }
    Ok(())
}

fn skip_body(request: &RequestHead, input: &mut impl Read) -> io::Result<()> {
    let length = request
        .fields
        .get("content-length")
        .map_or(Ok(0), str::parse)
        .map_err(message::malformed)?;
    io::copy(&mut input.take(length), &mut io::sink()).map(drop)
}
