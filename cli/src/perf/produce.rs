//! `sr perf produce`: sends records at a rate and measures each from `send` to its acknowledgement.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{anyhow, bail};
use avro_serde::registry::without_user;
use avro_serde::{AvroSerializer, JsonCodec};
use bytes::Bytes;
use clap::{Args, ValueEnum};
use producer_core::serializer::BytesSerializer;
use producer_core::{ProduceError, Producer, ProducerConfig, ProducerRecord, RecordMetadata};
use schema_core::format::avro::AvroSchema;
use schema_core::format::{Limits, Strictness};

use super::pace::Pace;
use super::report::{Report, metric_lines, warmup_line, window_lines};
use super::stats::Stats;
use super::{avro_values, payloads, usage};
use crate::advice::Asked;
use crate::interrupt::Interrupt;
use crate::number;
use crate::output;
use crate::produce::without_the_record;
use crate::registry;
use crate::value_schema::ValueSchema;

/// Flags of `sr perf produce`; the names are those of kafka-producer-perf-test.
#[derive(Debug, Args)]
pub(crate) struct PerfProduceArgs {
    /// Topic to write to.
    #[arg(long)]
    topic: String,
    /// How many records to send, the warm-up included.
    #[arg(long, value_name = "N", value_parser = number::whole::<u64>)]
    num_records: u64,
    /// Bytes of a record's value, random letters.
    #[arg(
        long, value_name = "BYTES", default_value_t = 100, value_parser = number::whole::<usize>,
        conflicts_with_all = ["payload_file", "value_schema"]
    )]
    record_size: usize,
    /// Send the lines of this file, over and over.
    #[arg(long, value_name = "FILE", conflicts_with = "value_schema")]
    payload_file: Option<String>,
    /// Send random Avro records of this schema, serialised through the registry: a file, which is registered
    /// under TOPIC-value, or subject[@version].
    #[arg(long, value_name = "FILE|SUBJECT[@VERSION]")]
    value_schema: Option<ValueSchema>,
    /// URL of the schema registry, for --value-schema.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8081")]
    registry: String,
    /// Records per second, at most; -1 is as fast as possible.
    #[arg(long, value_name = "RECORDS/S", default_value_t = -1.0, allow_negative_numbers = true, value_parser = rate)]
    throughput: f64,
    /// Kafka brokers, `host:port[,host:port]`.
    #[arg(long, visible_alias = "bootstrap-server", value_name = "SERVERS", default_value = "127.0.0.1:9092")]
    bootstrap_servers: String,
    /// Settings of the producer by Java's names.
    #[arg(long, visible_alias = "command-property", value_name = "KEY=VALUE", num_args = 1.., value_parser = property)]
    producer_props: Vec<(String, String)>,
    /// The first records, fewer than all, which the figures of the steady state leave out.
    #[arg(
        long, visible_alias = "warmup-records", value_name = "N", default_value_t = 0,
        value_parser = number::whole::<u64>
    )]
    warmup: u64,
    /// How often to print how it goes.
    #[arg(long, value_name = "MS", default_value_t = 5000, value_parser = number::whole::<u64>)]
    reporting_interval: u64,
    /// Print the producer's own metrics at the end as well; JSON has them always.
    #[arg(long)]
    print_metrics: bool,
    /// Print the lines of kafka-producer-perf-test, or one JSON object at the end.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

