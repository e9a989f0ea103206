//! Names that users bring along: of older clients, of librdkafka, and of Java's settings that mean nothing here.

/// A name that something here answers to today.
pub(super) struct OldName {
    pub(super) name: &'static str,
    /// Today's name.
    pub(super) now: &'static str,
    pub(super) origin: &'static str,
}

const JAVA_0_8: &str = "Java 0.8";
pub(super) const JAVA_0_9: &str = "Java before 0.9 (KIP-19)";
const LIBRDKAFKA: &str = "librdkafka";

/// Old names whose values are read as those of today's. `block.on.buffer.full` is not among them: it is a flag.
pub(super) static OLD_NAMES: &[OldName] = &[
    old("timeout.ms", "request.timeout.ms", JAVA_0_9),
    old("metadata.fetch.timeout.ms", "max.block.ms", JAVA_0_9),
    old("metadata.broker.list", "bootstrap.servers", JAVA_0_8),
    old("request.required.acks", "acks", JAVA_0_8),
    old("message.send.max.retries", "retries", JAVA_0_8),
    old("queue.buffering.max.ms", "linger.ms", JAVA_0_8),
    old("compression.codec", "compression.type", JAVA_0_8),
    old("topic.metadata.refresh.interval.ms", "metadata.max.age.ms", JAVA_0_8),
    old("message.timeout.ms", "delivery.timeout.ms", LIBRDKAFKA),
    old("message.max.bytes", "max.request.size", LIBRDKAFKA),
    old("max.in.flight", "max.in.flight.requests.per.connection", LIBRDKAFKA),
    old("socket.send.buffer.bytes", "send.buffer.bytes", LIBRDKAFKA),
    old("socket.receive.buffer.bytes", "receive.buffer.bytes", LIBRDKAFKA),
];

/// The flag that `max.block.ms` replaced.
pub(super) const BLOCK_ON_BUFFER_FULL: &str = "block.on.buffer.full";

/// What `max.block.ms` is with the flag off. Whoever turned it off wants an error where the buffer is full, not to
/// wait; but `max.block.ms` covers the first question for a topic too, which has to have its time.
pub(super) const BRIEF_BLOCK_MS: i64 = 1000;

const fn old(name: &'static str, now: &'static str, origin: &'static str) -> OldName {
    OldName { name, now, origin }
}

/// A setting of Java's, or a group of them by their common beginning, that has no effect here.
pub(super) struct WithoutEffect {
    /// Ends in a dot if it is a group.
    pub(super) name: &'static str,
    pub(super) reason: &'static str,
    /// Said once in the documentation, not in the log: every Java client's file has it.
    pub(super) is_silent: bool,
}

const SERIALIZER: &str = "serializers are arguments of `Producer::new`";
const TRANSACTIONS: &str = "there are no transactions here";
const METRICS: &str = "metrics are read from the producer, not pushed by it";

/// See [`WithoutEffect`].
pub(super) static WITHOUT_EFFECT: &[WithoutEffect] = &[
    WithoutEffect { name: "key.serializer", reason: SERIALIZER, is_silent: true },
    WithoutEffect { name: "value.serializer", reason: SERIALIZER, is_silent: true },
    without("serializer.class", SERIALIZER),
    without("interceptor.classes", "interceptors are values: `Producer::with_interceptors`"),
    without("ssl.", "connections are plaintext"),
    without("sasl.", "connections are plaintext"),
    without("security.providers", "connections are plaintext"),
    without("transaction.timeout.ms", TRANSACTIONS),
    without("transaction.two.phase.commit.enable", TRANSACTIONS),
    without("enable.metrics.push", METRICS),
    without("metric.reporters", METRICS),
    without("metrics.recording.level", METRICS),
    without("auto.include.jmx.reporter", METRICS),
    without("bootstrap.resolve.timeout.ms", "names are resolved when they are needed, within `max.block.ms`"),
    without("buffer.memory.allocation.strategy", "memory is leased per batch"),
    without("batch.num.messages", "a batch is bounded in bytes: `batch.size`"),
    without("queue.buffering.max.messages", "the buffer is bounded in bytes: `buffer.memory`"),
    without("queue.buffering.max.kbytes", "the buffer is bounded in bytes: `buffer.memory`"),
    without("compression.level", "each codec has a level of its own: `compression.zstd.level` and others"),
    without("producer.type", "`send` never waits for the broker, `send_and_wait` always does"),
];

const fn without(name: &'static str, reason: &'static str) -> WithoutEffect {
    WithoutEffect { name, reason, is_silent: false }
}

impl WithoutEffect {
    /// Whether a key is this one, or of this group.
    pub(super) fn covers(&self, key: &str) -> bool {
        if self.name.ends_with('.') { key.starts_with(self.name) } else { key == self.name }
    }
}
