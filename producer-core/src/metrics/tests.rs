use std::time::Duration;

use tokio::time::Instant;

use super::*;

const WINDOWS: Windows = Windows { count: 2, length: Duration::from_secs(30) };

const GAUGES: Gauges = Gauges {
    buffer_total_bytes: 1000,
    buffer_available_bytes: 900,
    waiting: 2,
    metadata_as_of: None,
    callback_panics: 0,
};

fn batch(topic: &str, records: u32, waiting_since: Option<Instant>) -> SentBatch {
    let bytes = 100 * records as usize;
    SentBatch {
        topic: topic.into(),
        records,
        bytes: bytes / 2 + 61,
        plain_bytes: bytes,
        compressed_bytes: bytes / 2,
        record_bytes_max: 150,
        waiting_since,
    }
}

#[test]
fn a_request_is_counted_by_batch_topic_and_node() {
    let (recorder, start) = (Recorder::new("c", WINDOWS), Instant::now());
    let later = start + Duration::from_millis(40);

    recorder.request_sent(later, 7, 2200, &[batch("a", 10, Some(start)), batch("b", 30, None)]);
    let sending = recorder.snapshot(later, &GAUGES);
    let latency = Duration::from_millis(5);
    recorder.request_answered(later, 7, &AnswerFacts { bytes: 50, latency, throttle: Some(Duration::from_millis(8)) });
    recorder.records_retried(later, &"b".into(), 30);
    recorder.records_failed(later, &"a".into(), 10);
    recorder.record_refused(later);
    let answered = recorder.snapshot(later, &GAUGES);

    assert_eq!((sending.requests_in_flight, answered.requests_in_flight), (1, 0));
    assert!(sending.request_latency_avg.is_nan());
    assert_eq!((answered.record_send_total, answered.records_per_request_avg), (40, 40.0));
    assert_eq!((answered.batch_size_avg, answered.batch_size_max), (1061.0, 1561.0));
    assert_eq!((answered.compression_rate_avg, answered.record_size_avg), (0.5, 100.0));
    assert_eq!((answered.record_queue_time_avg, answered.record_queue_time_max), (40.0, 40.0));
    assert_eq!((answered.request_latency_avg, answered.request_latency_max), (5.0, 5.0));
    assert_eq!((answered.produce_throttle_time_avg, answered.produce_throttle_time_max), (8.0, 8.0));
    assert_eq!((answered.record_retry_total, answered.record_error_total), (30, 11));
    assert_eq!((answered.topics["a"].record_error_total, answered.topics["a"].record_retry_total), (10, 0));
    assert_eq!((answered.topics["b"].record_send_total, answered.topics["b"].byte_total), (30, 1561));
    let node = answered.nodes[&7];
    assert_eq!((node.request_total, node.response_total, node.request_size_avg), (1, 1, 2200.0));
    assert_eq!((node.outgoing_byte_total, node.incoming_byte_total), (2200, 50));
}

#[test]
fn topics_beyond_the_bound_share_one_entry() {
    let (recorder, now) = (Recorder::new("c", WINDOWS), Instant::now());

    for number in 0..1_005 {
        recorder.request_sent(now, number, 100, &[batch(&format!("topic-{number}"), 1, None)]);
    }
    recorder.request_sent(now, 3, 100, &[batch("topic-3", 1, None)]);
    let metrics = recorder.snapshot(now, &GAUGES);

    assert_eq!((metrics.topics.len(), metrics.nodes.len()), (1_001, 1_001));
    assert_eq!(metrics.topics["(others)"].record_send_total, 5);
    assert_eq!((metrics.topics["topic-3"].record_send_total, metrics.nodes[&3].request_total), (2, 2));
    assert_eq!(metrics.nodes[&-1].request_total, 5);
}

#[test]
fn the_text_is_what_prometheus_reads() {
    let (recorder, now) = (Recorder::new("a \"b\"\\\n", WINDOWS), Instant::now());
    recorder.request_sent(now, 1, 100, &[batch("t", 10, None)]);

    let text = recorder.snapshot(now, &GAUGES).to_prometheus();

    for line in [
        "# TYPE kafka_producer_producer_metrics_record_send_total counter",
        r#"kafka_producer_producer_metrics_record_send_total{client_id="a \"b\"\\\n"} 10"#,
        "# TYPE kafka_producer_producer_metrics_buffer_available_bytes gauge",
        r#"kafka_producer_producer_topic_metrics_byte_total{client_id="a \"b\"\\\n",topic="t"} 561"#,
        r#"kafka_producer_producer_node_metrics_request_total{client_id="a \"b\"\\\n",node_id="node-1"} 1"#,
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in:\n{text}");
    }
    assert!(!text.contains("NaN") && !text.contains("metadata_age"), "no value, no line:\n{text}");
    let mut types: Vec<_> = text.lines().filter(|line| line.starts_with('#')).collect();
    types.dedup();
    assert_eq!(types.len(), text.lines().filter(|line| line.starts_with('#')).count(), "one header per name");
}

#[test]
fn every_value_has_its_name_once() {
    let (recorder, now) = (Recorder::new("c", WINDOWS), Instant::now());
    recorder.request_sent(now, 1, 100, &[batch("t", 1, None)]);
    let metrics = recorder.snapshot(now, &GAUGES);

    let mut names: Vec<_> = metrics.values().iter().map(|metric| (metric.group, metric.name)).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();

    assert_eq!(names.len(), count);
    assert_eq!(count, metrics.named().len() + 9 + 12);
}

#[test]
fn waits_are_summed() {
    let (recorder, now) = (Recorder::new("c", WINDOWS), Instant::now());
    recorder.waited_for_room(now, Duration::from_secs(3));
    recorder.room_exhausted(now);
    recorder.waited_for_metadata(Duration::from_nanos(5));
    recorder.flushed(Duration::from_nanos(6));
    recorder.flushed(Duration::from_nanos(7));

    let metrics = recorder.snapshot(now, &Gauges { metadata_as_of: Some(now), ..GAUGES });

    assert_eq!((metrics.bufferpool_wait_time_ns_total, metrics.bufferpool_wait_ratio), (3_000_000_000, 0.1));
    assert_eq!((metrics.buffer_exhausted_total, metrics.waiting_threads), (1, 2));
    assert_eq!((metrics.metadata_wait_time_ns_total, metrics.flush_time_ns_total), (5, 13));
    assert_eq!((metrics.buffer_total_bytes, metrics.buffer_available_bytes, metrics.metadata_age), (1000, 900, 0.0));
}
