//! One connection to one broker: frames, correlation ids, bounded in-flight requests, versions.
//!
//! One task owns the socket. Replies come in the order of the requests; whatever breaks that order,
//! the socket or a deadline poisons the connection, and poison answers everyone who waits. Knows
//! nothing of batches, topics or retries.

mod driver;
mod pool;
mod reply_shape;
mod transport;
mod versions;

use crate::error_code::UNSUPPORTED_VERSION;
use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};
use kafka_protocol::protocol::{Decodable, HeaderVersion, Request, VersionRange};
use tokio::sync::{mpsc, oneshot};

pub(crate) use self::pool::{Pool, ReconnectBackoff, Standing};
#[allow(unused_imports, reason = "used by the optional reader and admin calls")]
pub(crate) use self::reply_shape::{Field, NO_TAGS};
pub(crate) use self::transport::{Connecting, Endpoint, Patience, Resolving, Stream, Tcp, Transport};
pub(crate) use self::versions::Api;

use self::driver::{Driver, Outgoing, ReplyTo};
use self::versions::{BrokerVersions, api_versions_request};

/// Requests that wait for a place in flight; callers bound themselves, so this only smooths hand-over.
const QUEUED_REQUESTS_MAX: usize = 16;

/// What a connection needs to know.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionOptions {
    /// Sent in every request header.
    pub(crate) client_id: Arc<str>,
    /// From resolving the name to the broker's versions.
    pub(crate) setup_timeout: Duration,
    /// What that doubles up to, with each failure in a row.
    pub(crate) setup_timeout_max: Duration,
    /// From the first byte written to the whole reply.
    pub(crate) request_timeout: Duration,
    /// Requests written and not yet answered.
    pub(crate) in_flight_max: usize,
    /// Closed when nothing was asked for so long; `None` is never.
    pub(crate) idle_max: Option<Duration>,
    /// Longest reply taken; a longer one poisons the connection.
    pub(crate) reply_bytes_max: usize,
}

impl Default for ConnectionOptions {
    fn default() -> Self {
        Self {
            client_id: "producer-core".into(),
            setup_timeout: Duration::from_secs(10),
            setup_timeout_max: Duration::from_secs(30),
            request_timeout: Duration::from_secs(30),
            in_flight_max: 5,
            idle_max: Some(Duration::from_secs(540)),
            // Above Kafka's `fetch.max.bytes` (50 MiB) plus one batch that is larger.
            reply_bytes_max: 100 * 1024 * 1024,
        }
    }
}

/// What went wrong with a connection to a broker. The error of the operating system is its source.
#[derive(Debug, Clone)]
pub struct ConnectionError {
    /// `host:port` of the broker.
    pub address: Arc<str>,
    /// What happened.
    pub kind: ConnectionErrorKind,
}

impl ConnectionError {
    /// The message with its source, for who keeps a text.
    pub(crate) fn in_full(&self) -> Arc<str> {
        match self.source() {
            Some(source) => format!("{self}: {source}").into(),
            None => self.to_string().into(),
        }
    }
}

impl fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "broker `{}`: {}", self.address, self.kind)
    }
}

impl StdError for ConnectionError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.kind.source()
    }
}

/// The kinds of [`ConnectionError`].
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectionErrorKind {
    /// No connection could be made: wrong address, no listener, or a firewall.
    #[error("cannot connect, is a broker listening there?")]
    Connect(#[source] Arc<io::Error>),
    /// The socket failed.
    #[error("the connection failed")]
    Io(#[source] Arc<io::Error>),
    /// The broker closed the connection.
    #[error("closed the connection (a TLS or SASL listener does so to a plaintext client)")]
    Closed,
    /// No answer in time.
    #[error("no answer within {} ms", .0.as_millis())]
    TimedOut(Duration),
    /// No answer so far, and meanwhile another broker leads what was asked for.
    #[error("gave no answer, and another broker leads by now")]
    Deposed,
    /// What came is no Kafka reply, or not to what was asked.
    #[error("sent {0}")]
    Protocol(String),
    /// No version in common.
    #[error("takes {api} {offered}, this client speaks {spoken}")]
    UnsupportedVersion {
        /// The request.
        api: &'static str,
        /// What the broker offers.
        offered: String,
        /// What this client speaks.
        spoken: String,
    },
}

/// A call that got no reply, and whether the broker may have seen the request.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{error}")]
pub(crate) struct CallError {
    pub(crate) error: ConnectionError,
    pub(crate) sent: Sent,
}

impl From<CallError> for ConnectionError {
    fn from(failed: CallError) -> Self {
        failed.error
    }
}

/// Whether bytes of a request may have left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    /// Not one byte was written.
    No,
    /// At least one byte may have been written, so the broker may have acted.
    Maybe,
}

/// Whether the broker answers a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It does.
    Expected,
    /// It does not (a produce request with acks=0); the call ends when the request is written.
    None,
}

