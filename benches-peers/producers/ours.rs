//! Produces with this repository's producer, as `compare.py` asks.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use benches_peers::load::{Load, Run};
use bytes::Bytes;
use producer_core::serializer::BytesSerializer;
use producer_core::{Producer, ProducerConfig, ProducerRecord};

fn main() -> Result<(), Box<dyn Error>> {
    let load = Load::from_arguments()?;
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(produce(&load))
}

async fn produce(load: &Load) -> Result<(), Box<dyn Error>> {
    let config = ProducerConfig::from_properties([
        ("bootstrap.servers", load.servers.as_str()),
        ("batch.size", &load.batch),
        ("compression.type", &load.codec),
    ])?;
    let producer: Producer<Bytes, Bytes> = Producer::new(config, BytesSerializer, BytesSerializer)?;
    let topic: Arc<str> = load.topic.as_str().into();
    let run = Run::start(load);
    for number in 0..load.records {
        run.pace(number).await;
        let mut record = ProducerRecord::to(topic.clone()).value(load.value.clone());
        record.key = load.key(number).cloned();
        let sent_at = run.now();
        let delivered = move |result: Result<_, _>| {
            if result.is_ok() {
                run.acknowledged(sent_at);
            }
        };
        producer.send_with_callback(record, delivered).await?;
    }
    producer.flush().await;
    let elapsed = run.elapsed();
    producer.close(Duration::ZERO).await?;
    run.report(elapsed);
    Ok(())
}
