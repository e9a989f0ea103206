//! `ProducerConfig`: Java's property names, units and defaults, and the rules that tie them together.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use crate::connection::Endpoint;
use crate::partitioner::Partitioner;

/// Brokers remember this many batches of a producer per partition, so no more may be in flight with idempotence.
pub(crate) const IDEMPOTENT_IN_FLIGHT_MAX: usize = 5;

/// `client.id` travels in every request header behind a 16-bit length.
const CLIENT_ID_BYTES_MAX: usize = 1024;

/// Whose word makes a record acknowledged; Java's `acks`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Acks {
    /// Nobody's: a record counts as sent when it is written to the socket. Losses go unseen.
    None,
    /// The leader's: acknowledged records are lost if it fails before others copied them.
    Leader,
    /// Every in-sync replica's.
    #[default]
    All,
}

impl Acks {
    pub(crate) fn wire(self) -> i16 {
        match self {
            Self::None => 0,
            Self::Leader => 1,
            Self::All => -1,
        }
    }
}

/// How batches are compressed; Java's `compression.type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// Gzip: small, slow. Feature `gzip`, as all four on by default.
    Gzip,
    /// Snappy: fast. Feature `snappy`.
    Snappy,
    /// LZ4: fast. Feature `lz4`.
    Lz4,
    /// Zstandard: smaller than gzip and faster. Feature `zstd`, the only one that needs a C compiler.
    Zstd,
}

/// Java's way to say: whatever gzip does by itself.
const GZIP_DEFAULT_LEVEL: i32 = -1;

impl Compression {
    /// The feature that this build would need for it.
    fn missing_feature(self) -> Option<&'static str> {
        let (feature, is_built) = match self {
            Self::None => return None,
            Self::Gzip => ("gzip", cfg!(feature = "gzip")),
            Self::Snappy => ("snappy", cfg!(feature = "snappy")),
            Self::Lz4 => ("lz4", cfg!(feature = "lz4")),
            Self::Zstd => ("zstd", cfg!(feature = "zstd")),
        };
        (!is_built).then_some(feature)
    }
}

/// The settings of a producer. [`ProducerConfig::default`] holds Java 4.x's defaults; only
/// `bootstrap_servers` has none.
///
/// ```
/// use producer_core::ProducerConfig;
///
/// let mut config = ProducerConfig::new("localhost:9092");
/// config.linger = std::time::Duration::from_millis(20);
/// assert!(config.validate().is_ok());
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ProducerConfig {
    /// `bootstrap.servers`: brokers asked first, `host:port` each. One that answers is enough.
    pub bootstrap_servers: Vec<String>,
    /// `client.id`: how brokers name this client in logs and quotas. Default `producer-core`, at most 1,024 bytes.
    pub client_id: String,
    /// `acks`: whose word makes a record acknowledged. Default all.
    pub acks: Acks,
    /// `enable.idempotence`: no duplicates and no reordering by retries. Default true; needs `acks=all`.
    pub enable_idempotence: bool,
    /// `linger.ms`: how long a batch that is not full waits for more records. Default 5 ms; 0 sends at once.
    pub linger: Duration,
    /// `batch.size`: bytes of records collected per partition before compression. Default 16,384; 0 means one record per batch.
    pub batch_bytes: usize,
    /// `buffer.memory`: bytes of records held until they are acknowledged. Default 33,554,432.
    pub buffer_bytes: usize,
    /// `max.block.ms`: how long `send` may wait for the topic, the serializer and room, together. Default 60,000 ms.
    pub max_block: Duration,
    /// `max.request.size`: bytes of the largest request and of the largest record before compression. Default 1,048,576.
    pub request_bytes_max: usize,
    /// `request.timeout.ms`: how long a broker may take to answer. Default 30,000 ms.
    pub request_timeout: Duration,
    /// `delivery.timeout.ms`: how long a record may take from its batch's first append to the answer, retries
    /// included. Default 120,000 ms; at least `linger.ms` + `request.timeout.ms`.
    pub delivery_timeout: Duration,
    /// `retries`: how often a batch is sent again. Default 2,147,483,647: until `delivery.timeout.ms`.
    pub retries: u32,
    /// `retry.backoff.ms`: pause before the first retry, doubled for each further one, +-20 %. Default 100 ms.
    pub retry_backoff: Duration,
    /// `retry.backoff.max.ms`: the longest pause. Default 1,000 ms.
    pub retry_backoff_max: Duration,
    /// `reconnect.backoff.ms`: pause after a failed connection, doubled for each further one, +-20 %. Default 50 ms.
    pub reconnect_backoff: Duration,
    /// `reconnect.backoff.max.ms`: the longest such pause. Default 1,000 ms.
    pub reconnect_backoff_max: Duration,
    /// `socket.connection.setup.timeout.ms`: from resolving a name to the broker's first answer. Default 10,000 ms.
    pub connection_setup_timeout: Duration,
    /// `metadata.max.age.ms`: topics and leaders are asked for again this often. Default 300,000 ms.
    pub metadata_age_max: Duration,
    /// `max.in.flight.requests.per.connection`: requests without an answer per broker. Default 5, which is also
    /// the most that idempotence allows.
    pub in_flight_max: usize,
    /// `compression.type`: how batches are compressed. Default none.
    pub compression: Compression,
    /// `compression.gzip.level`: 1, fast, to 9, small. Default -1, which is gzip's own, 6.
    pub gzip_level: i32,
    /// `compression.lz4.level`: 1 to 17. Default 9, which is the fast compressor; any other searches, and each
    /// level doubles the search.
    pub lz4_level: i32,
    /// `compression.zstd.level`: -131,072, fast, to 22, small. Default 3.
    pub zstd_level: i32,
    /// `partitioner.ignore.keys`: spreads keyed records as if they had no key. Default false.
    pub partitioner_ignore_keys: bool,
    /// In place of Java's `partitioner.class`; `None` hashes keys (murmur2) and sticks to a partition without (KIP-794).
    pub partitioner: Option<Arc<dyn Partitioner>>,
}

