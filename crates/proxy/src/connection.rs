//! Where clients connect, and their connections as they are accepted.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use log::warn;
use pingora_core::protocols::l4::stream::Stream as PingoraStream;
use pingora_core::protocols::{GetSocketDigest, SocketDigest, Stream};
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};

use crate::gathering::Gathering;
use crate::pacing;
use crate::patience::Heads;

/// What may be on its way to a client of this machine, in bytes; Linux takes it twice, and counts its own bookkeeping.
///
/// Where no network is between, Linux lets a buffer grow to megabytes, for nothing is ever lost: more than a processor's cache
/// holds for a few clients. With less, both sides take less CPU time. For any other client Linux finds the size by itself.
const NEAR_SEND_BUFFER_BYTES: usize = 128 << 10;
/// A client whose handshake took a round trip of no more than this is taken for one of this machine, in a container beside. Few
/// networks are as fast, and over one that is, so small a buffer still takes more than 2 GB a second.
const NEAR_ROUND_TRIP: Duration = Duration::from_micros(50);

/// Accepts clients.
#[derive(Debug)]
pub(crate) struct Listener {
    inner: TcpListener,
    /// The congestion control for clients that are not near, where they are accepted with another.
    paced: Option<Arc<[u8]>>,
    /// How long clients may take nothing, and send no whole head.
    limit: Duration,
}

impl Listener {
    pub(crate) fn new(inner: TcpListener, limit: Duration) -> Self {
        Self::without_pacing(inner, limit, pacing::PACED)
    }

    /// `paced` is how the names of the congestion controls begin that pace.
    fn without_pacing(inner: TcpListener, limit: Duration, paced: &[u8]) -> Self {
        let paced = pacing::turn_off(&inner, paced);
        Self { inner, paced, limit }
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    /// Cancel safe: a client that is not returned has not been accepted.
    pub(crate) async fn accept(&self) -> io::Result<Accepted> {
        let (socket, peer) = self.inner.accept().await?;
        Ok(Accepted {
            socket,
            peer,
            paced: self.paced.clone(),
            limit: self.limit,
        })
    }
}

/// A client that has just connected.
#[derive(Debug)]
pub(crate) struct Accepted {
    socket: TcpStream,
    peer: SocketAddr,
    paced: Option<Arc<[u8]>>,
    limit: Duration,
}

impl Accepted {
    /// The connection as pingora takes it, with the peer's address, which PURGE is judged by; its heads are to be told of.
    pub(crate) fn into_stream(self) -> (Stream, Heads) {
        let digest = SocketDigest::from_raw_fd(self.socket.as_raw_fd());
        let _ = digest.peer_addr.set(Some(self.peer.into())); // new, so it is not set yet
        let is_near = is_near(is_of_this_host(&self.socket, self.peer), round_trip(&digest));
        self.prepare(is_near);
        let mut stream = PingoraStream::from(self.socket);
        stream.set_socket_digest(digest);
        let heads = Heads::default();
        (Box::new(Gathering::new(stream, heads.clone(), self.limit)), heads)
    }

