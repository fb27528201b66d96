//! A client's connection, as it is accepted.

use std::net::SocketAddr;
use std::os::fd::AsRawFd;

use log::warn;
use pingora_core::protocols::l4::stream::Stream as PingoraStream;
use pingora_core::protocols::{GetSocketDigest, SocketDigest, Stream};
use socket2::SockRef;
use tokio::net::TcpStream;

use crate::gathering::Gathering;

/// What may be on its way to a client of this host, in bytes; Linux takes it twice, and counts its own bookkeeping.
///
/// Where no network is between, Linux lets a buffer grow to megabytes, for nothing is ever lost: more than a processor's cache
/// holds for a few clients. With less, both sides take less CPU time. For any other client Linux finds the size by itself.
const LOCAL_SEND_BUFFER_BYTES: usize = 128 << 10;

/// A connection as pingora takes it, with the peer's address, which PURGE is judged by.
pub(crate) fn stream(socket: TcpStream, peer: SocketAddr) -> Stream {
    if let Err(e) = socket.set_nodelay(true) {
        warn!("cannot set TCP_NODELAY: {e}");
    }
    if is_of_this_host(&socket, peer)
        && let Err(e) = SockRef::from(&socket).set_send_buffer_size(LOCAL_SEND_BUFFER_BYTES)
    {
        warn!("cannot set SO_SNDBUF: {e}");
    }
    let digest = SocketDigest::from_raw_fd(socket.as_raw_fd());
    let _ = digest.peer_addr.set(Some(peer.into())); // new, so it is not set yet
    let mut stream = PingoraStream::from(socket);
    stream.set_socket_digest(digest);
    Box::new(Gathering::new(stream))
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

    /// The send buffer of a connection before and after it is taken, as if it came from `peer`.
    async fn send_buffer_bytes(peer: Option<&str>) -> (usize, usize) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap());
        let (client, accepted) = tokio::join!(client, listener.accept());
        let (socket, from) = accepted.unwrap();
        let same_socket = SockRef::from(&socket).try_clone().unwrap();
        let before = same_socket.send_buffer_size().unwrap();
        let taken = stream(socket, peer.map_or(from, |peer| peer.parse().unwrap()));
        let after = same_socket.send_buffer_size().unwrap();
        drop((client, taken));
        (before, after)
    }

    #[tokio::test]
    async fn what_is_under_way_to_a_client_of_this_host_is_little() {
        for peer in [None, Some("[::ffff:127.0.0.2]:80"), Some("[::1]:80")] {
            let (before, after) = send_buffer_bytes(peer).await;
            assert_ne!(before, after, "{peer:?}");
            assert!(after <= 2 * LOCAL_SEND_BUFFER_BYTES, "{peer:?}: {after}");
        }
    }

    #[tokio::test]
    async fn the_system_finds_the_buffer_for_any_other_client() {
        let (before, after) = send_buffer_bytes(Some("192.0.2.1:80")).await;
        assert_eq!(before, after);
    }
}
