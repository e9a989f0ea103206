//! Sends orders as Avro, and registers their schema on the way: `cargo run --example producer`.
//!
//! Needs a broker and a registry: on ports 9092 and 8081 of this machine, or where the arguments say
//! (`-- HOST:PORT http://HOST:PORT`).

use std::time::Duration;

use avro_serde::{AvroSerializer, Schema, SchemaRegistry, SchemaSelection, SerializerConfig};
use producer_core::serializer::StringSerializer;
use producer_core::{Compression, Producer, ProducerConfig, ProducerRecord};

#[derive(serde::Serialize)]
struct Order {
    id: i64,
    item: String,
}

const SCHEMA: &str = r#"{"type": "record", "name": "shop.Order", "fields": [
    {"name": "id", "type": "long"}, {"name": "item", "type": "string"}]}"#;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // Shows the producer's warnings, such as that of a broker that does not answer: they go to `tracing`.
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let mut addresses = std::env::args().skip(1);
    let brokers = addresses.next().unwrap_or("localhost:9092".to_owned());
    let registry = SchemaRegistry::connect(&addresses.next().unwrap_or("http://localhost:8081".to_owned()))?;
    let config = SerializerConfig::new(SchemaSelection::AutoRegister(Schema::parse(SCHEMA)?));
    let values = AvroSerializer::<Order>::new(registry, config);
    let mut config = ProducerConfig::new(&brokers);
    config.linger = Duration::from_millis(20);
    config.compression = Compression::Lz4;
    let producer: Producer<String, Order> = Producer::new(config, StringSerializer, values)?;
    for (id, item) in (1..).zip(["tea", "coffee", "water"]) {
        let record = ProducerRecord::to("orders").key(item).value(Order { id, item: item.to_owned() });
        let landed = producer.send_and_wait(record).await?;
        println!("{item}: partition {}, offset {:?}", landed.partition, landed.offset);
    }
    producer.close(Duration::from_secs(10)).await?;
    Ok(())
}
