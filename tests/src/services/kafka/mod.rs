//! Apache Kafka from its Maven jars: a cluster of one node, or of three, in a temporary folder.

mod dump;
mod node;
mod probe;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use self::node::{Node, Ports, ProxiedPorts};
use crate::cache;
use crate::services::ports::free_port;
use crate::services::proxy::Proxy;
use crate::services::shared::Shared;

pub use self::dump::StoredBatch;
pub use self::node::VERSION;
pub use self::probe::{add_partitions, create_topic, delete_topic};

/// How long nodes may take to be ready. Seconds on a quiet machine, up to a minute on a loaded one.
const START_DEADLINE: Duration = Duration::from_secs(180);

/// How long a node may take to stop when asked to; it hands over its partitions first.
const STOP_PATIENCE: Duration = Duration::from_secs(60);

/// A running cluster; its nodes are stopped when it is dropped.
#[derive(Debug)]
pub struct Kafka {
    // Before the folder: the nodes are stopped first, then their data is removed.
    nodes: Vec<Node>,
    /// One per node, or none.
    proxies: Vec<Proxy>,
    #[expect(dead_code, reason = "held for its Drop, which removes the folder")]
    folder: TempDir,
}

impl Kafka {
    /// Starts a cluster of `node_count` nodes and waits until it takes records.
    ///
    /// # Errors
    /// The jars are missing, or the cluster was not ready in time; the message has the end of the broker's log.
    pub fn start(node_count: usize) -> Result<Self> {
        let ports = || Ok(Ports { client: free_port()?, controller: free_port()?, proxied: None });
        let ports = (0..node_count).map(|_| ports()).collect::<Result<Vec<_>>>()?;
        Self::start_on(&ports, Vec::new())
    }

    /// As [`Kafka::start`], with a second address per node that leads through a [`Proxy`] of its own:
    /// [`Kafka::proxied_bootstrap_servers`].
    ///
    /// # Errors
    /// As [`Kafka::start`].
    pub fn start_behind_proxies(node_count: usize) -> Result<Self> {
        let (mut ports, mut proxies) = (Vec::new(), Vec::new());
        for _ in 0..node_count {
            let listening = free_port()?;
            let proxy = Proxy::start(listening)?;
            let proxied = Some(ProxiedPorts { listening, advertised: proxy.port() });
            ports.push(Ports { client: free_port()?, controller: free_port()?, proxied });
            proxies.push(proxy);
        }
        Self::start_on(&ports, proxies)
    }

    fn start_on(ports: &[Ports], proxies: Vec<Proxy>) -> Result<Self> {
        let jars = cache::entry(&format!("kafka-{VERSION}/complete"))?.with_file_name("libs");
        let folder = tempfile::Builder::new().prefix("kafka-").tempdir()?;
        let mut nodes = Node::layout(folder.path(), &jars, ports)?;
        node::format(&nodes)?;
        for node in &mut nodes {
            node.start()?;
        }
        let mut kafka = Self { nodes, proxies, folder };
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
        static SHARED: Shared<Kafka> = Shared::new();
        SHARED.or_start(|| Self::start(1))
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

    /// As [`Kafka::bootstrap_servers`], through the proxies; empty without.
    #[must_use]
    pub fn proxied_bootstrap_servers(&self) -> String {
        self.proxies.iter().map(|proxy| format!("127.0.0.1:{}", proxy.port())).collect::<Vec<_>>().join(",")
    }

    /// The index of the node that leads a partition.
    ///
    /// # Errors
    /// The partition has no leader, or not all its replicas are in sync.
    pub fn leader_of(&self, topic: &str, partition: i32) -> Result<usize> {
        let leader = probe::leader_of(&self.bootstrap_servers(), topic, partition)?;
        self.nodes.iter().position(|node| node.address() == leader).context("the leader is no node of this cluster")
    }

    /// The proxies, one per node, or none.
    #[must_use]
    pub fn proxies(&self) -> &[Proxy] {
        &self.proxies
    }

    /// Every batch of a topic as Kafka's own `DumpLogSegments` sees it, on the disks of all nodes.
    ///
    /// # Errors
    /// The tool failed or printed what is not understood.
    pub fn dump_batches(&self, topic: &str) -> Result<Vec<StoredBatch>> {
        let segments = self.nodes.iter().map(|node| node.segments(topic)).collect::<Result<Vec<_>>>()?;
        dump::batches(&segments.concat())
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

    /// Freezes a node (SIGSTOP): its connections stay open and nothing is answered.
    ///
    /// # Errors
    /// The signal could not be sent.
    pub fn pause_node(&mut self, index: usize) -> Result<()> {
        self.nodes[index].pause()
    }

    /// Lets a frozen node go on (SIGCONT) and waits until the cluster takes records with every replica in sync.
    ///
    /// # Errors
    /// As [`Kafka::start`].
    pub fn resume_node(&mut self, index: usize) -> Result<()> {
        self.nodes[index].resume()?;
        self.wait_until_ready()
    }

    /// Brings everything back that a test may have left down, frozen or cut.
    ///
    /// # Errors
    /// As [`Kafka::start`].
    pub fn mend(&mut self) -> Result<()> {
        self.proxies.iter().for_each(Proxy::open);
        for node in &mut self.nodes {
            node.resume()?;
            if !node.is_started() {
                node.start()?;
            }
        }
        self.wait_until_ready()
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
pub(super) fn java(jars: &Path) -> std::process::Command {
    let mut command = std::process::Command::new("java");
    command.args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx512m", "-cp"]).arg(jars.join("*"));
    command
}