impl PerfProduceArgs {
    /// What advice repeats.
    pub(super) fn asked(&self) -> Asked {
        // The last one counts.
        let given = self.producer_props.iter().rev().find(|(key, _)| key == "bootstrap.servers");
        Asked {
            command: "perf produce",
            topic: self.topic.clone(),
            registry: without_user(&self.registry),
            servers: given.map_or(&self.bootstrap_servers, |(_, servers)| servers).clone(),
            value_schema: None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Text,
    Json,
}

fn property(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or_else(|| format!("`{text}` is not KEY=VALUE"))?;
    Ok((key.to_owned(), value.to_owned()))
}

/// Slower than this a run has no end to wait for.
const RATE_MIN: f64 = 0.001;

fn rate(text: &str) -> Result<f64, String> {
    let is_good = |rate: &f64| *rate == -1.0 || (rate.is_finite() && *rate >= RATE_MIN);
    text.parse().ok().filter(is_good).ok_or_else(|| format!("`{text}` is neither -1 nor a number from {RATE_MIN} up"))
}

/// Sends and measures; fails, after printing what was measured, if a record was not delivered.
pub(crate) async fn run(args: PerfProduceArgs) -> anyhow::Result<()> {
    if args.warmup > 0 && args.warmup >= args.num_records {
        bail!("`--warmup` is {}, and has to be below `--num-records`, {}", args.warmup, args.num_records);
    }
    let config = config(&args)?;
    let Some(value_schema) = &args.value_schema else {
        let values = match &args.payload_file {
            Some(path) => payloads::lines(path).await?,
            None => payloads::random(args.record_size),
        };
        return measure(&args, Producer::new(config, BytesSerializer, BytesSerializer)?, &values).await;
    };
    let registry = registry::connect(&args.registry)?;
    let (schema, serializer) = value_schema.resolve(&registry).await?;
    let arena = AvroSchema::parse(schema.source(), Strictness::Stored, &Limits::default())?;
    let values = avro_values::generate(&arena)?;
    let serializer = AvroSerializer::with_codec(registry, serializer, JsonCodec::tagged());
    measure(&args, Producer::new(config, BytesSerializer, serializer)?, &values).await
}

fn config(args: &PerfProduceArgs) -> anyhow::Result<ProducerConfig> {
    let servers = ("bootstrap.servers", args.bootstrap_servers.as_str());
    let given = args.producer_props.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    Ok(ProducerConfig::from_properties(std::iter::once(servers).chain(given))?)
}

async fn measure<V: Clone + Send + Sync + 'static>(
    args: &PerfProduceArgs,
    producer: Producer<Bytes, V>,
    values: &[V],
) -> anyhow::Result<()> {
    if args.output == Output::Text && args.warmup > 0 {
        output::write(warmup_line(args.warmup).as_bytes())?;
    }
    let mut interrupt = Interrupt::listen()?;
    let (started, cpu_before) = (Instant::now(), usage::cpu_s());
    let stats = Arc::new(Stats::new(args.warmup, started));

    let sent = tokio::select! {
        sent = send(args, &producer, values, &stats) => sent,
        Err(ended) = report_progress(args, &stats) => Err(ended),
        interrupted = interrupt.wait() => Err(interrupted.into()),
    };

    let ended = Instant::now();
    let cpu_s = usage::cpu_s().zip(cpu_before).map(|(after, before)| after - before);
    let metrics = producer.metrics();
    // What has no answer when the run is cut short is neither delivered nor failed.
    let outcome = stats.outcome();
    let closed = producer.close(Duration::ZERO).await;
    let report = Report::new(&args.topic, &outcome, ended, cpu_s, &metrics);
    output::write(
        match args.output {
            Output::Text if args.print_metrics => report.lines() + &metric_lines(&metrics),
            Output::Text => report.lines(),
            Output::Json => serde_json::to_string(&report)? + "\n",
        }
        .as_bytes(),
    )?;
    sent?;
    closed?;
    match outcome.first_failure {
        Some(error) => Err(anyhow!(error).context(format!("{} records were not delivered; the first", outcome.failed))),
        None => Ok(()),
    }
}

/// Sends what was asked for, and waits for the answers.
async fn send<V: Clone + Send + Sync + 'static>(
    args: &PerfProduceArgs,
    producer: &Producer<Bytes, V>,
    values: &[V],
    stats: &Arc<Stats>,
) -> anyhow::Result<()> {
    let taken = send_all(args, producer, values, stats).await;
    producer.flush().await;
    taken
}

async fn send_all<V: Clone + Send + Sync + 'static>(
    args: &PerfProduceArgs,
    producer: &Producer<Bytes, V>,
    values: &[V],
    stats: &Arc<Stats>,
) -> anyhow::Result<()> {
    let rate = (args.throughput > 0.0).then_some(args.throughput);
    let mut pace = Pace::new(rate, tokio::time::Instant::now());
    let topic: Arc<str> = args.topic.as_str().into();
    let values = values.iter().cycle();
    for (_, value) in (0..args.num_records).zip(values) {
        pace.next().await;
        let (stats, sent_at) = (stats.clone(), Instant::now());
        let count = move |result: Result<RecordMetadata, ProduceError>| {
            let bytes = result.map(|landed| landed.serialized_value_bytes.unwrap_or(0));
            stats.answered(bytes, sent_at, Instant::now());
        };
        let record = ProducerRecord::to(Arc::clone(&topic)).value(value.clone());
        let taken = producer.send_with_callback(record, count).await;
        taken.map_err(|refused| without_the_record(refused.error))?;
    }
    Ok(())
}

impl PerfProduceArgs {
    fn interval(&self) -> Duration {
        Duration::from_millis(self.reporting_interval.max(1))
    }
}

/// Prints a line now and then, for ever, from the first answer on: until then, what the producer has to say of its
/// broker is not to be covered by zeros.
async fn report_progress(args: &PerfProduceArgs, stats: &Stats) -> anyhow::Result<Infallible> {
    if args.output == Output::Json {
        return std::future::pending().await;
    }
    loop {
        let (now, ends) = (Instant::now(), stats.window_started() + args.interval());
        // The window may be another by then, which ends later.
        if now < ends {
            tokio::time::sleep_until(ends.into()).await;
            continue;
        }
        let window = stats.take_window(now);
        if stats.has_answers() {
            output::write(window_lines(&window, now).as_bytes())?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_minus_one_or_can_be_kept() {
        assert_eq!(rate("-1"), Ok(-1.0));
        assert_eq!(rate("0.5"), Ok(0.5));
        for odd in ["0", "-2", "NaN", "inf", "1e-300", "fast"] {
            assert!(rate(odd).unwrap_err().contains(odd), "{odd}");
        }
    }
}
