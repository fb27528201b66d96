//! A client's connection that sends a head together with the body that follows it, in packets that are full.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use pingora_core::protocols::l4::stream::Stream;
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, TimingDigest,
    UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

/// What is held back at most, in bytes: most heads, and about what a packet takes.
const HELD_BYTES_MAX: usize = 1460;
/// What is smaller is rather a whole answer than one chunk of many, in bytes.
const CHUNK_BYTES_MIN: usize = 32 << 10;

/// A connection over which small writes wait for the next one.
///
/// pingora writes the head and each part of a body by calls of their own. Each call is a system call, a packet, and a
/// wake-up of the client, and they are most of what a small hit costs. So what is small is held back until it is flushed,
/// or until more comes: then both go out in one call, the latter without a copy. Whoever turns to reading waits for the
/// client, who may wait for what is held: that is sent first.
///
/// A large body comes in chunks, and each would end with a packet that is not full, since nothing tells the system that
/// more comes. So the little that is over the last full packet is held back too. On loopback, where a packet is as large
/// as a chunk, that is half of the packets, and they are a quarter of the cost of a hit of 1 MiB.
#[derive(Debug)]
pub(crate) struct Gathering {
    inner: Stream,
    held: Vec<u8>,
    /// What a full packet carries, in bytes; 0 until a large write asks for it.
    packet_bytes: usize,
}

impl Gathering {
    pub(crate) fn new(inner: Stream) -> Self {
        Self {
            inner,
            held: Vec::new(),
            packet_bytes: 0,
        }
    }

    /// What a full packet carries at the moment: it grows with the client's window, and is asked for once a response.
    fn ask_packet_bytes(&self) -> usize {
        let info = self
            .inner
            .get_socket_digest()
            .and_then(|digest| digest.tcp_info());
        info.map_or(0, |info| info.tcpi_snd_mss as usize)
    }

    /// How much of so many bytes more would be in a packet that is not full, where that is little enough to be held.
    fn over_full_packets(&self, more_bytes: usize) -> usize {
        match (self.held.len() + more_bytes).checked_rem(self.packet_bytes) {
            Some(over) if over <= HELD_BYTES_MAX && over < more_bytes => over,
            _ => 0,
        }
    }

    fn poll_send_held(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.held.is_empty() {
            let sent = ready!(Pin::new(&mut self.inner).poll_write(cx, &self.held))?;
            self.forget(sent)?;
        }
        Poll::Ready(Ok(()))
    }

    /// Takes what was sent out of what is held; how much more than that was sent.
    fn forget(&mut self, sent_bytes: usize) -> io::Result<usize> {
        if sent_bytes == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        let of_held = sent_bytes.min(self.held.len());
        self.held.drain(..of_held);
        Ok(sent_bytes - of_held)
    }
}

impl AsyncWrite for Gathering {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        loop {
            if this.held.len() + data.len() <= HELD_BYTES_MAX {
                this.held.extend_from_slice(data);
                return Poll::Ready(Ok(data.len()));
            }
            if this.packet_bytes == 0 && data.len() >= CHUNK_BYTES_MIN {
                this.packet_bytes = this.ask_packet_bytes();
            }
            let (now, over) = data.split_at(data.len() - this.over_full_packets(data.len()));
            let sent = if this.held.is_empty() {
                ready!(Pin::new(&mut this.inner).poll_write(cx, now))?
            } else {
                let both = [IoSlice::new(&this.held), IoSlice::new(now)];
                ready!(Pin::new(&mut this.inner).poll_write_vectored(cx, &both))?
            };
            let of_data = this.forget(sent)?;
            if of_data == now.len() {
                this.held.extend_from_slice(over);
                return Poll::Ready(Ok(data.len()));
            }
            if of_data > 0 {
                return Poll::Ready(Ok(of_data));
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send_held(cx))?;
        self.packet_bytes = 0;
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send_held(cx))?;
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl AsyncRead for Gathering {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.inner).poll_read(cx, buffer);
        if read.is_pending() && !self.held.is_empty() {
            // A failure shows at the next write, or as the end of what is read.
            let _ = self.as_mut().poll_flush(cx);
        }
        read
    }
}

#[async_trait]
impl Shutdown for Gathering {
    async fn shutdown(&mut self) {
        if let Err(e) = AsyncWriteExt::shutdown(self).await {
            log::debug!("cannot shut a connection down: {e}");
        }
    }
}

#[async_trait]
impl Peek for Gathering {
    async fn try_peek(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        self.inner.try_peek(buffer).await
    }
}

impl UniqueID for Gathering {
    fn id(&self) -> UniqueIDType {
        self.inner.id()
    }
}

