//! Sends flights through a producer and counts what is acknowledged.

use std::collections::BTreeMap;
use std::ops::Add;
use std::time::{Duration, Instant};

use anyhow::Context;
use avro_serde::AvroSerializer;
use indicatif::{ProgressBar, ProgressStyle};
use producer_core::serializer::StringSerializer;
use producer_core::{Delivery, Producer, ProducerConfig, ProducerRecord};
use serde::Serialize;

use super::Stage;
use super::flights::{Flight, FlightWithCause};
use crate::output::say;

/// How long a producer may take to end; the demo sends for a second or two.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(60);

/// Deliveries held before they are awaited; bounds the memory of the demo.
const DELIVERIES_HELD: usize = 10_000;

/// What was sent and acknowledged.
#[derive(Debug, Default)]
pub(super) struct Streamed {
    pub(super) records: u64,
    pub(super) bytes: u64,
    pub(super) by_partition: BTreeMap<i32, u64>,
    elapsed: Duration,
}

impl Streamed {
    pub(super) fn records_per_second(&self) -> f64 {
        self.records as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }
}

impl Add for Streamed {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        self.records += other.records;
        self.bytes += other.bytes;
        self.elapsed += other.elapsed;
        for (partition, records) in other.by_partition {
            *self.by_partition.entry(partition).or_default() += records;
        }
        self
    }
}

/// A flight of either version.
pub(super) trait Keyed: Serialize + Clone + Send + Sync + 'static {
    /// The key of its record.
    fn key(&self) -> &str;
}

impl Keyed for Flight {
    fn key(&self) -> &str {
        &self.carrier
    }
}

impl Keyed for FlightWithCause {
    fn key(&self) -> &str {
        &self.carrier
    }
}

/// Sends the flights as often as the demo repeats them, and waits until all are acknowledged.
pub(super) async fn send<T: Keyed>(
    stage: &Stage,
    serializer: AvroSerializer<T>,
    flights: &[T],
) -> anyhow::Result<Streamed> {
    let config = ProducerConfig::new(&stage.bootstrap_servers);
    let producer: Producer<String, T> = Producer::new(config, StringSerializer, serializer)?;
    let total = flights.len() as u64 * u64::from(stage.repeat);
    let bar = progress_bar(total);
    let (started, mut streamed) = (Instant::now(), Streamed::default());
    let mut deliveries = Vec::with_capacity(DELIVERIES_HELD);
    for flight in (0..stage.repeat).flat_map(|_| flights) {
        let record = ProducerRecord::to(stage.topic.as_str()).key(flight.key()).value(flight.clone());
        // The record inside a `SendError` is no cause to be printed.
        deliveries.push(producer.send(record).await.map_err(|refused| refused.error)?);
        if deliveries.len() == DELIVERIES_HELD {
            count(&mut deliveries, &mut streamed).await?;
            bar.set_position(streamed.records);
        }
    }
    count(&mut deliveries, &mut streamed).await?;
    streamed.elapsed = started.elapsed();
    bar.finish_and_clear();
    producer.close(CLOSE_TIMEOUT).await?;
    say!("   {} records sent, {:.0} records/s", streamed.records, streamed.records_per_second())?;
    Ok(streamed)
}

async fn count(deliveries: &mut Vec<Delivery>, streamed: &mut Streamed) -> anyhow::Result<()> {
    for delivery in deliveries.drain(..) {
        let landed = delivery.await.context("a flight was not delivered")?;
        streamed.records += 1;
        streamed.bytes +=
            landed.serialized_key_bytes.unwrap_or(0) as u64 + landed.serialized_value_bytes.unwrap_or(0) as u64;
        *streamed.by_partition.entry(landed.partition).or_default() += 1;
    }
    Ok(())
}

/// Drawn on a terminal only.
fn progress_bar(total: u64) -> ProgressBar {
    let bar = ProgressBar::new(total);
    if let Ok(style) = ProgressStyle::with_template("   {bar:40} {pos}/{len} records, {per_sec}") {
        bar.set_style(style);
    }
    bar
}
