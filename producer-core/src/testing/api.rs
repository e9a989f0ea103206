//! The APIs that the fake broker serves, with the versions it announces.

use kafka_protocol::messages::ApiKey;

/// An API of the Kafka protocol that the fake broker serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Api {
    /// Batches in.
    Produce,
    /// Batches out.
    Fetch,
    /// Offsets by timestamp, earliest and latest.
    ListOffsets,
    /// Brokers, topics, leaders.
    Metadata,
    /// What the broker serves.
    ApiVersions,
    /// New topics.
    CreateTopics,
    /// Producer ids for idempotence.
    InitProducerId,
}

impl Api {
    /// Every API, in the order of the protocol's keys.
    pub const ALL: [Self; 7] = [
        Self::Produce,
        Self::Fetch,
        Self::ListOffsets,
        Self::Metadata,
        Self::ApiVersions,
        Self::CreateTopics,
        Self::InitProducerId,
    ];

    pub(super) fn from_key(key: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|api| api.key() as i16 == key)
    }

    pub(super) fn key(self) -> ApiKey {
        match self {
            Self::Produce => ApiKey::Produce,
            Self::Fetch => ApiKey::Fetch,
            Self::ListOffsets => ApiKey::ListOffsets,
            Self::Metadata => ApiKey::Metadata,
            Self::ApiVersions => ApiKey::ApiVersions,
            Self::CreateTopics => ApiKey::CreateTopics,
            Self::InitProducerId => ApiKey::InitProducerId,
        }
    }

    /// Oldest and newest version served.
    pub(super) fn versions(self) -> (i16, i16) {
        match self {
            Self::Produce => (3, 13),
            Self::Fetch => (4, 16),
            Self::ListOffsets => (1, 10),
            Self::Metadata => (0, 13),
            Self::ApiVersions => (0, 4),
            Self::CreateTopics => (2, 7),
            Self::InitProducerId => (0, 5),
        }
    }

    /// The oldest version announced. Kafka 4 announces Produce from 0 for the sake of librdkafka, but
    /// closes the connection on anything below 3 (KIP-896, KAFKA-18659).
    pub(super) fn announced_min(self) -> i16 {
        match self {
            Self::Produce => 0,
            other => other.versions().0,
        }
    }
}
