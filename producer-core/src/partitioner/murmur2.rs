//! The hash that Java's default partitioner and librdkafka's `murmur2_random` use for keys.

/// Kafka's murmur2: seed 0x9747b28c, little-endian words, 32 bits.
#[must_use]
pub fn murmur2(data: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const MIX: u32 = 0x5bd1_e995;

    let length = data.len() as u32;
    let mut hash = SEED ^ length;
    let (words, tail) = data.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(MIX);
        k = (k ^ (k >> 24)).wrapping_mul(MIX);
        hash = hash.wrapping_mul(MIX) ^ k;
    }
    if !tail.is_empty() {
        let mut last = [0; 4];
        last[..tail.len()].copy_from_slice(tail);
        hash = (hash ^ u32::from_le_bytes(last)).wrapping_mul(MIX);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(MIX);
    hash ^ (hash >> 15)
}

/// The partition of a key among `partition_count` (at least 1), leaders or not, as Java chooses it.
#[must_use]
pub fn murmur2_partition(key: &[u8], partition_count: i32) -> i32 {
    // Java clears the sign bit; taking the absolute value would differ.
    let hash = (murmur2(key) & 0x7fff_ffff) as i32;
    hash % partition_count.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_and_partitions_are_javas() {
        // Java's UtilsTest and librdkafka's unit test hold the same hashes.
        let vectors: [(&[u8], i32, [i32; 3]); 8] = [
            (b"", 275_646_681, [0, 9, 81]),
            (b"4", 1_514_888_353, [1, 1, 53]),
            (b"21", -973_932_308, [0, 0, 40]),
            (b"abc", 479_470_107, [0, 3, 7]),
            (b"kafka", -798_503_068, [1, 4, 80]),
            (b"foobar", -790_332_482, [0, 6, 66]),
            (b"user-12345678", 2_032_392_830, [2, 2, 30]),
            (&[0x00, 0xff, 0x80, 0x7f], 578_742_699, [0, 3, 99]),
        ];
        for (key, hash, partitions) in vectors {
            assert_eq!(murmur2(key).cast_signed(), hash, "{key:?}");
            assert_eq!([3, 12, 100].map(|count| murmur2_partition(key, count)), partitions, "{key:?}");
        }
    }
}
