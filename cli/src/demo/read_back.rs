//! Reads the topic from the start with the schema of version 1.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use avro_serde::codec::Schema;
use avro_serde::{AvroDeserializer, DeserializerConfig, SchemaKey, SchemaRegistry};
use producer_core::reader::{PartitionReader, ReaderConfig, StartOffset, list_partitions};

use super::Stage;
use super::flights::{Flight, SCHEMA_V1};

/// What was read.
#[derive(Debug)]
pub(super) struct ReadBack {
    /// How many records carry each schema.
    pub(super) by_schema: BTreeMap<SchemaKey, u64>,
}

impl ReadBack {
    pub(super) fn records(&self) -> u64 {
        self.by_schema.values().sum()
    }
}

/// Reads every partition to its end; each record must be a flight under its own key.
pub(super) async fn run(stage: &Stage, registry: &SchemaRegistry, expected: u64) -> anyhow::Result<ReadBack> {
    let config = ReaderConfig::new(&stage.bootstrap_servers);
    let reader_schema = Schema::parse(SCHEMA_V1)?;
    let deserializer =
        AvroDeserializer::<Flight>::new(registry.clone(), DeserializerConfig::new().reader_schema(reader_schema));
    let mut read = ReadBack { by_schema: BTreeMap::new() };
    for partition in list_partitions(&config, &stage.topic).await? {
        let mut reader = PartitionReader::open(&config, &stage.topic, partition, StartOffset::Earliest).await?;
        while let Some(batch) = reader.next_batch().await? {
            for record in batch {
                let at = || format!("partition {partition}, offset {}", record.offset);
                let decoded = deserializer.deserialize_record(record.value.as_deref(), []).await.with_context(at)?;
                let decoded = decoded.with_context(at)?;
                let is_own_key = record.key.as_deref() == Some(decoded.value.carrier.as_bytes());
                ensure!(is_own_key, "{}: the key is not the flight's carrier", at());
                *read.by_schema.entry(decoded.schema_key).or_default() += 1;
            }
        }
    }
    let records = read.records();
    ensure!(records == expected, "{expected} records were acknowledged and {records} are in the topic");
    Ok(read)
}
