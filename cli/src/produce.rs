//! `sr produce`: JSON lines from standard input become Avro records.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use avro_serde::registry::without_user;
use avro_serde::{AvroSerializer, JsonCodec, SerdeError};
use clap::Args;
use producer_core::serializer::StringSerializer;
use producer_core::{ProduceError, Producer, ProducerConfig, ProducerRecord, RecordMetadata};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::advice::Asked;
use crate::interrupt::Interrupt;
use crate::output;
use crate::registry;
use crate::value_schema::ValueSchema;

/// Longer than `delivery.timeout.ms`, so that every record has its answer before.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(150);

/// A third of the producer's own default: a person waits. Enough for a cluster that elects a leader in place of one
/// that has died, which takes up to 18 s before Kafka 4 (`zookeeper.session.timeout.ms`), and 9 s since.
const MAX_BLOCK_MS: u64 = 20_000;

/// Flags of `sr produce`.
#[derive(Debug, Args)]
pub(crate) struct ProduceArgs {
    /// Topic to write to.
    topic: String,
    /// Kafka brokers, `host:port[,host:port]`.
    #[arg(long, visible_alias = "bootstrap-server", value_name = "SERVERS", default_value = "127.0.0.1:9092")]
    bootstrap_servers: String,
    /// URL of the schema registry.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8081")]
    registry: String,
    /// Avro schema of the values: a file, which is registered under TOPIC-value, or subject[@version].
    #[arg(long, value_name = "FILE|SUBJECT[@VERSION]")]
    value_schema: ValueSchema,
    /// Field of the value that becomes the record's key, as text; without it records have no key.
    #[arg(long, value_name = "FIELD")]
    key: Option<String>,
    /// How long a line may wait for brokers, topic, registry and room, as the producer's `max.block.ms`. Brokers and a
    /// topic that are not there are told after a second or two.
    #[arg(long, value_name = "MS", default_value_t = MAX_BLOCK_MS)]
    max_block_ms: u64,
}

impl ProduceArgs {
    /// What advice repeats.
    pub(crate) fn asked(&self) -> Asked {
        Asked {
            command: "produce",
            topic: self.topic.clone(),
            registry: without_user(&self.registry),
            servers: self.bootstrap_servers.clone(),
        }
    }
}

/// Sends every line; stops at the first that is wrong, and at Ctrl-C, after what came before is delivered. A second
/// Ctrl-C does not wait for that.
pub(crate) async fn run(args: ProduceArgs) -> anyhow::Result<()> {
    let registry = registry::connect(&args.registry)?;
    let config = args.value_schema.select(&registry).await?;
    let serializer = AvroSerializer::with_codec(registry, config, JsonCodec::plain());
    let mut config = ProducerConfig::new(&args.bootstrap_servers);
    config.max_block = Duration::from_millis(args.max_block_ms);
    let producer: Producer<String, Value> = Producer::new(config, StringSerializer, serializer)?;
    let tally = Arc::new(Tally::default());

    let mut interrupt = Interrupt::listen()?;
    let sent = tokio::select! {
        sent = send_lines(&args, &producer, &tally) => sent,
        interrupted = interrupt.wait() => {
            Err(interrupted.after(format!("after line {}", tally.lines.load(Ordering::Relaxed))).into())
        }
    };
    let closed = tokio::select! {
        closed = producer.close(CLOSE_TIMEOUT) => closed,
        interrupted = interrupt.wait() => {
            return Err(interrupted.after("again, before every record had its answer".to_owned()).into());
        }
    };
    let delivered = tally.delivered.load(Ordering::Relaxed);
    let records = if delivered == 1 { "record" } else { "records" };
    output::tell(&format!("{delivered} {records} delivered to `{}`", args.topic));
    sent?;
    if let Some((number, error)) = tally.first_failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
        let failed = tally.failed.load(Ordering::Relaxed);
        let records = match failed {
            1 => format!("the record of line {number} was not delivered"),
            _ => format!("{failed} records were not delivered; the first is that of line {number}"),
        };
        return Err(anyhow::Error::new(error).context(records));
    }
    Ok(closed?)
}

async fn send_lines(args: &ProduceArgs, producer: &Producer<String, Value>, tally: &Arc<Tally>) -> anyhow::Result<()> {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut number = 0_u64;
    loop {
        let line = lines.next_line().await;
        let line = line.with_context(|| format!("line {} of standard input cannot be read", number + 1))?;
        let Some(line) = line else { return Ok(()) };
        number += 1;
        tally.lines.store(number, Ordering::Relaxed);
        if line.trim().is_empty() {
            continue;
        }
        let of_line = || format!("line {number}");
        let record = record_of(args, &line).with_context(of_line)?;
        let tally = Arc::clone(tally);
        let taken = producer.send_with_callback(record, move |result| tally.count(number, result)).await;
        taken.map_err(|refused| {
            let is_of_the_line = is_of_the_line(&refused.error);
            let error = anyhow::Error::new(refused.error);
            if is_of_the_line { error.context(of_line()) } else { error }
        })?;
    }
}

