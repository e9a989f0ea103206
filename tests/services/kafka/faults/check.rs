//! What was sent against what lies in the topic, and against the batches on the disks.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::time::Duration;

use end_to_end_tests::services::java::Java;
use end_to_end_tests::services::kafka::{Kafka, StoredBatch};
use end_to_end_tests::services::python::Python;
use producer_core::{Compression, Outcome};

use super::super::stored_log::{Beginning, check_log};
use super::stream::{Answer, Id, Lane, Sent};

/// Nodes that have a record before it is acknowledged: `min.insync.replicas`.
const REPLICAS_MIN: usize = 2;

/// How much later than `delivery.timeout.ms` an answer may come, as promised.
const GRACE: Duration = Duration::from_secs(1);

/// For a small program of Java's, compiling included.
const JAVA_DEADLINE: Duration = Duration::from_secs(120);

/// A record as the foreign consumer found it.
#[derive(Debug, Clone, Copy)]
struct Found {
    partition: i32,
    offset: i64,
    id: Id,
}

/// Nothing lost, doubled, misrouted or reordered; offsets as acknowledged; answers in time and true.
pub(super) fn check(kafka: &Kafka, sent: &Sent) {
    check_answers(sent);
    let found = read(kafka, sent.topic);
    check_order(&found);
    check_keys(&found, &sent.partition_counts);
    let mut places = HashMap::new();
    for record in &found {
        let before = places.insert(record.id, (record.partition, record.offset));
        assert_eq!(before, None, "doubled: {record:?}");
    }
    let (mut acknowledged, mut maybe) = (0, 0);
    for answer in &sent.answers {
        let place = places.remove(&answer.id);
        match &answer.result {
            Ok(landed) => {
                acknowledged += 1;
                let said = (landed.partition, landed.offset.unwrap());
                assert_eq!(place, Some(said), "{:?}: where it lies and where it was acknowledged", answer.id);
            }
            Err(error) => match error.outcome() {
                Outcome::NotWritten => assert_eq!(place, None, "{:?} lies there in spite of: {error}", answer.id),
                Outcome::Written => assert_ne!(place, None, "{:?} is lost in spite of: {error}", answer.id),
                _ => maybe += 1,
            },
        }
    }
    assert!(places.is_empty(), "records that nobody sent: {places:?}");
    let longest = sent.answers.iter().map(|answer| answer.took).max().unwrap_or_default();
    println!(
        "`{}`: {} sent, {acknowledged} acknowledged, {maybe} unknown, {} read; the slowest answer took {longest:?}",
        sent.topic,
        sent.count,
        found.len(),
    );
}

/// Every record was acknowledged: no fault may fail one while `delivery.timeout.ms` is longer than the fault.
pub(super) fn check_acknowledged(sent: &Sent) {
    let failures: Vec<_> = sent.answers.iter().filter(|answer| answer.result.is_err()).collect();
    let first: Vec<_> = failures.iter().take(3).collect();
    assert!(failures.is_empty(), "{} of {} records failed: {first:#?}", failures.len(), sent.count);
}

/// A topic that was deleted and made again: each record lies in it, or was acknowledged in the old one, before those of
/// its lane that lie in the new one.
pub(super) fn check_recreated(kafka: &Kafka, sent: &Sent) {
    check_answers(sent);
    let found = read(kafka, sent.topic);
    check_order(&found);
    check_keys(&found, &sent.partition_counts);
    let (mut places, mut first_kept) = (HashMap::new(), HashMap::new());
    let old_count = sent.partition_counts[0];
    for Found { partition, offset, id } in &found {
        assert_eq!(places.insert(*id, (*partition, *offset)), None, "doubled: {id:?}");
        first_kept.entry((*partition, id.lane)).or_insert(id.number);
    }
    let mut old = BTreeMap::<(i32, i64), Id>::new();
    for Answer { id, result, .. } in &sent.answers {
        let landed = result.as_ref().unwrap_or_else(|error| panic!("{id:?}: {error}"));
        let said = (landed.partition, landed.offset.unwrap());
        match places.remove(id) {
            Some(place) => assert_eq!(place, said, "{id:?}: where it lies and where it was acknowledged"),
            None => {
                assert!(landed.partition < old_count, "{id:?} is lost: the old topic had no such partition");
                let other = old.insert(said, *id);
                assert_eq!(other, None, "acknowledged at the place of {id:?} in the old topic");
                let first = first_kept.get(&(landed.partition, id.lane));
                assert!(first.is_none_or(|first| id.number < *first), "{id:?} is lost: {first:?} of it is kept");
            }
        }
    }
    assert!(places.is_empty(), "records that nobody sent: {places:?}");
    check_old(&old);
    let (topic, count) = (sent.topic, sent.count);
    println!("`{topic}`: {count} sent and acknowledged, {} of them in the new topic", found.len());
}

