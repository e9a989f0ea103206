//! The table of settings: name, field, type, default, values and meaning of each stand here and nowhere else.
//!
//! From it come the struct, its defaults and documentation, the reading of properties, the checks of ranges
//! and `docs/producer-config.md`.

use std::sync::Arc;
use std::time::Duration;

use super::choice::{Acks, Compression, DnsLookup, MetadataRecovery};
use super::value::{FOREVER_MS, INT, Setting, Values};
use crate::partitioner::Partitioner;

/// A request, or a batch, must be countable in Java's `int` with room for what surrounds it.
const REQUEST_BYTES_MAX: i64 = INT / 2;

/// What can be counted in bytes at all: memory is leased from a semaphore, which counts so far.
const BUFFER_BYTES_MAX: i64 = (usize::MAX >> 4) as i64;

/// Each request without an answer holds memory and a place in a queue.
const IN_FLIGHT_MAX: i64 = 1000;

/// One row of the table.
pub(super) struct Key {
    /// Java's name.
    pub(super) name: &'static str,
    /// The field's name.
    pub(super) field: &'static str,
    /// What it means.
    pub(super) meaning: &'static str,
    pub(super) values: Values,
    pub(super) print: fn(&ProducerConfig) -> String,
    pub(super) number: fn(&ProducerConfig) -> Option<i64>,
    /// `None` if the text cannot be read.
    pub(super) set: fn(&mut ProducerConfig, &str) -> Option<()>,
}

