//! Where bytes come from and go to: TCP in production, in-memory pipes in tests.
//!
//! Knows addresses and streams; knows nothing of Kafka.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio::net::{TcpSocket, TcpStream};

/// A name's next address is tried when one has not answered for so long, beside it (RFC 8305, section 8).
const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(250);

/// Addresses of one name that are tried; load balancers give a handful.
const ADDRESSES_MAX: usize = 16;

/// A byte stream to a broker.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {
    /// How to tell the system that the peer has reason to take nothing for a while; `None` if it would wait anyway.
    fn patience(&self) -> Option<Patience> {
        None
    }
}

/// Raises the limit of the system for a peer that takes nothing by so much. It stays raised until the next pause: what
/// waits through one has used it up by its end. Keeps the stream open as long as it lives.
pub(crate) type Patience = Box<dyn Fn(Duration) + Send>;

impl Stream for DuplexStream {}

impl Stream for TcpStream {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn patience(&self) -> Option<Patience> {
        let socket = socket2::SockRef::from(self).try_clone().ok()?;
        let user_timeout = socket.tcp_user_timeout().ok()??;
        Some(Box::new(move |pause| {
            if let Err(error) = socket.set_tcp_user_timeout(Some(user_timeout.saturating_add(pause))) {
                tracing::debug!(%error, "the system keeps its limit for a peer that takes nothing");
            }
        }))
    }
}

/// What [`Transport::connect`] answers.
pub(crate) type Connecting<'a> = Pin<Box<dyn Future<Output = io::Result<Box<dyn Stream>>> + Send + 'a>>;

/// What [`Transport::resolve`] answers.
pub(crate) type Resolving<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<Endpoint>>> + Send + 'a>>;

/// Opens byte streams to brokers.
pub(crate) trait Transport: Send + Sync + 'static {
    /// Opens a stream; names are resolved anew each time.
    fn connect<'a>(&'a self, endpoint: &'a Endpoint) -> Connecting<'a>;

    /// The addresses of a name, each by its number; the name itself where there are no names.
    fn resolve<'a>(&'a self, endpoint: &'a Endpoint) -> Resolving<'a> {
        Box::pin(async { Ok(vec![endpoint.clone()]) })
    }
}

/// Plain TCP.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tcp {
    /// `send.buffer.bytes`; `None` leaves the system's.
    pub(crate) send_buffer_bytes: Option<u32>,
    /// `receive.buffer.bytes`; `None` leaves the system's.
    pub(crate) receive_buffer_bytes: Option<u32>,
    /// How long bytes may be on their way without the peer's system confirming them, where the system can be told
    /// (`TCP_USER_TIMEOUT`, RFC 5482), pauses that the peer has asked for not counted; `None` leaves the system's.
    pub(crate) user_timeout: Option<Duration>,
}

impl Transport for Tcp {
    fn connect<'a>(&'a self, endpoint: &'a Endpoint) -> Connecting<'a> {
        Box::pin(async move {
            // Resolved anew each time, and every address is tried, with either value of `client.dns.lookup`.
            let addresses = tokio::net::lookup_host((&*endpoint.host, endpoint.port)).await?;
            let stream = first_that_connects(addresses, |address| self.connect_to(address)).await?;
            Ok(Box::new(stream) as Box<dyn Stream>)
        })
    }

    fn resolve<'a>(&'a self, endpoint: &'a Endpoint) -> Resolving<'a> {
        Box::pin(async move {
            let addresses = tokio::net::lookup_host((&*endpoint.host, endpoint.port)).await?;
            let addresses = addresses.take(ADDRESSES_MAX);
            Ok(addresses.map(|address| Endpoint::new(&address.ip().to_string(), address.port())).collect())
        })
    }
}

impl Tcp {
    async fn connect_to(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if let Some(bytes) = self.send_buffer_bytes {
            socket.set_send_buffer_size(bytes)?;
        }
        if let Some(bytes) = self.receive_buffer_bytes {
            socket.set_recv_buffer_size(bytes)?;
        }
        // A peer that went without a word is noticed by the system as well, should nothing be sent for hours.
        socket.set_keepalive(true)?;
        #[cfg(any(target_os = "linux", target_os = "android"))]
        socket2::SockRef::from(&socket).set_tcp_user_timeout(self.user_timeout)?;
        // Batches are complete when they are written; waiting for more bytes would only add latency.
        socket.set_nodelay(true)?;
        socket.connect(address).await
    }
}

/// Connects to the addresses in their order, the next one after a failure or a while; the first to connect wins.
async fn first_that_connects<S, C: Future<Output = io::Result<S>>>(
    addresses: impl Iterator<Item = SocketAddr>,
    connect: impl Fn(SocketAddr) -> C,
) -> io::Result<S> {
    let mut addresses = addresses.take(ADDRESSES_MAX).peekable();
    let mut attempts = FuturesUnordered::new();
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    loop {
        match addresses.next() {
            Some(address) => attempts.push(connect(address)),
            None if attempts.is_empty() => return Err(last),
            None => {}
        }
        tokio::select! {
            Some(ended) = attempts.next() => match ended {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            },
            () = tokio::time::sleep(NEXT_ADDRESS_AFTER), if addresses.peek().is_some() => {}
        }
    }
}

/// Host and port of a broker.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Endpoint {
    pub(crate) host: Arc<str>,
    pub(crate) port: u16,
}

