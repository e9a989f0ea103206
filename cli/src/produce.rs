//! `sr produce`: JSON lines from standard input become Avro records.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use avro_serde::registry::without_user;
use avro_serde::{AvroSerializer, JsonCodec};
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
    let producer: Producer<String, Value> =
        Producer::new(ProducerConfig::new(&args.bootstrap_servers), StringSerializer, serializer)?;
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
        return Err(anyhow::Error::new(error)
            .context(format!("{failed} records were not delivered; the first is that of line {number}")));
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
        let record = record_of(args, &line).with_context(|| format!("line {number}"))?;
        let tally = Arc::clone(tally);
        let taken = producer.send_with_callback(record, move |result| tally.count(number, result)).await;
        taken.map_err(|refused| refused.error).with_context(|| format!("line {number}"))?;
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
    use super::*;

    #[test]
    fn what_is_no_json_is_named_by_its_column() {
        let said = parse(r#"{"id": 1,, }"#).unwrap_err().to_string();

        assert!(said.contains("at column 10") && !said.contains("line"), "{said}");
        let cut_short = parse("{").unwrap_err().to_string();
        assert!(cut_short.ends_with("; a record is one line"), "{cut_short}");
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