/// What was acknowledged in a topic that is gone: without a gap, each lane in its order.
fn check_old(old: &BTreeMap<(i32, i64), Id>) {
    let mut next_offset = HashMap::<i32, i64>::new();
    for (partition, offset) in old.keys() {
        let next = next_offset.entry(*partition).or_default();
        assert_eq!(offset, next, "a gap in partition {partition} of the old topic");
        *next += 1;
    }
    let records = old.iter().map(|((partition, offset), id)| Found { partition: *partition, offset: *offset, id: *id });
    check_order(&records.collect::<Vec<_>>());
}

/// One answer per record, of its topic and in time: but for when the machine ran nothing at all. On a simulated clock
/// the producer's tests do without.
fn check_answers(sent: &Sent) {
    let ids: HashSet<Id> = sent.answers.iter().map(|answer| answer.id).collect();
    assert_eq!(ids.len(), sent.answers.len(), "some record has two answers");
    assert_eq!(ids.len() as u64, sent.count, "some record has no answer");
    for landed in sent.answers.iter().filter_map(|answer| answer.result.as_ref().ok()) {
        assert_eq!(&*landed.topic, sent.topic, "acknowledged in another topic");
    }
    let promised = sent.delivery_timeout + GRACE;
    let late: Vec<_> = sent.answers.iter().filter(|answer| answer.took > promised).collect();
    let longest = sent.stalls.longest();
    println!("{} of {} answers took longer than {promised:?}; the longest stall: {longest:?}", late.len(), ids.len());
    for Answer { id, result, started, took } in late {
        let stalled = sent.stalls.within(*started, *started + *took);
        assert!(*took <= promised + stalled, "{id:?}: {took:?}, and {stalled:?} stood still: {result:?}");
    }
}

/// In each partition the records of a lane lie in their order, and those for one partition lie there.
fn check_order(found: &[Found]) {
    let mut last = HashMap::<(i32, Lane), u64>::new();
    for record in found {
        if let Lane::Partition(partition) = record.id.lane {
            assert_eq!(record.partition, partition, "misrouted: {record:?}");
        }
        let before = last.insert((record.partition, record.id.lane), record.id.number);
        assert!(before.is_none_or(|before| before < record.id.number), "reordered, after {before:?}: {record:?}");
    }
}

/// The records of a key lie where Java's client puts them, at the count of partitions that was known meanwhile.
fn check_keys(found: &[Found], partition_counts: &[i32]) {
    let mut partitions_met = BTreeMap::<u64, BTreeMap<u64, i32>>::new();
    for record in found {
        if let Lane::Key(key) = record.id.lane {
            partitions_met.entry(key).or_default().insert(record.id.number, record.partition);
        }
    }
    let keys: Vec<u64> = partitions_met.keys().copied().collect();
    for (key, by_java) in keys.iter().zip(partitions_by_java(&keys, partition_counts)) {
        let mut known = 0;
        for (number, partition) in &partitions_met[key] {
            // A producer that has heard of more partitions does not go back.
            while by_java.get(known).is_some_and(|expected| expected != partition) {
                known += 1;
            }
            assert!(known < by_java.len(), "misrouted: {key}/{number} in {partition} where Java says {by_java:?}");
        }
        let last = partitions_met[key].last_key_value().map(|(_, partition)| partition);
        assert_eq!(last, by_java.last(), "key {key} never went by the last of {partition_counts:?} partitions");
    }
}