/// A handle to one connection; clones share it. The socket closes when the last one goes.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    address: Arc<str>,
    requests: mpsc::Sender<Outgoing>,
    versions: Arc<BrokerVersions>,
    failure: driver::Failure,
    in_flight: Arc<driver::InFlight>,
}

impl Connection {
    /// Connects and learns the broker's versions, within `setup_timeout`.
    pub(crate) async fn open(
        transport: &dyn Transport,
        endpoint: &Endpoint,
        options: &ConnectionOptions,
    ) -> Result<Self, ConnectionError> {
        let address: Arc<str> = endpoint.to_string().into();
        let opening = async {
            let stream = transport.connect(endpoint).await.map_err(|error| ConnectionError {
                address: address.clone(),
                kind: ConnectionErrorKind::Connect(Arc::new(error)),
            })?;
            let mut connection = Self::over(stream, address.clone(), options);
            connection.versions = Arc::new(connection.learn_versions().await?);
            Ok(connection)
        };
        tokio::time::timeout(options.setup_timeout, opening).await.unwrap_or_else(|_| {
            Err(ConnectionError {
                address: address.clone(),
                kind: ConnectionErrorKind::TimedOut(options.setup_timeout),
            })
        })
    }

    fn over(stream: Box<dyn Stream>, address: Arc<str>, options: &ConnectionOptions) -> Self {
        let (requests, queue) = mpsc::channel(QUEUED_REQUESTS_MAX);
        let driver = Driver::new(address.clone(), options.clone(), queue);
        let (failure, in_flight) = (driver.failure(), driver.in_flight());
        tokio::spawn(driver.run(stream));
        Self { address, requests, versions: Arc::default(), failure, in_flight }
    }

    /// A connection whose other end is gone, to decode replies with.
    #[cfg(test)]
    pub(crate) fn to_nowhere() -> Self {
        let (ours, _) = tokio::io::duplex(1);
        Self::over(Box::new(ours), "nowhere".into(), &ConnectionOptions::default())
    }

    async fn learn_versions(&self) -> Result<BrokerVersions, ConnectionError> {
        let mut version = <ApiVersionsRequest as Api>::SPOKEN.max;
        loop {
            let reply = self.call_at(&api_versions_request(), version).await?;
            match reply.error_code {
                0 => return Ok(BrokerVersions::from_reply(&reply)),
                UNSUPPORTED_VERSION if version > 0 => version = fallback_version(&reply, version),
                code => return Err(self.error(ConnectionErrorKind::Protocol(format!("error {code} to ApiVersions")))),
            }
        }
    }

    /// Asks and waits for the reply, in the newest version both sides speak.
    ///
    /// Cancel safety: dropping the future leaves the connection usable; the reply is thrown away.
    pub(crate) async fn call<R: Api>(&self, request: &R) -> Result<R::Response, CallError> {
        let version = self.version_of::<R>().map_err(|error| CallError { error, sent: Sent::No })?;
        self.call_at(request, version).await
    }

    async fn call_at<R: Api>(&self, request: &R, version: i16) -> Result<R::Response, CallError> {
        let unsent =
            |what: String| CallError { error: self.error(ConnectionErrorKind::Protocol(what)), sent: Sent::No };
        let mut body = BytesMut::new();
        request.encode(&mut body, version).map_err(|error| unsent(format!("no request: {error}")))?;
        let frame = self.call_raw::<R>(version, vec![body.freeze()], Answer::Expected).await?;
        self.decode::<R>(frame, version).map_err(|error| CallError { error, sent: Sent::Maybe })
    }

