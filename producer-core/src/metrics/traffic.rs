//! Connections and bytes, counted where the sockets are made, so that nothing above has to.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::connection::{Connecting, Endpoint, Resolving, Stream, Transport};

/// Counts since the start.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    pub(super) created: AtomicU64,
    pub(super) closed: AtomicU64,
    pub(super) incoming_bytes: AtomicU64,
    pub(super) outgoing_bytes: AtomicU64,
}

/// A transport whose streams are counted.
pub(super) struct Metered {
    pub(super) inner: Arc<dyn Transport>,
    pub(super) traffic: Arc<Traffic>,
}

impl fmt::Debug for Metered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metered").field("traffic", &self.traffic).finish_non_exhaustive()
    }
}

impl Transport for Metered {
    fn connect<'a>(&'a self, endpoint: &'a Endpoint) -> Connecting<'a> {
        Box::pin(async move {
            let inner = self.inner.connect(endpoint).await?;
            self.traffic.created.fetch_add(1, Ordering::Relaxed);
            let metered: Box<dyn Stream> = Box::new(MeteredStream { inner, traffic: self.traffic.clone() });
            Ok(metered)
        })
    }

    fn resolve<'a>(&'a self, endpoint: &'a Endpoint) -> Resolving<'a> {
        self.inner.resolve(endpoint)
    }
}

/// Adds to the counts once per read and write of the socket.
struct MeteredStream {
    inner: Box<dyn Stream>,
    traffic: Arc<Traffic>,
}

impl MeteredStream {
    fn sent(&self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = polled {
            self.traffic.outgoing_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        }
        polled
    }
}

impl Drop for MeteredStream {
    fn drop(&mut self) {
        self.traffic.closed.fetch_add(1, Ordering::Relaxed);
    }
}

impl AsyncRead for MeteredStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(context, buffer);
        let bytes = buffer.filled().len() - before;
        if bytes > 0 {
            self.traffic.incoming_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        }
        polled
    }
}

impl AsyncWrite for MeteredStream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.sent(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        chunks: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write_vectored(context, chunks);
        self.sent(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