impl Ssl for Gathering {}

impl GetTimingDigest for Gathering {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.inner.get_timing_digest()
    }

    fn get_read_pending_time(&self) -> Duration {
        self.inner.get_read_pending_time()
    }

    fn get_write_pending_time(&self) -> Duration {
        self.inner.get_write_pending_time()
    }
}

impl GetProxyDigest for Gathering {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.inner.get_proxy_digest()
    }

    fn set_proxy_digest(&mut self, digest: ProxyDigest) {
        self.inner.set_proxy_digest(digest);
    }
}

impl GetSocketDigest for Gathering {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.inner.get_socket_digest()
    }

    fn set_socket_digest(&mut self, digest: SocketDigest) {
        self.inner.set_socket_digest(digest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;
    use tokio::io::AsyncReadExt;
    use tokio::net::{TcpListener, TcpStream};

    async fn pair() -> (Gathering, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap());
        let (client, accepted) = tokio::join!(client, listener.accept());
        let socket = accepted.unwrap().0;
        let digest = SocketDigest::from_raw_fd(socket.as_raw_fd());
        let mut stream = Stream::from(socket);
        stream.set_socket_digest(digest);
        (Gathering::new(stream), client.unwrap())
    }

    fn bytes(len: usize, seed: usize) -> Vec<u8> {
        (0..len).map(|at| (at * 31 + seed) as u8).collect()
    }

    #[tokio::test]
    async fn what_is_written_arrives_in_order_whatever_its_sizes() {
        let (mut server, mut client) = pair().await;
        let sizes = [
            1,
            400,
            1459,
            1460,
            1461,
            0,
            300,
            1 << 20,
            7,
            2000,
            5,
            8_000,
            10_000,
            30_001,
            10_459,
            20_000,
            9_999,
        ];
        let written: Vec<Vec<u8>> = sizes.iter().map(|len| bytes(*len, *len)).collect();
        let whole = written.concat();
        let sending = async {
            for part in &written {
                server.write_all(part).await.unwrap();
            }
            AsyncWriteExt::shutdown(&mut server).await.unwrap();
        };
        let mut arrived = Vec::new();
        let (_, read) = tokio::join!(sending, client.read_to_end(&mut arrived));
        read.unwrap();
        assert!(arrived == whole, "{} bytes of {}", arrived.len(), whole.len());
    }

    #[tokio::test]
    async fn a_flush_sends_what_is_held() {
        let (mut server, mut client) = pair().await;
        server.write_all(b"head").await.unwrap();
        assert_eq!(server.held, b"head");
        server.flush().await.unwrap();
        let mut arrived = [0; 4];
        client.read_exact(&mut arrived).await.unwrap();
        assert_eq!(&arrived, b"head");
    }

    #[tokio::test]
    async fn what_is_over_full_packets_is_held_until_more_comes_or_it_is_flushed() {
        let (mut server, mut client) = pair().await;
        let packet_bytes = server.ask_packet_bytes();
        assert!(packet_bytes >= CHUNK_BYTES_MIN, "on loopback: {packet_bytes}");
        let mut arrived = vec![0; 2 * packet_bytes];
        server.write_all(&bytes(packet_bytes + 10, 0)).await.unwrap();
        assert_eq!(server.held.len(), 10);
        client.read_exact(&mut arrived[..packet_bytes]).await.unwrap();
        server.write_all(&bytes(packet_bytes, 1)).await.unwrap();
        assert_eq!(server.held.len(), 10);
        client.read_exact(&mut arrived[..packet_bytes]).await.unwrap();
        server.write_all(&bytes(2000, 2)).await.unwrap();
        assert_eq!(server.held.len(), 0, "too much to be held");
        client.read_exact(&mut arrived[..2010]).await.unwrap();
        server.write_all(&bytes(packet_bytes, 3)).await.unwrap();
        server.flush().await.unwrap();
        client.read_exact(&mut arrived[..packet_bytes]).await.unwrap();
        assert_eq!(arrived[..packet_bytes], bytes(packet_bytes, 3));
    }

    /// A head would wait for the first byte of a slow body, and the client for the head.
    #[tokio::test]
    async fn who_waits_for_the_client_sends_first() {
        let (mut server, mut client) = pair().await;
        server.write_all(b"head").await.unwrap();
        let answering = async {
            let mut arrived = [0; 4];
            client.read_exact(&mut arrived).await.unwrap();
            client.write_all(&arrived).await.unwrap();
        };
        let mut answer = [0; 4];
        let (_, read) = tokio::join!(answering, server.read_exact(&mut answer));
        read.unwrap();
        assert_eq!(&answer, b"head");
    }
}