macro_rules! settings {
    (
        $(#[$about:meta])*
        struct ProducerConfig;
        $($(#[doc = $meaning:literal])+ $name:literal $field:ident: $type:ty = $default:expr, $values:expr;)+
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone)]
        #[non_exhaustive]
        pub struct ProducerConfig {
            $(
                #[doc = concat!("`", $name, "`:")]
                $(#[doc = $meaning])+
                #[doc = concat!("\nDefault: `", stringify!($default), "`.")]
                pub $field: $type,
            )+
            /// In place of Java's `partitioner.class`; `None` hashes keys (murmur2) and sticks to a partition
            /// without (KIP-794).
            pub partitioner: Option<Arc<dyn Partitioner>>,
        }

        impl Default for ProducerConfig {
            fn default() -> Self {
                Self { $($field: $default,)+ partitioner: None }
            }
        }

        /// Every setting that a properties file can have.
        pub(super) static KEYS: &[Key] = &[$(
            Key {
                name: $name,
                field: stringify!($field),
                meaning: concat!($($meaning),+),
                values: $values,
                print: |config| config.$field.print(),
                number: |config| config.$field.number(),
                set: |config, text| {
                    config.$field = Setting::parse(text)?;
                    Some(())
                },
            },
        )+];
    };
}

settings! {
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
    struct ProducerConfig;

    /// Brokers asked first, `host:port` each. One that answers is enough.
    "bootstrap.servers" bootstrap_servers: Vec<String> = Vec::new(), Values::Text("`host:port,...`, at least one");

    /// How brokers name this client in logs, metrics and quotas. Empty: `producer-1`, `producer-2`, ... by the
    /// order in which the process makes them.
    "client.id" client_id: String = String::new(), Values::Text("text of at most 1024 bytes");

    /// Whose word makes a record acknowledged: every in-sync replica's, the leader's, nobody's. Other than in Java,
    /// with 0 the first batch of a partition over each connection asks for an answer all the same: a leader that is
    /// not ready yet would swallow it.
    "acks" acks: Acks = Acks::All, Values::words::<Acks>();

    /// No duplicates and no reordering by retries. Needs `acks=all`, `retries` above 0 and at most 5 requests in
    /// flight. In a file that does not set it, other `acks` or `retries=0` turn it off. Other than in Java, what a
    /// leader without enough replicas says it has written is not sent again without idempotence, which would write it
    /// twice: it fails, as written.
    "enable.idempotence" enable_idempotence: bool = true, Values::FLAG;

    /// How long a batch that is not full waits for more records. 0 sends at once.
    "linger.ms" linger: Duration = Duration::from_millis(5), Values::milliseconds(0, FOREVER_MS);

    /// A setting of ours, which Java's client does not have: a batch that is not full waits only while another one of
    /// its partition is on its way, and `linger.ms` at most. So a record that is sent alone costs no linger, and those
    /// sent meanwhile share a batch.
    "linger.adaptive" linger_adaptive: bool = false, Values::FLAG;

    /// Bytes of records collected per partition before compression. 0 means one record per batch.
    "batch.size" batch_bytes: usize = 16_384, Values::bytes(0, REQUEST_BYTES_MAX);

    /// Bytes of records held until they are acknowledged. `send` waits when they are used up, whichever broker it sends
    /// to: see `partitioner.availability.timeout.ms` for one broker that holds them all.
    "buffer.memory" buffer_bytes: usize = 33_554_432, Values::bytes(1, BUFFER_BYTES_MAX);

    /// How long `send` may wait for the topic, the serializer and room, together.
    "max.block.ms" max_block: Duration = Duration::from_secs(60), Values::milliseconds(0, FOREVER_MS);

    /// Bytes of the largest request, and of the largest record before compression.
    "max.request.size" request_bytes_max: usize = 1_048_576, Values::bytes(1, REQUEST_BYTES_MAX);

    /// How long a broker may take to answer.
    "request.timeout.ms" request_timeout: Duration = Duration::from_secs(30), Values::milliseconds(1, INT);

    /// How long a record may take from its batch's first append to the answer, retries included. At least
    /// `linger.ms` + `request.timeout.ms`; in a file that does not set it, it grows to that.
    "delivery.timeout.ms" delivery_timeout: Duration = Duration::from_secs(120), Values::milliseconds(0, INT);

    /// How often a batch is sent again, within `delivery.timeout.ms`. Other than in Java, an attempt that was refused
    /// because the leader has moved is made up for without being counted. 0 sends nothing again, whatever happened.
    "retries" retries: u32 = 2_147_483_647, Values::number(0, INT);

    /// Pause before the first retry, doubled for each further one, 20 % more or less.
    "retry.backoff.ms" retry_backoff: Duration = Duration::from_millis(100), Values::milliseconds(0, FOREVER_MS);

    /// The longest pause before a retry; below `retry.backoff.ms`, the pause before each. A newer leader is not waited
    /// for.
    "retry.backoff.max.ms" retry_backoff_max: Duration = Duration::from_secs(1), Values::milliseconds(0, FOREVER_MS);

    /// Requests without an answer per broker. With idempotence at most 5.
    "max.in.flight.requests.per.connection" in_flight_max: usize = 5, Values::number(1, IN_FLIGHT_MAX);

    /// How batches are compressed.
    "compression.type" compression: Compression = Compression::None, Values::words::<Compression>();

    /// From 1, fast, to 9, small. -1 is gzip's own default, 6.
    "compression.gzip.level" gzip_level: i32 = -1, Values::number(1, 9).or(-1);

    /// 9 is the fast compressor. Any other searches for longer matches, and each level doubles the search.
    "compression.lz4.level" lz4_level: i32 = 9, Values::number(1, 17);

    /// From fast to small; below 0 faster than any other.
    "compression.zstd.level" zstd_level: i32 = 3, Values::number(-131_072, 22);

    /// Spreads records with a key as if they had none.
    "partitioner.ignore.keys" partitioner_ignore_keys: bool = false, Values::FLAG;

    /// Records without a key go more often to partitions whose batches wait less (KIP-794).
    "partitioner.adaptive.partitioning.enable" partitioner_adaptive: bool = true, Values::FLAG;

    /// Records without a key stay away from a broker that has taken nothing of what is ready for so long. 0, as in
    /// Java: never, so that what waits for one slow or silent broker fills `buffer.memory` in the end, and `send` then
    /// waits for all brokers. Set it well above `linger.ms` and what a healthy broker takes to answer, to 1000 say.
    /// Records with a key, or with a partition of their own, have nowhere else to go: for them only more
    /// `buffer.memory` helps.
    "partitioner.availability.timeout.ms" partitioner_availability_timeout: Duration = Duration::ZERO,
        Values::milliseconds(0, FOREVER_MS);

    /// Records without a key go to partitions whose leader stands in `client.rack`, as long as one of them can be
    /// written to (KIP-1123). Without a rack of its own, or a custom partitioner, nothing changes.
    "partitioner.rack.aware" partitioner_rack_aware: bool = false, Values::FLAG;

    /// Where this client stands, by the word that brokers have for it in `broker.rack`.
    "client.rack" client_rack: String = String::new(), Values::Text("text");

    /// Topics, partitions and leaders are asked for again this often.
    "metadata.max.age.ms" metadata_age_max: Duration = Duration::from_secs(300), Values::milliseconds(1, FOREVER_MS);

    /// A topic that nothing was sent to for so long is forgotten, and asked for anew with its next record.
    "metadata.max.idle.ms" metadata_idle_max: Duration = Duration::from_secs(300),
        Values::milliseconds(5000, FOREVER_MS);

    /// When none of the known brokers can be connected to, or they are silent for too long: start again from
    /// `bootstrap.servers`, or not (KIP-899).
    "metadata.recovery.strategy" metadata_recovery: MetadataRecovery = MetadataRecovery::Rebootstrap,
        Values::words::<MetadataRecovery>();

    /// How long that is for brokers that are connected and do not answer (KIP-1102). 0: not at all.
    "metadata.recovery.rebootstrap.trigger.ms" rebootstrap_trigger: Duration = Duration::from_secs(300),
        Values::milliseconds(0, FOREVER_MS);

    /// A broker that answers for another cluster, since its address is another's now, is not believed (KIP-1242): the
    /// cluster is looked for from `bootstrap.servers`. Judged here by the cluster's id, not by the broker.
    "metadata.cluster.check.enable" metadata_cluster_check: bool = true, Values::FLAG;

    /// Pause after a failed connection, doubled for each further one, 20 % more or less.
    "reconnect.backoff.ms" reconnect_backoff: Duration = Duration::from_millis(50), Values::milliseconds(0, FOREVER_MS);

    /// The longest such pause. In a file that sets only `reconnect.backoff.ms`, the same.
    "reconnect.backoff.max.ms" reconnect_backoff_max: Duration = Duration::from_secs(1),
        Values::milliseconds(0, FOREVER_MS);

    /// How long a connection may take, from resolving the name to the broker's first answer; doubled for each
    /// further attempt, 20 % more or less.
    "socket.connection.setup.timeout.ms" connection_setup_timeout: Duration = Duration::from_secs(10),
        Values::milliseconds(1, FOREVER_MS);

    /// The longest that a connection may take.
    "socket.connection.setup.timeout.max.ms" connection_setup_timeout_max: Duration = Duration::from_secs(30),
        Values::milliseconds(1, FOREVER_MS);

    /// A connection without requests for so long is closed. -1: never.
    "connections.max.idle.ms" connection_idle_max: Option<Duration> = Some(Duration::from_secs(540)),
        Values::milliseconds(0, FOREVER_MS).or(-1);

    /// The system's buffer for what is sent (`SO_SNDBUF`). -1 leaves it to the system.
    "send.buffer.bytes" send_buffer_bytes: Option<usize> = Some(131_072), Values::bytes(-1, INT);

    /// The system's buffer for what is received (`SO_RCVBUF`). -1 leaves it to the system.
    "receive.buffer.bytes" receive_buffer_bytes: Option<usize> = Some(32_768), Values::bytes(-1, INT);

    /// Over so many windows of time the averages, maxima and rates of metrics go, the current one included.
    "metrics.num.samples" metrics_samples: u32 = 2, Values::number(1, INT);

    /// The length of such a window.
    "metrics.sample.window.ms" metrics_sample_window: Duration = Duration::from_secs(30),
        Values::milliseconds(1, FOREVER_MS);

    /// Every address of a name is tried. With `resolve_canonical_bootstrap_servers_only` each address of a name in
    /// `bootstrap.servers` is moreover a server of its own, by its number: the next one is asked if it does not answer.
    "client.dns.lookup" dns_lookup: DnsLookup = DnsLookup::UseAllDnsIps, Values::words::<DnsLookup>();
}
