//! Produces with confluent-kafka, Confluent's Rust translation of the Java client, as `compare.py` asks.

use std::error::Error;

use benches_peers::load::{Load, Run};
use confluent_kafka::common::serialization::ByteArraySerializer;
use confluent_kafka::producer::{KafkaProducer, Producer, ProducerConfig, ProducerRecord, callback};

fn main() -> Result<(), Box<dyn Error>> {
    let load = Load::from_arguments()?;
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(produce(&load))
}

async fn produce(load: &Load) -> Result<(), Box<dyn Error>> {
    let settings = [
        ("bootstrap.servers", load.servers.clone()),
        ("batch.size", load.batch.clone()),
        ("compression.type", load.codec.clone()),
    ];
    let config = ProducerConfig::new(&settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())?;
    let producer: KafkaProducer<Vec<u8>, Vec<u8>> =
        KafkaProducer::new(config, ByteArraySerializer::default(), ByteArraySerializer::default())?;
    let run = Run::start(load);
    for number in 0..load.records {
        run.pace(number).await;
        let key = load.key(number).map(|key| &key[..]);
        let record = ProducerRecord::with_key(load.topic.clone(), key, Some(&load.value[..]));
        let sent_at = run.now();
        let delivered = callback::new(move |_, error| {
            if error.is_none() {
                run.acknowledged(sent_at);
            }
        });
        producer.send(record, Some(Box::new(delivered))).await?;
    }
    producer.flush().await?;
    let elapsed = run.elapsed();
    producer.close().await?;
    run.report(elapsed);
    Ok(())
}
