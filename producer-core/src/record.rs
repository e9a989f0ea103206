//! What goes in and what comes back: `ProducerRecord`, `Headers`, `RecordMetadata`.

use std::sync::Arc;

use bytes::Bytes;

/// Whether brokers take this name for a topic: 1 to 249 of `a-z A-Z 0-9 . _ -`, and neither `.` nor `..`.
#[must_use]
pub fn is_topic_name(name: &str) -> bool {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=249).contains(&name.len()) && name != "." && name != ".." && name.bytes().all(is_legal)
}

/// A record to be sent. A `None` value is a tombstone.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProducerRecord<K, V> {
    /// Topic. Whoever sends much keeps the name and clones it into each record, which copies nothing.
    pub topic: Arc<str>,
    /// A given partition, from 0; `None` lets the partitioner choose.
    pub partition: Option<i32>,
    /// Key.
    pub key: Option<K>,
    /// Value.
    pub value: Option<V>,
    /// Headers, in order; keys may repeat.
    pub headers: Headers,
    /// Milliseconds since the Unix epoch; `None` means the time of `send`.
    pub timestamp: Option<i64>,
}

impl<K, V> ProducerRecord<K, V> {
    /// A record for `topic` with neither key nor value.
    pub fn to(topic: impl Into<Arc<str>>) -> Self {
        Self {
            topic: topic.into(),
            partition: None,
            key: None,
            value: None,
            headers: Headers::default(),
            timestamp: None,
        }
    }

    /// Sets the key.
    #[must_use]
    pub fn key(mut self, key: impl Into<K>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Sets the value.
    #[must_use]
    pub fn value(mut self, value: impl Into<V>) -> Self {
        self.value = Some(value.into());
        self
    }

    /// Sends to this partition, from 0.
    #[must_use]
    pub fn partition(mut self, partition: i32) -> Self {
        self.partition = Some(partition);
        self
    }

    /// Sets the timestamp, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn timestamp(mut self, timestamp_ms: i64) -> Self {
        self.timestamp = Some(timestamp_ms);
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, key: impl Into<String>, value: impl Into<Bytes>) -> Self {
        self.headers.push(key, Some(value.into()));
        self
    }
}

/// The headers of a record, in order; keys may repeat.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers {
    entries: Vec<Header>,
}

/// One header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Key.
    pub key: String,
    /// Value; `None` is Kafka's null.
    pub value: Option<Bytes>,
}

impl Headers {
    /// Appends a header.
    pub fn push(&mut self, key: impl Into<String>, value: Option<Bytes>) {
        self.entries.push(Header { key: key.into(), value });
    }

    /// Removes every header with this key.
    pub fn remove(&mut self, key: &str) {
        self.entries.retain(|header| header.key != key);
    }

    /// Drops all but the first `len` headers.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.entries.truncate(len);
    }

    /// The last header with this key, as Java's `lastHeader`.
    #[must_use]
    pub fn last(&self, key: &str) -> Option<&Header> {
        self.entries.iter().rev().find(|header| header.key == key)
    }

    /// All headers, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Header> {
        self.entries.iter()
    }

    /// Number of headers.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// Where a record landed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordMetadata {
    /// Topic.
    pub topic: Arc<str>,
    /// Partition, from 0.
    pub partition: i32,
    /// Offset in the partition; `None` when the broker did not say (acks=0, or a duplicate whose offset is unknown).
    pub offset: Option<i64>,
    /// Milliseconds since the Unix epoch: the broker's append time if the topic says so, else the record's own.
    pub timestamp: i64,
    /// Size of the serialised key; `None` for no key.
    pub serialized_key_bytes: Option<usize>,
    /// Size of the serialised value; `None` for a tombstone.
    pub serialized_value_bytes: Option<usize>,
}
