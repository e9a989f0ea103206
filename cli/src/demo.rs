//! `sr demo`: one real stream, from a registry over a producer to a broker and back, in a few seconds.
//!
//! Everything runs in this process and is gone afterwards: the registry keeps its database in a
//! temporary folder, and without `--bootstrap-servers` the broker is the fake one.

use std::net::SocketAddr;

use anyhow::Context;
use avro_serde::codec::Schema;
use avro_serde::{AvroSerializer, SchemaId, SchemaKey, SchemaRegistry, SchemaSelection, SerializerConfig};
use clap::Args;
use producer_core::admin::{AdminConfig, NewTopic, create_topic};
use producer_core::testing::{FakeBroker, FakeBrokerConfig};
use registry_server::config::Database;
use registry_server::server::StartError;
use registry_server::{Server, ServerConfig};

mod evolution;
mod flights;
mod read_back;
mod stream;

use flights::{Flight, FlightWithCause, Flights, SCHEMA_V1, SCHEMA_V2};
use read_back::ReadBack;
use stream::Streamed;

use crate::advice::Asked;
use crate::interrupt::Interrupt;
use crate::number;
use crate::output::say;
use crate::topic;

/// Ports tried after the wished one; ten neighbours taken means that something is odd.
const PORTS_TRIED: u16 = 10;
const FAKE_BROKER_NODES: u16 = 3;

/// Flags of `sr demo`.
#[derive(Debug, Clone, Args)]
pub(crate) struct DemoArgs {
    /// Port of the registry; if it is taken, the next free one.
    #[arg(long, default_value_t = 8081, value_parser = number::within(0..=u16::MAX))]
    port: u16,
    /// Real Kafka brokers to use, `host:port[,host:port]`, in place of the built-in fake one.
    #[arg(long, visible_alias = "bootstrap-server", value_name = "SERVERS")]
    bootstrap_servers: Option<String>,
    /// Topic to create and write.
    #[arg(long, default_value = "flights")]
    topic: String,
    /// Partitions of the topic.
    #[arg(long, default_value_t = 6, value_parser = number::within(1..=1_000_i32))]
    partitions: i32,
    /// How often the 5,000 flights are sent.
    #[arg(long, default_value_t = 10, value_parser = number::within(1..=200_u32))]
    repeat: u32,
    /// Stays up until Ctrl-C, to look around with curl or with a client of one's own.
    #[arg(long)]
    keep: bool,
}

impl DemoArgs {
    /// What advice repeats. The registry is the demo's own.
    pub(crate) fn asked(&self) -> Asked {
        Asked {
            command: "demo",
            topic: self.topic.clone(),
            registry: format!("http://127.0.0.1:{}", self.port),
            servers: self.bootstrap_servers.clone().unwrap_or_default(),
            value_schema: None,
        }
    }
}

/// Runs the demo and prints what happens.
pub(crate) async fn run(args: DemoArgs) -> anyhow::Result<()> {
    topic::check(&args.topic)?;
    // Before anything is made, so that whatever ends the demo leaves nothing behind.
    let mut interrupt = Interrupt::listen()?;
    let folder = tempfile::tempdir().context("no temporary folder can be made")?;
    let server = start_registry(args.port, folder.path()).await?;
    let broker = match args.bootstrap_servers {
        Some(_) => None,
        None => Some(start_fake_broker(args.partitions).await?),
    };

    let shown = tokio::select! {
        shown = show(&args, &server, folder.path(), broker.as_ref()) => shown,
        interrupted = interrupt.wait() => Err(interrupted.into()),
    };
    if shown.is_ok() && args.keep {
        // Nothing else ends it.
        interrupt.wait().await;
    }
    server.stop().await;
    if let Some(broker) = broker {
        broker.stop().await;
    }
    folder.close().context("the temporary folder cannot be removed")?;
    shown
}

/// Everything between the start and the end of the servers.
async fn show(
    args: &DemoArgs,
    server: &Server,
    folder: &std::path::Path,
    broker: Option<&FakeBroker>,
) -> anyhow::Result<()> {
    say!("registry   {}  (SQLite in {}, compatibility BACKWARD)", server.url(), folder.display())?;
    let bootstrap_servers = match (&args.bootstrap_servers, broker) {
        (Some(servers), _) => {
            say!("brokers    {servers}")?;
            servers.clone()
        }
        (None, Some(broker)) => {
            let servers = broker.bootstrap_servers();
            say!("broker     {servers}  (built-in fake, {FAKE_BROKER_NODES} nodes, not for production)")?;
            servers
        }
        (None, None) => anyhow::bail!("there is no broker to send to"),
    };
    let DemoArgs { topic, partitions, repeat, .. } = args.clone();
    let stage = Stage { registry_url: server.url(), bootstrap_servers, topic, partitions, repeat };
    stage.create_topic().await?;
    stage.play().await?;
    if args.keep { say!("\nup until Ctrl-C") } else { Ok(()) }
}