impl Default for ProducerConfig {
    fn default() -> Self {
        Self {
            bootstrap_servers: Vec::new(),
            client_id: "producer-core".to_owned(),
            acks: Acks::All,
            enable_idempotence: true,
            linger: Duration::from_millis(5),
            batch_bytes: 16_384,
            buffer_bytes: 32 * 1024 * 1024,
            max_block: Duration::from_secs(60),
            request_bytes_max: 1024 * 1024,
            request_timeout: Duration::from_secs(30),
            delivery_timeout: Duration::from_secs(120),
            retries: i32::MAX as u32,
            retry_backoff: Duration::from_millis(100),
            retry_backoff_max: Duration::from_secs(1),
            reconnect_backoff: Duration::from_millis(50),
            reconnect_backoff_max: Duration::from_secs(1),
            connection_setup_timeout: Duration::from_secs(10),
            metadata_age_max: Duration::from_secs(300),
            in_flight_max: 5,
            compression: Compression::None,
            gzip_level: GZIP_DEFAULT_LEVEL,
            lz4_level: 9,
            zstd_level: 3,
            partitioner_ignore_keys: false,
            partitioner: None,
        }
    }
}

/// Everything that is wrong with a [`ProducerConfig`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// One sentence per problem, each naming the property and what would do.
    pub problems: Vec<String>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the producer's settings do not work: ")?;
        f.write_str(&self.problems.join("; "))
    }
}

impl std::error::Error for ConfigError {}

impl ProducerConfig {
    /// The defaults with these brokers, comma-separated `host:port`.
    #[must_use]
    pub fn new(bootstrap_servers: &str) -> Self {
        Self { bootstrap_servers: split_list(bootstrap_servers), ..Self::default() }
    }

