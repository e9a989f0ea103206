//! Connections and bytes, counted where the sockets are made, so that nothing above has to: one short lock per read and
//! write of a socket.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::window::{Rated, Windows};
use crate::connection::{Connecting, Endpoint, Patience, Resolving, Stream, Transport};

/// What all connections of a producer do.
#[derive(Debug)]
pub(super) struct Traffic {
    counts: Mutex<Counts>,
}

/// See [`Traffic`].
#[derive(Debug)]
pub(super) struct Counts {
    pub(super) created: Rated,
    pub(super) closed: Rated,
    pub(super) incoming_bytes: Rated,
    pub(super) outgoing_bytes: Rated,
    /// Reads and writes of sockets.
    pub(super) operations: Rated,
}

impl Traffic {
    pub(super) fn new(windows: Windows) -> Self {
        let none = || Rated::new(windows);
        let counts = Counts {
            created: none(),
            closed: none(),
            incoming_bytes: none(),
            outgoing_bytes: none(),
            operations: none(),
        };
        Self { counts: Mutex::new(counts) }
    }

    pub(super) fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
            self.traffic.counts().created.add(Instant::now(), 1);
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
            let (now, mut counts) = (Instant::now(), self.traffic.counts());
            counts.outgoing_bytes.add(now, bytes as u64);
            counts.operations.add(now, 1);
        }
        polled
    }
}

impl Drop for MeteredStream {
    fn drop(&mut self) {
        self.traffic.counts().closed.add(Instant::now(), 1);
    }
}

impl Stream for MeteredStream {
    fn patience(&self) -> Option<Patience> {
        self.inner.patience()
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
            let (now, mut counts) = (Instant::now(), self.traffic.counts());
            counts.incoming_bytes.add(now, bytes as u64);
            counts.operations.add(now, 1);
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
