//! `sr consume`: a topic's records as JSON lines, decoded through the registry.

use std::time::Duration;

use avro_serde::codec::{OrderedJson, OrderedJsonCodec};
use avro_serde::registry::without_user;
use avro_serde::{AvroDeserializer, DeserializerConfig, JsonCodec, SchemaId, SchemaKey, SerdeError};
use clap::{Args, ValueEnum};
use producer_core::reader::{PartitionReader, ReaderConfig, StartOffset, StoredRecord, list_partitions};
use schema_core::error_code::ErrorCode;
use serde::Serialize;
use serde_json::{Value, json};

use crate::advice::Asked;
use crate::interrupt::Interrupt;
use crate::number;
use crate::output;
use crate::registry;
use crate::topic;

/// How often a follower asks for what is new.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(200);

/// Where to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum From {
    /// The oldest record; ends at the newest, unless `--follow` is given.
    Start,
    /// What comes from now on, until Ctrl-C.
    End,
}

/// Flags of `sr consume`.
#[derive(Debug, Args)]
pub(crate) struct ConsumeArgs {
    /// Topic to read.
    topic: String,
    /// Kafka brokers, `host:port[,host:port]`.
    #[arg(long, visible_alias = "bootstrap-server", value_name = "SERVERS", default_value = "127.0.0.1:9092")]
    bootstrap_servers: String,
    /// URL of the schema registry.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8081")]
    registry: String,
    /// Where to begin.
    #[arg(long, value_enum, default_value_t = From::Start)]
    from: From,
    /// Goes on with new records until Ctrl-C.
    #[arg(long)]
    follow: bool,
    /// Stops after so many records.
    #[arg(long, short = 'n', value_name = "COUNT", value_parser = number::whole::<u64>)]
    max_records: Option<u64>,
    /// Goes on behind a record that cannot be decoded, with a warning; without it, such a record is the end.
    #[arg(long)]
    skip_unreadable: bool,
}

impl ConsumeArgs {
    /// What advice repeats.
    pub(crate) fn asked(&self) -> Asked {
        Asked {
            command: "consume",
            topic: self.topic.clone(),
            registry: without_user(&self.registry),
            servers: self.bootstrap_servers.clone(),
            value_schema: None,
        }
    }
}

/// Prints records partition by partition; the order inside a partition is that of its offsets.
pub(crate) async fn run(args: ConsumeArgs) -> anyhow::Result<()> {
    topic::check(&args.topic)?;
    let registry = registry::connect(&args.registry)?;
    let mut printer = Printer {
        deserializer: AvroDeserializer::with_codec(registry, DeserializerConfig::new(), JsonCodec::plain().ordered()),
        left: args.max_records.unwrap_or(u64::MAX),
        skipped: args.skip_unreadable.then_some(0),
    };
    let config = ReaderConfig::new(&args.bootstrap_servers);
    let start = match args.from {
        From::Start => StartOffset::Earliest,
        From::End => StartOffset::Latest,
    };
    let mut readers = Vec::new();
    for partition in list_partitions(&config, &args.topic).await? {
        readers.push((partition, PartitionReader::open(&config, &args.topic, partition, start).await?));
    }
    let follows = args.follow || args.from == From::End;
    let mut interrupt = Interrupt::listen()?;
    let consume = async {
        print_all(&mut readers, &mut printer).await?;
        let mut ticks = tokio::time::interval(FOLLOW_INTERVAL);
        while follows && printer.left > 0 {
            ticks.tick().await;
            for (_, reader) in &mut readers {
                reader.extend().await?;
            }
            print_all(&mut readers, &mut printer).await?;
        }
        anyhow::Ok(())
    };
    let done = tokio::select! {
        done = consume => done,
        // A follower has no other end.
        interrupted = interrupt.wait() => if follows { Ok(()) } else { Err(interrupted.into()) },
    };
    if let Some(skipped) = printer.skipped.filter(|skipped| *skipped > 0) {
        let records = if skipped == 1 { "record" } else { "records" };
        output::tell(&format!("{skipped} {records} skipped"));
    }
    done
}

async fn print_all(readers: &mut [(i32, PartitionReader)], printer: &mut Printer) -> anyhow::Result<()> {
    for (partition, reader) in readers {
        while printer.left > 0 {
            let Some(batch) = reader.next_batch().await? else { break };
            printer.print(*partition, &batch).await?;
        }
    }
    Ok(())
}

/// What a record looks like.
#[derive(Debug, Serialize)]
struct Line {
    partition: i32,
    offset: i64,
    timestamp: i64,
    key: Option<String>,
    schema: Option<Value>,
    value: Option<OrderedJson>,
}

struct Printer {
    deserializer: AvroDeserializer<OrderedJson, OrderedJsonCodec>,
    /// Records still to be printed.
    left: u64,
    /// Records that could not be decoded, if they are skipped.
    skipped: Option<u64>,
}

impl Printer {
    async fn print(&mut self, partition: i32, batch: &[StoredRecord]) -> anyhow::Result<()> {
        let mut lines = Vec::new();
        let printed = self.lines(partition, batch, &mut lines).await;
        // What came before a record that ends it is printed.
        output::write(&lines)?;
        printed
    }

    async fn lines(&mut self, partition: i32, batch: &[StoredRecord], lines: &mut Vec<u8>) -> anyhow::Result<()> {
        for record in batch {
            if self.left == 0 {
                break;
            }
            let place = format!("the record at partition {partition}, offset {}", record.offset);
            match (self.line(partition, record).await, &mut self.skipped) {
                (Ok(line), _) => {
                    serde_json::to_writer(&mut *lines, &line)?;
                    lines.push(b'\n');
                    self.left -= 1;
                }
                (Err(error), Some(skipped)) if is_of_the_record(&error) => {
                    *skipped += 1;
                    output::tell(&format!("warning: {place} is skipped: {:#}", anyhow::Error::new(error)));
                }
                (Err(error), _) if is_of_the_record(&error) => {
                    return Err(anyhow::Error::new(error).context(place));
                }
                (Err(error), _) => return Err(error.into()),
            }
        }
        Ok(())
    }

    async fn line(&self, partition: i32, record: &StoredRecord) -> Result<Line, SerdeError> {
        let headers = record.headers.iter().map(|header| (header.key.as_str(), header.value.as_deref()));
        let decoded = self.deserializer.deserialize_record(record.value.as_deref(), headers).await?;
        Ok(Line {
            partition,
            offset: record.offset,
            timestamp: record.timestamp,
            key: record.key.as_deref().map(|key| String::from_utf8_lossy(key).into_owned()),
            schema: decoded.as_ref().map(|decoded| schema(decoded.schema_key)),
            value: decoded.map(|decoded| decoded.value),
        })
    }
}

/// Whether another record may do better. What a registry cannot answer concerns them all, but for an id that it does
/// not have.
pub(crate) fn is_of_the_record(error: &SerdeError) -> bool {
    match error {
        SerdeError::Registry { source, .. } => {
            source.error_code().and_then(ErrorCode::from_number) == Some(ErrorCode::SchemaNotFound)
        }
        _ => true,
    }
}

fn schema(key: SchemaKey) -> Value {
    match key {
        SchemaKey::Id(SchemaId(id)) => json!({ "id": id }),
        SchemaKey::Guid(guid) => json!({ "guid": guid.to_string() }),
    }
}
