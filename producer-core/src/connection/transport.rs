//! Where bytes come from and go to: TCP in production, in-memory pipes in tests.
//!
//! Knows addresses and streams; knows nothing of Kafka.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// A byte stream to a broker.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// What [`Transport::connect`] answers.
pub(crate) type Connecting<'a> = Pin<Box<dyn Future<Output = io::Result<Box<dyn Stream>>> + Send + 'a>>;

/// Opens byte streams to brokers.
pub(crate) trait Transport: Send + Sync + 'static {
    /// Opens a stream; names are resolved anew each time.
    fn connect<'a>(&'a self, endpoint: &'a Endpoint) -> Connecting<'a>;
}

/// Plain TCP.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tcp;

impl Transport for Tcp {
    fn connect<'a>(&'a self, endpoint: &'a Endpoint) -> Connecting<'a> {
        Box::pin(async move {
            // `TcpStream::connect` resolves the name and tries every address in turn, as `client.dns.lookup=use_all_dns_ips`.
            let stream = TcpStream::connect((&*endpoint.host, endpoint.port)).await?;
            // Batches are complete when they are written; waiting for more bytes would only add latency.
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as Box<dyn Stream>)
        })
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
    use super::Endpoint;

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
