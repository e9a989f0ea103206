//! Reads a topic and prints its orders: `cargo run --example reader`.
//!
//! Needs a broker and a registry: on ports 9092 and 8081 of this machine, or where the arguments say
//! (`-- HOST:PORT http://HOST:PORT`).

use avro_serde::{AvroDeserializer, DeserializerConfig, SchemaRegistry};
use producer_core::reader::{PartitionReader, ReaderConfig, StartOffset, list_partitions};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
struct Order {
    id: i64,
    item: String,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut addresses = std::env::args().skip(1);
    let brokers = addresses.next().unwrap_or("localhost:9092".to_owned());
    let registry = SchemaRegistry::connect(&addresses.next().unwrap_or("http://localhost:8081".to_owned()))?;
    let deserializer = AvroDeserializer::<Order>::new(registry, DeserializerConfig::new());
    let config = ReaderConfig::new(&brokers);
    for partition in list_partitions(&config, "orders").await? {
        let mut reader = PartitionReader::open(&config, "orders", partition, StartOffset::Earliest).await?;
        for record in reader.read_to_end().await? {
            if let Some(bytes) = record.value {
                let Order { id, item } = deserializer.deserialize(&bytes).await?;
                println!("order {id}: {item}");
            }
        }
    }
    Ok(())
}
