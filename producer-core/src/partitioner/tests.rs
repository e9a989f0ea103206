use std::cell::{Cell, RefCell};

use super::hashed::{crc32, fnv1a};
use super::*;

/// Keys with the hashes and the partitions among 3, 12 and 100 that other clients give them: murmur2 as Java's and
/// librdkafka's unit tests, CRC-32 as zlib, FNV-1a as librdkafka.
type Vector = (&'static [u8], u32, [i32; 3]);

const CRC32: [Vector; 8] = [
    (b"", 0, [0, 0, 0]),
    (b"4", 0xf3b6_1b38, [1, 4, 8]),
    (b"21", 0xfd77_46b4, [1, 4, 32]),
    (b"abc", 0x3524_41c2, [0, 6, 78]),
    (b"kafka", 0x5bbc_7517, [2, 11, 99]),
    (b"foobar", 0x9ef6_1f95, [2, 5, 69]),
    (b"user-12345678", 0xa438_d5fc, [1, 4, 20]),
    (&[0x00, 0xff, 0x80, 0x7f], 0x64e5_1f17, [2, 11, 3]),
];

/// The hashes are absolute values, as librdkafka takes them.
const FNV1A: [Vector; 8] = [
    (b"", 0x811c_9dc5_u32.cast_signed().unsigned_abs(), [0, 3, 35]),
    (b"4", 0x310c_a263, [1, 7, 87]),
    (b"21", 0x8cf2_97ec_u32.cast_signed().unsigned_abs(), [0, 0, 52]),
    (b"abc", 0x1a47_e90b, [2, 11, 31]),
    (b"kafka", 0x0d33_c4e1, [2, 5, 45]),
    (b"foobar", 0xbf9c_f968_u32.cast_signed().unsigned_abs(), [0, 0, 76]),
    (b"user-12345678", 0xb15e_25a5_u32.cast_signed().unsigned_abs(), [2, 11, 43]),
    (&[0x00, 0xff, 0x80, 0x7f], 0x7545_85cd, [2, 5, 9]),
];

fn partitions(partitioner: &dyn Partitioner, key: Option<&[u8]>) -> [i32; 3] {
    [3, 12, 100].map(|count| partitioner.partition(&TopicPartitions::new("t", count, &[]), key, None))
}

#[test]
fn hashes_and_partitions_are_librdkafkas() {
    for (key, hash, expected) in CRC32 {
        assert_eq!(crc32(key), hash, "{key:?}");
        assert_eq!(partitions(&*named("consistent").unwrap(), Some(key)), expected, "{key:?}");
    }
    for (key, hash, expected) in FNV1A {
        assert_eq!(fnv1a(key).cast_signed().unsigned_abs(), hash, "{key:?}");
        for name in ["fnv1a", "fnv1a_random"] {
            assert_eq!(partitions(&*named(name).unwrap(), Some(key)), expected, "{name} {key:?}");
        }
    }
    for name in ["murmur2", "murmur2_random"] {
        assert_eq!(partitions(&*named(name).unwrap(), Some(b"kafka")), [1, 4, 80], "{name}");
    }
}

#[test]
fn records_without_a_key_are_hashed_or_spread_as_the_name_says() {
    // How many partitions of 100 are met by 2000 records: all of them, to all appearances, or one.
    let met = |name: &str, key: Option<&[u8]>| {
        let partitioner = named(name).unwrap();
        let topic = TopicPartitions::new("t", 100, &[]);
        let met: std::collections::HashSet<i32> = (0..2000).map(|_| partitioner.partition(&topic, key, None)).collect();
        met.len()
    };
    let rows = [
        ("random", false, false, false),
        ("consistent", true, true, true),
        ("consistent_random", false, false, true),
        ("murmur2", true, true, true),
        ("murmur2_random", false, true, true),
        ("fnv1a", true, true, true),
        ("fnv1a_random", false, true, true),
    ];
    for (name, null_is_one, empty_is_one, key_is_one) in rows {
        for (key, is_one) in [(None, null_is_one), (Some(&b""[..]), empty_is_one), (Some(b"k"), key_is_one)] {
            let met = met(name, key);
            assert!(if is_one { met == 1 } else { met > 90 }, "{name} {key:?}: {met}");
        }
    }
}

#[test]
fn every_name_is_known_and_no_other() {
    assert!(NAMES.iter().all(|name| named(name).is_some()));
    assert!(named("org.apache.kafka.clients.producer.UniformStickyPartitioner").is_none());
}

#[test]
fn random_partitions_have_a_leader_if_any_has() {
    let some = TopicPartitions::new("t", 10, &[3, 7]);
    assert!((0..100).all(|_| [3, 7].contains(&some.random())));
    let none = TopicPartitions::new("t", 2, &[]);
    assert!((0..100).all(|_| [0, 1].contains(&none.random())));
}

#[test]
fn round_robin_meets_each_partition_in_turn_by_topic() {
    let partitioner = RoundRobinPartitioner::default();
    let next = |name, with_leader: &[i32]| {
        partitioner.partition(&TopicPartitions::new(name, 3, with_leader), Some(b"same key"), None)
    };

    assert_eq!([(); 4].map(|()| next("a", &[0, 1, 2])), [0, 1, 2, 0]);
    assert_eq!([(); 2].map(|()| next("b", &[0, 1, 2])), [0, 1]);
    assert_eq!([(); 3].map(|()| next("c", &[0, 2])), [0, 2, 0], "partition 1 has no leader");
    assert_eq!([(); 3].map(|()| next("d", &[])), [0, 1, 2], "none has one");
}

#[tokio::test(start_paused = true)]
async fn records_without_a_key_go_where_the_fewest_batches_wait() {
    let partitioner = LeastBackupPartitioner::default();
    let go = async |with_leader: &[i32], waiting: [usize; 4]| {
        tokio::time::advance(LOOK_AGE_MAX).await;
        let batches = |partition: i32| waiting[usize::try_from(partition).unwrap()];
        let topic = TopicPartitions::new("t", 4, with_leader).waiting(&batches);
        partitioner.partition(&topic, None, Some(b"value"))
    };
    let all = [0, 1, 2, 3];

    assert_eq!(go(&all, [0, 0, 0, 0]).await, 0);
    assert_eq!(go(&all, [1, 0, 0, 0]).await, 0, "while its batch fills");
    assert_eq!(go(&all, [2, 0, 0, 0]).await, 1, "a second begins to wait");
    assert_eq!(go(&all, [2, 1, 0, 0]).await, 1, "while that one's fills");
    assert_eq!(go(&all, [2, 2, 1, 3]).await, 2);
    assert_eq!(go(&all, [2, 2, 2, 2]).await, 3, "the next of equals");
    assert_eq!(go(&all, [1, 2, 2, 2]).await, 3, "while its batch fills");
    assert_eq!(go(&all, [1, 2, 2, 3]).await, 0, "one more begins to wait");
    assert_eq!(go(&[1, 3], [0, 5, 0, 4]).await, 3, "only those with a leader");
    assert_eq!(partitioner.partition(&TopicPartitions::new("u", 4, &all), None, None), 0, "each topic for itself");
    assert!((0..4).contains(&partitioner.partition(&TopicPartitions::new("u", 4, &[]), None, None)), "no leaders");
    assert_eq!(partitions(&partitioner, Some(b"kafka")), [1, 4, 80], "keys as in Java");
}

#[tokio::test(start_paused = true)]
async fn a_record_looks_at_one_partition_however_many_batches_wait() {
    const PARTITIONS: i32 = 1000;
    const RECORDS_IN_BATCH: usize = 10;
    let partitioner = LeastBackupPartitioner::default();
    let with_leader: Vec<i32> = (0..PARTITIONS).collect();
    // Under pressure: nothing is sent, and two batches wait for each partition from the start.
    let records = RefCell::new(vec![2 * RECORDS_IN_BATCH; with_leader.len()]);
    let looks = Cell::new(0);
    let waiting = |partition: i32| {
        looks.set(looks.get() + 1);
        records.borrow()[usize::try_from(partition).unwrap()].div_ceil(RECORDS_IN_BATCH)
    };
    let topic = TopicPartitions::new("t", PARTITIONS, &with_leader).waiting(&waiting);
    let send = || {
        let chosen = partitioner.partition(&topic, None, None);
        records.borrow_mut()[usize::try_from(chosen).unwrap()] += 1;
    };

    (0..5000).for_each(|_| send());

    let (first, sent) = (looks.take(), 5000);
    assert!(first < PARTITIONS as usize + 3 * sent, "{first} looks for {sent} records within a millisecond");
    tokio::time::advance(LOOK_AGE_MAX).await;
    (0..5000).for_each(|_| send());
    let later = looks.take();
    assert!(later < PARTITIONS as usize + 3 * sent, "{later} looks for {sent} records a millisecond later");
    let waiting: Vec<usize> = (0..PARTITIONS).map(waiting).collect();
    assert!(waiting.iter().all(|waiting| (3..=4).contains(waiting)), "none gets more than its share: {waiting:?}");
}
