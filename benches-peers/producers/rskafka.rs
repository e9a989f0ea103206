//! Produces with rskafka, as `compare.py` asks. It has no idempotence and no partitioner: a batch producer for each
//! partition, keys placed as Java does, and records without a key in rows of about a batch.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::task::Poll;

use benches_peers::load::{BUFFER_BYTES, LINGER, Load, PARTITIONS, Run};
use chrono::Utc;
use futures_util::stream::{FuturesUnordered, StreamExt};
use producer_core::partitioner::murmur2_partition;
use rskafka::client::ClientBuilder;
use rskafka::client::partition::{Compression, UnknownTopicHandling};
use rskafka::client::producer::BatchProducerBuilder;
use rskafka::client::producer::aggregator::RecordAggregator;
use rskafka::record::Record;

fn main() -> Result<(), Box<dyn Error>> {
    let load = Load::from_arguments()?;
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(produce(&load))
}

async fn produce(load: &Load) -> Result<(), Box<dyn Error>> {
    let client = ClientBuilder::new(vec![load.servers.clone()]).build().await?;
    let compression = if load.is_lz4() { Compression::Lz4 } else { Compression::NoCompression };
    let batch_bytes = load.batch_bytes()?;
    let mut producers = Vec::new();
    for partition in 0..PARTITIONS {
        let client = client.partition_client(&load.topic, partition, UnknownTopicHandling::Retry).await?;
        let builder = BatchProducerBuilder::new(Arc::new(client)).with_linger(LINGER).with_compression(compression);
        producers.push(builder.build(RecordAggregator::new(batch_bytes)));
    }
    let row = (batch_bytes / load.value.len().max(1)).max(1) as u64;
    // It has no bound of its own.
    let unanswered_max = BUFFER_BYTES / load.value.len().max(1);

    let run = Run::start(load);
    let mut unanswered = FuturesUnordered::new();
    for number in 0..load.records {
        run.pace(number).await;
        let key = load.key(number);
        let index = match key {
            Some(key) => murmur2_partition(key, PARTITIONS) as usize,
            None => (number / row) as usize % producers.len(),
        };
        let record = Record {
            key: key.map(|key| key.to_vec()),
            value: Some(load.value.to_vec()),
            headers: BTreeMap::new(),
            timestamp: Utc::now(),
        };
        let (producer, sent_at) = (&producers[index], run.now());
        unanswered.push(async move {
            let sent = producer.produce(record).await;
            if sent.is_ok() {
                run.acknowledged(sent_at);
            }
        });
        // A record is taken when its future is polled.
        while let Poll::Ready(Some(())) = futures_util::poll!(unanswered.next()) {}
        tokio::task::consume_budget().await;
        while unanswered.len() >= unanswered_max {
            unanswered.next().await;
        }
    }
    while unanswered.next().await.is_some() {}
    run.report(run.elapsed());
    Ok(())
}
