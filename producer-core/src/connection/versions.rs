//! Which requests this client makes, and in which version a given broker takes them.

use std::collections::HashMap;

use kafka_protocol::messages::{
    ApiVersionsRequest, ApiVersionsResponse, InitProducerIdRequest, MetadataRequest, ProduceRequest,
};
use kafka_protocol::protocol::{Request, StrBytes, VersionRange};

use super::reply_shape::{Field, NO_TAGS};

/// A request this client makes: its name, the versions we speak, the outline of its reply.
pub(crate) trait Api: Request {
    /// Name, for messages.
    const NAME: &'static str;
    /// Versions we speak.
    const SPOKEN: VersionRange;
    /// Outline of the reply in every spoken version.
    const REPLY: &'static [Field];
}

/// What a broker says it takes.
#[derive(Debug, Clone, Default)]
pub(crate) struct BrokerVersions {
    by_api: HashMap<i16, VersionRange>,
}

impl BrokerVersions {
    pub(crate) fn from_reply(reply: &ApiVersionsResponse) -> Self {
        let range = |api: &kafka_protocol::messages::api_versions_response::ApiVersion| {
            (api.api_key, VersionRange { min: api.min_version, max: api.max_version })
        };
        Self { by_api: reply.api_keys.iter().map(range).collect() }
    }

    /// The newest version both sides speak, else what the broker offers.
    pub(crate) fn pick<R: Api>(&self) -> Result<i16, Option<VersionRange>> {
        let offered = self.by_api.get(&R::KEY).copied().ok_or(None)?;
        let common = offered.intersect(&R::SPOKEN);
        if common.is_empty() { Err(Some(offered)) } else { Ok(common.max) }
    }
}

/// KIP-511: tells the broker who calls.
pub(crate) fn api_versions_request() -> ApiVersionsRequest {
    ApiVersionsRequest::default()
        .with_client_software_name(StrBytes::from_static_str(env!("CARGO_PKG_NAME")))
        .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")))
}

const FEATURE: &[Field] = &[Field::Text, Field::Fixed(4), NO_TAGS];

impl Api for ApiVersionsRequest {
    const NAME: &'static str = "ApiVersions";
    const SPOKEN: VersionRange = VersionRange { min: 0, max: 4 };
    const REPLY: &'static [Field] = &[
        Field::Fixed(2),
        Field::Versions(0, 2, &Field::PlainArray(&[Field::Fixed(6)])),
        Field::Versions(3, 4, &Field::Array(&[Field::Fixed(6), NO_TAGS])),
        Field::Versions(1, 4, &Field::Fixed(4)),
        Field::Versions(
            3,
            4,
            &Field::Tags(&[
                (0, &[Field::Array(FEATURE)]),
                (1, &[Field::Fixed(8)]),
                (2, &[Field::Array(FEATURE)]),
                (3, &[Field::Fixed(1)]),
            ]),
        ),
    ];
}

/// Elements before version 9, which has compact lengths.
const PLAIN_BROKER: &[Field] = &[Field::Fixed(4), Field::PlainText, Field::Fixed(4), Field::PlainText];
const PLAIN_TOPIC: &[Field] =
    &[Field::Fixed(2), Field::PlainText, Field::Fixed(1), Field::PlainArray(PLAIN_PARTITION), OPERATIONS];
const PLAIN_PARTITION: &[Field] = &[
    Field::Fixed(2 + 4 + 4),
    Field::Versions(7, 8, &Field::Fixed(4)),
    Field::PlainArray(&[Field::Fixed(4)]),
    Field::PlainArray(&[Field::Fixed(4)]),
    Field::Versions(5, 8, &Field::PlainArray(&[Field::Fixed(4)])),
];
const OPERATIONS: Field = Field::Versions(8, 13, &Field::Fixed(4));

/// From version 4, which can ask for the topic to be made, so every broker since Kafka 0.11.
impl Api for MetadataRequest {
    const NAME: &'static str = "Metadata";
    const SPOKEN: VersionRange = VersionRange { min: 4, max: 13 };
    const REPLY: &'static [Field] = &[
        Field::Fixed(4),
        Field::Versions(4, 8, &Field::PlainArray(PLAIN_BROKER)),
        Field::Versions(9, 13, &Field::Array(&[Field::Fixed(4), Field::Text, Field::Fixed(4), Field::Text, NO_TAGS])),
        Field::Versions(4, 8, &Field::PlainText),
        Field::Versions(9, 13, &Field::Text),
        Field::Fixed(4),
        Field::Versions(4, 8, &Field::PlainArray(PLAIN_TOPIC)),
        Field::Versions(
            9,
            13,
            &Field::Array(&[
                Field::Fixed(2),
                Field::Text,
                Field::Versions(10, 13, &Field::Fixed(16)),
                Field::Fixed(1),
                Field::Array(&[
                    Field::Fixed(2 + 4 + 4 + 4),
                    Field::Array(&[Field::Fixed(4)]),
                    Field::Array(&[Field::Fixed(4)]),
                    Field::Array(&[Field::Fixed(4)]),
                    NO_TAGS,
                ]),
                OPERATIONS,
                NO_TAGS,
            ]),
        ),
        Field::Versions(8, 10, &Field::Fixed(4)),
        Field::Versions(13, 13, &Field::Fixed(2)),
        Field::Versions(9, 13, &NO_TAGS),
    ];
}

impl Api for InitProducerIdRequest {
    const NAME: &'static str = "InitProducerId";
    const SPOKEN: VersionRange = VersionRange { min: 0, max: 5 };
    const REPLY: &'static [Field] = &[Field::Fixed(4 + 2 + 8 + 2), Field::Versions(2, 5, &NO_TAGS)];
}

/// A partition's answer before version 9, which has compact lengths.
const PLAIN_ANSWER: &[Field] = &[
    Field::Fixed(4 + 2 + 8 + 8),
    Field::Versions(5, 8, &Field::Fixed(8)),
    Field::Versions(8, 8, &Field::PlainArray(&[Field::Fixed(4), Field::PlainText])),
    Field::Versions(8, 8, &Field::PlainText),
];

/// The request itself is written by hand, see `sender/request.rs`; this is its reply. From version 3, the first
/// with this format of batches, so every broker since Kafka 0.11.
impl Api for ProduceRequest {
    const NAME: &'static str = "Produce";
    const SPOKEN: VersionRange = VersionRange { min: 3, max: 13 };
    const REPLY: &'static [Field] = &[
        Field::Versions(3, 8, &Field::PlainArray(&[Field::PlainText, Field::PlainArray(PLAIN_ANSWER)])),
        Field::Versions(
            9,
            13,
            &Field::Array(&[
                Field::Versions(9, 12, &Field::Text),
                Field::Versions(13, 13, &Field::Fixed(16)),
                Field::Array(&[
                    Field::Fixed(4 + 2 + 8 + 8 + 8),
                    Field::Array(&[Field::Fixed(4), Field::Text, NO_TAGS]),
                    Field::Text,
                    Field::Tags(&[(0, &[Field::Fixed(4 + 4), NO_TAGS])]),
                ]),
                NO_TAGS,
            ]),
        ),
        Field::Fixed(4),
        Field::Versions(
            9,
            13,
            &Field::Tags(&[(
                0,
                &[Field::Array(&[Field::Fixed(4), Field::Text, Field::Fixed(4), Field::Text, NO_TAGS])],
            )]),
        ),
    ];
}
