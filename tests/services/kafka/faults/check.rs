//! What was sent against what lies in the topic, and against the batches on the disks.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::time::Duration;

use end_to_end_tests::services::kafka::{Kafka, StoredBatch};
use end_to_end_tests::services::python::Python;
use producer_core::{Compression, Outcome};

use super::stream::{Id, Lane, Sent};

/// How much later than `delivery.timeout.ms` an answer may come: the machine has three brokers to run besides. The exact
/// promise is held by the producer's tests on a simulated clock.
const GRACE: Duration = Duration::from_secs(10);

/// A record as the foreign consumer found it.
#[derive(Debug, Clone, Copy)]
struct Found {
    partition: i32,
    offset: i64,
    id: Id,
}

/// Nothing lost, doubled, misrouted or reordered; offsets as acknowledged; answers in time and true.
pub(super) fn check(kafka: &Kafka, topic: &'static str, sent: &Sent) {
    check_answers(sent);
    let found = read(kafka, topic);
    check_order(&found);
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
        "`{topic}`: {} sent, {acknowledged} acknowledged, {maybe} unknown, {} read; the slowest answer took {longest:?}",
        sent.count,
        found.len(),
    );
}

/// A topic that was deleted and made again: each record lies in it, or was acknowledged in the old one.
pub(super) fn check_recreated(kafka: &Kafka, topic: &'static str, sent: &Sent) {
    check_answers(sent);
    let found = read(kafka, topic);
    check_order(&found);
    let mut first_kept = HashMap::<i32, i64>::new();
    for Found { partition, offset, id } in &found {
        // The numbers of the new topic go on without a gap.
        let first = *first_kept.entry(*partition).or_insert(id.number.cast_signed());
        assert_eq!(id.number.cast_signed(), first + offset, "partition {partition}, offset {offset}");
    }
    for answer in &sent.answers {
        let landed = answer.result.as_ref().unwrap_or_else(|error| panic!("{:?}: {error}", answer.id));
        let number = answer.id.number.cast_signed();
        let first = first_kept[&landed.partition];
        let expected = if number < first { number } else { number - first };
        assert_eq!(landed.offset, Some(expected), "{:?} with {first} in the old topic", answer.id);
    }
    println!("`{topic}`: {} sent and acknowledged, {} of them in the new topic", sent.count, found.len());
}

/// One answer per record, in time.
fn check_answers(sent: &Sent) {
    let ids: HashSet<Id> = sent.answers.iter().map(|answer| answer.id).collect();
    assert_eq!(ids.len(), sent.answers.len(), "some record has two answers");
    assert_eq!(ids.len() as u64, sent.count, "some record has no answer");
    for answer in &sent.answers {
        let limit = sent.delivery_timeout + GRACE;
        assert!(answer.took <= limit, "{:?} had its answer after {:?}: {:?}", answer.id, answer.took, answer.result);
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

/// Reads the whole topic, each partition in the order of its offsets.
fn read(kafka: &Kafka, topic: &'static str) -> Vec<Found> {
    let arguments = [&*kafka.bootstrap_servers(), topic];
    let python = Python::find().unwrap();
    let printed = python.run("services/kafka/read_records.py", &arguments, Duration::from_secs(180)).unwrap();
    let parse = |line: &str| {
        let parts: Vec<&str> = line.split('\t').collect();
        let &[partition, offset, _key, payload] = parts.as_slice() else { panic!("no record: {line:?}") };
        let (of, id) = Id::parse(payload);
        assert_eq!(of, topic, "misrouted");
        Found { partition: partition.parse().unwrap(), offset: offset.parse().unwrap(), id }
    };
    let mut found: Vec<Found> = printed.lines().map(parse).collect();
    found.sort_by_key(|record| (record.partition, record.offset));
    found
}

/// Every replica of every partition: valid batches of this codec, without a gap in offsets or sequences.
pub(super) fn check_disks(kafka: &Kafka, topic: &'static str, compression: Compression) {
    let batches = kafka.dump_batches(topic).unwrap();
    let mut segments = BTreeMap::<&Path, Vec<&StoredBatch>>::new();
    for batch in &batches {
        segments.entry(&batch.segment).or_default().push(batch);
    }
    for batches in segments.values() {
        check_replica(batches, compression);
    }
    println!("`{topic}`: {} batches in {} segments are valid", batches.len(), segments.len());
}

fn check_replica(batches: &[&StoredBatch], compression: Compression) {
    let mut next_offset = 0;
    // Of the newest epoch: a broker keeps one.
    let mut next = HashMap::<i64, (i64, i64)>::new();
    for batch in batches {
        assert!(batch.is_valid, "{batch:?}");
        assert_eq!(batch.base_offset, next_offset, "a gap before {batch:?}");
        assert_eq!(batch.last_offset - batch.base_offset + 1, batch.count, "{batch:?}");
        assert_eq!(batch.last_sequence - batch.base_sequence + 1, batch.count, "{batch:?}");
        check_codec(&batch.codec, compression);
        assert!(batch.producer_id >= 0, "written without idempotence: {batch:?}");
        let (epoch, sequence) = next.get(&batch.producer_id).copied().unwrap_or((-1, 0));
        assert!(batch.producer_epoch >= epoch, "an epoch that was over: {batch:?}");
        let expected = if batch.producer_epoch > epoch { 0 } else { sequence };
        assert_eq!(batch.base_sequence, expected, "a gap in the sequences before {batch:?}");
        next.insert(batch.producer_id, (batch.producer_epoch, batch.last_sequence + 1));
        next_offset = batch.last_offset + 1;
    }
}

/// What compression does not make smaller may stay as it is.
fn check_codec(codec: &str, compression: Compression) {
    let expected: &[&str] = if compression == Compression::Lz4 { &["lz4", "none"] } else { &["none"] };
    assert!(expected.contains(&codec), "{codec} with {compression:?}");
}