    /// Reads Java's properties. An unknown key is warned about in the log (one file often serves several clients);
    /// what depends on an explicit setting follows Java: `acks` other than all turns an unset idempotence off,
    /// and an unset `delivery.timeout.ms` grows to fit.
    ///
    /// # Errors
    /// Every value that cannot be read and everything [`validate`](Self::validate) finds.
    pub fn from_properties<'a>(properties: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, ConfigError> {
        let given: BTreeMap<&str, &str> =
            properties.into_iter().map(|(key, value)| (key.trim(), value.trim())).collect();
        let mut config = Self::default();
        let mut problems = Vec::new();
        for (key, value) in &given {
            match config.set(key, value) {
                Ok(Known::Yes) => {}
                Ok(Known::No) => warn_unknown(key),
                Err(expected) => problems.push(format!("`{key}` is `{value}`: expected {expected}")),
            }
        }
        if !given.contains_key("enable.idempotence") {
            config.enable_idempotence =
                config.acks == Acks::All && config.retries > 0 && config.in_flight_max <= IDEMPOTENT_IN_FLIGHT_MAX;
        }
        if !given.contains_key("delivery.timeout.ms") {
            config.delivery_timeout = config.delivery_timeout.max(config.linger + config.request_timeout);
        }
        if let Err(found) = config.validate() {
            problems.extend(found.problems);
        }
        if problems.is_empty() { Ok(config) } else { Err(ConfigError { problems }) }
    }

    fn set(&mut self, key: &str, value: &str) -> Result<Known, &'static str> {
        match key {
            "bootstrap.servers" => self.bootstrap_servers = split_list(value),
            "client.id" => value.clone_into(&mut self.client_id),
            "acks" => self.acks = acks(value)?,
            "enable.idempotence" => self.enable_idempotence = boolean(value)?,
            "linger.ms" => self.linger = milliseconds(value)?,
            "batch.size" => self.batch_bytes = number(value)?,
            "buffer.memory" => self.buffer_bytes = number(value)?,
            "max.block.ms" => self.max_block = milliseconds(value)?,
            "max.request.size" => self.request_bytes_max = number(value)?,
            "request.timeout.ms" => self.request_timeout = milliseconds(value)?,
            "delivery.timeout.ms" => self.delivery_timeout = milliseconds(value)?,
            "retries" => self.retries = number(value)?,
            "retry.backoff.ms" => self.retry_backoff = milliseconds(value)?,
            "retry.backoff.max.ms" => self.retry_backoff_max = milliseconds(value)?,
            "reconnect.backoff.ms" => self.reconnect_backoff = milliseconds(value)?,
            "reconnect.backoff.max.ms" => self.reconnect_backoff_max = milliseconds(value)?,
            "socket.connection.setup.timeout.ms" => self.connection_setup_timeout = milliseconds(value)?,
            "metadata.max.age.ms" => self.metadata_age_max = milliseconds(value)?,
            "max.in.flight.requests.per.connection" => self.in_flight_max = number(value)?,
            "compression.type" => self.compression = compression(value)?,
            "compression.gzip.level" => self.gzip_level = integer(value)?,
            "compression.lz4.level" => self.lz4_level = integer(value)?,
            "compression.zstd.level" => self.zstd_level = integer(value)?,
            "partitioner.ignore.keys" => self.partitioner_ignore_keys = boolean(value)?,
            "security.protocol" if value != "PLAINTEXT" => return Err("PLAINTEXT, the only one supported"),
            // Java's class names; here the serializers are arguments of `Producer::new`.
            "key.serializer" | "value.serializer" | "security.protocol" => {}
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    }

    /// Checks every setting, alone and together.
    ///
    /// # Errors
    /// All problems at once.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let mut problems = Vec::new();
        self.check_addresses(&mut problems);
        self.check_sizes(&mut problems);
        self.check_times(&mut problems);
        self.check_compression(&mut problems);
        self.check_guarantees(&mut problems);
        if problems.is_empty() { Ok(()) } else { Err(ConfigError { problems }) }
    }

    fn check_addresses(&self, problems: &mut Vec<String>) {
        if self.bootstrap_servers.is_empty() {
            problems.push("`bootstrap.servers` is empty: expected at least one `host:port`".to_owned());
        }
        let unreadable = self.bootstrap_servers.iter().filter_map(|server| server.parse::<Endpoint>().err());
        problems.extend(unreadable.map(|error| format!("`bootstrap.servers`: {error}")));
        if self.client_id.len() > CLIENT_ID_BYTES_MAX {
            problems.push(format!(
                "`client.id` has {} bytes: expected at most {CLIENT_ID_BYTES_MAX}",
                self.client_id.len()
            ));
        }
    }

    fn check_sizes(&self, problems: &mut Vec<String>) {
        let limit = i32::MAX as usize / 2;
        let sizes = [
            ("batch.size", self.batch_bytes, 0, limit),
            ("max.request.size", self.request_bytes_max, 1, limit),
            ("buffer.memory", self.buffer_bytes, 1, usize::MAX >> 4),
            ("max.in.flight.requests.per.connection", self.in_flight_max, 1, 1000),
        ];
        for (name, value, from, to) in sizes {
            if !(from..=to).contains(&value) {
                problems.push(format!("`{name}` is {value}: expected {from} to {to}"));
            }
        }
        if self.batch_bytes > self.buffer_bytes {
            problems.push(format!(
                "`batch.size` ({}) is larger than `buffer.memory` ({}): no batch would ever fit",
                self.batch_bytes, self.buffer_bytes
            ));
        }
    }

    fn check_times(&self, problems: &mut Vec<String>) {
        let shortest = self.linger + self.request_timeout;
        if self.delivery_timeout < shortest {
            problems.push(format!(
                "`delivery.timeout.ms` is {}: expected at least `linger.ms` + `request.timeout.ms`, {}",
                self.delivery_timeout.as_millis(),
                shortest.as_millis()
            ));
        }
        let positive = [
            ("request.timeout.ms", self.request_timeout),
            ("socket.connection.setup.timeout.ms", self.connection_setup_timeout),
            ("metadata.max.age.ms", self.metadata_age_max),
        ];
        for (name, value) in positive {
            if value.is_zero() {
                problems.push(format!("`{name}` is 0: expected at least 1"));
            }
        }
        if self.request_timeout.as_millis() > i32::MAX as u128 {
            problems.push(format!("`request.timeout.ms` is larger than {}", i32::MAX));
        }
    }

    fn check_compression(&self, problems: &mut Vec<String>) {
        if let Some(feature) = self.compression.missing_feature() {
            problems.push(format!("`compression.type` is `{feature}`, but this build lacks the feature `{feature}`"));
        }
        // A level is checked whether its codec is chosen or not, as Java does.
        let levels = [
            ("compression.gzip.level", self.gzip_level, 1, 9, Some(GZIP_DEFAULT_LEVEL)),
            ("compression.lz4.level", self.lz4_level, 1, 17, None),
            ("compression.zstd.level", self.zstd_level, -131_072, 22, None),
        ];
        for (name, level, from, to, besides) in levels {
            if !(from..=to).contains(&level) && Some(level) != besides {
                let or = besides.map(|level| format!(" or {level}")).unwrap_or_default();
                problems.push(format!("`{name}` is {level}: expected {from} to {to}{or}"));
            }
        }
    }

    /// The level of the chosen codec; 0 for one without levels.
    pub(crate) fn compression_level(&self) -> i32 {
        match self.compression {
            Compression::None | Compression::Snappy => 0,
            Compression::Gzip => self.gzip_level,
            Compression::Lz4 => self.lz4_level,
            Compression::Zstd => self.zstd_level,
        }
    }

    fn check_guarantees(&self, problems: &mut Vec<String>) {
        if !self.enable_idempotence {
            return;
        }
        if self.acks != Acks::All {
            problems.push("`enable.idempotence` needs `acks=all`: set it, or turn idempotence off".to_owned());
        }
        if self.retries == 0 {
            problems.push("`enable.idempotence` needs `retries` above 0".to_owned());
        }
        if self.in_flight_max > IDEMPOTENT_IN_FLIGHT_MAX {
            problems.push(format!(
                "`enable.idempotence` needs `max.in.flight.requests.per.connection` of at most {IDEMPOTENT_IN_FLIGHT_MAX}, found {}",
                self.in_flight_max
            ));
        }
    }

    /// The brokers of `bootstrap.servers` that can be read.
    pub(crate) fn bootstrap_endpoints(&self) -> Vec<Endpoint> {
        self.bootstrap_servers.iter().filter_map(|server| server.parse().ok()).collect()
    }
}

