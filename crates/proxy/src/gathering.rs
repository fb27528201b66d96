//! A client's connection that sends a head together with the body that follows it.

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

use crate::patience::{HeadWatch, Heads, Patience};

/// What is held back at most, in bytes: a head, and what pingora read of the body with the origin's head (4 KiB with that).
const HELD_BYTES_MAX: usize = 5 << 10;
/// A larger buffer is not kept by a connection that holds nothing: most are idle.
const KEPT_BYTES_MAX: usize = 2 << 10;

/// A connection over which small writes wait for the next one.
///
/// pingora writes the head and each part of a body by calls of their own. Each call is a system call, a packet, and a
/// wake-up of the client, and they are most of what a small hit costs. So what is small is held back until it is flushed,
/// or until more comes: then both go out in one call, the latter without a copy. Whoever turns to reading waits for the
/// client, who may wait for what is held: that is sent first.
///
/// The body of a fill begins with what came in one read with the origin's head: that small part goes with what follows it.
#[derive(Debug)]
pub(crate) struct Gathering {
    inner: Stream,
    held: Vec<u8>,
    /// For what the client does not take.
    patience: Patience,
    head: HeadWatch,
}

impl Gathering {
    /// `limit` is how long the client may take nothing, and send no whole head.
    pub(crate) fn new(inner: Stream, heads: Heads, limit: Duration) -> Self {
        Self {
            inner,
            held: Vec::new(),
            patience: Patience::new(limit),
            head: HeadWatch::new(heads, limit),
        }
    }

    fn poll_send_held(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.held.is_empty() {
            let sent = Pin::new(&mut self.inner).poll_write(cx, &self.held);
            let sent = ready!(self.patience.judge(cx, sent))?;
            self.forget(sent)?;
        }
        Poll::Ready(Ok(()))
    }

    /// Takes what was sent out of what is held.
    fn forget(&mut self, sent_bytes: usize) -> io::Result<()> {
        if sent_bytes == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.held.drain(..sent_bytes);
        if self.held.is_empty() && self.held.capacity() > KEPT_BYTES_MAX {
            self.held = Vec::new();
        }
        Ok(())
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
            if this.held.is_empty() {
                let sent = Pin::new(&mut this.inner).poll_write(cx, data);
                return this.patience.judge(cx, sent);
            }
            let both = [IoSlice::new(&this.held), IoSlice::new(data)];
            let sent = Pin::new(&mut this.inner).poll_write_vectored(cx, &both);
            let sent = ready!(this.patience.judge(cx, sent))?;
            let of_held = sent.min(this.held.len());
            this.forget(of_held)?;
            if sent > of_held {
                return Poll::Ready(Ok(sent - of_held));
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send_held(cx))?;
        let done = Pin::new(&mut self.inner).poll_flush(cx);
        self.patience.judge(cx, done)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send_held(cx))?;
        let done = Pin::new(&mut self.inner).poll_shutdown(cx);
        self.patience.judge(cx, done)
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
            // Any other failure shows at the next write, or as the end of what is read.
            match self.as_mut().poll_flush(cx) {
                Poll::Ready(Err(e)) if e.kind() == io::ErrorKind::TimedOut => return Poll::Ready(Err(e)),
                _ => {}
            }
        }
        self.head.judge(cx, read)
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
mod tests;
