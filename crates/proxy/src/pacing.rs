//! Whether what is sent is spread over time by timers, as Linux does where its congestion control is BBR.
//!
//! Where no network is between, that saves no packet, and costs timers and wake-ups: over loopback, a hit of 128 KiB was seen to
//! take up to twice the CPU time.

use std::sync::Arc;

#[cfg(target_os = "linux")]
use log::warn;
#[cfg(target_os = "linux")]
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};

/// How the names of the congestion controls begin that pace.
pub(crate) const PACED: &[u8] = b"bbr";
/// One that does not, and that every Linux has.
#[cfg(target_os = "linux")]
const NOT_PACED: &[u8] = b"reno";

/// Has clients accepted without pacing, which a connection keeps once it has begun with it; the congestion control that they
/// would have had, if it is one of the `paced`.
#[cfg(target_os = "linux")]
pub(crate) fn turn_off(listener: &TcpListener, paced: &[u8]) -> Option<Arc<[u8]>> {
    let socket = SockRef::from(listener);
    let by_default = socket.tcp_congestion().ok().map(name)?;
    if !by_default.starts_with(paced) {
        return None;
    }
    match socket.set_tcp_congestion(NOT_PACED) {
        Ok(()) => Some(by_default.into()),
        Err(e) => {
            warn!("cannot set TCP_CONGESTION: {e}");
            None
        }
    }
}

/// Gives a client its congestion control back, unless it was accepted with one that its route asks for.
#[cfg(target_os = "linux")]
pub(crate) fn turn_on(client: &TcpStream, paced: &[u8]) {
    let socket = SockRef::from(client);
    if socket.tcp_congestion().is_ok_and(|now| name(now) == NOT_PACED)
        && let Err(e) = socket.set_tcp_congestion(paced)
    {
        warn!("cannot set TCP_CONGESTION: {e}");
    }
}

/// The name of a congestion control without the zeros that the system fills it up with.
#[cfg(target_os = "linux")]
pub(crate) fn name(mut padded: Vec<u8>) -> Vec<u8> {
    padded.retain(|byte| *byte != 0);
    padded
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn turn_off(_: &TcpListener, _: &[u8]) -> Option<Arc<[u8]>> {
    None
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn turn_on(_: &TcpStream, _: &[u8]) {}
