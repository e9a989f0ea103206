//! The way into a cluster for one-off calls of the reader and the admin: the first address that answers.
//!
//! The producer has its own, longer-lived view of the cluster; nothing here is kept.

use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{MetadataRequest, MetadataResponse, TopicName};
use kafka_protocol::protocol::StrBytes;

use crate::connection::{Connection, ConnectionError, ConnectionOptions, Endpoint, Tcp};

/// Addresses tried before giving up; clusters of thousands still list a handful.
const ADDRESSES_MAX: usize = 64;

/// Why no broker could be asked.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum BootstrapError {
    /// The list is empty.
    #[error("`bootstrap.servers` is empty, expected `host:port[,host:port]`")]
    NoServers,
    /// The list holds something that is no address.
    #[error("`bootstrap.servers`: {0}")]
    InvalidAddress(String),
    /// More addresses than are ever tried.
    #[error("`bootstrap.servers` holds {0} addresses, at most {ADDRESSES_MAX} are taken")]
    TooManyAddresses(usize),
    /// None of the addresses answers; this is what the last one said.
    #[error("no address in `bootstrap.servers` answers")]
    Unreachable(#[source] ConnectionError),
}

/// Reads `host:port[,host:port]`.
pub(crate) fn parse_servers(servers: &str) -> Result<Vec<Endpoint>, BootstrapError> {
    let addresses: Vec<_> = servers.split(',').map(str::trim).filter(|address| !address.is_empty()).collect();
    if addresses.is_empty() {
        return Err(BootstrapError::NoServers);
    }
    if addresses.len() > ADDRESSES_MAX {
        return Err(BootstrapError::TooManyAddresses(addresses.len()));
    }
    let parse = |address: &str| address.parse().map_err(|error| BootstrapError::InvalidAddress(format!("{error}")));
    addresses.into_iter().map(parse).collect()
}

/// Opens a connection to the first broker that answers.
pub(crate) async fn connect(servers: &[Endpoint], options: &ConnectionOptions) -> Result<Connection, BootstrapError> {
    let mut last = BootstrapError::NoServers;
    for endpoint in servers {
        match Connection::open(&Tcp::default(), endpoint, options).await {
            Ok(connection) => return Ok(connection),
            Err(error) => last = BootstrapError::Unreachable(error),
        }
    }
    Err(last)
}

/// Asks for brokers and for one topic, or no topic; never creates one.
pub(crate) async fn metadata(
    connection: &Connection,
    topic: Option<&str>,
) -> Result<MetadataResponse, ConnectionError> {
    let asked = topic
        .map(|name| MetadataRequestTopic::default().with_name(Some(TopicName(StrBytes::from_string(name.to_owned())))));
    let request =
        MetadataRequest::default().with_topics(Some(asked.into_iter().collect())).with_allow_auto_topic_creation(false);
    connection.call(&request).await.map_err(ConnectionError::from)
}

/// The address of a node, if it is among the brokers and makes sense.
pub(crate) fn endpoint_of(metadata: &MetadataResponse, node: i32) -> Option<Endpoint> {
    let broker = metadata.brokers.iter().find(|broker| broker.node_id.0 == node)?;
    let port = u16::try_from(broker.port).ok().filter(|&port| port != 0)?;
    Some(Endpoint::new(&broker.host, port))
}