/// Whether a property is one of ours.
enum Known {
    Yes,
    No,
}

/// The keys `set` knows, for naming the nearest.
const KEYS: &[&str] = &[
    "bootstrap.servers",
    "client.id",
    "acks",
    "enable.idempotence",
    "linger.ms",
    "batch.size",
    "buffer.memory",
    "max.block.ms",
    "max.request.size",
    "request.timeout.ms",
    "delivery.timeout.ms",
    "retries",
    "retry.backoff.ms",
    "retry.backoff.max.ms",
    "reconnect.backoff.ms",
    "reconnect.backoff.max.ms",
    "socket.connection.setup.timeout.ms",
    "metadata.max.age.ms",
    "max.in.flight.requests.per.connection",
    "compression.type",
    "compression.gzip.level",
    "compression.lz4.level",
    "compression.zstd.level",
    "partitioner.ignore.keys",
    "security.protocol",
    "key.serializer",
    "value.serializer",
];

fn warn_unknown(key: &str) {
    let nearest = KEYS.iter().min_by_key(|known| distance(key, known)).filter(|known| distance(key, known) <= 3);
    match nearest {
        Some(known) => tracing::warn!(key, "unknown producer property `{key}` is ignored, did you mean `{known}`?"),
        None => tracing::warn!(key, "unknown producer property `{key}` is ignored"),
    }
}

