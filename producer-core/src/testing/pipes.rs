//! Nodes that are reached through pipes in memory instead of sockets, so that a test may stop the clock.
//!
//! With sockets a stopped clock runs ahead while bytes are under way in the kernel; pipes wake their readers
//! inside the runtime, so time stands still until everybody waits for it.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::DuplexStream;
use tokio::sync::mpsc;

use crate::connection::{Connecting, Endpoint, Stream, Transport};

/// What a pipe holds in each direction before its writer waits; about a socket's send and receive buffers.
const PIPE_BYTES: usize = 128 * 1024;
/// Connections that a node has not accepted yet; as a listener's backlog.
const BACKLOG: usize = 128;

/// The addresses that listen.
#[derive(Debug, Clone, Default)]
pub(super) struct Pipes {
    listening: Arc<Mutex<BTreeMap<SocketAddr, mpsc::Sender<DuplexStream>>>>,
}

impl Pipes {
    /// Listens on an address; whoever listened there before does so no more.
    pub(super) fn listen(&self, address: SocketAddr) -> mpsc::Receiver<DuplexStream> {
        let (sender, incoming) = mpsc::channel(BACKLOG);
        self.lock().insert(address, sender);
        incoming
    }

    fn open(&self, endpoint: &Endpoint) -> io::Result<DuplexStream> {
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        let address: SocketAddr = endpoint.to_string().parse().map_err(io::Error::other)?;
        let node = self.lock().get(&address).cloned().ok_or_else(refused)?;
        let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
        node.try_send(theirs).map_err(|_| refused())?;
        Ok(ours)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<SocketAddr, mpsc::Sender<DuplexStream>>> {
        self.listening.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Transport for Pipes {
    fn connect<'a>(&'a self, endpoint: &'a Endpoint) -> Connecting<'a> {
        Box::pin(async move { self.open(endpoint).map(|stream| Box::new(stream) as Box<dyn Stream>) })
    }
}