/// Whether another line may do better. What brokers and registry have to say concerns them all.
fn is_of_the_line(error: &ProduceError) -> bool {
    match error {
        ProduceError::Serialize { source, .. } => {
            source.downcast_ref().is_none_or(|error| matches!(error, SerdeError::Encode { .. }))
        }
        ProduceError::RecordTooLarge { .. } | ProduceError::InvalidTimestamp { .. } => true,
        _ => false,
    }
}

fn record_of(args: &ProduceArgs, line: &str) -> anyhow::Result<ProducerRecord<String, Value>> {
    let value = parse(line)?;
    let mut record = ProducerRecord::to(args.topic.as_str());
    if let Some(field) = &args.key {
        record.key = key_of(&value, field)?;
    }
    Ok(record.value(value))
}

/// The line as JSON. Places in it are named by column: it is one line, whose number its caller tells.
fn parse(line: &str) -> anyhow::Result<Value> {
    serde_json::from_str(line).map_err(|error: serde_json::Error| {
        let (said, place) = (error.to_string(), format!(" at line {} column {}", error.line(), error.column()));
        let said = said.strip_suffix(&place).unwrap_or(&said);
        let hint = if error.is_eof() { "; a record is one line" } else { "" };
        anyhow!("this is no JSON, seen at column {}: {said}{hint}", error.column())
    })
}

/// The key as text; a null field means no key.
fn key_of(value: &Value, field: &str) -> anyhow::Result<Option<String>> {
    match value.get(field) {
        Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(scalar @ (Value::Number(_) | Value::Bool(_))) => Ok(Some(scalar.to_string())),
        Some(_) => bail!("the field `{field}` is an object or array, which is no key; expected text, a number or null"),
        None => bail!("the value has no field `{field}` to take the key from"),
    }
}

/// What became of the records.
#[derive(Debug, Default)]
struct Tally {
    /// The number of the last line that was read.
    lines: AtomicU64,
    delivered: AtomicU64,
    failed: AtomicU64,
    /// With the number of its line.
    first_failure: Mutex<Option<(u64, ProduceError)>>,
}

impl Tally {
    fn count(&self, line: u64, result: Result<RecordMetadata, ProduceError>) {
        match result {
            Ok(_) => {
                self.delivered.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
                self.first_failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert((line, error));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use avro_serde::RegistryError;
    use avro_serde::codec::EncodeError;
    use serde::ser::Error as _;

    use super::*;

    #[test]
    fn what_is_no_json_is_named_by_its_column() {
        let said = parse(r#"{"id": 1,, }"#).unwrap_err().to_string();

        assert!(said.contains("at column 10") && !said.contains("line"), "{said}");
        let cut_short = parse("{").unwrap_err().to_string();
        assert!(cut_short.ends_with("; a record is one line"), "{cut_short}");
    }

    #[test]
    fn only_what_a_line_holds_is_said_of_the_line() {
        let serialize =
            |error: SerdeError| ProduceError::Serialize { part: "value", topic: "t".into(), source: Arc::new(error) };
        let wanted = || "subject `t-value`".to_owned();
        let down = RegistryError::Unavailable { operation: "answer".into(), attempts: 1, reason: "down".into() };
        let misfit = EncodeError::custom("a text where a long is expected");
        let waited = Duration::from_secs(20);

        for error in [
            serialize(SerdeError::Encode { wanted: wanted(), source: misfit }),
            ProduceError::RecordTooLarge { bytes: 2, limit: 1, setting: "max.request.size" },
        ] {
            assert!(is_of_the_line(&error), "{error}");
        }
        for error in [
            serialize(SerdeError::Registry { wanted: wanted(), source: down }),
            ProduceError::TopicUnknown { topic: "t".into(), waited, why: "no broker answers".into() },
            ProduceError::InvalidTopic { topic: "t!".into() },
            ProduceError::BufferFull { waited, limit: 1 },
        ] {
            assert!(!is_of_the_line(&error), "{error}");
        }
    }

    #[test]
    fn a_key_is_the_text_of_a_scalar_field() {
        let value = serde_json::json!({"text": "x", "number": 7, "null": null, "array": []});

        assert_eq!(key_of(&value, "text").unwrap(), Some("x".to_owned()));
        assert_eq!(key_of(&value, "number").unwrap(), Some("7".to_owned()));
        assert_eq!(key_of(&value, "null").unwrap(), None);
        assert!(key_of(&value, "array").is_err());
        assert!(key_of(&value, "missing").unwrap_err().to_string().contains("`missing`"));
    }
}