impl Endpoint {
    pub(crate) fn new(host: &str, port: u16) -> Self {
        Self { host: host.into(), port }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            return write!(f, "[{}]:{}", self.host, self.port);
        }
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// Why a text is no `host:port`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not `host:port` (an IPv6 address goes in brackets: `[::1]:9092`)")]
pub(crate) struct EndpointError {
    text: String,
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    /// Reads `host:port` or `[ipv6]:port`.
    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let refused = || EndpointError { text: text.to_owned() };
        let (host, port) = text.rsplit_once(':').ok_or_else(refused)?;
        let host = match host.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']').ok_or_else(refused)?,
            None if host.contains(':') => return Err(refused()),
            None => host,
        };
        let port: u16 = port.parse().map_err(|_| refused())?;
        if host.is_empty() || port == 0 {
            return Err(refused());
        }
        Ok(Self::new(host, port))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::time::Instant;

    use super::*;

    /// What the addresses of a name, by their last number, do; answers who connected, and after how many milliseconds.
    async fn connect(numbers: &[u8], does: impl Fn(u8) -> (u64, bool)) -> (io::Result<u8>, u128, Vec<u8>) {
        let (start, tried) = (Instant::now(), Mutex::new(Vec::new()));
        let addresses = numbers.iter().map(|number| SocketAddr::from(([10, 0, 0, *number], 9092)));
        let connected = first_that_connects(addresses, |address| {
            let SocketAddr::V4(address) = address else { panic!("{address}") };
            let number = address.ip().octets()[3];
            tried.lock().unwrap().push(number);
            let (after_ms, is_up) = does(number);
            async move {
                tokio::time::sleep(Duration::from_millis(after_ms)).await;
                if is_up { Ok(number) } else { Err(io::ErrorKind::ConnectionRefused.into()) }
            }
        })
        .await;
        (connected, start.elapsed().as_millis(), tried.into_inner().unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn every_address_of_a_name_is_tried() {
        // The first refuses at once, the second swallows everything, the third works.
        let (connected, ms, _) = connect(&[1, 2, 3], |number| match number {
            1 => (0, false),
            2 => (60_000, false),
            _ => (5, true),
        })
        .await;
        assert_eq!(connected.unwrap(), 3);
        assert!((255..260).contains(&ms), "{ms} ms");

        let (connected, ms, tried) = connect(&[1, 2], |_| (20, true)).await;
        assert_eq!((connected.unwrap(), tried), (1, vec![1]), "{ms} ms");

        let (refused, _, tried) = connect(&[1, 2, 3], |_| (1, false)).await;
        assert_eq!((refused.unwrap_err().kind(), tried.len()), (io::ErrorKind::ConnectionRefused, 3));

        let many: Vec<u8> = (0..200).collect();
        let (refused, _, tried) = connect(&many, |_| (0, false)).await;
        assert!(refused.is_err() && tried.len() == ADDRESSES_MAX);
        assert_eq!(connect(&[], |_| (0, true)).await.0.unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    #[tokio::test]
    async fn the_system_gives_up_a_peer_that_confirms_nothing() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tcp = Tcp { user_timeout: Some(Duration::from_secs(30)), ..Tcp::default() };

        let stream = tcp.connect_to(listener.local_addr().unwrap()).await.unwrap();

        let socket = socket2::SockRef::from(&stream);
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(Duration::from_secs(30)));
        assert!(socket.keepalive().unwrap());
    }

    #[tokio::test]
    async fn sockets_have_the_buffers_that_were_asked_for_and_wait_for_no_further_bytes() {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let connect = async |tcp: Tcp| {
            let stream = tcp.connect_to(address).await.unwrap();
            TcpSocket::from_std_stream(stream.into_std().unwrap())
        };
        // Not what any system has by itself.
        let (send, receive) = (23_456, 34_567);

        let asked =
            connect(Tcp { send_buffer_bytes: Some(send), receive_buffer_bytes: Some(receive), ..Tcp::default() }).await;
        let left = connect(Tcp::default()).await;

        // Linux gives twice what it was asked for, to have room for its own accounts.
        let is_as_asked = |bytes: u32, asked: u32| bytes == asked || bytes == 2 * asked;
        assert!(is_as_asked(asked.send_buffer_size().unwrap(), send), "{:?}", asked.send_buffer_size());
        assert!(is_as_asked(asked.recv_buffer_size().unwrap(), receive), "{:?}", asked.recv_buffer_size());
        assert!(!is_as_asked(left.send_buffer_size().unwrap(), send), "the system's own");
        assert!(!is_as_asked(left.recv_buffer_size().unwrap(), receive), "the system's own");
        for socket in [asked, left] {
            assert!(socket.nodelay().unwrap());
            assert!(socket.keepalive().unwrap());
        }
    }

    #[tokio::test]
    async fn a_name_is_resolved_to_numbers() {
        let addresses = Tcp::default().resolve(&Endpoint::new("localhost", 9092)).await.unwrap();

        assert!(!addresses.is_empty());
        assert!(
            addresses.iter().all(|address| address.host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback()))
        );
        assert!(addresses.iter().all(|address| address.port == 9092));
    }

    #[test]
    fn endpoints_are_read_and_printed_alike() {
        for (text, host, port) in
            [("kafka:9092", "kafka", 9092), ("[::1]:9093", "::1", 9093), ("10.0.0.1:1", "10.0.0.1", 1)]
        {
            let endpoint: Endpoint = text.parse().unwrap();

            assert_eq!((&*endpoint.host, endpoint.port), (host, port));
            assert_eq!(endpoint.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_endpoint_is_refused_by_name() {
        for text in ["", "kafka", "kafka:", ":9092", "kafka:0", "kafka:99999", "::1:9092", "[::1:9092", "kafka:x"] {
            let error = text.parse::<Endpoint>().unwrap_err();

            assert!(error.to_string().contains(&format!("`{text}`")), "{error}");
        }
    }
}