    /// Sets the socket's options.
    fn prepare(&self, is_near: bool) {
        if let Err(e) = self.socket.set_nodelay(true) {
            warn!("cannot set TCP_NODELAY: {e}");
        }
        if is_near {
            if let Err(e) = SockRef::from(&self.socket).set_send_buffer_size(NEAR_SEND_BUFFER_BYTES) {
                warn!("cannot set SO_SNDBUF: {e}");
            }
        } else if let Some(paced) = &self.paced {
            pacing::turn_on(&self.socket, paced);
        }
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

    const LIMIT: Duration = Duration::from_secs(60);

    async fn bound() -> TcpListener {
        TcpListener::bind("127.0.0.1:0").await.unwrap()
    }

    /// Both ends of a connection over loopback: the client's, and what was accepted.
    async fn connected(listener: Listener) -> (TcpStream, Accepted) {
        let client = TcpStream::connect(listener.local_addr().unwrap());
        let (client, accepted) = tokio::join!(client, listener.accept());
        (client.unwrap(), accepted.unwrap())
    }

    #[tokio::test]
    async fn what_is_under_way_to_a_client_of_this_host_is_little() {
        for peer in [None, Some("[::ffff:127.0.0.2]:80"), Some("[::1]:80")] {
            let (_client, mut accepted) = connected(Listener::new(bound().await, LIMIT)).await;
            accepted.peer = peer.map_or(accepted.peer, |peer| peer.parse().unwrap());
            let same_socket = SockRef::from(&accepted.socket).try_clone().unwrap();
            let before = same_socket.send_buffer_size().unwrap();
            let _taken = accepted.into_stream();
            let after = same_socket.send_buffer_size().unwrap();
            assert_ne!(before, after, "{peer:?}");
            assert!(after <= 2 * NEAR_SEND_BUFFER_BYTES, "{peer:?}: {after}");
        }
    }

    #[tokio::test]
    async fn the_system_finds_the_buffer_for_a_client_that_is_not_near() {
        let (_client, accepted) = connected(Listener::new(bound().await, LIMIT)).await;
        let send_buffer = || SockRef::from(&accepted.socket).send_buffer_size().unwrap();
        let before = send_buffer();
        accepted.prepare(false);
        assert_eq!(send_buffer(), before);
        accepted.prepare(true);
        assert_ne!(send_buffer(), before);
    }

    /// One that few systems are without, as if it paced.
    #[cfg(target_os = "linux")]
    const CUBIC: &[u8] = b"cubic";

    #[cfg(target_os = "linux")]
    async fn listener_of(control: &[u8]) -> TcpListener {
        let listener = bound().await;
        SockRef::from(&listener).set_tcp_congestion(control).unwrap();
        listener
    }

    #[cfg(target_os = "linux")]
    fn control(client: &Accepted) -> Vec<u8> {
        pacing::name(SockRef::from(&client.socket).tcp_congestion().unwrap())
    }

    #[tokio::test]
    #[cfg(target_os = "linux")]
    async fn no_client_is_paced_that_is_near_and_all_others_are() {
        let listener = Listener::without_pacing(listener_of(CUBIC).await, LIMIT, b"cub");
        let (_client, accepted) = connected(listener).await;
        accepted.prepare(true);
        assert_eq!(control(&accepted), b"reno");
        accepted.prepare(false);
        assert_eq!(control(&accepted), CUBIC);
    }

    #[tokio::test]
    #[cfg(target_os = "linux")]
    async fn a_congestion_control_that_does_not_pace_is_left_to_the_system() {
        for control_of_all in [&b"reno"[..], CUBIC] {
            let listener = Listener::new(listener_of(control_of_all).await, LIMIT);
            let (_client, accepted) = connected(listener).await;
            for is_near in [true, false] {
                accepted.prepare(is_near);
                assert_eq!(control(&accepted), control_of_all);
            }
        }
    }

    /// A client may be accepted with another one, where its route asks for that.
    #[tokio::test]
    #[cfg(target_os = "linux")]
    async fn a_congestion_control_that_is_not_the_listeners_stays() {
        let listener = Listener::without_pacing(listener_of(b"reno").await, LIMIT, b"reno");
        let (_client, accepted) = connected(listener).await;
        SockRef::from(&accepted.socket).set_tcp_congestion(CUBIC).unwrap();
        accepted.prepare(false);
        assert_eq!(control(&accepted), CUBIC);
    }

    #[tokio::test]
    async fn another_host_is_near_by_its_round_trip_alone() {
        let (socket, _accepted) = connected(Listener::new(bound().await, LIMIT)).await;
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
            let (_client, accepted) = connected(Listener::new(bound().await, LIMIT)).await;
            told = round_trip(&SocketDigest::from_raw_fd(accepted.socket.as_raw_fd()));
            if told.is_some() {
                break;
            }
        }
        assert!(told.unwrap() < Duration::from_secs(10));
    }
}
