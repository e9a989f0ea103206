//! Our metrics bear the names, groups and tags of those of Java's producer, and what we lack is named with a reason.

use std::collections::BTreeSet;
use std::time::Duration;

use end_to_end_tests::services::java::Java;
use end_to_end_tests::services::kafka::{Kafka, create_topic};
use producer_core::serializer::StringSerializer;
use producer_core::{Producer, ProducerConfig, ProducerMetrics, ProducerRecord};

const TOPIC: &str = "java-metrics";

/// For a Java virtual machine on a loaded machine, compiling included.
const PATIENCE: Duration = Duration::from_secs(120);

/// What Java has and we do not, as the documentation says: a table of group, name (`*` stands for any text), why. Each
/// row is met by at least one metric.
const LACKING: &str = include_str!("../../../producer-core/src/metrics/lacking.md");

/// What Java does not count.
const OURS_ALONE: &str = "callback-panic-total";

/// Group, name, and the names of the tags in the order of the alphabet.
type Name = (String, String, String);

#[tokio::test(flavor = "multi_thread")]
async fn metrics_have_the_names_of_java_and_what_is_lacking_is_named() {
    let servers = tokio::task::spawn_blocking(Kafka::shared_bootstrap_servers).await.unwrap().unwrap();
    create_topic(&servers, TOPIC, 1).unwrap();
    let metrics = ours(&servers).await;
    let run = move || Java::find()?.run_source("java/ProducerMetrics.java", &[&servers, TOPIC], PATIENCE);
    let printed = tokio::task::spawn_blocking(run).await.unwrap().unwrap();

    let java: BTreeSet<Name> = printed.lines().map(parse).collect();
    let tags = |tags: &[(&'static str, String)]| {
        let tags: BTreeSet<&str> = tags.iter().map(|(name, _)| *name).collect();
        tags.into_iter().collect::<Vec<_>>().join(",")
    };
    let ours: BTreeSet<Name> =
        metrics.values().iter().map(|of| (of.group.to_owned(), of.name.to_owned(), tags(&of.tags))).collect();

    let invented: Vec<_> = ours.difference(&java).filter(|(_, name, _)| name != OURS_ALONE).collect();
    assert!(invented.is_empty(), "of ours, and unknown to Java: {invented:?}");
    let rows = lacking();
    let mut rows_met = BTreeSet::new();
    for (group, name, _) in java.difference(&ours) {
        let row = rows.iter().find(|(of, pattern)| of == group && matches(pattern, name));
        rows_met.insert(row.unwrap_or_else(|| panic!("`{name}` of Java's {group} is not here, without a reason")));
    }
    let needless: Vec<_> = rows.iter().filter(|row| !rows_met.contains(row)).collect();
    assert!(needless.is_empty(), "Java lacks it too, or it is here by now: {needless:?}");
    check_prometheus(&metrics, &java);
}

/// Group and name of each row.
fn lacking() -> Vec<(&'static str, &'static str)> {
    let rows = LACKING.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | `"));
    rows.filter_map(|(group, rest)| Some((group, rest.split_once("` | ")?.0))).collect()
}

/// The text has every value by Java's name, as a JMX exporter would write it, and no other.
fn check_prometheus(metrics: &ProducerMetrics, java: &BTreeSet<Name>) {
    let underscored = |text: &str| text.replace('-', "_");
    let mut known: BTreeSet<String> = java
        .iter()
        .map(|(group, name, _)| format!("kafka_producer_{}_{}", underscored(group), underscored(name)))
        .collect();
    let text = metrics.to_prometheus();
    let written: BTreeSet<String> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_once('{').unwrap().0.to_owned())
        .collect();
    let values = metrics.values();
    let with_value: BTreeSet<_> =
        values.iter().filter(|metric| !metric.value.is_nan()).map(|metric| (metric.group, metric.name)).collect();
    assert_eq!(written.len(), with_value.len(), "{text}");
    known.insert(format!("kafka_producer_producer_metrics_{}", underscored(OURS_ALONE)));
    assert!(written.is_subset(&known), "{:?}", written.difference(&known));
}

/// After one record, as in the program.
async fn ours(servers: &str) -> ProducerMetrics {
    let config = ProducerConfig::new(servers);
    let producer = Producer::<String, String>::new(config, StringSerializer, StringSerializer).unwrap();
    let record = ProducerRecord::to(TOPIC).key("key".to_owned()).value("value".to_owned());
    producer.send_and_wait(record).await.unwrap();
    let metrics = producer.metrics();
    producer.close(PATIENCE).await.unwrap();
    metrics
}

fn parse(line: &str) -> Name {
    let parts: Vec<&str> = line.split('\t').collect();
    let &[group, name, tags] = parts.as_slice() else { panic!("no metric: {line:?}") };
    (group.to_owned(), name.to_owned(), tags.to_owned())
}

/// Whether a name fits a pattern in which `*` stands for any text.
fn matches(pattern: &str, name: &str) -> bool {
    let mut rest = name;
    for (index, part) in pattern.split('*').enumerate() {
        let Some(at) = rest.find(part).filter(|at| index > 0 || *at == 0) else { return false };
        rest = &rest[at + part.len()..];
    }
    pattern.ends_with('*') || rest.is_empty()
}