/// Edit distance (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.bytes().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

fn split_list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

fn number<N: FromStr>(text: &str) -> Result<N, &'static str> {
    text.parse().map_err(|_| "a whole number, not negative")
}

fn integer(text: &str) -> Result<i32, &'static str> {
    text.parse().map_err(|_| "a whole number")
}

fn milliseconds(text: &str) -> Result<Duration, &'static str> {
    text.parse().map(Duration::from_millis).map_err(|_| "milliseconds, not negative")
}

fn boolean(text: &str) -> Result<bool, &'static str> {
    text.to_ascii_lowercase().parse().map_err(|_| "`true` or `false`")
}

fn acks(text: &str) -> Result<Acks, &'static str> {
    match text {
        "all" | "-1" => Ok(Acks::All),
        "1" => Ok(Acks::Leader),
        "0" => Ok(Acks::None),
        _ => Err("`all`, `-1`, `1` or `0`"),
    }
}

fn compression(text: &str) -> Result<Compression, &'static str> {
    match text {
        "none" => Ok(Compression::None),
        "gzip" => Ok(Compression::Gzip),
        "snappy" => Ok(Compression::Snappy),
        "lz4" => Ok(Compression::Lz4),
        "zstd" => Ok(Compression::Zstd),
        _ => Err("`none`, `gzip`, `snappy`, `lz4` or `zstd`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_are_javas() {
        let config = ProducerConfig::from_properties([
            ("bootstrap.servers", "a:9092, b:9093"),
            ("linger.ms", "20"),
            ("batch.size", "100000"),
            ("compression.type", "lz4"),
            ("no.such.key", "is only warned about"),
        ])
        .unwrap();

        assert_eq!(config.bootstrap_servers, ["a:9092", "b:9093"]);
        assert_eq!((config.linger, config.batch_bytes), (Duration::from_millis(20), 100_000));
        assert_eq!(config.compression, Compression::Lz4);
        assert!(config.enable_idempotence);
    }

    #[test]
    fn acks_below_all_turn_an_unset_idempotence_off_and_refuse_a_set_one() {
        let implied = ProducerConfig::from_properties([("bootstrap.servers", "a:1"), ("acks", "1")]).unwrap();
        let asked = [("bootstrap.servers", "a:1"), ("acks", "1"), ("enable.idempotence", "true")];

        assert!(!implied.enable_idempotence);
        assert!(ProducerConfig::from_properties(asked).unwrap_err().to_string().contains("acks=all"));
    }

    #[test]
    fn every_problem_is_reported_at_once() {
        let found = ProducerConfig::from_properties([
            ("bootstrap.servers", "nonsense"),
            ("linger.ms", "-1"),
            ("compression.type", "brotli"),
            ("delivery.timeout.ms", "10"),
            ("max.in.flight.requests.per.connection", "6"),
            ("enable.idempotence", "true"),
        ])
        .unwrap_err();

        let names = ["bootstrap.servers", "linger.ms", "compression.type", "delivery.timeout.ms", "max.in.flight"];
        for name in names {
            assert!(found.problems.iter().any(|problem| problem.contains(name)), "{name}: {found}");
        }
        assert_eq!(found.problems.len(), names.len(), "{found}");
    }

    #[test]
    fn the_nearest_key_is_found() {
        assert_eq!(distance("linger", "linger"), 0);
        assert_eq!(distance("linger.ns", "linger.ms"), 1);
        assert_eq!(distance("", "abc"), 3);
    }

    #[test]
    fn every_listed_key_is_known() {
        for key in KEYS {
            let value = ["1", "true", "none", "PLAINTEXT"]
                .iter()
                .any(|value| matches!(ProducerConfig::default().set(key, value), Ok(Known::Yes)));
            assert!(value, "{key}");
        }
    }
}