/// For each key the partition at each count, as Java's client chooses.
fn partitions_by_java(keys: &[u64], partition_counts: &[i32]) -> Vec<Vec<i32>> {
    let hex = |key: &u64| Lane::key_text(*key).bytes().map(|byte| format!("{byte:02x}")).collect::<String>() + "\n";
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), keys.iter().map(hex).collect::<String>()).unwrap();
    let counts: Vec<String> = partition_counts.iter().map(i32::to_string).collect();
    let arguments: Vec<&str> =
        [file.path().to_str().unwrap()].into_iter().chain(counts.iter().map(String::as_str)).collect();

    let printed = Java::find().unwrap().run_source("java/Partitions.java", &arguments, JAVA_DEADLINE).unwrap();

    let parse = |line: &str| line.split('\t').map(|partition| partition.parse().unwrap()).collect();
    let partitions: Vec<Vec<i32>> = printed.lines().map(parse).collect();
    assert_eq!(partitions.len(), keys.len(), "{printed}");
    partitions
}

/// Reads the whole topic, each partition in the order of its offsets.
fn read(kafka: &Kafka, topic: &'static str) -> Vec<Found> {
    let arguments = [&*kafka.bootstrap_servers(), topic];
    let python = Python::find().unwrap();
    let printed = python.run("services/kafka/read_records.py", &arguments, Duration::from_secs(180)).unwrap();
    let parse = |line: &str| {
        let parts: Vec<&str> = line.split('\t').collect();
        let &[partition, offset, key, payload] = parts.as_slice() else { panic!("no record: {line:?}") };
        let (of, id) = Id::parse(payload);
        assert_eq!(of, topic, "misrouted");
        assert_eq!(key, id.lane.key().unwrap_or_default(), "the key of {id:?}");
        Found { partition: partition.parse().unwrap(), offset: offset.parse().unwrap(), id }
    };
    let mut found: Vec<Found> = printed.lines().map(parse).collect();
    found.sort_by_key(|record| (record.partition, record.offset));
    found
}

/// Every replica of every partition that the topic has by now: valid batches of this codec, without a gap in offsets or
/// sequences.
pub(super) fn check_disks(kafka: &Kafka, sent: &Sent, compression: Compression, beginning: Beginning) {
    let topic = sent.topic;
    let batches = kafka.dump_batches(topic).unwrap();
    // Each node has a folder of its own for each partition, with one segment or more.
    let mut logs = BTreeMap::<&Path, Vec<&StoredBatch>>::new();
    for batch in &batches {
        logs.entry(batch.segment.parent().unwrap()).or_default().push(batch);
    }
    for batches in logs.values() {
        check_log(batches, beginning);
        batches.iter().for_each(|batch| check_codec(&batch.codec, compression));
    }
    for partition in 0..*sent.partition_counts.last().unwrap() {
        let log = format!("{topic}-{partition}");
        let replicas = logs.keys().filter(|folder| folder.ends_with(&log)).count();
        assert!(replicas >= REPLICAS_MIN, "{log} has batches on {replicas} nodes");
    }
    let is_compressed = batches.iter().any(|batch| batch.codec != "none");
    assert_eq!(is_compressed, compression != Compression::None, "whether any batch is compressed");
    println!("`{topic}`: {} batches in {} logs are valid", batches.len(), logs.len());
}

/// What compression does not make smaller may stay as it is.
fn check_codec(codec: &str, compression: Compression) {
    let expected: &[&str] = if compression == Compression::Lz4 { &["lz4", "none"] } else { &["none"] };
    assert!(expected.contains(&codec), "{codec} with {compression:?}");
}
