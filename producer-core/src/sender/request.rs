//! The produce request, written by hand around batches that are not copied.
//!
//! ```text
//! transactional_id null | acks i16 | timeout_ms i32 | topics [
//!     name (to v12) or topic id (v13) | partitions [ index i32 | records length | BATCH | tags ] | tags ] | tags
//! ```
//!
//! From version 9 on counts and lengths are compact: varints, one more than the value. Before, they are fixed
//! numbers, and there are no tags (<https://kafka.apache.org/protocol#The_Messages_Produce>).

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};

use kafka_protocol::messages::ProduceRequest;

use crate::accumulator::batch::BatchImage;
use crate::connection::{Answer, CallError, Connection, ConnectionError};

/// The first version that names topics by id.
const TOPIC_ID_VERSION: i16 = 13;

/// The first version with compact lengths and tags.
const COMPACT_VERSION: i16 = 9;

/// The first version in which a broker takes batches compressed with zstd (KIP-110).
pub(crate) const ZSTD_VERSION: i16 = 7;

/// Bytes beside the batches: the request's header without the client's name, its own fields and, for each batch,
/// topic and partition.
pub(crate) const REQUEST_OVERHEAD_BYTES: usize = 80;
pub(crate) const BATCH_OVERHEAD_BYTES: usize = 32;

/// One batch and where it goes.
#[derive(Debug, Clone)]
pub(crate) struct Addressed {
    pub(crate) topic: Arc<str>,
    pub(crate) topic_id: [u8; 16],
    pub(crate) partition: i32,
    pub(crate) image: BatchImage,
}

/// The newest version that the broker and we speak.
pub(crate) fn newest_version(connection: &Connection) -> Result<i16, ConnectionError> {
    connection.version_of::<ProduceRequest>()
}

/// Sends an encoded request; answers the reply's frame, empty for acks=0.
pub(crate) async fn send(
    connection: &Connection,
    version: i16,
    body: Vec<Bytes>,
    answer: Answer,
) -> Result<Bytes, CallError> {
    connection.call_raw::<ProduceRequest>(version, body, answer).await
}

/// The newest version no newer than `negotiated` in which these batches can be named.
pub(crate) fn version_for(negotiated: i16, batches: &[Addressed]) -> i16 {
    let has_ids = batches.iter().all(|batch| batch.topic_id != [0; 16]);
    if has_ids { negotiated } else { negotiated.min(TOPIC_ID_VERSION - 1) }
}

/// The request's body as chunks for one vectored write. At most one batch per partition. What stands around the batches
/// takes its space from `space`, which serves one request after the other.
pub(crate) fn encode(
    version: i16,
    acks: i16,
    timeout_ms: i32,
    batches: &mut [Addressed],
    space: &mut BytesMut,
) -> Vec<Bytes> {
    // Batches of one topic stand together; the order of topics does not matter.
    batches.sort_by(|a, b| a.topic.cmp(&b.topic));
    let topics = || batches.chunk_by(|a, b| a.topic == b.topic);

    // One more for the header that the connection puts in front.
    let mut chunks = Vec::with_capacity(2 * batches.len() + 2);
    space.reserve(REQUEST_OVERHEAD_BYTES + batches.len() * 160);
    let mut head = Head { out: space, is_compact: version >= COMPACT_VERSION };
    head.null();
    head.out.put_i16(acks);
    head.out.put_i32(timeout_ms);
    head.count(topics().count());
    for topic in topics() {
        if version >= TOPIC_ID_VERSION {
            head.out.put_slice(&topic[0].topic_id);
        } else {
            head.text(&topic[0].topic);
        }
        head.count(topic.len());
        for batch in topic {
            head.out.put_i32(batch.partition);
            head.count(batch.image.bytes());
            head.out.put_slice(&batch.image.header);
            chunks.push(head.out.split().freeze());
            chunks.push(batch.image.body.clone());
            head.no_tags();
        }
        head.no_tags();
    }
    head.no_tags();
    chunks.push(head.out.split().freeze());
    chunks
}

/// What stands around the batches, in the way of writing that the version asks for.
struct Head<'a> {
    out: &'a mut BytesMut,
    is_compact: bool,
}

impl Head<'_> {
    fn null(&mut self) {
        if self.is_compact { self.out.put_u8(0) } else { self.out.put_i16(-1) }
    }

    fn no_tags(&mut self) {
        if self.is_compact {
            self.out.put_u8(0);
        }
    }

    /// A count, or the length of records. The configuration bounds both far below 2 GiB.
    fn count(&mut self, count: usize) {
        if self.is_compact { self.varint(count + 1) } else { self.out.put_i32(count as i32) }
    }

    /// A topic's name; brokers take 249 bytes at most.
    fn text(&mut self, text: &str) {
        if self.is_compact {
            self.varint(text.len() + 1)
        } else {
            self.out.put_i16(text.len() as i16)
        }
        self.out.put_slice(text.as_bytes());
    }

    fn varint(&mut self, mut rest: usize) {
        while rest >= 0x80 {
            self.out.put_u8(rest as u8 | 0x80);
            rest >>= 7;
        }
        self.out.put_u8(rest as u8);
    }
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::ProduceRequest;
    use kafka_protocol::protocol::{Decodable, Encodable};

    use super::*;

    fn addressed(topic: &str, partition: i32, body: &'static [u8]) -> Addressed {
        let image = BatchImage { header: [partition as u8; 61], body: Bytes::from_static(body) };
        Addressed { topic: topic.into(), topic_id: [topic.len() as u8; 16], partition, image }
    }

    #[test]
    fn every_version_is_byte_for_byte_what_another_encoder_writes() {
        let long: &[u8] = Box::leak(vec![7; 20_000].into_boxed_slice());
        let mut space = BytesMut::new();
        for version in 3..=13 {
            let mut batches = [addressed("b", 1, b"one"), addressed("aa", 0, long), addressed("b", 0, b"")];

            let bytes: Vec<u8> = encode(version, -1, 30_000, &mut batches, &mut space).concat();
            let read = ProduceRequest::decode(&mut Bytes::from(bytes.clone()), version).unwrap();
            let mut again = BytesMut::new();
            read.encode(&mut again, version).unwrap();

            assert_eq!(bytes, again, "v{version}");
            assert_eq!((read.acks, read.timeout_ms, read.transactional_id.is_none()), (-1, 30_000, true));
            let partitions: Vec<(i32, usize)> = read
                .topic_data
                .iter()
                .flat_map(|topic| &topic.partition_data)
                .map(|partition| (partition.index, partition.records.as_ref().unwrap().len()))
                .collect();
            assert_eq!(partitions, [(0, 61 + 20_000), (1, 64), (0, 61)], "v{version}");
            match version {
                13 => assert_eq!(read.topic_data[0].topic_id.as_bytes(), &[2; 16]),
                _ => assert_eq!(read.topic_data[0].name.0.as_str(), "aa"),
            }
        }
    }

    #[test]
    fn topics_without_an_id_are_named() {
        let with = addressed("t", 0, b"");
        let without = Addressed { topic_id: [0; 16], ..with.clone() };

        assert_eq!(version_for(13, std::slice::from_ref(&with)), 13);
        assert_eq!(version_for(13, &[with, without.clone()]), 12);
        assert_eq!(version_for(9, &[without]), 9);
    }
}
