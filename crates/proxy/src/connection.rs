//! A client's connection, as it is accepted.

use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::time::Duration;

use log::warn;
use pingora_core::protocols::l4::stream::Stream as PingoraStream;
use pingora_core::protocols::{GetSocketDigest, SocketDigest, Stream};
use socket2::SockRef;
use tokio::net::TcpStream;

use crate::gathering::Gathering;

/// What may be on its way to a client of this machine, in bytes; Linux takes it twice, and counts its own bookkeeping.
///
/// Where no network is between, Linux lets a buffer grow to megabytes, for nothing is ever lost: more than a processor's cache
/// holds for a few clients. With less, both sides take less CPU time. For any other client Linux finds the size by itself.
const NEAR_SEND_BUFFER_BYTES: usize = 128 << 10;
/// A client whose handshake took a round trip of no more than this is taken for one of this machine, in a container beside. Few
/// networks are as fast, and over one that is, so small a buffer still takes more than 2 GB a second.
const NEAR_ROUND_TRIP: Duration = Duration::from_micros(50);

/// A connection as pingora takes it, with the peer's address, which PURGE is judged by.
pub(crate) fn stream(socket: TcpStream, peer: SocketAddr) -> Stream {
    let digest = SocketDigest::from_raw_fd(socket.as_raw_fd());
    let _ = digest.peer_addr.set(Some(peer.into())); // new, so it is not set yet
    let is_near = is_near(is_of_this_host(&socket, peer), round_trip(&digest));
    prepare(&socket, is_near);
    let mut stream = PingoraStream::from(socket);
    stream.set_socket_digest(digest);
    Box::new(Gathering::new(stream))
}

/// Sets the options of a client's socket.
fn prepare(socket: &TcpStream, is_near: bool) {
    if let Err(e) = socket.set_nodelay(true) {
        warn!("cannot set TCP_NODELAY: {e}");
    }
    if is_near && let Err(e) = SockRef::from(socket).set_send_buffer_size(NEAR_SEND_BUFFER_BYTES) {
        warn!("cannot set SO_SNDBUF: {e}");
    }
}

fn is_near(is_of_this_host: bool, round_trip: Option<Duration>) -> bool {
    is_of_this_host || round_trip.is_some_and(|taken| taken <= NEAR_ROUND_TRIP)
}

/// How long the handshake's took, where the system knows.
fn round_trip(digest: &SocketDigest) -> Option<Duration> {
    let micros = digest.tcp_info()?.tcpi_rtt;
    (micros > 0).then(|| Duration::from_micros(micros.into()))
}

fn is_of_this_host(socket: &TcpStream, peer: SocketAddr) -> bool {
    let peer = peer.ip().to_canonical();
    peer.is_loopback()
        || socket
            .local_addr()
            .is_ok_and(|own| own.ip().to_canonical() == peer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    /// Both ends of a connection over loopback: the client's, and what was accepted, with the client's address.
    async fn connected() -> (TcpStream, (TcpStream, SocketAddr)) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap());
        let (client, accepted) = tokio::join!(client, listener.accept());
        (client.unwrap(), accepted.unwrap())
    }

    #[tokio::test]
    async fn what_is_under_way_to_a_client_of_this_host_is_little() {
        for peer in [None, Some("[::ffff:127.0.0.2]:80"), Some("[::1]:80")] {
            let (_client, (socket, from)) = connected().await;
            let same_socket = SockRef::from(&socket).try_clone().unwrap();
            let before = same_socket.send_buffer_size().unwrap();
            let _taken = stream(socket, peer.map_or(from, |peer| peer.parse().unwrap()));
            let after = same_socket.send_buffer_size().unwrap();
            assert_ne!(before, after, "{peer:?}");
            assert!(after <= 2 * NEAR_SEND_BUFFER_BYTES, "{peer:?}: {after}");
        }
    }

    #[tokio::test]
    async fn the_system_finds_the_buffer_for_a_client_that_is_not_near() {
        let (_client, (socket, _)) = connected().await;
        let before = SockRef::from(&socket).send_buffer_size().unwrap();
        prepare(&socket, false);
        assert_eq!(SockRef::from(&socket).send_buffer_size().unwrap(), before);
        prepare(&socket, true);
        assert_ne!(SockRef::from(&socket).send_buffer_size().unwrap(), before);
    }

    #[tokio::test]
    async fn another_host_is_near_by_its_round_trip_alone() {
        let (socket, _accepted) = connected().await;
        assert!(is_of_this_host(&socket, "127.0.0.1:80".parse().unwrap()));
        assert!(!is_of_this_host(&socket, "192.0.2.1:80".parse().unwrap()));
        for (micros, near) in [
            (Some(1), true),
            (Some(50), true),
            (Some(51), false),
            (None, false),
        ] {
            let round_trip = micros.map(Duration::from_micros);
            assert_eq!(is_near(false, round_trip), near, "{micros:?}");
            assert!(is_near(true, round_trip));
        }
    }

    #[tokio::test]
    #[cfg(target_os = "linux")]
    async fn linux_tells_what_a_round_trip_takes() {
        let mut told = None;
        // One of less than a microsecond looks as if it was not known.
        for _ in 0..1000 {
            let (_client, (socket, _)) = connected().await;
            told = round_trip(&SocketDigest::from_raw_fd(socket.as_raw_fd()));
            if told.is_some() {
                break;
            }
        }
        assert!(told.unwrap() < Duration::from_secs(10));
    }
}
