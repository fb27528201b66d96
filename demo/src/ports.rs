//! Free loopback ports for processes that take their address on the command line.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::Failure;

/// Below the range that kernels take the ports of outgoing connections from: a port that was free a moment ago, or is
/// kept over a restart, is not lost to one of the many connections made meanwhile.
const FIRST: u32 = 12_000;
const COUNT: u32 = 20_000;

/// A loopback address that nobody listens on now and that this process has not handed out before.
///
/// # Errors
/// If no port could be bound.
pub fn free() -> Result<SocketAddr, Failure> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Processes that run at the same time begin far from each other.
    let offset = std::process::id().wrapping_mul(7919);
    for _ in 0..COUNT {
        let turn = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = (FIRST + offset.wrapping_add(turn) % COUNT) as u16;
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(addr).is_ok() {
            return Ok(addr);
        }
    }
    Err(Failure::Other("no free port on the loopback address".into()))
}
