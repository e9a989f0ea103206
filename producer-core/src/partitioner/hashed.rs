//! Partitioners that hash the key the way other clients do, so that a key lands where theirs put it.

use super::murmur2::murmur2_partition;
use super::{Partitioner, TopicPartitions};

/// How a key becomes a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyHash {
    /// Not at all: every record is one without a key.
    None,
    /// CRC-32, librdkafka's default.
    Crc32,
    /// Java's.
    Murmur2,
    /// FNV-1a with 32 bits, the default of Sarama.
    Fnv1a,
}

/// What becomes of a record without a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WithoutKey {
    /// As if its key were empty: all of them go to one partition.
    Hash,
    /// A random partition for each.
    Random,
    /// That, also for a key that is there but empty.
    RandomAlsoIfEmpty,
}

/// Hashes the key; knows no batches, so records without a key do not stick together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashPartitioner {
    hash: KeyHash,
    without_key: WithoutKey,
}

impl HashPartitioner {
    /// With this hash, and this rule for records without a key.
    #[must_use]
    pub fn new(hash: KeyHash, without_key: WithoutKey) -> Self {
        Self { hash, without_key }
    }
}

impl Partitioner for HashPartitioner {
    fn partition(&self, topic: &TopicPartitions<'_>, key: Option<&[u8]>, _value: Option<&[u8]>) -> i32 {
        let is_random = match (self.without_key, key) {
            (WithoutKey::Hash, _) => false,
            (WithoutKey::Random, key) => key.is_none(),
            (WithoutKey::RandomAlsoIfEmpty, key) => key.is_none_or(<[u8]>::is_empty),
        };
        let key = key.unwrap_or_default();
        match self.hash {
            _ if is_random => topic.random(),
            KeyHash::None => topic.random(),
            KeyHash::Crc32 => remainder(crc32(key), topic.count),
            KeyHash::Murmur2 => murmur2_partition(key, topic.count),
            // librdkafka and Sarama take the absolute value of the hash as a signed number.
            KeyHash::Fnv1a => remainder(fnv1a(key).cast_signed().unsigned_abs(), topic.count),
        }
    }
}

fn remainder(hash: u32, count: i32) -> i32 {
    // Smaller than `count`.
    (hash % count.max(1).unsigned_abs()) as i32
}

/// CRC-32 with the polynomial of zlib.
#[must_use]
pub(super) fn crc32(data: &[u8]) -> u32 {
    const TABLE: [u32; 256] = crc32_table();
    let crc = data.iter().fold(u32::MAX, |crc, byte| {
        let index = (crc as u8 ^ byte) as usize;
        TABLE[index] ^ (crc >> 8)
    });
    !crc
}

const fn crc32_table() -> [u32; 256] {
    const POLYNOMIAL: u32 = 0xedb8_8320;
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < table.len() {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ POLYNOMIAL } else { crc >> 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
}

/// FNV-1a with 32 bits.
#[must_use]
pub(super) fn fnv1a(data: &[u8]) -> u32 {
    data.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}