async fn start_registry(port: u16, folder: &std::path::Path) -> anyhow::Result<Server> {
    let database = format!("sqlite://{}", folder.join("schema-registry.db").display());
    for candidate in port..=port.saturating_add(PORTS_TRIED) {
        let mut config = ServerConfig::default();
        config.listen = SocketAddr::from(([127, 0, 0, 1], candidate));
        config.database = Database::Url(database.clone());
        match Server::start(config).await {
            Err(StartError::Listen { .. }) => {}
            started => return started.context("the registry cannot be started"),
        }
    }
    anyhow::bail!(
        "the ports {port} to {} are all taken; choose another with `--port`",
        port.saturating_add(PORTS_TRIED)
    )
}

async fn start_fake_broker(partitions: i32) -> anyhow::Result<FakeBroker> {
    let mut config = FakeBrokerConfig::default();
    config.nodes = FAKE_BROKER_NODES;
    // For who looks around, with topics of their own.
    config.auto_create_partitions = Some(partitions);
    FakeBroker::start(config).await.context("the fake broker cannot be started")
}

/// What the acts of the demo share.
struct Stage {
    registry_url: String,
    bootstrap_servers: String,
    topic: String,
    partitions: i32,
    repeat: u32,
}

impl Stage {
    async fn create_topic(&self) -> anyhow::Result<()> {
        let topic = NewTopic::new(&self.topic, self.partitions);
        let created = create_topic(&AdminConfig::new(&self.bootstrap_servers), topic).await;
        match created {
            Err(error) if error.is_already_exists() => Err(anyhow::Error::new(error).context(format!(
                "the demo counts the records of a new topic; delete `{}` or choose another with `--topic`",
                self.topic
            ))),
            created => created.with_context(|| format!("the topic `{}` cannot be created", self.topic)),
        }
    }

    async fn play(&self) -> anyhow::Result<()> {
        let registry = SchemaRegistry::connect(&self.registry_url)?;
        let Flights { before, after } = flights::load()?;
        let subject = format!("{}-value", self.topic);

        say!("\n1. Flights of 2013, keyed by carrier, with version 1 of their schema")?;
        let first = stream::send::<Flight>(self, self.serializer(&registry, SCHEMA_V1)?, &before).await?;
        evolution::print_newest(&registry, &subject).await?;

        say!("\n2. A new release of the producer adds `delay_cause`, with a default: version 2")?;
        let second = stream::send::<FlightWithCause>(self, self.serializer(&registry, SCHEMA_V2)?, &after).await?;
        evolution::print_newest(&registry, &subject).await?;

        say!("\n3. Version 3 would rename `carrier` to `airline`, without an alias")?;
        evolution::print_refusal(&registry, &subject).await?;

        say!("\n4. A reader that knows only version 1 reads everything back")?;
        let sent = first + second;
        let read = read_back::run(self, &registry, sent.records).await?;
        self.print_summary(&sent, &read)
    }

    fn serializer<T: serde::Serialize>(
        &self,
        registry: &SchemaRegistry,
        schema: &str,
    ) -> anyhow::Result<AvroSerializer<T>> {
        let selection = SchemaSelection::AutoRegister(Schema::parse(schema)?);
        Ok(AvroSerializer::new(registry.clone(), SerializerConfig::new(selection)))
    }

    fn print_summary(&self, sent: &Streamed, read: &ReadBack) -> anyhow::Result<()> {
        say!("   {} records read", read.records())?;
        for (schema, records) in &read.by_schema {
            say!("   {records} of them written with schema {schema}")?;
        }
        say!("\nsent       {} records, {} bytes of keys and values", sent.records, sent.bytes)?;
        say!("speed      {:.0} records/s, each acknowledged by all replicas", sent.records_per_second())?;
        for partition in 0..self.partitions {
            let records = sent.by_partition.get(&partition).unwrap_or(&0);
            say!("partition  {partition}: {records} records")?;
        }
        say!("\nto try, while the demo stays up with `--keep`:")?;
        let url = &self.registry_url;
        say!("  curl {url}/subjects")?;
        say!("  curl {url}/subjects/{}-value/versions/latest", self.topic)?;
        for SchemaId(id) in read.by_schema.keys().filter_map(|schema| schema_id(*schema)) {
            say!("  curl {url}/schemas/ids/{id}/schema")?;
        }
        say!("  curl -X PUT {url}/config/{}-value --json '{{\"compatibility\": \"FULL\"}}'", self.topic)?;
        say!("  sr consume {} --bootstrap-servers {} --registry {url}", self.topic, self.bootstrap_servers)
    }
}

fn schema_id(key: SchemaKey) -> Option<SchemaId> {
    match key {
        SchemaKey::Id(id) => Some(id),
        SchemaKey::Guid(_) => None,
    }
}
