//! Apache Kafka from its Maven jars: a cluster of one node, or of three, in a temporary folder.

mod node;
mod probe;

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use self::node::Node;
use crate::cache;
use crate::services::ports::free_port;

pub use self::node::VERSION;
pub use self::probe::create_topic;

/// How long nodes may take to be ready. Seconds on a quiet machine, up to a minute on a loaded one.
const START_DEADLINE: Duration = Duration::from_secs(180);

/// How long a node may take to stop when asked to; it hands over its partitions first.
const STOP_PATIENCE: Duration = Duration::from_secs(60);

/// A running cluster; its nodes are stopped when it is dropped.
#[derive(Debug)]
pub struct Kafka {
    // Before the folder: the nodes are stopped first, then their data is removed.
    nodes: Vec<Node>,
    #[expect(dead_code, reason = "held for its Drop, which removes the folder")]
    folder: TempDir,
}

impl Kafka {
    /// Starts a cluster of `node_count` nodes and waits until it takes records.
    ///
    /// # Errors
    /// The jars are missing, or the cluster was not ready in time; the message has the end of the broker's log.
    pub fn start(node_count: usize) -> Result<Self> {
        let jars = cache::entry(&format!("kafka-{VERSION}/complete"))?.with_file_name("libs");
        let folder = tempfile::Builder::new().prefix("kafka-").tempdir()?;
        let mut nodes = Node::layout(node_count, folder.path(), &jars, || Ok((free_port()?, free_port()?)))?;
        node::format(&nodes)?;
        for node in &mut nodes {
            node.start()?;
        }
        let mut kafka = Self { nodes, folder };
        kafka.wait_until_ready()?;
        Ok(kafka)
    }

    /// The single-node cluster that all tests of this process share; the first caller starts it.
    ///
    /// Tests keep apart by topic names. Whoever stops nodes starts a cluster of their own.
    ///
    /// # Errors
    /// As [`Kafka::start`].
    pub fn shared() -> Result<&'static Self> {
        static SHARED: Mutex<Option<&'static Kafka>> = Mutex::new(None);
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kafka) = *shared {
            return Ok(kafka);
        }
        // Lives until the test process ends; its guard stops it then.
        let kafka: &'static Self = Box::leak(Box::new(Self::start(1)?));
        *shared = Some(kafka);
        Ok(kafka)
    }

    /// The addresses of [`Kafka::shared`].
    ///
    /// # Errors
    /// As [`Kafka::start`].
    pub fn shared_bootstrap_servers() -> Result<String> {
        Ok(Self::shared()?.bootstrap_servers())
    }

    /// Bytes that the record batches of a topic take on the disks of all nodes.
    ///
    /// # Errors
    /// The data folder cannot be read.
    pub fn log_bytes(&self, topic: &str) -> Result<u64> {
        self.nodes.iter().map(|node| node.log_bytes(topic)).sum()
    }

    /// `host:port` of every node, separated by commas.
    #[must_use]
    pub fn bootstrap_servers(&self) -> String {
        self.nodes.iter().map(Node::address).collect::<Vec<_>>().join(",")
    }

    /// Stops a node in an orderly way; its data and ports stay its own.
    ///
    /// # Errors
    /// It did not stop when asked to and was killed.
    pub fn stop_node(&mut self, index: usize) -> Result<()> {
        self.nodes[index].stop(STOP_PATIENCE)
    }

    /// Kills a node, as a crash of its machine would.
    pub fn kill_node(&mut self, index: usize) {
        self.nodes[index].kill();
    }

    /// Starts a stopped node on the same ports and data, and waits until the cluster takes records again.
    ///
    /// # Errors
    /// As [`Kafka::start`].
    pub fn start_node(&mut self, index: usize) -> Result<()> {
        self.nodes[index].start()?;
        self.wait_until_ready()
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let addresses: Vec<String> = self.nodes.iter().map(Node::address).collect();
        let mut probe = probe::Probe::new(&addresses);
        crate::wait_for("Kafka to list every broker and take a record", START_DEADLINE, || {
            // A dead node cannot become ready: the closure's error is only the last thing seen, so it is kept.
            self.check_nodes().map_or_else(|dead| Ok(Err(dead)), |()| probe.attempt().map(Ok))
        })
        .with_context(|| self.log_tails())?
    }

    fn check_nodes(&mut self) -> Result<()> {
        self.nodes.iter_mut().try_for_each(Node::check_running)
    }

    fn log_tails(&self) -> String {
        self.nodes.iter().map(Node::log_tail).collect::<Vec<_>>().join("\n")
    }
}

/// `java -cp LIBS/*`, with what makes a short-lived virtual machine cheap.
fn java(jars: &Path) -> std::process::Command {
    let mut command = std::process::Command::new("java");
    command.args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx512m", "-cp"]).arg(jars.join("*"));
    command
}
