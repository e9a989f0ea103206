//! `sr produce`: JSON lines from standard input become Avro records.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use avro_serde::registry::without_user;
use avro_serde::{AvroSerializer, JsonCodec, SerdeError};
use clap::Args;
use producer_core::serializer::StringSerializer;
use producer_core::{ProduceError, Producer, ProducerConfig, ProducerRecord, RecordMetadata};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};

mod line;

pub(crate) use line::LineError;

use crate::advice::Asked;
use crate::interrupt::Interrupt;
use crate::number;
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
    #[arg(long, value_name = "MS", default_value_t = MAX_BLOCK_MS, value_parser = number::whole::<u64>)]
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
            value_schema: Some(self.value_schema.clone()),
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
            if is_of_the_line(&refused.error) {
                anyhow::Error::new(refused.error).context(of_line())
            } else {
                without_the_record(refused.error)
            }
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

/// What the registry has to say, without the record that it was asked for: its reason is what counts.
pub(crate) fn without_the_record(error: ProduceError) -> anyhow::Error {
    let of_serializer = match &error {
        ProduceError::Serialize { source, .. } => source.downcast_ref::<SerdeError>(),
        _ => None,
    };
    let of_registry = of_serializer.filter(|error| matches!(error, SerdeError::Registry { .. })).cloned();
    of_registry.map_or_else(|| error.into(), Into::into)
}

fn record_of(args: &ProduceArgs, line: &str) -> Result<ProducerRecord<String, Value>, LineError> {
    let value = line::parse(line)?;
    let mut record = ProducerRecord::to(args.topic.as_str());
    if let Some(field) = &args.key {
        record.key = line::key_of(&value, field)?;
    }
    Ok(record.value(value))
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
    fn only_what_a_line_holds_is_said_of_the_line() {
        let serialize =
            |error: SerdeError| ProduceError::Serialize { part: "value", topic: "t".into(), source: Arc::new(error) };
        let wanted = || "subject `t-value`".to_owned();
        let down = RegistryError::Unavailable {
            operation: "answer".into(),
            attempts: 1,
            reason: "down".into(),
            error_code: None,
        };
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
}
