//! Reads a topic and prints its orders: `cargo run --example reader`.
//!
//! Needs a broker on 9092 and a registry on 8081.

use avro_serde::{AvroDeserializer, DeserializerConfig, SchemaRegistry};
use producer_core::reader::{PartitionReader, ReaderConfig, StartOffset, list_partitions};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
struct Order {
    id: i64,
    item: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let registry = SchemaRegistry::connect("http://localhost:8081")?;
    let deserializer = AvroDeserializer::<Order>::new(registry, DeserializerConfig::new());
    let brokers = ReaderConfig::new("localhost:9092");
    for partition in list_partitions(&brokers, "orders").await? {
        let mut reader = PartitionReader::open(&brokers, "orders", partition, StartOffset::Earliest).await?;
        for record in reader.read_to_end().await? {
            if let Some(bytes) = record.value {
                let Order { id, item } = deserializer.deserialize(&bytes).await?;
                println!("order {id}: {item}");
            }
        }
    }
    Ok(())
}