    /// Sends a request whose body is already encoded, in one vectored write; answers the reply's body,
    /// or nothing for [`Answer::None`].
    pub(crate) async fn call_raw<R: Api>(
        &self,
        version: i16,
        body: Vec<Bytes>,
        answer: Answer,
    ) -> Result<Bytes, CallError> {
        let (reply, answered) = oneshot::channel();
        let request = Outgoing {
            api_key: R::KEY,
            version,
            header_version: R::header_version(version),
            body,
            reply: ReplyTo { answer, sender: reply },
        };
        let unsent = || CallError { error: self.error(self.failure.kind()), sent: Sent::No };
        self.requests.send(request).await.map_err(|_| unsent())?;
        // The driver drops a request unanswered only when it never began to write it.
        answered.await.unwrap_or_else(|_| Err(unsent()))
    }

    /// Reads a reply's body (after the correlation id).
    pub(crate) fn decode<R: Api>(&self, mut frame: Bytes, version: i16) -> Result<R::Response, ConnectionError> {
        // A version-0 body answers an ApiVersions request that is too new (KIP-511).
        let is_downgraded =
            R::KEY == <ApiVersionsRequest as Request>::KEY && frame.starts_with(&UNSUPPORTED_VERSION.to_be_bytes());
        let version = if is_downgraded { 0 } else { version };
        let header = if R::Response::header_version(version) >= 1 { 1 } else { 0 };
        if header == 1 {
            driver::skip_tags(&mut frame).map_err(|kind| self.error(kind))?;
        }
        reply_shape::check(&frame, R::REPLY, version).map_err(|kind| self.error(kind))?;
        R::Response::decode(&mut frame, version).map_err(|error| {
            self.error(ConnectionErrorKind::Protocol(format!("an unreadable {} reply: {error}", R::NAME)))
        })
    }

    /// The newest version of this request that both sides speak.
    pub(crate) fn version_of<R: Api>(&self) -> Result<i16, ConnectionError> {
        self.versions.pick::<R>().map_err(|offered| {
            self.error(ConnectionErrorKind::UnsupportedVersion {
                api: R::NAME,
                offered: offered.map_or_else(|| "in no version".to_owned(), |range| print_range(&range)),
                spoken: print_range(&R::SPOKEN),
            })
        })
    }

    /// A reply that came but is of no use.
    pub(crate) fn broken(&self, what: &str) -> CallError {
        CallError { error: self.error(ConnectionErrorKind::Protocol(what.to_owned())), sent: Sent::Maybe }
    }

    /// The broker has said that it reads nothing for this long: no request's time runs meanwhile.
    pub(crate) fn mute(&self, pause: Duration) {
        self.in_flight.mute(pause);
    }

    /// Closes the connection, to whoever waits for an answer a failure.
    pub(crate) fn give_up(&self) {
        self.in_flight.give_up();
    }

    /// Whether the connection still works, as far as is known.
    pub(crate) fn is_open(&self) -> bool {
        !self.failure.has_happened() && !self.requests.is_closed()
    }

    /// Requests that are written or wait to be, and have no reply yet.
    pub(crate) fn unanswered(&self) -> usize {
        self.in_flight.count() + (QUEUED_REQUESTS_MAX - self.requests.capacity())
    }

    fn error(&self, kind: ConnectionErrorKind) -> ConnectionError {
        ConnectionError { address: self.address.clone(), kind }
    }
}

/// The version to ask again with, after "unsupported": the broker's own maximum if it said, else 0.
fn fallback_version(reply: &ApiVersionsResponse, refused: i16) -> i16 {
    let own = reply.api_keys.iter().find(|api| api.api_key == <ApiVersionsRequest as Request>::KEY);
    own.map_or(0, |api| api.max_version).clamp(0, refused - 1)
}

fn print_range(range: &VersionRange) -> String {
    format!("v{} to v{}", range.min, range.max)
}

#[cfg(test)]
mod tests;
